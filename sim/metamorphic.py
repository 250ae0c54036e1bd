"""The same operations under other options, and on another backend, give the same answers.

Invariants
- Only operations whose answer is a function of what was done before are compared.
"""

from collections.abc import Callable
from functools import partial
from random import Random

import attrs
import trio

import tempest
from io_backends import Io, VirtualDisk, VirtualIo
from sim import operations as ops
from sim.client import Client
from sim.digest import Digest, word
from sim.followers import Follower
from sim.keepsakes import Content, Keepsakes, Serials
from sim.model import Model
from sim.operations import Operation
from sim.oracle import Violation
from sim.schedule import Schedule, run as run_schedule
from sim.script import Life, OptionSet, Script, make_options
from sim.seeds import Seeds
from sim.service_draw import draw_more_options
from sim.values import first_deposit
from sim.workload import Drawer, Keys, draw_options
from tempest import Position

COMPARED = (
    *(ops.Put, ops.Delete, ops.Batch, ops.Update, ops.Get, ops.GetMany, ops.Scan),
    *(ops.SnapshotOpen, ops.SnapshotRead, ops.SnapshotClose, ops.ScanOpen),
    *(ops.ScanRead, ops.ScanClose, ops.Sync, ops.Flush, ops.Compact),
    *(ops.Transfer, ops.Swap),
)
OPERATIONS_MAX = 40


@attrs.define(eq=False)
class Plain:
    """What a client needs around it, on a sound disk."""

    model: Model
    number: int = 0
    is_dark: bool = False
    is_troubled: bool = False
    common_lock: trio.Lock = attrs.field(factory=trio.Lock)
    digest: Digest = attrs.field(factory=Digest)
    keepsakes: Keepsakes = attrs.field(factory=Keepsakes)
    followers: dict[str, Follower] = attrs.field(factory=dict)
    is_automatic: bool = False
    recovered_position: Position = attrs.field(factory=lambda: Position(0, 0))

    def begin(self, client: int, operation: Operation) -> None:
        """Nothing is counted here."""

    def answer(self, name: str, answer: str) -> None:
        self.digest.note(name, answer)

    def see(self, *values: bytes | None) -> None:
        self.digest.note(*map(word, values))

    def guard(self, check: Callable[[], None]) -> None:
        check()

    def hear(self) -> None:
        """Nothing fails here."""

    def take_error(self, name: str, error: tempest.TempestError) -> None:
        raise Violation("health", f"{name} failed on a sound disk: {error}") from error

    def look(self, store: tempest.Store) -> None:
        """Health and statistics differ from options to options."""

    async def open_twice(self, *, read_only: bool) -> None:
        """Who else opens the store is not compared."""

    def mark(self, situation: str, *, when: bool = True) -> None:
        """Nothing is counted here."""

    async def read_elsewhere(
        self, folder: str, checkpoint: bytes | None
    ) -> tuple[Content, Serials] | None:
        """Nobody else reads."""


@attrs.frozen
class Comparison:
    """One client's operations, and the options to try them under."""

    keys: Keys
    operations: tuple[Operation, ...]
    options: tuple[OptionSet, ...]


def draw_comparison(seed: int, operations: int = 150, sets: int = 40) -> Comparison:
    """Draw operations and option sets."""
    seeds = Seeds(seed).child("metamorphic")
    keys = Keys.draw(seeds.stream("keys"), 1)
    drawn = Drawer(seeds.stream("operations"), keys).client(0, 3 * operations)
    return Comparison(
        keys,
        tuple(op for op in drawn if isinstance(op, COMPARED))[:operations],
        draw_option_sets(seeds.stream("options"), sets),
    )


def draw_option_sets(random: Random, count: int) -> tuple[OptionSet, ...]:
    """Draw options that answers do not depend on."""
    drawn = [draw_options(random) for _ in range(count)]
    return tuple(
        tuple((name, value) for name, value in options if name != "durability")
        + draw_more_options(random)
        for options in drawn
    )


def comparison_of(script: Script) -> Comparison:
    """Return what a script's first client does, to be done under each of its option sets."""
    done = (op for life in script.lives for part in life.clients[:1] for op in part)
    compared = [op for op in done if isinstance(op, COMPARED)]
    return Comparison(
        Keys(script.keys), tuple(compared[:OPERATIONS_MAX]), script.option_sets
    )


async def answers(comparison: Comparison, options: OptionSet, io: Io, path: str) -> str:
    """Perform everything on one backend; return the digest of all answers."""
    owners = comparison.keys.owners()
    plain = Plain(Model(owners, 1 + max(owners.values(), default=0)))
    chosen = make_options(Life(options=options))
    async with tempest.open_store(path, io=io, options=chosen) as store:
        async with store.batch() as batch:
            for key, value in first_deposit().items():
                batch.put(key, value)
        client = Client(plain, 0, store)
        await client.run((*comparison.operations, ops.Scan(), ops.Scan(reverse=True)))
    async with (
        tempest.open_store(path, io=io, options=chosen) as store,
        store.scan() as rows,
    ):
        plain.see(*[part async for row in rows for part in row])
    return plain.digest.hexdigest()


def compare(seed: int, operations: int = 150, sets: int = 40) -> str:
    """Check that all option sets give the same answers on the virtual disk; return them."""
    return check_answers(draw_comparison(seed, operations, sets), seed)


def check_answers(comparison: Comparison, seed: int) -> str:
    """Check that all option sets give the same answers; `seed` decides the interleavings."""
    seen: dict[str, OptionSet] = {}
    for options in comparison.options:
        io = VirtualIo(VirtualDisk())
        run = partial(answers, comparison, options, io, "store")
        seen.setdefault(run_schedule(run, Schedule(Random(seed))), options)
    if len(seen) > 1:
        detail = " | ".join(map(str, seen.values()))
        raise Violation("metamorphic", f"seed {seed}: answers differ under {detail}")
    return next(iter(seen))

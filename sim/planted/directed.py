"""Workloads that go for one rule: short lives, a chosen mix of operations, chosen options.

    draw = Directed(mix={"put": 3, "flush": 1}, options={"segment_bytes_max": 1024}, lives=2)
    draw(7)                         a script, as from `sim.draw`

Invariants
- A directed workload is one that every correct store passes: it says what is done, not what is
  found.
- A script depends on the seed and the direction alone.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Literal

import attrs

from io_backends import CrashPolicy, Fault
from sim.operations import Operation
from sim.script import (
    Damage,
    DamagedFile,
    DamageKind,
    Ending,
    Latency,
    Life,
    Recover,
    Rot,
    RotKind,
    Script,
    When,
)
from sim.seeds import Seeds
from sim.workload import CALM, Drawer, Keys, draw_race

Setting = int | float | str | bool
Options = dict[str, Setting | tuple[Setting, ...]]
EndingKind = Literal["cut", "kill", "close"]


@attrs.frozen(kw_only=True)
class Directed:
    """Draws scripts of one direction; where a tuple is given, each life draws one of it.

    mix          operation kinds of `sim.workload.KINDS` and their weights
    options      by name, one value or a tuple of values; others are calm (`sim.workload.CALM`)
    lives        how many lives end as `endings` say, in turn; one more follows, of `last` operations,
                 that is closed
    io           the ending comes so many Io operations after the last operation, or after the
                 `armed`-th
    nested       crashes during the opening after each life
    faults       what is done to the disk in the first `faulty` lives
    recovers     what the store becomes before each life but the first
    damages      what is done to a twin of the disk after each life, and to which file
    is_closing   the ending comes so many Io operations after the store begins to close
    is_raced     lives that are closed end in a race
    finale       what the first client does last, in each life but the last
    """

    mix: Mapping[str, float]
    options: Mapping[str, Setting | tuple[Setting, ...]] = attrs.field(factory=dict)
    clients: int = 1
    keys: int = 4
    tail: bytes = b""  # what every key ends with
    sizes: tuple[int, ...] = (8, 30)
    levels: tuple[float, float, float] = (0, 0, 1)  # weights of memory, os, disk
    lives: int = 2
    operations: int = 20
    last: int = 0
    endings: tuple[EndingKind, ...] = ("cut",)
    armed: int | None = None
    io: tuple[int, ...] = (0, 1, 2, 3, 5, 8, 13, 21)
    whens: tuple[When, ...] = ("before", "during", "after")
    policies: tuple[CrashPolicy, ...] = (CrashPolicy(), CrashPolicy.drop_all())
    late: tuple[int, ...] = (0,)
    nested: int = 0
    latencies: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.002))
    uncached: tuple[int, ...] = (0,)
    capacities: tuple[int | None, ...] = (None,)
    faults: Callable[[Random], tuple[Fault, ...]] = lambda _: ()
    faulty: int = 99
    rots: tuple[RotKind, ...] = ()
    recovers: tuple[Recover | None, ...] = (None,)
    damages: tuple[tuple[DamageKind, DamagedFile], ...] = ()
    is_closing: bool = False
    is_raced: bool = False
    finale: tuple[Operation, ...] = ()

    def __call__(self, seed: int) -> Script:
        """Draw the script of a seed."""
        seeds = Seeds(seed)
        keys = Keys(
            tuple(
                tuple(
                    b"k%02d.%d" % (number, client) + self.tail
                    for number in range(self.keys)
                )
                for client in range(self.clients)
            )
        )
        drawer = Drawer(
            seeds.stream("swarm"),
            keys,
            weights=dict(self.mix),
            levels=self.levels,
            sizes=self.sizes,
        )
        lives: list[Life] = []
        for number in range(self.lives):
            random = seeds.stream(f"life {number}")
            lives.append(self._life(number, random, drawer))
            lives += [self._opening(random) for _ in range(self.nested)]
        lives.append(self._last(seeds.stream("last"), drawer))
        return Script(seed=seed, keys=keys.of_client, lives=tuple(lives))

    @property
    def _count(self) -> int:
        return self.operations + len(self.finale)

    def _life(self, number: int, random: Random, drawer: Drawer) -> Life:
        kind = self.endings[number % len(self.endings)]
        return Life(
            options=self._options(random),
            clients=self._with_finale(self._operations(drawer, self.operations)),
            latency=self._latency(random),
            uncached=random.choice(self.uncached),
            faults=self.faults(random) if number < self.faulty else (),
            capacity_bytes=random.choice(self.capacities),
            rots=self._rots(random),
            recover=self._recover(random) if number else None,
            damages=self._damages(random),
            race=draw_race(random) if self.is_raced and kind == "close" else (),
            ending=self._ending(random, kind, self.armed or self._count),
        )

    def _opening(self, random: Random) -> Life:
        """Draw a life that ends while the store is opened."""
        return Life(
            options=self._options(random),
            latency=self._latency(random),
            ending=self._ending(random, "cut", 0),
        )

    def _last(self, random: Random, drawer: Drawer) -> Life:
        return Life(
            options=self._options(random),
            clients=self._operations(drawer, self.last),
            latency=self._latency(random),
            rots=self._rots(random),
            recover=self._recover(random),
            damages=self._damages(random),
            race=draw_race(random) if self.is_raced else (),
            ending=Ending(kind="close"),
        )

    def _ending(self, random: Random, kind: EndingKind, operations: int) -> Ending:
        return Ending(
            kind=kind,
            operations=operations,
            io=random.choice(self.io),
            when=random.choice(self.whens),
            seed=random.getrandbits(32),
            policy=random.choice(self.policies),
            late=random.choice(self.late),
            closing=self.is_closing,
        )

    def _operations(
        self, drawer: Drawer, count: int
    ) -> tuple[tuple[Operation, ...], ...]:
        counts = [count // self.clients] * self.clients
        counts[0] += count - sum(counts)
        return tuple(drawer.client(number, part) for number, part in enumerate(counts))

    def _with_finale(
        self, clients: tuple[tuple[Operation, ...], ...]
    ) -> tuple[tuple[Operation, ...], ...]:
        first, *others = clients
        return ((*first, *self.finale), *others)

    def _options(self, random: Random) -> tuple[tuple[str, Setting], ...]:
        chosen: dict[str, Setting] = {**CALM}
        for name, values in self.options.items():
            chosen[name] = (
                random.choice(values) if isinstance(values, tuple) else values
            )
        return tuple(chosen.items())

    def _latency(self, random: Random) -> Latency:
        base, spread = random.choice(self.latencies)
        return Latency(base, spread, random.getrandbits(32))

    def _damages(self, random: Random) -> tuple[Damage, ...]:
        if not self.damages:
            return ()
        kind, file = random.choice(self.damages)
        seed, read_only = random.getrandbits(32), random.random() < 0.3
        return (Damage(kind=kind, file=file, seed=seed, read_only=read_only),)

    def _recover(self, random: Random) -> Recover | None:
        if self.recovers == (None,):
            return None
        return random.choice(self.recovers)

    def _rots(self, random: Random) -> tuple[Rot, ...]:
        if not self.rots:
            return ()
        return (Rot(kind=random.choice(self.rots), seed=random.getrandbits(32)),)

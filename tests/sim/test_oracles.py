"""Every oracle can fire: each name has a planted bug that it finds, or a wrong answer here.

A wrong answer is put where the oracle looks: into the engine, the disk, or its hands.
"""

import re
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio

import sim
import tempest
from io_backends import FaultyIo, VirtualDisk
from sim import ORACLES, Damage, Ending, Life, RunResult, Script, Violation, run
from sim.faults import Twin
from sim.machine import left_by
from sim.model import Model, Sight
from sim.operations import Flush, Get, Operation, Put, Scan, Swap, Transfer
from sim.planted import named, search
from sim.script import OptionSet
from sim.sights import Lookout, check_common
from sim.structure import Structure
from sim.trial import Found, Trial
from sim.values import account, first_deposit, place

KEYS = (b"a", b"b", b"c")
CLOSE = Ending(kind="close")
SEEDS_MAX = 400  # most take a few
FOUND_BY = {  # by a planted bug that one of its first seeds shows
    "prefix-no-hole": "write-overtakes-the-open-frame",
    "acknowledged-survives": "commit-acknowledges-before-sync",
    "batch-atomic": "write-enters-a-batch-one-by-one",
    "no-resurrection": "memtable-forgets-the-middle",
    "no-phantom": "scan-yields-tombstones",
    "read-your-writes": "memtable-overwrites-what-is-visible",
    "snapshot-isolation": "scan-sees-later-writes",
    "linearizable": "reader-trusts-memory-once",
    "range": "scan-stop-is-inclusive-in-reverse",
    "structure": "log-tail-believed",
    "live-files": "recovery-sweeps-nothing",
    "leak": "close-leaves-tables-open",
    "liveness": "upkeep-stays-in-trouble",
    "stuck": "throttle-lets-nobody-go",
    "undocumented-error": "reader-lets-errors-out",
    "health": "backend-short-write",
    "silent-fault": "write-swallows-an-error",
    "silent-loss": "log-damage-passes-for-a-tear",
    "refused-opening": "commit-retries-a-failed-sync",
    "session": "session-is-opened-twice",
    "checkpoint": "checkpoint-drop-does-nothing",
    "changes": "changes-know-nobody",
    "backup": "backup-lacks-the-log",
    "values": "collection-counts-what-memory-has-overwritten",
}
Patch = pytest.MonkeyPatch
Wrong = Callable[[Patch], RunResult]


def did(*operations: Operation, sets: tuple[OptionSet, ...] = ()) -> RunResult:
    """Perform operations in a life that is closed."""
    life = Life(clients=(operations,), ending=CLOSE)
    return run(Script(keys=(KEYS,), lives=(life,), option_sets=sets))


def crashed(*lives: Life) -> RunResult:
    return run(Script(keys=(KEYS,), lives=(*lives, Life(ending=CLOSE))))


def outcome_pinned(patch: Patch) -> RunResult:
    """What a recovery gave is gone after the next one, and nobody wrote in between."""
    end = left_by

    def blank(ending: Ending, disk: VirtualDisk) -> VirtualDisk:
        return VirtualDisk() if ending.seed == 2 else end(ending, disk)

    patch.setattr("sim.hazards.left_by", blank)
    write = Life(clients=((Put(b"a"),),), ending=Ending(operations=9))
    return crashed(write, Life(ending=Ending(operations=9, seed=2)))


def losing(patch: Patch, key: bytes) -> None:
    """Let batches lose every change of a key but the first."""
    put, first = tempest.Batch.put, first_deposit()[key]

    def put_or_not(self: tempest.Batch, where: bytes, value: bytes) -> None:
        if where != key or value == first:
            put(self, where, value)

    patch.setattr(tempest.Batch, "put", put_or_not)


def bank(patch: Patch) -> RunResult:
    """Money is taken and given to nobody."""
    losing(patch, account(1))
    return did(Transfer(0, 1, 5), Scan())


def ring(patch: Patch) -> RunResult:
    """Of a swap, one of three changes is lost."""
    losing(patch, place(0))
    return did(Swap(0, 2), Scan(reverse=True))


def metamorphic(patch: Patch) -> RunResult:
    """What a read gives depends on the size of the blocks."""
    get = tempest.Store.get

    async def wrong(self: tempest.Store, key: bytes) -> bytes | None:
        found = await get(self, key)
        return None if self.options.block_bytes == 512 else found

    patch.setattr(tempest.Store, "get", wrong)
    patch.setattr("sim.client.Client._lookout", lambda *_: Blind())
    sets = tuple((("block_bytes", size),) for size in (512, 4096))
    return did(Put(b"a"), Get(b"a"), sets=sets)


class Blind:
    """Sees nothing wrong: what differs is left to the comparison."""

    def value(self, key: bytes, value: bytes | None) -> None: ...

    def rows(self, scan: Scan, rows: object) -> None: ...


def structure(patch: Patch) -> RunResult:
    """A level that a store was closed with is another one when it is opened."""

    def forget(self: Structure, _: tempest.Store) -> None:
        self._closed_levels = ()

    patch.setattr(Structure, "closed", forget)
    return did(Put(b"a"), Flush())


def structure_after_a_cut(patch: Patch) -> RunResult:
    """A level that a quiet store was cut with is another one when it is opened."""
    picture = Structure.picture

    def changed(self: Structure, store: tempest.Store) -> object:
        taken = picture(self, store)
        return attrs.evolve(taken, before=None if taken.before is None else ())

    patch.setattr(Structure, "picture", changed)
    quiet = Ending(operations=9, seed=1)
    return crashed(Life(clients=((Put(b"a"), Flush()),), ending=quiet))


def frozen_disk(patch: Patch) -> RunResult:
    """A write that was under way reaches the disk of a process that is no more."""
    freeze = VirtualDisk.freeze

    def leaking(self: VirtualDisk) -> Callable[[], list[str]]:
        changed = freeze(self)
        self.overwrite(self.files()[0], 0, b"late")
        return changed

    patch.setattr(VirtualDisk, "freeze", leaking)
    return crashed(Life(clients=((Put(b"a"),),), ending=Ending(operations=9)))


def needless_loss(patch: Patch) -> RunResult:
    """A store with a damaged table blames a file that is sound."""
    look = Trial._look_at

    async def blaming(
        self: Trial, twin: Twin, disk: VirtualDisk
    ) -> tuple[Found, FaultyIo]:
        found, io = await look(self, twin, disk)
        found.error = tempest.CorruptionError("store/lock", 0, "it is not")
        return found, io

    patch.setattr(Trial, "_look_at", blaming)
    damages = (Damage(kind="rot", file="table"),)
    clients = ((Put(b"a"), Flush()),)
    life = Life(clients=clients, ending=CLOSE, damages=damages)
    return run(Script(keys=(KEYS,), lives=(life,)))


WRONG: tuple[tuple[str, Wrong], ...] = (
    ("outcome-pinned", outcome_pinned),
    ("bank", bank),
    ("ring", ring),
    ("metamorphic", metamorphic),
    ("structure", structure),
    ("structure", structure_after_a_cut),
    ("frozen-disk", frozen_disk),
    ("needless-loss", needless_loss),
)


@pytest.mark.parametrize(
    ("name", "wrong"), WRONG, ids=[wrong.__name__ for _, wrong in WRONG]
)
def test_a_wrong_answer_fires(name: str, wrong: Wrong, monkeypatch: Patch) -> None:
    result = wrong(monkeypatch)
    assert result.verdict == name, result.detail
    monkeypatch.undo()


@pytest.mark.parametrize(("name", "bug"), FOUND_BY.items())
def test_a_planted_bug_fires(name: str, bug: str) -> None:
    start = 0
    while found := search(named(bug), start, SEEDS_MAX - start):
        if found.verdict == name:
            return
        start = found.seed + 1  # another oracle was faster there
    pytest.fail(f"no seed below {SEEDS_MAX} shows {bug} to {name}")


def test_every_oracle_fires_and_is_named_by_a_check() -> None:
    assert {*FOUND_BY, *(name for name, _ in WRONG)} == set(ORACLES)
    folder = Path(sim.__file__).parent
    checks = [p for p in folder.glob("*.py") if p.name != "oracle.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in checks)
    assert [n for n in ORACLES if not re.search(f'"{n}"', source)] == []


def test_a_store_that_does_not_come_back_says_where_its_tasks_wait(
    monkeypatch: Patch,
) -> None:
    async def waits(_: tempest.Store) -> None:
        await trio.sleep(10_000.0)

    monkeypatch.setattr(tempest.Store, "sync", waits)
    result = did(Put(b"a"))
    assert result.verdict == "liveness"
    assert "maintenance.py" in result.detail


# What was deleted does not come back, whoever looks; bank and ring, wherever they are read.


def look(model: Model, name: str) -> Lookout:
    low = model.acknowledged()
    return Lookout(model, Sight.between(low, model.asked(), name, name))


@pytest.mark.parametrize("name", ["read-your-writes", "snapshot-isolation"])
@pytest.mark.parametrize("how", ["get", "get many", "scan", "reverse scan"])
@pytest.mark.parametrize("is_recovered", [False, True])
def test_what_was_deleted_comes_back(
    how: str, name: str, *, is_recovered: bool
) -> None:
    model = Model({b"a": 0}, 1)
    model.end(model.begin(0, {b"a": b"old"}), "disk")
    model.end(model.begin(0, {b"a": None}), "disk")
    if is_recovered:
        model.rebase({})
    lookout = look(model, name)
    with pytest.raises(Violation, match="no-resurrection"):
        match how:
            case "get":
                lookout.value(b"a", b"old")
            case "get many":
                lookout.values([b"a"], [b"old"])
            case _:
                scan = Scan(reverse=how == "reverse scan")
                lookout.rows(scan, [(b"a", b"old")])


@pytest.mark.parametrize("scan", [Scan(), Scan(reverse=True)])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bank", {account(0): b"1"}),
        ("bank", {account(3): None}),
        ("ring", {place(0): place(2)}),
        ("ring", {place(1): None}),
    ],
)
def test_bank_and_ring_are_checked_wherever_all_is_read(
    name: str, change: dict[bytes, bytes | None], scan: Scan
) -> None:
    changed = first_deposit() | change
    content = {key: value for key, value in changed.items() if value is not None}
    rows = sorted(content.items(), reverse=scan.reverse)
    with pytest.raises(Violation, match=name):
        check_common(content)
    with pytest.raises(Violation, match=name):
        look(Model({b"a": 0}, 1), "snapshot-isolation").rows(scan, rows)

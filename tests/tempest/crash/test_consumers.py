"""A consumer of changes loses the power, or meets an error, at every operation.

It keeps nothing but what it acknowledged. Whenever it resumes it gets the writes of the log in
order, each once, from there on: with those it had before them, all that the store still holds.
"""

from random import Random

import attrs
import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, VirtualDisk, VirtualIo
from io_backends.faults import MUTATING
from sim import run_seeded
from tempest import Change, Durability, Store
from tests.tempest.crash.test_power_cuts import outcomes
from tests.tempest.crash.world import STORE, TINY, power_cut, read_all

OPTIONS = attrs.evolve(TINY, segment_bytes_max=1024, separated_value_bytes_min=150)
OPERATIONS_MAX = 1000
STRIDE = 11  # of the operations that are sampled where not all are tried


@attrs.define
class Followed:
    """What one run wrote and was promised, and what its consumer had acknowledged."""

    disk: VirtualDisk = attrs.field(factory=VirtualDisk)
    writes: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    durable: int = 0
    taken: list[tuple[int, Change]] = attrs.field(factory=list)  # with where to resume
    acknowledged: int = -1  # address, once the consumer is known durably
    operations: int = 0
    is_finished: bool = False

    async def write(self, store: Store, number: int, size: int) -> None:
        row = (b"key-%d" % (number % 4), (b"%d." % number).ljust(size, b"x"))
        level = (Durability.DISK, Durability.OS)[number % 2]
        self.writes.append(row)
        count = len(self.writes)
        await store.put(*row, durability=level)
        if level is Durability.DISK:
            self.durable = count

    async def take(self, store: Store) -> None:
        async with store.changes(consumer="c") as stream:
            if self.acknowledged < 0:
                self.acknowledged = stream.position.address
            while (frame := await stream.poll()) is not None:
                at = frame.position.address
                self.taken += [(at, change) for change in frame.changes]
            wanted = stream.position.address
            await stream.acknowledge()
            self.acknowledged = wanted


async def workload(run: Followed, io: FaultyIo) -> None:
    """Write and take across segments, flushes with large values, a compaction and a reopening."""
    for life in range(2):
        async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
            for number in range(life * 6, life * 6 + 6):
                if number % 3 == 0:
                    await run.take(store)
                await run.write(store, number, 200 if number % 3 else 30)
            await store.flush()
            run.durable = len(run.writes)
            if life:
                await store.compact()
            await run.take(store)
            await run.write(store, 50 + life, 10)
        run.durable = len(run.writes)


def play(plan: FaultPlan) -> Followed:
    """Run the workload until it ends, fails, or the power is gone."""
    run = Followed()
    io = FaultyIo(VirtualIo(run.disk), plan)

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_dark, io, scope)
                try:
                    await workload(run, io)
                    run.is_finished = True
                except* tempest.TempestError:
                    pass
                nursery.cancel_scope.cancel()

    run_seeded(0, main)
    run.operations = io.op_count
    return run


async def cancel_when_dark(io: FaultyIo, scope: trio.CancelScope) -> None:
    await io.power_lost.wait()
    scope.cancel()


def check(story: str, run: Followed, disk: VirtualDisk) -> None:
    """Resume on what a crash has left, and hold it against what was written."""
    after: list[Change] = []
    content: dict[bytes, bytes] = {}
    start: list[int] = []

    async def main() -> None:
        io = VirtualIo(disk)
        async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
            content.update(await read_all(store))
            known = await store.consumers()
            assert run.acknowledged < 0 or "c" in known, f"{story}: it was forgotten"
            if "c" not in known:
                return
            start.append(known["c"].address)
            async with store.changes(consumer="c") as stream:
                while (frame := await stream.poll()) is not None:
                    after.extend(frame.changes)

    run_seeded(0, main)
    if not start:
        return
    assert start[0] >= run.acknowledged, f"{story}: an acknowledgement is gone"
    before = [change for at, change in run.taken if at <= start[0]]
    together = before + after
    rows = [(change.key, change.value) for change in together]
    prefix = run.writes[: len(rows)]
    assert rows == prefix, f"{story}: {rows} is no prefix of {run.writes}"
    assert len(rows) >= run.durable, f"{story}: a promise is broken"
    assert dict(prefix) == content, f"{story}: the store holds something else"
    sequences = [change.sequence for change in together]
    assert sequences == sorted(set(sequences)), story


def test_the_workload_is_small_enough_to_be_cut_everywhere() -> None:
    run = play(FaultPlan())

    assert run.is_finished
    assert run.operations <= OPERATIONS_MAX
    check("no fault", run, run.disk)


def sweep_cuts(count: int, *, stride: int) -> None:
    operations = play(FaultPlan()).operations
    for at in range(0, operations, stride):
        for when in ("before", "during"):
            run = play(power_cut(at, when))
            for seed, disk in enumerate(outcomes(run.disk, count)):
                check(f"cut {when} {at}, outcome {seed}", run, disk)


def sweep_errors(step: int, *, stride: int) -> None:
    operations = play(FaultPlan()).operations
    random = Random(0)
    for at in range(0, operations, stride):
        for turn in range(at % step, 6, step):
            fault = FailOp(
                at=at,
                kinds=MUTATING if turn == 5 else (),
                times=None if turn == 5 else 1,
                error=("EIO", "ENOSPC")[turn % 2],
                effect=("none", "partial", "done")[turn // 2],
            )
            run = play(FaultPlan((fault,)))
            check(f"{fault}, restart", run, run.disk.clone())
            check(f"{fault}, power cut", run, run.disk.crash(random))


def test_a_power_cut_anywhere_costs_a_consumer_nothing() -> None:
    sweep_cuts(1, stride=STRIDE)


def test_an_error_anywhere_costs_a_consumer_nothing() -> None:
    sweep_errors(6, stride=STRIDE)


@pytest.mark.slow
def test_power_cuts_and_errors_in_many_outcomes_cost_a_consumer_nothing() -> None:
    sweep_cuts(6, stride=1)
    sweep_errors(1, stride=1)

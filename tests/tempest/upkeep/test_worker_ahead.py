"""A worker is there when a memtable that fills needs its flush, and nothing depends on it."""

import pytest
import trio
import trio.testing

from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    Slow,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from tempest import Durability, HealthState, Store
from tests.tempest.shelf import evolve, open_on

MEMTABLE = 1 << 20
OPTIONS = evolve(durability=Durability.OS, memtable_bytes_max=MEMTABLE)
JOBS = (OpKind.RUN_JOB,)


async def fill_to(store: Store, share: float) -> None:
    """Write until the memtable is so full."""
    number = 0
    while store.statistics().memtable_bytes < share * MEMTABLE:
        await store.put(b"%d" % number, b"v" * 1000)
        number += 1
    await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("share", "inline", "jobs"), [(0.2, False, 0), (0.4, False, 1), (0.4, True, 0)]
)
async def test_it_is_asked_for_once_a_quarter_is_full(
    share: float, inline: bool, jobs: int
) -> None:
    io = TracingIo(VirtualIo(VirtualDisk()))
    options = evolve(
        durability=Durability.OS,
        memtable_bytes_max=MEMTABLE,
        compaction_inline=inline,
    )
    async with open_on(io, options) as store:
        await fill_to(store, share)
        assert sum(each.op.kind is OpKind.RUN_JOB for each in io.ops) == jobs


async def test_a_flush_does_not_need_it(autojump_clock: trio.testing.MockClock) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, OPTIONS) as store:
        io.plan = FaultPlan((FailOp(kinds=JOBS, times=1),))
        io.log = io.plan.new_log()
        await fill_to(store, 0.5)
        health = store.health()
        assert health.state is HealthState.HEALTHY
        assert "flush" in health.warnings[0]
        await store.flush()
        assert store.statistics().memtable_entries == 0
        assert store.health().warnings == ()


async def test_a_flush_waits_for_one_that_is_on_its_way(
    autojump_clock: trio.testing.MockClock,
) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, OPTIONS) as store:
        io.plan = FaultPlan((Slow(kinds=JOBS, seconds=5.0, times=1),))
        io.log = io.plan.new_log()
        await fill_to(store, 0.5)
        started = trio.current_time()
        await store.flush()
        assert trio.current_time() == pytest.approx(started + 5.0)

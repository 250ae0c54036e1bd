"""Checkpoints, retention and removal that run by themselves: bounded, in order, after any failure."""

import contextlib
from random import Random

import pytest
import trio
import trio.testing

import tempest
from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    Stuck,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from tempest import CheckpointPhase, NotOpenError, Options, Store, Work
from tests.tempest.observed import settle
from tests.tempest.shelf import content_of, evolve, fill, key_of, open_on

EAGER = evolve(checkpoint_log_bytes=8000, checkpoints_kept=2)


async def overwrite(store: Store, rounds: int) -> None:
    """Write the same hundred rows again and again."""
    for _ in range(rounds):
        await fill(store, 100)
        await settle(store)


async def test_automatic_checkpoints_do_not_fill_the_disk(
    autojump_clock: object,
) -> None:
    """R11: a full index every five seconds was never cleaned up."""
    disk = VirtualDisk()
    async with open_on(disk, EAGER) as store:
        await overwrite(store, 20)
        used = disk.used_bytes
        await overwrite(store, 60)
        assert store.maintenance.statistics()[Work.CHECKPOINT].runs > 20
        assert store.maintenance.statistics()[Work.RETENTION].runs > 10
        assert len(await store.checkpoints()) <= EAGER.checkpoints_kept
        assert disk.used_bytes < 2 * used


async def test_retention_leaves_alone_what_somebody_asked_for(
    autojump_clock: object,
) -> None:
    async with open_on(VirtualDisk(), EAGER) as store:
        token = await store.checkpoint()
        await overwrite(store, 20)
        kept = await store.checkpoints()
        assert token in [info.token for info in kept]
        assert sum(info.automatic for info in kept) == EAGER.checkpoints_kept


async def test_the_log_is_retired_under_steady_writes(autojump_clock: object) -> None:
    """H15: the log was cut only when nothing at all was dirty, so it grew without bound."""
    async with open_on(VirtualDisk(), evolve(memtable_bytes_max=8192)) as store:
        most = 0
        for number in range(1500):
            await store.put(key_of(number % 300), b"v" * 100)
            if number % 25 == 0:
                await trio.sleep(0.01)
            most = max(most, store.statistics().log_bytes)
        assert store.statistics().log_durable > 10 * 8192
        assert most < 6 * 8192


async def test_a_reader_of_the_log_keeps_it_and_lets_it_go(
    autojump_clock: object,
) -> None:
    """H15: segments are retired by what is needed, also between two flushes."""
    async with open_on(VirtualDisk()) as store:
        maintenance = store._engine.maintenance  # type: ignore[union-attr]
        floor: list[int] = [0]
        maintenance.log_floors.append(lambda: floor[0] if floor else None)
        await overwrite(store, 10)
        await store.flush()
        kept = store.statistics().log_segments
        assert kept > 5
        floor.clear()
        maintenance.wake(Work.LOG)
        await settle(store)
        assert store.statistics().log_segments <= 2
        assert store.maintenance.statistics()[Work.LOG].runs >= 1


async def operations_of_a_checkpoint(options: Options) -> list[int]:
    """The operations from a write that makes one due until all is quiet, by their index."""
    tracing = TracingIo(VirtualIo(VirtualDisk()))
    async with open_on(tracing, options) as store:
        await fill(store, 50)
        await settle(store)
        tracing.ops.clear()
        await fill(store, 100, size=90)
        await settle(store)
        assert store.maintenance.statistics()[Work.CHECKPOINT].runs == 1
        return [traced.op.index for traced in tracing.ops]


@pytest.mark.parametrize("times", [1, 3])
async def test_an_automatic_checkpoint_that_fails_anywhere_is_made_all_the_same(
    times: int, autojump_clock: object
) -> None:
    """R1, F6, F8: a failure left "in progress" behind, and all later checkpoints failed."""
    options = evolve(checkpoint_log_bytes=8000, memtable_bytes_max=1 << 20)
    indexes = await operations_of_a_checkpoint(options)
    assert len(indexes) > 25
    failed = 0
    for index in indexes:
        disk = VirtualDisk()
        io = FaultyIo(VirtualIo(disk))
        async with open_on(io, options) as store:
            await fill(store, 50)
            await settle(store)
            io.plan = FaultPlan((FailOp(at=index, times=times),))
            io.log = io.plan.new_log()
            await fill(store, 100, size=90)
            await trio.sleep(300)
            io.plan = FaultPlan(())
            found = store.maintenance.statistics()[Work.CHECKPOINT]
            assert found.runs >= 1
            assert found.is_healthy
            assert store.checkpoint_phase is CheckpointPhase.REST
            failed += found.failures
            assert await content_of(store) == await expected()
        dark = disk.crash(Random(index))
        async with open_on(dark, options) as store:
            assert await content_of(store) == await expected()
            newest = (await store.checkpoints())[-1]
            report = await store.validate_checkpoint(newest.token)
            assert not report.problems
    assert failed > 0, "not even the edit that makes a checkpoint"


async def expected() -> dict[bytes, bytes]:
    async with open_on(VirtualDisk()) as store:
        await fill(store, 50)
        await fill(store, 100, size=90)
        return await content_of(store)


async def test_files_go_only_after_the_sync_that_makes_it_safe(
    autojump_clock: object,
) -> None:
    """H6: every removal comes behind a sync of the manifest that is behind the edit."""
    tracing = TracingIo(VirtualIo(VirtualDisk()))
    async with open_on(tracing) as store:
        await overwrite(store, 10)
        await store.compact()
        await settle(store)
        removed = store.statistics().files_removed

    assert removed > 5
    unsynced = True
    count = 0
    for traced in tracing.ops:
        op, path = traced.op, traced.op.path
        if "manifest" in path and op.kind is OpKind.WRITE:
            unsynced = True
        elif "manifest" in path and op.kind is OpKind.SYNC:
            unsynced = False
        elif op.kind is OpKind.REMOVE and "manifest" not in path:
            assert not unsynced, f"{path} went while an edit was on its way"
            count += 1
    assert count >= removed


async def test_no_file_goes_while_the_sync_of_the_manifest_fails(
    autojump_clock: object,
) -> None:
    """H6: and what could not be published is removed later, when the outcome is known."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io) as store:
        await fill(store, 100)
        await store.flush()
        await settle(store)
        await fill(store, 100)
        names = set(await io.list("store"))
        io.plan = FaultPlan(
            (FailOp(kinds=(OpKind.SYNC,), path="*/manifest-*", times=3),)
        )
        io.log = io.plan.new_log()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.compact)
            await trio.testing.wait_all_tasks_blocked()
            during = set(await io.list("store"))
            assert {n for n in names if "table" in n or "log" in n} <= during
        await settle(store)
        tables = sum(level.tables for level in store.statistics().levels)
        left = [name for name in await io.list("store") if "table" in name]
        assert len(left) == tables


async def test_closing_ends_a_checkpoint_with_an_outcome_and_the_next_one_works(
    autojump_clock: object,
) -> None:
    """R13: a checkpoint was aborted mid-way, the final one skipped, and success reported."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    outcomes: list[object] = []

    async def checkpoint(store: Store) -> None:
        try:
            outcomes.append(await store.checkpoint())
        except tempest.CheckpointError as error:
            outcomes.append(error)

    async with trio.open_nursery() as nursery:
        async with open_on(io) as store:
            await fill(store, 50)
            io.plan = FaultPlan((Stuck(kinds=(OpKind.CREATE,), path="*/table-*"),))
            io.log = io.plan.new_log()
            nursery.start_soon(checkpoint, store)
            await trio.testing.wait_all_tasks_blocked()
            before = trio.current_time()
        assert trio.current_time() - before < 2.0
    (outcome,) = outcomes
    assert isinstance(outcome, tempest.CheckpointError)
    assert "closed" in str(outcome)
    async with open_on(disk) as store:
        assert len(await content_of(store)) == 50
        await store.checkpoint()


async def test_closing_lets_work_that_has_begun_end_by_itself(
    autojump_clock: object,
) -> None:
    """R13: what takes less than a moment is not thrown away."""
    disk = VirtualDisk()
    io = VirtualIo(disk, latency=0.005)
    async with open_on(io, evolve(level0_tables_max=100)) as store:
        for _ in range(3):
            await fill(store, 100)
            await store.flush()
        tables = sum(level.tables for level in store.statistics().levels)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(give_up_at_closing, store)
            await trio.testing.wait_all_tasks_blocked(0.001)
            assert Work.COMPACTION in store.maintenance.running
            await store.aclose()
    async with open_on(disk) as store:
        assert sum(level.tables for level in store.statistics().levels) < tables


async def give_up_at_closing(store: Store) -> None:
    with contextlib.suppress(NotOpenError):
        await store.compact()


async def test_closing_cancels_work_that_does_not_end_in_whatever_task_it_is(
    autojump_clock: object,
) -> None:
    """R13: in bounded time, with an outcome for whoever asked for it, and nothing half done."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    outcomes: list[object] = []

    async def compact(store: Store) -> None:
        try:
            await store.compact()
        except tempest.TempestError as error:
            outcomes.append(error)

    async with trio.open_nursery() as nursery:
        async with open_on(io, evolve(level0_tables_max=100)) as store:
            await fill(store, 200)
            await store.flush()
            await fill(store, 200)
            await store.flush()
            await settle(store)
            io.plan = FaultPlan(
                (Stuck(kinds=(OpKind.CREATE,), path="*/table-*", times=None),)
            )
            io.log = io.plan.new_log()
            nursery.start_soon(compact, store)
            await trio.testing.wait_all_tasks_blocked()
            assert Work.COMPACTION in store.maintenance.running
            before = trio.current_time()
        assert 0.5 < trio.current_time() - before < 3.0
    (outcome,) = outcomes
    assert isinstance(outcome, NotOpenError)
    io.release()
    await trio.testing.wait_all_tasks_blocked()
    async with open_on(disk) as store:
        assert len(await content_of(store)) == 200

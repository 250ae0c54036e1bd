"""`store.maintenance`: pausing, running by hand, and what is counted; nothing is skipped in silence."""

import pytest
import trio
import trio.testing

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import Durability, HealthState, Store, Work
from tests.tempest.observed import settle, tables
from tests.tempest.shelf import content_of, evolve, fill, open_on, rows_of

REMOVALS = (OpKind.REMOVE,)


async def flush_often(store: Store, times: int) -> None:
    """Make so many tables of level 0, each of which overlaps all others."""
    for number in range(times):
        await store.put(b"key", b"%d" % number)
        await store.flush()
        await trio.testing.wait_all_tasks_blocked()


async def test_a_pause_holds_automatic_compaction_back_and_counts_it(
    autojump_clock: object,
) -> None:
    """R12: what is skipped is visible, and is made up for."""
    async with open_on(VirtualDisk(), evolve(level0_tables_max=4)) as store:
        store.maintenance.pause()
        await flush_often(store, 5)
        held = store.maintenance.statistics()[Work.COMPACTION]
        assert (held.runs, held.held_back) == (0, 1)
        assert store.maintenance.is_paused
        assert tables(store.statistics()) == 5

        store.maintenance.resume()
        await settle(store)
        done = store.maintenance.statistics()[Work.COMPACTION]
        assert done.runs >= 1
        assert tables(store.statistics()) < 5


async def test_manual_work_and_flushes_run_in_spite_of_a_pause(
    autojump_clock: object,
) -> None:
    async with open_on(VirtualDisk()) as store:
        store.maintenance.pause()
        await fill(store, 200)
        await store.compact()
        assert store.maintenance.statistics()[Work.COMPACTION].runs >= 1
        assert store.maintenance.statistics()[Work.FLUSH].runs >= 1
        token = await store.checkpoint()
        assert [info.token for info in await store.checkpoints()] == [token]


async def test_no_writer_waits_for_the_end_of_a_pause(autojump_clock: object) -> None:
    """What writers wait for is urgent: level 0 never grows until they stand still."""
    async with open_on(VirtualDisk(), evolve(level0_tables_max=1)) as store:
        store.maintenance.pause()
        with trio.fail_after(60):
            for start in range(0, 2000, 100):
                await fill(store, 100, size=100, start=start)
        assert store.maintenance.statistics()[Work.COMPACTION].runs >= 1
        assert await content_of(store) == dict(rows_of(2000, size=100))


@pytest.mark.parametrize("work", [work for work in Work if work is not Work.BACKUP])
async def test_each_kind_of_work_can_be_run_by_hand_while_paused(
    work: Work, autojump_clock: object
) -> None:
    async with open_on(VirtualDisk()) as store:
        store.maintenance.pause()
        await fill(store, 50)
        with trio.fail_after(60):
            await store.maintenance.run_now(work)
        assert store.maintenance.statistics()[work].failures == 0
        assert store.maintenance.statistics()[work].runs >= 1
        assert work not in store.maintenance.running


async def test_a_checkpoint_run_by_hand_counts_as_automatic(
    autojump_clock: object,
) -> None:
    async with open_on(VirtualDisk()) as store:
        await store.maintenance.run_now(Work.CHECKPOINT)
        (info,) = await store.checkpoints()
        assert info.automatic


async def test_what_nobody_can_do_is_refused(autojump_clock: object) -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        with pytest.raises(tempest.InvalidError, match="BACKUP"):
            await store.maintenance.run_now(Work.BACKUP)
        with pytest.raises(TypeError, match="must be a Work"):
            await store.maintenance.run_now("flush")  # type: ignore[arg-type]
        control = store.maintenance
    with pytest.raises(tempest.NotOpenError):
        control.pause()
    async with open_on(disk, read_only=True) as store:
        with pytest.raises(tempest.ReadOnlyError, match="maintenance"):
            _ = store.maintenance


async def test_a_failure_is_visible_and_retried_with_growing_delay(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """H14, R32: background errors went to stderr, and panics were thrown away."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    async with open_on(io, evolve(level0_tables_max=100)) as store:
        await flush_often(store, 3)
        io.plan = FaultPlan((FailOp(kinds=REMOVALS, path="*/table-*", times=None),))
        io.log = io.plan.new_log()
        await store.compact()
        failures, delays = [], []
        for _ in range(14):
            await trio.testing.wait_all_tasks_blocked()
            found = store.maintenance.statistics()[Work.SWEEP]
            assert found.last_error is not None
            assert found.retry_seconds is not None
            assert store.maintenance.health() == {Work.SWEEP: found.last_error}
            assert store.health().state is HealthState.HEALTHY
            assert store.health().warnings == (f"sweep: {found.last_error}",)
            failures.append(found.failures)
            delays.append(found.retry_seconds)
            await trio.sleep(found.retry_seconds + 1e-6)

        assert found.last_error is not None
        assert "injected" in found.last_error
        assert failures == list(range(failures[0], failures[0] + 14))
        assert delays[1:6] == pytest.approx(
            [2 * delay for delay in delays[:5]], rel=0.01
        )
        assert delays[-1] == pytest.approx(60.0)
        io.plan = FaultPlan(())
        await trio.sleep(120)
        assert store.maintenance.health() == {}
        assert store.health().warnings == ()
        assert store.maintenance.statistics()[Work.SWEEP].is_healthy
        left = [name for name in await io.list("store") if name.startswith("table")]
        assert len(left) == tables(store.statistics())


async def test_a_failed_flush_moves_no_watermark(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """R30: the read-only address went on although the flush had failed."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, evolve(durability=Durability.DISK)) as store:
        await store.put(b"a", b"1")
        before = store.statistics()
        io.plan = FaultPlan(
            (FailOp(kinds=(OpKind.CREATE,), path="*/table-*", times=3),)
        )
        io.log = io.plan.new_log()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.flush)
            await trio.testing.wait_all_tasks_blocked()
            failed = store.maintenance.statistics()[Work.FLUSH]
            assert (failed.runs, failed.failures) == (0, 1)
            assert store.health().state is HealthState.RESUMING
            assert store.statistics().log_replay_from == before.log_replay_from
            assert store.statistics().memtable_entries == 1
            assert await store.get(b"a") == b"1"
        assert store.statistics().log_replay_from > before.log_replay_from
        assert store.health().state is HealthState.HEALTHY


async def test_statistics_tell_runs_and_seconds_of_each_kind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    io = VirtualIo(VirtualDisk(), latency=0.01)
    async with open_on(io) as store:
        await fill(store, 100)
        await store.compact()
        found = store.maintenance.statistics()
        assert set(found) == set(Work)
        assert found[Work.FLUSH].runs >= 1
        assert found[Work.FLUSH].busy_seconds > 0.01
        assert found[Work.COMPACTION].busy_seconds > 0.0
        assert found[Work.BACKUP].busy_seconds == 0.0

"""The regions of the log at work: what moves them, and that nothing is let go before its time."""

import pytest
import trio

import tempest
from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    Stuck,
    VirtualDisk,
    VirtualIo,
)
from tempest import Durability, Statistics, Store
from tests.tempest.shelf import (
    SMALL,
    content_of,
    evolve,
    fill,
    key_of,
    open_on,
    value_of,
)

LARGE = evolve(memtable_bytes_max=1 << 20, segment_bytes_max=1024)
MEMORY, OS = Durability.MEMORY, Durability.OS


def ordered(statistics: Statistics) -> Statistics:
    marks = (
        statistics.log_begin,
        statistics.log_replay_from,
        statistics.log_durable,
        statistics.log_flushed,
        statistics.log_read_only,
        statistics.log_tail,
    )
    assert list(marks) == sorted(marks)
    assert statistics.log_head <= statistics.log_durable
    return statistics


def struck(io: FaultyIo, *faults: FailOp | Stuck) -> None:
    io.plan = FaultPlan(faults)
    io.log = io.plan.new_log()


async def put(store: Store, count: int, size: int = 200, start: int = 0) -> None:
    for number in range(start, start + count):
        await store.put(key_of(number), value_of(number, size), durability=OS)


async def test_a_flush_reaches_the_boundary_that_it_was_asked_at() -> None:
    """R6: the boundary that was returned was the one before, and the first flushed nothing."""
    async with open_on(VirtualDisk(), LARGE) as store:
        for turn in range(3):
            await put(store, 5, start=5 * turn)
            tail = store.statistics().log_tail
            await store.flush()
            after = ordered(store.statistics())
            assert after.log_replay_from >= tail
            assert after.log_head == after.log_replay_from
            assert after.memtable_entries == 0


async def test_only_what_is_flushed_leaves_memory_and_all_of_it_does() -> None:
    """R14: eviction took what had never been flushed, and never what had been.

    Invariant 9: eviction only of what is flushed.
    """
    async with open_on(VirtualDisk(), LARGE) as store:
        await put(store, 5)
        before = ordered(store.statistics())
        assert before.log_head == before.log_replay_from < before.log_durable + 1
        assert before.memtable_entries == 5
        await store.flush()
        await put(store, 3, start=5)
        after = ordered(store.statistics())
        assert before.log_head < after.log_head <= after.log_durable
        assert after.memtable_entries == 3
        assert len(await content_of(store)) == 8


async def test_a_tail_that_keeps_filling_is_flushed_again_and_again() -> None:
    """R15: a page that was flushed when half full was never flushed again."""
    disk = VirtualDisk()
    async with open_on(disk, LARGE) as store:
        for number in range(40):
            await store.put(key_of(number), b"v")
            now = ordered(store.statistics())
            assert now.log_durable == now.log_flushed
            dark = disk.crash_keeping(())
            if number % 8 == 7:
                async with open_on(dark, LARGE) as recovered:
                    assert len(await content_of(recovered)) == number + 1


async def test_a_segment_under_the_name_of_another_is_damage() -> None:
    """R16: a page was read from where another had been written since."""
    disk = VirtualDisk()
    async with open_on(disk, LARGE) as store:
        start = store.position
        await put(store, 20)
        await store.sync()
        first, second, *_ = [name for name in disk.files() if "/log-" in name]
        for path, other in ((first, second), (second, first)):
            data = disk.read(other)
            disk.overwrite(path, 0, data)
            with pytest.raises(tempest.CorruptionError):
                async with store.changes(start) as stream:
                    while await stream.poll() is not None:
                        pass


async def test_durable_moves_after_the_sync_has_returned_and_not_before() -> None:
    """R23: `flushed_until` was advanced before the flush. Invariant 5."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, SMALL) as store, store.changes() as stream:
        await store.put(b"a", b"1")
        assert await stream.poll() is not None
        before = store.statistics().log_durable
        struck(io, Stuck(kinds=(OpKind.SYNC,)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.put, b"b", b"2")
            await trio.testing.wait_all_tasks_blocked()
            now = ordered(store.statistics())
            assert now.log_durable == before < now.log_flushed
            assert await stream.poll() is None
            assert store.get_nowait(b"b") is None
            io.release()
        assert store.statistics().log_durable == now.log_flushed
        assert await stream.poll() is not None


@pytest.mark.parametrize("kind", [OpKind.SYNC, OpKind.WRITE])
async def test_a_failed_flush_moves_nothing(
    kind: OpKind, autojump_clock: object
) -> None:
    """R30: the read-only address moved though the flush had failed; head went anywhere."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    options = evolve(memtable_bytes_max=1 << 20, resume_seconds_max=0.0)
    async with open_on(io, options) as store:
        await put(store, 5)
        before = ordered(store.statistics())
        struck(io, FailOp(kinds=(kind,), times=None))
        with pytest.raises(tempest.TempestError):
            await store.flush()
        now = ordered(store.statistics())
        assert now.log_replay_from == before.log_replay_from
        assert now.log_head == before.log_head
        assert now.memtable_entries == 5
        struck(io)
        await trio.sleep(30)
        await store.flush()
        assert ordered(store.statistics()).log_head > before.log_head


async def test_what_cannot_be_read_back_is_not_evicted() -> None:
    """H9: dirty images were evicted, and a checkpoint skipped what was missing."""
    disk = VirtualDisk()
    async with open_on(disk, LARGE) as store:
        await put(store, 20)
        await store.sync()
        disk.corrupt(next(name for name in disk.files() if "/log-" in name), 700)
        with pytest.raises(tempest.BackgroundError, match="damaged"):
            await store.flush()
        now = ordered(store.statistics())
        assert now.flushes == 0
        assert now.memtable_entries == 20
        assert len(await content_of(store)) == 20


async def test_the_log_stays_short_under_steady_writes() -> None:
    """H15: the log was cut only when everything was clean. Invariant 6."""
    options = evolve(segment_bytes_max=1024, level0_tables_max=4)
    async with open_on(VirtualDisk(), options) as store:
        most = 0
        for number in range(400):
            await store.put(key_of(number % 50), value_of(number, 100), durability=OS)
            now = ordered(store.statistics())
            most = max(most, now.log_bytes)
            assert now.log_begin <= now.log_replay_from <= now.log_durable
            if number % 10 == 0:
                await trio.testing.wait_all_tasks_blocked()
        assert store.statistics().flushes > 5
        assert most < 4 * options.memtable_bytes_max


async def test_damage_is_never_taken_for_an_empty_log() -> None:
    """O11: one copy rewritten in place; bad magic meant "missing"; damage was cut away."""
    disk = VirtualDisk()
    async with open_on(disk, LARGE) as store:
        await put(store, 20)
        await store.sync()
        dark = disk.crash_keeping(())
    async with open_on(dark.clone(), LARGE) as store:
        assert len(await content_of(store)) == 20, "a commit returns when it is durable"
    path = next(name for name in dark.files() if "/log-" in name)
    for offset in (0, 600):
        damaged = dark.clone()
        damaged.corrupt(path, offset)
        before = damaged.contents()
        for read_only in (True, False):
            with pytest.raises(tempest.CorruptionError, match="log-"):
                async with open_on(damaged, LARGE, read_only=read_only):
                    pass
        assert damaged.contents() == before


async def test_a_sealed_frame_is_never_changed_and_the_open_one_is() -> None:
    """In-place update stops where `read_only` begins."""
    options = evolve(memtable_bytes_max=1 << 20, durability=MEMORY)
    async with open_on(VirtualDisk(), options) as store, store.changes() as stream:
        for number in range(100):
            await store.put(b"hot", b"%d" % number)
        assert store.statistics().log_open_bytes < 100
        await store.sync()
        sealed = store.statistics()
        assert sealed.log_open_bytes == 0
        await store.put(b"hot", b"last")
        assert store.statistics().log_read_only == sealed.log_read_only
        await store.sync()
        values = [c.value for _ in range(2) for c in (await anext(stream)).changes]
        assert values == [b"99", b"last"]


async def test_a_large_open_frame_is_sealed_in_small_steps() -> None:
    """No step handles more than a few thousand entries, however much has gathered."""
    options = tempest.Options(durability=MEMORY, mutable_fraction=1.0)
    async with open_on(VirtualDisk(), options) as store:
        await fill(store, 20_000, size=10)
        steps = 0
        done = False

        async def count() -> None:
            nonlocal steps
            while not done:
                steps += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            for number in range(20_000):
                store.put_nowait(key_of(number), b"w")
            before, steps = store.statistics().log_bytes_written, 0
            await store.sync()
            done = True
        assert store.statistics().log_bytes_written > before
        assert steps >= 20_000 // 2048

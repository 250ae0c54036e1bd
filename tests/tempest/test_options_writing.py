"""What each option about writing does: memory, log, manifest, and a disk that fails or is stuck."""

import pytest
import trio

import tempest
from io_backends import (
    FailOp,
    Fault,
    FaultPlan,
    FaultyIo,
    OpKind,
    Stuck,
    VirtualDisk,
    VirtualIo,
)
from tempest import Durability, HealthState
from tests.tempest.observed import observes, roomy, shape_after
from tests.tempest.shelf import content_of, fill, key_of, open_on, rows_of, value_of


@observes("durability")
@pytest.mark.parametrize(
    ("level", "after_kill", "after_cut"),
    [
        (Durability.MEMORY, {}, {}),
        (Durability.OS, {b"k": b"v"}, {}),
        (Durability.DISK, {b"k": b"v"}, {b"k": b"v"}),
    ],
)
async def test_durability_is_what_a_write_has_survived_when_it_returns(
    level: Durability, after_kill: dict[bytes, bytes], after_cut: dict[bytes, bytes]
) -> None:
    disk = VirtualDisk()
    async with open_on(disk, roomy(durability=level)) as store:
        await store.put(b"k", b"v")
        killed, dark = disk.clone(), disk.crash_keeping(())

    async with open_on(killed) as store:
        assert await content_of(store) == after_kill
    async with open_on(dark) as store:
        assert await content_of(store) == after_cut


@observes("memtable_bytes_max")
async def test_memtable_bytes_max_decides_when_memory_becomes_a_table(
    autojump_clock: object,
) -> None:
    small = await shape_after(roomy(memtable_bytes_max=4096))
    large = await shape_after(roomy(memtable_bytes_max=1 << 20))

    assert small.flushes >= 4
    assert small.memtable_bytes <= 3 * 4096
    assert large.flushes == 0
    assert large.memtable_entries == 400


@observes("unsynced_bytes_max")
async def test_unsynced_bytes_max_makes_the_store_sync_by_itself(
    autojump_clock: object,
) -> None:
    async def syncs(unsynced_bytes_max: int) -> tuple[int, int]:
        options = roomy(durability=Durability.OS, unsynced_bytes_max=unsynced_bytes_max)
        async with open_on(VirtualDisk(), options) as store:
            before = store.statistics().log_syncs
            for number in range(100):
                await store.put(key_of(number), value_of(number, 100))
                await trio.testing.wait_all_tasks_blocked()
            after = store.statistics()
            return after.log_syncs - before, after.log_tail - after.log_durable

    assert (await syncs(1 << 20))[0] == 0
    count, unsynced = await syncs(2000)
    assert count >= 5
    assert unsynced <= 2000


@observes("segment_bytes_max")
async def test_segment_bytes_max_bounds_a_log_file() -> None:
    async def sizes(segment_bytes_max: int) -> list[int]:
        disk = VirtualDisk()
        options = roomy(segment_bytes_max=segment_bytes_max)
        async with open_on(disk, options) as store:
            for number in range(20):
                await store.put(key_of(number), value_of(number, 300))
            await store.put(b"large", b"v" * 10_000)
            assert store.statistics().log_segments == len(log_files(disk))
            return [len(disk.read(path)) for path in log_files(disk)]

    small = await sizes(2048)
    assert len(small) > 5
    assert sorted(small)[-2] <= 2048 + 512, "and a frame that is larger has its own"
    assert len(await sizes(1 << 20)) == 1


def log_files(disk: VirtualDisk) -> list[str]:
    return [path for path in disk.files() if "/log-" in path]


@observes("batch_bytes_max")
async def test_batch_bytes_max_bounds_a_batch() -> None:
    async with open_on(VirtualDisk(), roomy(batch_bytes_max=2000)) as store:
        with pytest.raises(tempest.InvalidError, match="batch_bytes_max"):
            await fill(store, 100)
        await fill(store, 30)
        assert await content_of(store) == dict(rows_of(30))


@observes("manifest_rotation_bytes_min")
async def test_manifest_rotation_bytes_min_is_how_large_a_manifest_grows() -> None:
    async def generations(bytes_min: int) -> int:
        disk = VirtualDisk()
        options = roomy(manifest_rotation_bytes_min=bytes_min)
        async with open_on(disk, options) as store:
            first = generation(disk)
            for number in range(40):
                await store.put(key_of(number), b"v")
                await store.flush()
            return generation(disk) - first

    assert await generations(1 << 20) == 0
    assert await generations(10_000) >= 1
    assert await generations(1) > await generations(10_000)


def generation(disk: VirtualDisk) -> int:
    names = [path.partition("manifest-")[2] for path in disk.files()]
    return max(int(name) for name in names if name.isdecimal())


def struck(io: FaultyIo, *faults: Fault) -> None:
    """From now on `io` obeys these faults."""
    io.plan = FaultPlan(faults)
    io.log = io.plan.new_log()


@observes("resume_seconds_max")
@pytest.mark.parametrize("seconds", [0.0, 3.0, 60.0])
async def test_resume_seconds_max_is_how_long_writers_wait_for_a_broken_disk(
    seconds: float, autojump_clock: object
) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))

    async def session() -> None:
        async with open_on(io, roomy(resume_seconds_max=seconds)) as store:
            await store.put(b"k", b"v")
            struck(io, FailOp(kinds=(OpKind.SYNC,), times=None))
            started = trio.current_time()
            with pytest.raises(tempest.OutcomeUnknownError):
                await store.put(b"k", b"w")
            assert trio.current_time() - started == pytest.approx(seconds, abs=0.1)
            assert store.health().state is HealthState.READ_ONLY
            assert store.get_nowait(b"k") == b"v"
            with pytest.raises(tempest.BackgroundError):
                await store.put(b"k", b"x")

    with pytest.raises(tempest.BackgroundError):
        await session()


@observes("close_seconds_max")
@pytest.mark.parametrize("seconds", [2.0, 40.0])
async def test_close_seconds_max_bounds_closing_with_a_stuck_disk(
    seconds: float, autojump_clock: object
) -> None:
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    options = roomy(close_seconds_max=seconds, durability=Durability.MEMORY)
    started = trio.current_time()

    async def session() -> None:
        async with open_on(io, options) as store:
            await store.put(b"k", b"v")
            struck(io, Stuck(kinds=(OpKind.SYNC,), times=None))

    with pytest.raises(tempest.BackgroundError, match="closing took more than"):
        await session()
    assert seconds <= trio.current_time() - started <= 2 * seconds + 0.1
    assert disk.locked_paths() == []

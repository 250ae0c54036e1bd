"""When operations of a `VirtualIo` take effect: latency, cancellation, power, jobs, tokens."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
from trio.testing import MockClock

from io_backends import (
    DeviceError,
    File,
    Io,
    JobError,
    LockedError,
    NoSpaceError,
    OpKind,
    PowerLostError,
    VirtualDisk,
    VirtualIo,
)


async def file_with(io: Io, path: str, data: bytes) -> File:
    file = await io.create_exclusive(path)
    await file.write_at(0, data)
    return file


async def test_latency_passes_on_the_virtual_clock_only(
    autojump_clock: MockClock,
) -> None:
    asked: list[tuple[OpKind, int]] = []

    def latency(kind: OpKind, length: int) -> float:
        asked.append((kind, length))
        return 2.0

    io = VirtualIo(VirtualDisk(), latency=latency)
    start = trio.current_time()
    file = await file_with(io, "file", b"12345")
    await file.sync()
    assert trio.current_time() - start == 6.0
    assert asked == [(OpKind.CREATE, 0), (OpKind.WRITE, 5), (OpKind.SYNC, 0)]


async def test_a_cancelled_change_that_started_runs_to_its_end(
    autojump_clock: MockClock,
) -> None:
    disk = VirtualDisk()
    file = await file_with(VirtualIo(disk, latency=10.0), "file", b"old")
    with trio.move_on_after(1.0) as scope:
        await file.write_at(0, b"new")
    assert not scope.cancelled_caught
    assert disk.read("file") == b"new"


async def test_a_cancelled_read_is_let_go(autojump_clock: MockClock) -> None:
    file = await file_with(VirtualIo(VirtualDisk(), latency=10.0), "file", b"old")
    start = trio.current_time()
    with trio.move_on_after(1.0) as scope:
        await file.read_at(0, 3)
    assert scope.cancelled_caught
    assert trio.current_time() - start == 1.0


async def test_a_sync_covers_only_what_was_written_before_it(
    autojump_clock: MockClock,
) -> None:
    disk = VirtualDisk()
    io = VirtualIo(disk, latency=lambda kind, _: 10.0 if kind is OpKind.SYNC else 0.0)
    file = await file_with(io, "file", b"before")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.sync)
        await trio.sleep(1.0)
        file.write_at_nowait(6, b"during")
    await io.sync_dir("/")
    assert disk.durable("file") == b"before"
    assert disk.read("file") == b"beforeduring"


async def test_a_folder_sync_covers_only_names_made_before_it(
    autojump_clock: MockClock,
) -> None:
    disk = VirtualDisk()
    io = VirtualIo(
        disk, latency=lambda kind, _: 10.0 if kind is OpKind.SYNC_DIR else 0.0
    )
    await file_with(io, "before", b"")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(io.sync_dir, "/")
        await trio.sleep(1.0)
        await file_with(io, "during", b"")
    assert disk.crash_keeping(()).files() == ["/before"]


@pytest.mark.parametrize(("cut_at", "is_done"), [(4.0, False), (6.0, True)])
async def test_at_a_power_cut_a_change_in_flight_has_happened_or_not(
    autojump_clock: MockClock, cut_at: float, is_done: bool
) -> None:
    disk = VirtualDisk()
    file = await file_with(VirtualIo(disk), "file", b"old")
    io = VirtualIo(disk, latency=10.0)
    file = await io.open("file", writable=True)
    async with trio.open_nursery() as nursery:

        async def write() -> None:
            with pytest.raises(PowerLostError):
                await file.write_at(0, b"new")

        nursery.start_soon(write)
        await trio.sleep(cut_at)
        io.power_off()
    assert disk.read("file") == (b"new" if is_done else b"old")


CALLS: tuple[Callable[[Io], Awaitable[object]], ...] = (
    lambda io: io.open("file"),
    lambda io: io.create_exclusive("new"),
    lambda io: io.rename("file", "new"),
    lambda io: io.remove("file"),
    lambda io: io.list("/"),
    lambda io: io.make_dir("new"),
    lambda io: io.link("file", "new"),
    lambda io: io.sync_dir("/"),
    lambda io: io.lock("new"),
    lambda io: io.stat("file"),
    lambda io: io.free_space("/"),
    lambda io: io.run_job(answer, b""),
)
FILE_CALLS: tuple[Callable[[File], Awaitable[object]], ...] = (
    lambda file: file.read_at(0, 1),
    lambda file: file.write_at(0, b"x"),
    lambda file: file.sync(),
    lambda file: file.truncate(0),
    lambda file: file.allocate(100),
    lambda file: file.size(),
)


async def answer(io: Io, argument: bytes) -> bytes:
    return argument + b"!"


async def test_without_power_nothing_answers_and_nothing_reaches_the_disk() -> None:
    disk = VirtualDisk()
    io = VirtualIo(disk)
    file = await file_with(io, "file", b"bytes")
    lock = await io.lock("LOCK")
    contents, units = disk.contents(), disk.unsynced_units()
    io.power_off()
    for call in CALLS:
        with pytest.raises(PowerLostError):
            await call(io)
    for file_call in FILE_CALLS:
        with pytest.raises(PowerLostError):
            await file_call(file)
    with pytest.raises(PowerLostError):
        file.write_at_nowait(0, b"x")
    with pytest.raises(PowerLostError):
        file.read_at_nowait(0, 1)
    assert (disk.contents(), disk.unsynced_units()) == (contents, units)
    lock.release()
    await file.aclose()
    await io.aclose()
    assert not io.is_powered
    assert (disk.live_handles, disk.locked_paths()) == (0, [])


async def test_uncached_bytes_would_block() -> None:
    hot = VirtualIo(VirtualDisk(), cached=lambda path, offset, _: offset < 4)
    file = await file_with(hot, "file", b"12345678")
    assert file.read_at_nowait(0, 4) == b"1234"
    with pytest.raises(trio.WouldBlock):
        file.read_at_nowait(4, 4)
    assert await file.read_at(4, 4) == b"5678"


async def test_a_locked_error_names_the_other_process() -> None:
    disk = VirtualDisk()
    first = VirtualIo(disk, wall_clock=lambda: 1234.0)
    second = VirtualIo(disk)
    await first.lock("LOCK")
    with pytest.raises(LockedError) as caught:
        await second.lock("/LOCK")
    assert (caught.value.pid, caught.value.since) == (first.pid, 1234.0)
    assert first.pid != second.pid
    await VirtualIo(disk.clone()).lock("LOCK")
    await VirtualIo(disk.crash(Random(0))).lock("LOCK")


async def test_tokens_are_drawn_or_counted_and_repeat_with_the_seed() -> None:
    drawn = [VirtualIo(VirtualDisk(), tokens=Random(1)).token() for _ in range(2)]
    assert drawn[0] == drawn[1]
    disk = VirtualDisk()
    counted = [VirtualIo(disk).token(), VirtualIo(disk.crash(Random(0))).token()]
    assert counted[0] != counted[1]


async def test_time_moves_with_the_virtual_clock(autojump_clock: MockClock) -> None:
    io = VirtualIo(VirtualDisk())
    start = io.wall_time()
    await trio.sleep(5.0)
    assert io.wall_time() - start == pytest.approx(5.0)


async def test_a_full_disk_is_reported_and_relieved() -> None:
    disk = VirtualDisk(capacity_bytes=4)
    io = VirtualIo(disk)
    file = await io.create_exclusive("file")
    with pytest.raises(NoSpaceError):
        await file.write_at(0, b"12345")
    with pytest.raises(NoSpaceError):
        file.write_at_nowait(0, b"12345")
    with pytest.raises(NoSpaceError):
        await file.allocate(5)
    assert await io.free_space("/") == 4
    disk.capacity_bytes = 100
    await file.write_at(0, b"12345")
    assert await io.free_space("/") == 95


async def fail(io: Io, argument: bytes) -> bytes:
    raise ValueError(argument.decode())


async def read_after_cut(io: Io, argument: bytes) -> bytes:
    assert isinstance(io, VirtualIo)
    io.power_off()
    await io.list("/")
    return b""


async def test_jobs_run_in_place_and_their_failures_carry_their_text() -> None:
    io = VirtualIo(VirtualDisk())
    assert await io.run_job(answer, b"hello") == b"hello!"
    with pytest.raises(JobError, match="ValueError: why") as caught:
        await io.run_job(fail, b"why")
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(PowerLostError):
        await io.run_job(read_after_cut, b"")


async def test_negative_places_are_refused_and_change_nothing() -> None:
    file = await file_with(VirtualIo(VirtualDisk()), "file", b"bytes")
    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: file.read_at(-1, 1),
        lambda: file.read_at(0, -1),
        lambda: file.write_at(-1, b"x"),
        lambda: file.truncate(-1),
    )
    for call in calls:
        with pytest.raises(DeviceError):
            await call()
    assert await file.read_at(0, 5) == b"bytes"

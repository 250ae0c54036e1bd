"""The machine that a life runs on: its speed, its cache, its clock, and what a cut leaves."""

import pytest
import trio

from io_backends import CrashPolicy, Io, VirtualDisk, VirtualIo
from sim import Ending, JumpClock, Latency, Schedule, run_schedule
from sim.machine import left_by, start, surface


def disk_with(content: bytes) -> VirtualDisk:
    disk = VirtualDisk()
    handle = disk.create("file")
    disk.write_at(handle, 0, content)
    disk.close(handle)
    return disk


def seconds_of(latency: Latency, operations: int) -> float:
    clock = JumpClock()

    async def main() -> float:
        io: Io = start(VirtualDisk(), clock, latency=latency)
        for _ in range(operations):
            await io.list("/")
        return trio.current_time()

    return run_schedule(main, Schedule(), clock)


def test_operations_take_their_time() -> None:
    assert seconds_of(Latency(), 10) == 0.0
    assert seconds_of(Latency(0.5), 10) == pytest.approx(5.0)
    assert 0.0 < seconds_of(Latency(0.0, 1.0, 3), 10) < 10.0
    assert seconds_of(Latency(0.0, 1.0, 3), 10) == seconds_of(Latency(0.0, 1.0, 3), 10)
    assert seconds_of(Latency(0.0, 1.0, 3), 10) != seconds_of(Latency(0.0, 1.0, 4), 10)


def test_some_of_what_is_read_is_not_in_the_cache() -> None:
    def misses(uncached: int) -> int:
        clock = JumpClock()

        async def main() -> int:
            count = 0
            io = start(
                disk_with(bytes(100)), clock, latency=Latency(), uncached=uncached
            )
            file = await io.open("file")
            for place in range(100):
                try:
                    file.read_at_nowait(place, 1)
                except trio.WouldBlock:
                    count += 1
            await file.aclose()
            return count

        return run_schedule(main, Schedule(), clock)

    assert misses(0) == 0
    assert 20 < misses(50) < 80
    assert misses(100) == 100


def test_the_wall_clock_jumps_and_runs_at_its_own_pace() -> None:
    clock = JumpClock()

    def machine(jump: float = 0.0, pace: float = 1.0) -> VirtualIo:
        return start(
            VirtualDisk(),
            clock,
            latency=Latency(),
            clock_jump=jump,
            clock_pace=pace,
        )

    async def main() -> tuple[float, float, float]:
        await trio.sleep(10.0)
        usual = machine().wall_time()
        return (
            usual,
            machine(jump=-1000.0).wall_time(),
            machine(pace=-2.0).wall_time(),
        )

    usual, jumped, backwards = run_schedule(main, Schedule(), clock)

    assert (jumped - usual, backwards - usual) == (-1000.0, -30.0)


def test_a_kill_leaves_all_and_a_cut_what_was_synced() -> None:
    disk = disk_with(b"data")
    cut = Ending(policy=CrashPolicy.drop_all())

    assert left_by(Ending(kind="kill"), disk).contents() == {"/file": b"data"}
    assert left_by(cut, disk).contents() == {}
    assert disk.contents() == {"/file": b"data"}


def test_late_writes_reach_files_that_are_there_even_on_a_full_disk() -> None:
    disk = disk_with(b"old")
    disk.capacity_bytes = 3

    count = surface(disk, [("file", 1, b"news"), ("gone", 0, b"news")])

    assert count == 1
    assert disk.contents() == {"/file": b"onews"}
    assert (disk.capacity_bytes, disk.live_handles) == (3, 0)

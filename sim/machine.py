"""The machine that a life runs on: how fast its disk answers, and what a power cut leaves of it.

Invariants
- Nothing here keeps state: a disk goes in, an `Io` or another disk comes out.
"""

from collections.abc import Callable, Iterable
from random import Random

import trio

from io_backends import IoError, OpKind, VirtualDisk, VirtualIo
from sim.clock import JumpClock
from sim.script import Ending, Latency
from sim.seeds import Seeds

EPOCH_SECONDS = 1.7e9
LateWrite = tuple[str, int, bytes]


def start(
    disk: VirtualDisk,
    clock: JumpClock,
    *,
    latency: Latency,
    uncached: int = 0,
    clock_jump: float = 0.0,
    clock_pace: float = 1.0,
) -> VirtualIo:
    """Return the view of a process that starts on this disk; `uncached` percent of reads wait.

    Its wall clock begins `clock_jump` seconds off and goes `clock_pace` times as fast as time.
    """

    def wall_time() -> float:
        return EPOCH_SECONDS + clock_jump + trio.current_time() * clock_pace

    return VirtualIo(
        disk,
        delay=clock.delay,
        delay_shielded=clock.delay_shielded,
        latency=_seconds(latency) if latency.spread else latency.base,
        cached=_cache(uncached) if uncached else None,
        wall_clock=wall_time,
    )


def left_by(ending: Ending, disk: VirtualDisk) -> VirtualDisk:
    """Return the disk that the next life finds after a cut or kill."""
    if ending.kind == "kill":
        return disk.clone()
    return disk.crash(Seeds(ending.seed).stream("crash"), ending.policy)


def surface(disk: VirtualDisk, writes: Iterable[LateWrite]) -> int:
    """Let writes of an earlier life reach the disk only now; return how many found their file."""
    count = 0
    capacity, disk.capacity_bytes = disk.capacity_bytes, None
    for path, offset, data in writes:
        try:
            handle = disk.open(path, writable=True)
        except IoError:
            continue
        disk.write_at(handle, offset, data)
        disk.close(handle)
        count += 1
    disk.capacity_bytes = capacity
    return count


def _seconds(latency: Latency) -> Callable[[OpKind, int], float]:
    random = Random(latency.seed)

    def seconds(_: OpKind, __: int) -> float:
        return latency.base + latency.spread * random.random()

    return seconds


def _cache(uncached: int) -> Callable[[str, int, int], bool]:
    def is_cached(path: str, offset: int, _: int) -> bool:
        place = int(path[-6:]) if path[-6:].isdecimal() else 0
        return (place * 7919 + offset * 31) % 100 >= uncached

    return is_cached

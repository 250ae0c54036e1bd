"""Sixty-four writers at once, each write on the disk before the next: tasks, or threads."""

import threading
from contextlib import nullcontext
from time import perf_counter_ns

import trio

from benchmarks.peers.data import Data
from benchmarks.peers.engine import AsyncFace, Face, Row
from benchmarks.peers.meter import Meter
from benchmarks.peers.tapes import Tape

WRITERS = 64
WRITES_EACH = 50


def work(data: Data) -> list[list[Row]]:
    """Return each writer's rows."""
    return [
        [(data.key(at), data.value(at, writer)) for at in range(first, first + each)]
        for writer, first, each in (
            (writer, writer * WRITES_EACH, WRITES_EACH) for writer in range(WRITERS)
        )
    ]


async def with_tasks(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Each writer a task."""
    taken: list[int] = []
    shares = work(data)

    async def write(rows: list[Row]) -> None:
        for key, value in rows:
            before = perf_counter_ns()
            await db.put(key, value)
            taken.append(perf_counter_ns() - before)

    started = meter.start()
    async with trio.open_nursery() as nursery:
        for share in shares:
            nursery.start_soon(write, share)
    meter.stop(started, len(taken))
    meter.percentiles("put", taken)
    for share in shares:
        for key, value in share:
            meter.check(await db.get(key), value)


def with_threads(db: Face, data: Data, meter: Meter, *, one_writer: bool) -> None:
    """Each writer a thread; a lock around the engine where it wants one."""
    taken: list[int] = []
    done: list[Row] = []
    barrier = threading.Barrier(WRITERS + 1)
    lock = threading.Lock() if one_writer else nullcontext()

    def write(rows: list[Row]) -> None:
        barrier.wait()
        for row in rows:
            before = perf_counter_ns()
            with lock:
                db.put(*row)
            taken.append(perf_counter_ns() - before)
            done.append(row)
            if meter.is_over(started):
                break

    shares = work(data)
    threads = [threading.Thread(target=write, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    started = meter.start()
    barrier.wait()
    for thread in threads:
        thread.join()
    meter.stop(started, len(taken))
    meter.percentiles("put", taken)
    for key, value in done:
        meter.check(db.get(key), value)

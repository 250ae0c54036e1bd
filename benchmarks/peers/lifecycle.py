"""Bodies that watch a database over its life: prepared, overwritten, killed, opened.

Asynchronous functions as in `bodies`; `twin` makes the plain ones.
"""

import sys
import time
from random import Random

from benchmarks.peers import tapes
from benchmarks.peers.data import Data
from benchmarks.peers.engine import AsyncFace
from benchmarks.peers.meter import Meter, disk_bytes
from benchmarks.peers.tapes import Tape

SPACE_ROUNDS = 5
CHECKED = 5000
LOAD_ROWS = 10_000
ORDER = 2  # of the puts before a kill


async def prepare(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Every key once, in random order, then compacted."""
    await write_round(db, data, 0)
    await db.settle()


async def load(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Every key once, put by put, then compacted; rows are made between timed sections."""
    put = db.put
    for start in range(0, len(tape.order), LOAD_ROWS):
        part = tape.order[start : start + LOAD_ROWS]
        rows = [(data.key(at), data.value(at, 0)) for at in part]
        started = meter.start()
        for key, value in rows:
            await put(key, value)
        meter.stop(started, len(rows))
    before = time.perf_counter()
    await db.settle()
    meter.figures["settle_s"] = time.perf_counter() - before


async def write_round(db: AsyncFace, data: Data, version: int) -> None:
    """Write every key in an order of this round's own, in batches."""
    order = data.permutation(100 + version)
    for start in range(0, len(order), tapes.BATCH_ROWS):
        part = order[start : start + tapes.BATCH_ROWS]
        await db.write([(data.key(at), data.value(at, version)) for at in part])


async def space(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Load, overwrite everything five times, compact; bytes on disk after each."""
    live = data.count * len(data.key(0) + data.value(0, 0))

    def note(when: str) -> None:
        meter.figures[f"space_{when}"] = disk_bytes(meter.folder) / live

    await write_round(db, data, 0)
    note("loaded")
    started = meter.start()
    for version in range(1, SPACE_ROUNDS + 1):
        await write_round(db, data, version)
    meter.stop(started, SPACE_ROUNDS * data.count)
    note("overwritten")
    if meter.usage:
        written = meter.usage.written().get("wchar", 0.0)
        meter.figures["amplification"] = written / (live * (SPACE_ROUNDS + 1))
    before = time.perf_counter()
    await db.settle()
    meter.figures["settle_s"] = time.perf_counter() - before
    note("compacted")
    for at in Random(7).sample(range(data.count), min(data.count, CHECKED)):
        meter.check(await db.get(data.key(at)), data.value(at, SPACE_ROUNDS))


async def write_and_wait(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Put every key without a sync, say so, and wait to be killed."""
    put = db.put
    for index in data.permutation(ORDER):
        await put(data.key(index), data.value(index, 0))
    print("READY", flush=True)
    sys.stdin.read()


async def first_answer(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """The time until a database that was killed answers; then every entry is looked up."""
    first = tape.order[0]
    got = await db.get(data.key(first))
    meter.stop(meter.opening, 1)
    meter.check(got, data.value(first, 0))
    lost = 0
    for index in range(data.count):
        got = await db.get(data.key(index))
        lost += got is None
        if got is not None:
            meter.check(got, data.value(index, 0))
    meter.figures["lost"] = float(lost)
    meter.check(lost, 0)  # what was handed to the system survives a kill


async def nothing(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Only open and close."""

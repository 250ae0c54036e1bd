"""The timed part of each workload, written once as asynchronous functions.

`twin` makes the plain ones for synchronous engines. Only calls of the engine are timed. Writes
are one section without a pause, so that background work gets no time of its own; reads are cut
into sections, and every answer is checked between them.
"""

from array import array
from time import perf_counter_ns

from benchmarks.peers import tapes
from benchmarks.peers.data import Data
from benchmarks.peers.engine import AsyncFace
from benchmarks.peers.meter import Meter
from benchmarks.peers.tapes import SEEK_ROWS, Tape, bump, touch

SECTION = 1000  # operations between two looks at the clock
SECTION_SYNCED = 50
SCANS = 3


async def puts(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Put by put. What was written is checked afterwards, by `check_after`."""
    put = db.put
    rows = tape.rows
    section = SECTION if len(rows) > 10 * SECTION else SECTION_SYNCED
    done = 0
    started = meter.start()
    while done < len(rows) and not (done and meter.is_over(started)):
        for key, value in rows[done : done + section]:
            await put(key, value)
        done = min(done + section, len(rows))
    meter.stop(started, done)
    tape.after = tapes.sample(dict(rows[:done]))


async def timed_puts(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Every put timed by itself, on a database that has to compact."""
    put = db.put
    rows = tape.rows
    now = perf_counter_ns
    taken = array("q", bytes(8 * len(rows)))
    done = 0
    started = meter.start()
    while done < len(rows) and not (done and meter.is_over(started)):
        for key, value in rows[done : done + SECTION]:
            before = now()
            await put(key, value)
            taken[done] = now() - before
            done += 1
    meter.stop(started, done)
    meter.percentiles("put", taken[:done])
    tape.after = tapes.sample(dict(rows[:done]))


async def batches(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """A thousand rows at once."""
    write = db.write
    done: list[tuple[bytes, bytes]] = []
    started = meter.start()
    for batch in tape.batches:
        await write(batch)
        done += batch
        if meter.is_over(started):
            break
    meter.stop(started, len(done))
    tape.after = tapes.sample(dict(done))


async def gets(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Key by key, after the caches were warmed."""
    get = db.get
    for key in tape.warm:
        await get(key)
    for start in range(0, len(tape.keys), SECTION):
        keys = tape.keys[start : start + SECTION]
        started = meter.start()
        got = [await get(key) for key in keys]
        meter.stop(started, len(keys))
        meter.check_all(got, tape.values[start : start + SECTION])
        if meter.is_over():
            break


async def gets_from_memory(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Key by key, what was written a moment ago."""
    for batch in tape.batches:
        await db.write(batch)
    await gets(db, data, meter, tape)


async def gets_of_many(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """A hundred keys a call, ten calls a section."""
    get_many = db.get_many
    for key in tape.warm:
        await db.get(key)
    for start in range(0, len(tape.many), 10):
        part = tape.many[start : start + 10]
        started = meter.start()
        got = [await get_many(keys) for keys, _ in part]
        meter.stop(started, sum(len(keys) for keys, _ in part))
        for answers, (_, wanted) in zip(got, part, strict=True):
            meter.check_all(list(answers), wanted)
        if meter.is_over():
            break


async def scans(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Everything, several times, in lists of rows as they come."""
    for key in tape.warm:
        await db.get(key)
    for _ in range(SCANS):
        seen = 0
        started = meter.start()
        async for rows in db.scan(False):  # noqa: FBT003, the face's shape
            meter.stop(started, len(rows))
            meter.check_all(rows, data.rows(seen, seen + len(rows)))
            seen += len(rows)
            if meter.is_over():
                return
            started = meter.start()
        meter.stop(started, 0)
        meter.check(seen, data.count)


async def scans_backward(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """The same from the end."""
    for key in tape.warm:
        await db.get(key)
    for _ in range(SCANS):
        left = data.count
        started = meter.start()
        async for rows in db.scan(True):  # noqa: FBT003, the face's shape
            meter.stop(started, len(rows))
            wanted = data.rows(left - len(rows), left)
            meter.check_all(rows, wanted[::-1])
            left -= len(rows)
            if meter.is_over():
                return
            started = meter.start()
        meter.stop(started, 0)
        meter.check(left, 0)


async def seeks(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """A seek and fifty rows."""
    for key in tape.warm:
        await db.get(key)
    seek = db.seek
    for start in range(0, len(tape.starts), 100):
        part = tape.starts[start : start + 100]
        keys = [data.key(index) for index in part]
        started = meter.start()
        got = [await seek(key, SEEK_ROWS) for key in keys]
        meter.stop(started, len(keys))
        for rows, index in zip(got, part, strict=True):
            meter.check_all(rows, data.rows(index, index + SEEK_ROWS))
        if meter.is_over():
            break


async def updates(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Count hot counters up."""
    update = db.update
    keys = tape.keys
    done = 0
    started = meter.start()
    while done < len(keys) and not (done and meter.is_over(started)):
        for key in keys[done : done + SECTION]:
            await update(key, bump)
        done = min(done + SECTION, len(keys))
    meter.stop(started, done)
    tape.after = tapes.counters(keys[:done])


async def deletes(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Key by key."""
    delete = db.delete
    keys = tape.keys
    done = 0
    started = meter.start()
    while done < len(keys) and not (done and meter.is_over(started)):
        for key in keys[done : done + SECTION]:
            await delete(key)
        done = min(done + SECTION, len(keys))
    meter.stop(started, done)
    tape.after = dict.fromkeys(keys[: min(done, tapes.SAMPLE)])
    tape.count_after = data.count - done


async def mix(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """YCSB's operations, one after the other, in one section."""
    get, put, seek, update = db.get, db.put, db.seek, db.update
    for key in tape.warm:
        await get(key)
    steps = [(step.kind, step.key, step.value, step.rows) for step in tape.mix]
    got: list[object] = []
    add = got.append
    done = 0
    started = meter.start()
    while done < len(steps) and not (done and meter.is_over(started)):
        for kind, key, value, rows in steps[done : done + SECTION]:
            if kind == "get":
                add(await get(key))
            elif kind == "put":
                await put(key, value)
            elif kind == "seek":
                add(await seek(key, rows))
            else:
                await update(key, touch)
        done = min(done + SECTION, len(steps))
    meter.stop(started, done)
    asked = [step.wanted for step in tape.mix[:done] if step.wanted is not None]
    meter.check_all(got, asked)
    tape.after = tapes.sample(tapes.written_by(tape.mix[:done]))


async def check_after(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Is everything there that was written, now that the database was opened again?"""
    for key, wanted in tape.after.items():
        meter.check(await db.get(key), wanted)
    if tape.count_after is not None and not meter.truncated:
        count = 0
        async for rows in db.scan(False):  # noqa: FBT003, the face's shape
            count += len(rows)
        meter.check(count, tape.count_after)

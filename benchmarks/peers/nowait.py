"""Bodies that call what does not wait as a program would: no coroutine between."""

import trio

from benchmarks.peers import tapes
from benchmarks.peers.bodies import SECTION
from benchmarks.peers.data import Data
from benchmarks.peers.engine import AsyncFace
from benchmarks.peers.meter import Meter
from benchmarks.peers.tapes import Tape


async def puts(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """`put_nowait`, awaited where it would block."""
    put, put_nowait = db.put, db.put_nowait
    assert put_nowait is not None
    rows = tape.rows
    done = 0
    started = meter.start()
    while done < len(rows) and not (done and meter.is_over(started)):
        for key, value in rows[done : done + SECTION]:
            try:
                put_nowait(key, value)
            except trio.WouldBlock:
                await put(key, value)
        await (
            trio.lowlevel.checkpoint()
        )  # a program that never waits would starve the rest
        done = min(done + SECTION, len(rows))
    meter.stop(started, done)
    tape.after = tapes.sample(dict(rows[:done]))


async def gets(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """`get_nowait`, awaited where it would block."""
    get, get_nowait = db.get, db.get_nowait
    assert get_nowait is not None
    for key in tape.warm:
        await get(key)
    for start in range(0, len(tape.keys), SECTION):
        keys = tape.keys[start : start + SECTION]
        got: list[bytes | None] = []
        add = got.append
        started = meter.start()
        for key in keys:
            try:
                add(get_nowait(key))
            except trio.WouldBlock:
                add(await get(key))
        meter.stop(started, len(keys))
        meter.check_all(got, tape.values[start : start + SECTION])
        if meter.is_over():
            break
        await trio.lowlevel.checkpoint()


async def gets_from_memory(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """The same, of what was written a moment ago."""
    for batch in tape.batches:
        await db.write(batch)
    await gets(db, data, meter, tape)

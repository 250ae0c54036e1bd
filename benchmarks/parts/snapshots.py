"""What a snapshot costs those who write meanwhile, and those who read through it.

A thousand keys are overwritten again and again: without a snapshot a new version takes the place
of the old one, with one the version that it sees stays beside. A new snapshot every hundred writes
is the dearest: each keeps versions of its own, until it is closed and they are dropped.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import tempest
from benchmarks.parts.stores import MIB, put_all, rows_of
from benchmarks.parts.turns import Way, medians, tell
from benchmarks.peers.data import Data
from tempest import Durability, Options, Store

KEYS = 1000
WRITES = 5000
WRITES_A_SNAPSHOT = 100
OPENINGS = 2000

Put = Callable[[bytes, bytes], Awaitable[None]]


async def put_each(put: Put, rows: list[tuple[bytes, bytes]]) -> list[None]:
    """Await each put before the next."""
    return [await put(key, value) for key, value in rows]


async def put_between(
    store: Store, put: Put, rows: list[tuple[bytes, bytes]]
) -> list[None]:
    """Take a new snapshot every hundred writes; the two newest are open."""
    done: list[None] = []
    held: list[AsyncExitStack] = []
    for start in range(0, len(rows), WRITES_A_SNAPSHOT):
        held.append(AsyncExitStack())
        await held[-1].enter_async_context(store.snapshot())
        if len(held) > 2:
            await held.pop(0).aclose()
        done += await put_each(put, rows[start : start + WRITES_A_SNAPSHOT])
    for stack in held:
        await stack.aclose()
    return done


async def open_and_close(store: Store, data: Data) -> list[bytes | None]:
    """Take a snapshot, read a key, let it go."""
    found = []
    for index in range(OPENINGS):
        async with store.snapshot() as snapshot:
            found.append(await snapshot.get(data.key(index % KEYS)))
    return found


async def get_each(store: Store, data: Data, *, through: bool) -> list[bytes | None]:
    """Read keys of the store, or of one snapshot of it."""
    keys = [data.key(index % KEYS) for index in range(OPENINGS)]
    if not through:
        return [await store.get(key) for key in keys]
    async with store.snapshot() as snapshot:
        return [await snapshot.get(key) for key in keys]


async def measure(folder: Path, data: Data) -> None:
    """Measure and print."""
    options = Options(memtable_bytes_max=256 * MIB)
    rows = rows_of(data, [index % KEYS for index in data.uniform(WRITES, 5)], 1)
    async with AsyncExitStack() as stack:
        for level in (Durability.MEMORY, Durability.OS):
            ways = []
            for name in ("no snapshot", "one held", "one every hundred writes"):
                path = folder / f"{level.name} {name}"
                opened = tempest.open_store(path, options=options)
                store = await stack.enter_async_context(opened)
                await put_all(store, rows_of(data, range(KEYS)))
                put = partial(store.put, durability=level)
                if name == "one held":
                    await stack.enter_async_context(store.snapshot())
                work = partial(put_each, put, rows)
                if name == "one every hundred writes":
                    work = partial(put_between, store, put, rows)
                ways.append(Way(name, work))
            tell(f"an overwrite, {level.name}", await medians(ways))
        values = [data.value(index % KEYS, 0) for index in range(OPENINGS)]
        opened = tempest.open_store(folder / "read", options=options)
        store = await stack.enter_async_context(opened)
        await put_all(store, rows_of(data, range(KEYS)))
        ways = [
            Way("of the store", partial(get_each, store, data, through=False), values),
            Way(
                "through a snapshot",
                partial(get_each, store, data, through=True),
                values,
            ),
            Way("through a new one each", partial(open_and_close, store, data), values),
        ]
        tell("a get", await medians(ways))

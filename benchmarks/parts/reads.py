"""What a read costs by where the answer lies: memory, the caches, the system's, the device.

Entries of 16 and 100 bytes in a memtable, in one table, or spread at random over
six tables of level 0 and a memtable of the same size. The first of a group is what the others are
held against.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import attrs

import tempest
from benchmarks.parts.stores import (
    MIB,
    Row,
    drop_page_cache,
    make_one_table,
    put_all,
    rows_of,
    spread,
)
from benchmarks.parts.turns import Way, medians, tell
from benchmarks.peers.data import Data
from tempest import Durability, Options, Snapshot, Store

READS = 4000
DEVICE_READS = 300
SEEKS = 300
SEEK_ROWS = 50
MANY = 100
TABLES = 6
ROOMY = Options(durability=Durability.OS, cache_bytes_max=64 * MIB)
PACKED = Options(cache_bytes_max=MIB)  # indexes and filters take a quarter of that
MEMORY = attrs.evolve(ROOMY, memtable_bytes_max=256 * MIB)
LEVELS = attrs.evolve(ROOMY, level0_tables_max=2 * TABLES)

View = Store | Snapshot


@attrs.frozen
class Places:
    """The same entries in different places."""

    memory: Store
    rows: Store  # a cache with room for everything
    blocks: (
        Snapshot  # of a store like that: it asks for blocks, rows are for the newest
    )
    packed: Store  # next to no cache: each block is read from the system and unpacked
    cold: Store  # the same, and of its own files, which the system can forget
    levels: Store
    folder: Path  # of `cold`
    data: Data


@asynccontextmanager
async def open_places(folder: Path, data: Data) -> AsyncIterator[Places]:
    """Make them all."""
    for name in ("table", "cold"):
        await make_one_table(folder / name, data)
    async with AsyncExitStack() as stack:

        async def opened(name: str, options: Options, *, read_only: bool) -> Store:
            store = tempest.open_store(
                folder / name, options=options, read_only=read_only
            )
            return await stack.enter_async_context(store)

        writer = await opened("table", ROOMY, read_only=False)
        blocks = await stack.enter_async_context(writer.snapshot())
        await writer.put(b"later", b"than the snapshot")
        places = Places(
            memory=await opened("memory", MEMORY, read_only=False),
            rows=await opened("table", ROOMY, read_only=True),
            blocks=blocks,
            packed=await opened("table", PACKED, read_only=True),
            cold=await opened("cold", PACKED, read_only=True),
            levels=await opened("levels", LEVELS, read_only=False),
            folder=folder / "cold",
            data=data,
        )
        await put_all(places.memory, rows_of(data, range(data.count)))
        await spread(places.levels, data, TABLES)
        for index in range(data.count):  # until no block is left that has given no rows
            await places.rows.get(data.key(index))
        yield places


async def each(
    read: Callable[[bytes], Awaitable[bytes | None]], keys: Sequence[bytes]
) -> list[bytes | None]:
    """Get one key after the other."""
    return [await read(key) for key in keys]


async def in_groups(view: View, keys: Sequence[bytes]) -> list[bytes | None]:
    """Get a hundred keys at once."""
    found: list[bytes | None] = []
    for start in range(0, len(keys), MANY):
        found += await view.get_many(keys[start : start + MANY])
    return found


async def row_by_row(view: View, *, reverse: bool = False) -> list[Row]:
    """Scan everything."""
    async with view.scan(reverse=reverse) as rows:
        return [row async for row in rows]


async def in_chunks(view: View) -> list[Row]:
    """Scan everything, a thousand rows at a time."""
    found: list[Row] = []
    async with view.scan() as rows:
        async for chunk in rows.chunks(1000):
            found += chunk
    return found


async def seeks(view: View, starts: Sequence[bytes]) -> list[list[Row]]:
    """Seek and take fifty rows."""
    found = []
    for start in starts:
        async with view.scan(start=start, limit=SEEK_ROWS) as rows:
            found.append(await rows.take(SEEK_ROWS))
    return found


def some(data: Data, salt: int) -> tuple[list[bytes], list[bytes | None]]:
    """Return keys at random, and their values."""
    rows = rows_of(data, data.uniform(READS, salt))
    return [key for key, _ in rows], [value for _, value in rows]


def gets(places: Places) -> list[Way]:
    """One key at a time; the keys are there."""
    keys, values = some(places.data, 1)
    few, their = keys[:DEVICE_READS], values[:DEVICE_READS]

    async def forget() -> None:
        drop_page_cache(places.folder)

    return [
        Way("in a memtable", partial(each, places.memory.get, keys), values),
        Way("kept as a row", partial(each, places.rows.get, keys), values),
        Way("in a kept block", partial(each, places.blocks.get, keys), values),
        Way("six tables, a memtable", partial(each, places.levels.get, keys), values),
        Way(
            "in the page cache, packed", partial(each, places.packed.get, keys), values
        ),
        Way("on the device", partial(each, places.cold.get, few), their, forget),
    ]


def misses(places: Places) -> list[Way]:
    """One key at a time; none is there, and all lie between two that are."""
    keys = [key + b"-" for key in some(places.data, 2)[0]]
    nothing = [None] * READS
    return [
        Way("all rows are kept", partial(each, places.rows.get, keys), nothing),
        Way("a filter", partial(each, places.packed.get, keys), nothing),
        Way("six filters, a memtable", partial(each, places.levels.get, keys), nothing),
    ]


def many(places: Places) -> list[Way]:
    """A hundred keys at once."""
    keys, values = some(places.data, 3)
    return [
        Way("in a memtable", partial(in_groups, places.memory, keys), values),
        Way("kept as rows", partial(in_groups, places.rows, keys), values),
        Way("six tables, a memtable", partial(in_groups, places.levels, keys), values),
        Way(
            "in the page cache, packed", partial(in_groups, places.packed, keys), values
        ),
    ]


def scans(places: Places) -> list[Way]:
    """All rows."""
    ahead = rows_of(places.data, range(places.data.count))
    back = ahead[::-1]
    memory, blocks = places.memory, places.rows
    levels, packed = places.levels, places.packed
    backward = partial(row_by_row, reverse=True)
    return [
        Way("kept blocks, chunks", partial(in_chunks, blocks), ahead),
        Way("kept blocks, rows", partial(row_by_row, blocks), ahead),
        Way("kept blocks, rows backward", partial(backward, blocks), back),
        Way("memtable, chunks", partial(in_chunks, memory), ahead),
        Way("six tables and a memtable, chunks", partial(in_chunks, levels), ahead),
        Way("six tables and a memtable, rows", partial(row_by_row, levels), ahead),
        Way("six tables and a memtable, backward", partial(backward, levels), back),
        Way("in the page cache, packed, chunks", partial(in_chunks, packed), ahead),
    ]


def short_scans(places: Places) -> list[Way]:
    """A seek and fifty rows."""
    data, draw = places.data, Random(4).randrange
    first = [draw(data.count - SEEK_ROWS) for _ in range(SEEKS)]
    starts = [data.key(index) for index in first]
    wanted = [rows_of(data, range(index, index + SEEK_ROWS)) for index in first]
    return [
        Way("kept blocks", partial(seeks, places.rows, starts), wanted),
        Way("memtable", partial(seeks, places.memory, starts), wanted),
        Way("six tables and a memtable", partial(seeks, places.levels, starts), wanted),
        Way("in the page cache, packed", partial(seeks, places.packed, starts), wanted),
    ]


async def measure(folder: Path, data: Data) -> None:
    """Measure and print."""
    async with open_places(folder, data) as places:
        tell("a get", await medians(gets(places)))
        tell("a get of what is not there", await medians(misses(places)))
        tell("a key of get_many", await medians(many(places)))
        tell("a row of a scan of everything", await medians(scans(places)))
        tell("a seek and fifty rows", await medians(short_scans(places)))

"""A store with something of everything, and what a folder holds when it is opened."""

import attrs

import tempest
from io_backends import Io, VirtualIo
from tempest import Options, Store

STORE = "store"
BACKUP = "backup"
OPTIONS = Options(
    compaction_inline=True,
    memtable_bytes_max=16384,
    block_bytes=256,
    segment_bytes_max=16384,
    separated_value_bytes_min=512,
    level0_tables_max=100,  # compactions are asked for
    level_bytes_base=1 << 20,
    collection_live_share_max=0.0,
)
Content = dict[bytes, bytes]


async def fill(store: Store, first: int = 0, count: int = 12) -> None:
    """Write small and large values, some in tables, some in the log, some twice."""
    for number in range(first, first + count):
        await store.put(b"key %03d" % number, b"value %d" % number)
        await store.put(b"large %03d" % number, b"%d;" % number * 400)
    await store.flush()
    for number in range(first, first + count, 3):
        await store.put(b"key %03d" % number, b"again %d" % number)
        await store.delete(b"large %03d" % number)
    async with store.session("importer") as session:
        await session.put(b"imported %03d" % first, b"row")


async def read_all(store: Store) -> Content:
    async with store.scan() as rows:
        return {key: value async for key, value in rows}


@attrs.frozen
class Sight:
    """What is seen of a store."""

    content: Content
    sessions: dict[str, int]


async def look(io: Io, folder: str, *, read_only: bool = True) -> Sight:
    """Open a folder and read all of it."""
    async with tempest.open_store(
        folder, io=io, options=OPTIONS, read_only=read_only, create=False
    ) as store:
        return Sight(await read_all(store), await store.sessions())


async def sight_of(store: Store) -> Sight:
    return Sight(await read_all(store), await store.sessions())


async def data_files(io: VirtualIo, folder: str) -> list[str]:
    names = await io.list(folder)
    return [name for name in names if name.startswith(("table-", "log-"))]

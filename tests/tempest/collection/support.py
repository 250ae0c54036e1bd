"""A small store of large values, an oracle beside it, and what is really on its disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import attrs
import trio.testing

import tempest
from io_backends import Io, VirtualDisk, VirtualIo
from tempest import CollectionMethod, Options, Store
from tempest.columns import Kind
from tempest.log import segment_name
from tempest.pointers import decode_pointer
from tempest.table import TableCursor
from tempest.version import Version
from tempest.view import View
from tests.tempest.shelf import STORE, changed, content_of

VALUED = Options(
    memtable_bytes_max=8192,
    segment_bytes_max=8192,
    separated_value_bytes_min=256,
    collection_live_share_max=0.0,
    table_bytes_max=4096,
    block_bytes=512,
    level0_tables_max=4,
    compaction_inline=True,
    resume_seconds_max=5.0,
    close_seconds_max=20.0,
)
EXACT = (CollectionMethod.SCAN, CollectionMethod.LOOKUP)


@attrs.define(eq=False)
class Oracle:
    """A store and what must be in it."""

    store: Store
    io: Io
    disk: VirtualDisk
    content: dict[bytes, bytes] = attrs.field(factory=dict)
    random: Random = attrs.field(factory=lambda: Random(1))

    async def put(self, number: int, size: int = 1000) -> None:
        key = b"key-%03d" % number
        self.content[key] = self.random.randbytes(size)
        await self.store.put(key, self.content[key])

    async def delete(self, number: int) -> None:
        key = b"key-%03d" % number
        self.content.pop(key, None)
        await self.store.delete(key)

    async def overwrite(self, keys: int, count: int, size: int = 1000) -> None:
        """Write keys in random order, `count` times in all."""
        for _ in range(count):
            await self.put(self.random.randrange(keys), size)

    async def check(self) -> None:
        """Every way of reading shows the content."""
        await self.check_view(self.store, self.content)

    async def check_view(self, view: View, content: dict[bytes, bytes]) -> None:
        assert await content_of(view) == content
        async with view.scan(reverse=True) as rows:
            assert dict([row async for row in rows]) == content
        keys = [b"key-%03d" % number for number in range(-1, 60)]
        expected = [content.get(key) for key in keys]
        assert await view.get_many(keys) == expected
        for key, value in zip(keys, expected, strict=True):
            assert await view.get(key) == value

    async def check_statistics(self) -> None:
        """R19: what is claimed is what the pointers say, no less than is live, and on the disk."""
        await settle()
        statistics = self.store.statistics().collection
        claimed = {s.number: s.live_bytes for s in statistics.segments if s.live_bytes}
        closed = {segment.number for segment in statistics.segments}
        pointed = (await self.pointed_bytes()).items()
        assert claimed == {number: size for number, size in pointed if number in closed}
        exact = [await self.found(method) for method in EXACT]
        assert exact[0] == exact[1]
        assert all(live <= claimed[number] for number, live in exact[0].items())
        for segment in statistics.segments:
            assert segment.bytes <= len(self.disk.read(self.path(segment.number)))

    async def found(self, method: CollectionMethod) -> dict[int, int]:
        """Live bytes by segment, of those that are not live as a whole."""
        estimate = await self.store.should_collect(method, 1.0)
        return {s.number: s.live_bytes for s in estimate.segments if s.live_bytes}

    async def pointed_bytes(self) -> dict[int, int]:
        """What all pointers of all tables lead to, read from the tables themselves."""
        found: dict[int, int] = {}
        tables = self.store._reading.reader.tables
        for meta in self.version.tables:
            cursor = TableCursor(tables, (meta,))
            while (chunk := await cursor.next_chunk()) is not None:
                for value, kind in zip(chunk.values, chunk.kinds, strict=False):
                    if kind == Kind.POINTER:
                        pointer = decode_pointer(value)
                        before = found.get(pointer.segment, 0)
                        found[pointer.segment] = before + pointer.length
        return found

    def exists(self, path: str) -> bool:
        return path in self.disk.files()

    @staticmethod
    def path(number: int) -> str:
        return f"/{STORE}/{segment_name(number)}"

    @property
    def version(self) -> Version:
        engine = self.store._engine
        assert engine is not None
        return engine.manifest.current

    def disk_bytes(self) -> int:
        """Bytes of all files but the manifest's."""
        paths = [path for path in self.disk.files() if "manifest-" not in path]
        return sum(len(self.disk.read(path)) for path in paths)

    def live_bytes(self) -> int:
        return sum(map(len, self.content.values()))


async def settle() -> None:
    """Wait until no background task has anything left to do."""
    await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def opened(
    disk: VirtualDisk | None = None, io: Io | None = None, **changes: object
) -> AsyncIterator[Oracle]:
    """Open the store on a disk, with `VALUED` options but for some; the disk is fresh or given."""
    disk = VirtualDisk() if disk is None else disk
    io = VirtualIo(disk) if io is None else io
    options = changed(VALUED, changes)
    async with tempest.open_store(STORE, io=io, options=options) as store:
        yield Oracle(store, io, disk, await content_of(store))

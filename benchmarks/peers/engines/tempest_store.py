"""Tempest, in the ways it can be used: awaited, without waiting, rows or chunks.

The block cache is that of the tuned peers, 64 MiB. The memtable is 32 MiB, Tempest's default: it
counts what Python's objects take, and so holds 106,000 of these entries, as many as the tuned
peers' 16 MiB of key and value bytes.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs

import tempest
from benchmarks.peers.engine import SCAN_ROWS, AsyncFace, Row, Traits
from tempest import Durability, Options, Store

MIB = 1 << 20
MEMTABLE_BYTES = 32 * MIB
UNFLUSHED_BYTES = 64 * MIB
CACHE_BYTES = 64 * MIB
MEMTABLES = (
    3  # memory_bytes_max by default: the active one and two that wait for their flush
)


@attrs.frozen
class Tempest:
    """One way to use it; see `ENGINES`."""

    level: Durability = Durability.OS
    nowait: bool = False
    chunks: bool = False
    memtable_bytes: int = MEMTABLE_BYTES

    @property
    def traits(self) -> Traits:
        ways = {"nowait": self.nowait, "chunks": self.chunks}
        face = " ".join(name for name, used in ways.items() if used) or "awaited"
        return Traits(
            kind=f"LSM (Tempest, pure Python), {face}",
            without_sync=f"level {self.level.name}",
            with_sync="level DISK: log synced, in groups",
            settings=f"{self.memtable_bytes // MIB} MiB memtable, 64 MiB block cache, "
            "filter of 10 bits, LZ4",
            budget_bytes=MEMTABLES * self.memtable_bytes + CACHE_BYTES,
        )

    @asynccontextmanager
    async def session(self, path: str, *, sync: bool) -> AsyncIterator[AsyncFace]:
        options = Options(
            durability=Durability.DISK if sync else self.level,
            memtable_bytes_max=self.memtable_bytes,
            cache_bytes_max=CACHE_BYTES,
        )
        async with tempest.open_store(path, options=options) as store:
            face = face_of(store)
            if self.nowait:
                face = attrs.evolve(
                    face, put_nowait=store.put_nowait, get_nowait=store.get_nowait
                )
            yield in_chunks(store, face) if self.chunks else face


def face_of(store: Store) -> AsyncFace:
    """Return the store's own methods, awaited; scans row by row."""

    async def write(rows: Sequence[Row]) -> None:
        async with store.batch() as batch:
            batch.put_many(rows)

    async def scan(reverse: bool) -> AsyncIterator[list[Row]]:  # noqa: FBT001, the face's shape
        part: list[Row] = []
        add = part.append
        async with store.scan(reverse=reverse) as rows:
            async for row in rows:
                add(row)
                if len(part) == SCAN_ROWS:
                    yield part
                    part = []
                    add = part.append
        if part:
            yield part

    async def seek(key: bytes, count: int) -> list[Row]:
        async with store.scan(start=key, limit=count) as rows:
            return await rows.take(count)

    async def settle() -> None:
        await store.flush()
        await store.compact()

    return AsyncFace(
        put=store.put,
        get=store.get,
        delete=store.delete,
        write=write,
        get_many=store.get_many,
        scan=scan,
        seek=seek,
        update=store.update,
        settle=settle,
    )


def in_chunks(store: Store, face: AsyncFace) -> AsyncFace:
    """Scan in lists of rows."""

    async def scan(reverse: bool) -> AsyncIterator[list[Row]]:  # noqa: FBT001, the face's shape
        async with store.scan(reverse=reverse) as rows:
            async for part in rows.chunks(SCAN_ROWS):
                yield part

    return attrs.evolve(face, scan=scan)


ENGINES = {
    "tempest": Tempest(),
    "tempest_memory": Tempest(level=Durability.MEMORY),
    "tempest_nowait": Tempest(nowait=True),
    "tempest_memory_nowait": Tempest(level=Durability.MEMORY, nowait=True),
    "tempest_chunks": Tempest(chunks=True),
    "tempest_unflushed": Tempest(memtable_bytes=UNFLUSHED_BYTES),
}

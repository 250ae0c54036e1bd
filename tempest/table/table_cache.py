"""Open tables kept for reads, bounded in bytes and in file handles.

    table = cache.get_nowait(meta)            # open already: use it at once, without an await
    table = await cache.acquire(meta)         # opened if need be, and pinned
    ... await table.block(3) ...
    cache.release(table)

Invariants
- A pinned table is never closed; if its file is removed meanwhile, the open handle reads on.
- More tables than `tables_max` are open only while all of them are pinned.
- `changes` moves whenever a table is opened or evicted.
- Two tasks that open the same table end up with one; the other handle is closed.
- A table that was evicted while pinned is closed by the next call that may wait.
- Nothing stays open behind `aclose`: who was opening a table then gets `NotOpenError`.
"""

from collections import OrderedDict

import trio

from io_backends import Io, TooManyFilesError
from tempest.errors import NotOpenError
from tempest.table.cache import BlockCache
from tempest.table.meta import TableMeta, table_name
from tempest.table.reader import Table


class TableCache:
    """Tables of one store by number. The least recently looked at goes first (the clock)."""

    def __init__(
        self,
        io: Io,
        folder: str,
        store_id: bytes,
        block_cache: BlockCache,
        *,
        bytes_max: int,
        tables_max: int,
    ) -> None:
        self._io = io
        self._folder = folder
        self._store_id = store_id
        self._block_cache = block_cache
        self._bytes_max = bytes_max
        self._tables_max = tables_max
        self._tables: OrderedDict[int, Table] = OrderedDict()
        self._evicted: list[Table] = []
        self._bytes = 0
        self._is_closed = False
        self._lends = False
        self.opens = 0
        self.changes = 0  # how often the set of open tables changed

    @property
    def bytes_used(self) -> int:
        """What the open tables occupy beside their blocks."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def blocks(self) -> BlockCache:
        """The cache that the tables share."""
        return self._block_cache

    def lend(self) -> None:
        """Let the blocks have what open tables leave of their budget, from now on.

        Not by itself: a job opens all it needs with a budget without bounds, and keeps no block.
        """
        self._lends = True
        self._count(0)

    def peek(self, number: int) -> Table | None:
        """Return the table if it is open, without a mark: good while `changes` is what it is."""
        return self._tables.get(number)

    def get_nowait(self, meta: TableMeta) -> Table | None:
        """Return the table if it is open: good until the next await."""
        table = self._tables.get(meta.number)
        if table is not None:
            table.is_used = True
        return table

    async def acquire(self, meta: TableMeta) -> Table:
        """Return the table, opened if need be, and keep it open until `release`."""
        table = self._tables.get(meta.number)
        if table is not None:
            table.pins += 1
            table.is_used = True
            return table
        table = await self._open(meta)
        table.pins += 1
        self._shrink(self._tables_max, self._bytes_max)
        return table

    def release(self, table: Table) -> None:
        """Give back what `acquire` returned."""
        assert table.pins > 0, "released more often than acquired"
        table.pins -= 1

    async def evict(self, number: int) -> None:
        """Forget a table, for instance before its file is removed."""
        table = self._tables.pop(number, None)
        if table is not None:
            self._forget(table)
        await self._close_evicted()

    async def aclose(self) -> None:
        """Close all tables, pinned or not; none is opened any more. Idempotent."""
        self._is_closed = True
        while self._tables:
            self._forget(self._tables.popitem()[1])
        while self._evicted:
            await self._evicted.pop().aclose()

    async def _open(self, meta: TableMeta) -> Table:
        """Open a table; there is no await between its entry here and the caller's pin."""
        self._shrink(self._tables_max - 1, self._bytes_max)
        await self._close_evicted()
        try:
            opened = await self._open_file(meta)
        except TooManyFilesError:
            # The host needs its handles elsewhere: give half of ours back and try once more.
            self._shrink(len(self._tables) // 2, self._bytes_max)
            await self._close_evicted()
            opened = await self._open_file(meta)
        if self._is_closed:
            with trio.CancelScope(shield=True):
                await opened.aclose()
            raise NotOpenError("store")
        table = self._tables.get(meta.number)
        if table is not None:
            # Another task was faster: its table stays, and ours is closed at the next chance.
            self._evicted.append(opened)
            return table
        self._tables[meta.number] = opened
        self._count(opened.memory_bytes)
        self.opens += 1
        return opened

    async def _open_file(self, meta: TableMeta) -> Table:
        path = f"{self._folder}/{table_name(meta.number)}"
        return await Table.open(self._io, path, self._store_id, meta, self._block_cache)

    def _shrink(self, tables_max: int, bytes_max: int) -> None:
        """Evict what is not pinned, what was not used of late first, until both bounds hold."""
        for _ in range(2 * len(self._tables)):
            if len(self._tables) <= tables_max and self._bytes <= bytes_max:
                return
            number, table = self._tables.popitem(last=False)
            if table.pins or table.is_used:
                table.is_used = False
                self._tables[number] = table
            else:
                self._forget(table)

    def _forget(self, table: Table) -> None:
        self._count(-table.memory_bytes)
        table.drop_blocks()
        self._evicted.append(table)

    def _count(self, change: int) -> None:
        """Note that a table came or went, and lend what the tables leave over."""
        self.changes += 1
        self._bytes += change
        if self._lends:
            self._block_cache.borrow(max(0, self._bytes_max - self._bytes))

    async def _close_evicted(self) -> None:
        """Close evicted tables that nobody uses any more; several tasks may be at it."""
        while idle := [table for table in self._evicted if not table.pins]:
            self._evicted.remove(idle[0])
            await idle[0].aclose()

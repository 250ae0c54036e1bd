"""Walk over the entries of tables that do not overlap, block by block, either way.

Invariants
- A chunk is the part of one block that lies in the range: keys ascend inside it in both
  directions, and all versions of a key are in it.
- Between two calls no table is pinned: whoever walks pins the version that names the tables.
"""

from collections.abc import Sequence

import trio

from tempest.columns import Columns
from tempest.table.block import clip
from tempest.table.meta import TableMeta
from tempest.table.reader import Table
from tempest.table.table_cache import TableCache


class TableCursor:
    """A source of chunks (`tempest.iterator.Source`) over tables sorted by key.

    The range is [start, stop); `stop` None means "to the end". With `reverse` the chunks come
    in descending order.
    """

    def __init__(
        self,
        cache: TableCache,
        tables: Sequence[TableMeta],
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        reverse: bool = False,
    ) -> None:
        self._cache = cache
        self._start = start
        self._stop = stop
        self._reverse = reverse
        # The tables that are left, the next one last.
        self._left = [
            meta
            for meta in tables
            if meta.largest >= start
            and (stop is None or (start < stop and meta.smallest < stop))
        ]
        if not reverse:
            self._left.reverse()
        self._blocks: range | None = None

    async def next_chunk(self) -> Columns | None:
        """Return the next chunk, or None at the end. No checkpoint if all is in memory."""
        while self._left:
            chunk = clip(await self._next_block(), self._start, self._stop)
            if chunk.keys:
                return chunk
        return None

    async def _next_block(self) -> Columns:
        """Return the next block of the next table; what is left changes only with success."""
        meta = self._left[-1]
        table = self._cache.get_nowait(meta)
        if table is not None:
            try:
                return self._passed(table.block_nowait(self._place(table)))
            except trio.WouldBlock:
                pass
        table = await self._cache.acquire(meta)
        try:
            return self._passed(await table.block(self._place(table)))
        finally:
            self._cache.release(table)

    def _place(self, table: Table) -> int:
        """Return the index of the next block of the table."""
        if self._blocks is None:
            low, high = table.find_block(self._start), table.block_count
            if self._stop is not None:
                high = min(high, table.find_block(self._stop) + 1)
            self._blocks = range(low, high)
        return self._blocks[-1 if self._reverse else 0]

    def _passed(self, columns: Columns) -> Columns:
        blocks = self._blocks
        assert blocks is not None, "a block was read, so its place is known"
        self._blocks = blocks[:-1] if self._reverse else blocks[1:]
        if not self._blocks:
            self._left.pop()
            self._blocks = None
        return columns

"""Walk over the entries of tables that do not overlap, block by block, either way.

Invariants
- A block comes whole or not at all; `next_chunk` cuts it to the range: keys ascend inside it in
  both directions, and all versions of a key are in it.
- Between two calls no table is pinned: whoever walks pins the version that names the tables.
- The place moves only with a block that was read: what failed or was cancelled is read again.
"""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

import trio

from io_backends import IoError
from tempest.columns import Columns
from tempest.errors import CorruptionError
from tempest.table.ahead import Ahead
from tempest.table.block import clip
from tempest.table.meta import TableMeta
from tempest.table.reader import Table
from tempest.table.table_cache import TableCache

BLOCKS_STEP = 16
"""Passed at once at most: cold they take 0.4 ms,"""

UNPACKED_BYTES_STEP = 256 << 10
"""and so many bytes of values, about, where these are large."""

_smallest = attrgetter("smallest")
_largest = attrgetter("largest")


class TableCursor:
    """A source of chunks (`tempest.iterator.Source`) over tables sorted by key.

    The range is [start, stop); `stop` None means "to the end". With `reverse` the chunks come
    in descending order. With `reads_ahead` several blocks are read at once. `meta` is the table
    of the block that was read last.
    """

    __slots__ = (
        "_ahead",
        "_blocks_high",
        "_blocks_low",
        "_cache",
        "_high",
        "_low",
        "_reverse",
        "_start",
        "_stop",
        "_tables",
        "meta",
    )

    def __init__(
        self,
        cache: TableCache,
        tables: Sequence[TableMeta],
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        reverse: bool = False,
        reads_ahead: bool = False,
    ) -> None:
        self._cache = cache
        self._start = start
        self._stop = stop
        self._reverse = reverse
        # What is left: tables [low, high), and of the next one blocks [low, high), -1: not known.
        self._tables = tables
        self._low, self._high = 0, len(tables)
        if start:
            self._low = bisect_left(tables, start, key=_largest)
        if stop is not None:
            high = bisect_left(tables, stop, self._low, key=_smallest)
            self._high = high if start < stop else self._low
        self._blocks_low, self._blocks_high = -1, -1
        self._ahead = Ahead(reverse=reverse, is_wanted=reads_ahead)
        self.meta: TableMeta | None = None

    @property
    def is_done(self) -> bool:
        """Whether no table is left."""
        return self._low == self._high

    async def next_chunk(self) -> Columns | None:
        """Return the next chunk, or None at the end. No checkpoint if all is in memory."""
        while True:
            block = await self.next_block()
            if block is None:
                return None
            chunk = clip(block, self._start, self._stop)
            if chunk.keys:
                return chunk

    def next_block_nowait(self) -> Columns | None:
        """Return the next block, the whole of it, or None at the end.

        Raises `trio.WouldBlock` if that needs the device: await `next_block` then.
        """
        if self._low == self._high:
            return None
        meta = self._tables[self._high - 1 if self._reverse else self._low]
        table = self._cache.get_nowait(meta)
        if table is None:
            raise trio.WouldBlock
        index = self._place(table)
        return self._passed(meta, self._ahead.block_nowait(table, index, self._left()))

    def whole_blocks(self, rows_max: int, rows_a_block: int) -> list[Columns]:
        """Pass and return blocks of the table at hand that lie wholly in the range.

        Only those that need no device and are sound, about `rows_a_block` entries each, of
        `rows_max` entries in all. None if the table at hand is at its end: `next_block` goes on
        to another.
        """
        low, high = self._blocks_low, self._blocks_high
        if low < 0:
            return []
        table = self._cache.get_nowait(
            self._tables[self._high - 1 if self._reverse else self._low]
        )
        if table is None:
            return []
        count = min(high - low - 1, rows_max // rows_a_block, BLOCKS_STEP)
        if self._reverse:
            places = range(high - 1, high - 1 - count, -1)
        else:
            places = range(low, low + count)
        blocks = table.held_blocks(places)
        blocks += self._unpacked(table, places[len(blocks) :])
        while blocks and sum([len(block.keys) for block in blocks]) > rows_max:
            blocks.pop()
        if self._reverse:
            self._blocks_high -= len(blocks)
        else:
            self._blocks_low += len(blocks)
        return blocks

    def _unpacked(self, table: Table, places: range) -> list[Columns]:
        """Read and unpack blocks as far as they need no device, are sound, and not too large."""
        blocks: list[Columns] = []
        others, size = self._left(), 0
        try:
            for index in places:
                block = self._ahead.block_nowait(table, index, others)
                blocks.append(block)
                size += len(block.values[0]) * len(block.values)
                if size >= UNPACKED_BYTES_STEP:
                    break
        except (trio.WouldBlock, CorruptionError, IoError):
            pass  # `next_block` meets it again
        return blocks

    async def next_block(self) -> Columns | None:
        """Return the next block, the whole of it, or None at the end."""
        try:
            return self.next_block_nowait()
        except trio.WouldBlock:
            pass
        meta = self._tables[self._high - 1 if self._reverse else self._low]
        table = await self._cache.acquire(meta)
        try:
            index = self._place(table)
            block = await self._ahead.block(table, index, self._left())
            return self._passed(meta, block)
        finally:
            self._cache.release(table)

    def _place(self, table: Table) -> int:
        """Return the index of the next block of the table."""
        if self._blocks_low < 0:
            low, high = table.find_block(self._start), table.block_count
            if self._stop is not None:
                high = min(high, table.find_block(self._stop) + 1)
            self._blocks_low, self._blocks_high = low, high
        return self._blocks_high - 1 if self._reverse else self._blocks_low

    def _left(self) -> range:
        """Return the blocks of the table at hand that were not passed."""
        return range(self._blocks_low, self._blocks_high)

    def _passed(self, meta: TableMeta, columns: Columns) -> Columns:
        self.meta = meta
        if self._reverse:
            self._blocks_high -= 1
        else:
            self._blocks_low += 1
        if self._blocks_low == self._blocks_high:
            self._blocks_low = -1
            self._ahead.forget()
            if self._reverse:
                self._high -= 1
            else:
                self._low += 1
        return columns

"""Decoded blocks kept for reads, within a budget of bytes that all tables share.

A table owns a slot for each of its blocks (`TableBlocks`); the cache decides which slots are
filled. So a hit is a list index, without a lookup in any shared dict: 0.03 us where a dict keyed
by (table, block) costs 0.12, and marking it for the second chance costs 0.02 where moving it to
the end of a queue costs 0.08.

A block that a point read came to is indexed besides: its rows come into the `RowCache`, as long
as it looks as if all blocks of all tables find room there.

Eviction is the clock: blocks queue up as they came, the oldest goes unless it was hit since it
was last looked at. Once the cache is full a block is let in when it is asked for a second time
soon (`wants`; the ghosts of 2Q, Johnson and Shasha, VLDB 1994): neither a scan nor reads here and
there push out what is hit often, nor do they pay 10 us for every block to keep it and let it go.

Invariants
- The blocks in slots are exactly those in the queue, and their charges add up to at most
  `bytes_max` whenever a call has returned, with the rows that are indexed or lone.
- A block that came twice (two readers missed it at once) is kept once.
- A slot of a table that was dropped is never filled again.
- Only blocks in slots are indexed, and a row comes in only if `newest` said so of its block, or
  the caller of `add_row` did of its key.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from itertools import compress

from tempest.columns import Columns
from tempest.table.row_cache import RowCache

_ENTRY_BYTES = 96  # two bytes objects and the places in two lists
_BLOCK_BYTES = 400
_ROW_BYTES = 54  # the place in a dict just after it has grown
_BLOCK_ENTRIES_MAX = 4096

_BARE, _INDEXED, _PARTLY = range(3)  # whether the rows of a block are in the row cache
_GHOST = 3  # the mark of a block that is not kept, and was asked for not long ago
_GHOSTS_MIN = 64
_FULL_SHARE = 16  # full with less than one part in so many left

_FEW_BLOCKS = 4
_FEW_SHARE = 32

Newest = Callable[[int, Columns], "Collection[bytes] | None"]
"""Asked for a block of the table of this number: may it be that a newer version of one of its keys
is in another table? Then None. Else the keys of which one is in memory."""


def _unknown(_number: int, _columns: Columns) -> None:
    """Say that nobody knows what is newest."""


class TableBlocks:
    """The slots of one table. `Table.get_nowait` reads and marks them in its own code."""

    __slots__ = (
        "indexed",
        "is_dropped",
        "marks",
        "number",
        "serial",
        "slots",
        "tried",
        "unindexed",
    )

    def __init__(self, serial: int, count: int, number: int) -> None:
        self.serial = serial
        self.number = number
        self.slots: list[Columns | None] = [None] * count
        self.marks = bytearray(count)
        self.indexed = bytearray(count)
        self.unindexed = count
        self.tried = 0  # up to here nobody completes: see `BlockCache.another`
        self.is_dropped = False


class BlockCache:
    """Bounded in bytes, shared by all tables of a store. One task at a time: no awaits."""

    __slots__ = (
        "_bytes",
        "_bytes_max",
        "_bytes_own",
        "_count",
        "_ghosts",
        "_queue",
        "_serial",
        "few",
        "hits",
        "misses",
        "newest",
        "rows",
        "unindexed",
    )

    def __init__(self, bytes_max: int, lent_max: int = 0) -> None:
        """Hold at most `bytes_max` bytes, and up to `lent_max` more once they are lent."""
        self._bytes_own = self._bytes_max = bytes_max
        self._bytes = 0
        self._serial = 0
        self._queue: OrderedDict[tuple[int, int], tuple[TableBlocks, int]] = (
            OrderedDict()
        )
        self._ghosts: deque[tuple[TableBlocks, int]] = deque()
        self.hits = 0
        self.misses = 0
        self.rows = RowCache(bytes_max + lent_max)
        self.rows.lone.bound(bytes_max // 4 * 3)
        self.newest: Newest = _unknown
        self.unindexed = 0  # blocks of open tables whose rows are not all here,
        self._count = 0  # of so many;
        self.few = 0  # so many are worth reading to have all: see `another`

    @property
    def bytes_used(self) -> int:
        return self._bytes + self.rows.lone.bytes

    def __len__(self) -> int:
        return len(self._queue)

    def register(self, count: int, number: int = 0) -> TableBlocks:
        """Return slots for a table of this number with `count` blocks."""
        self._serial += 1
        self.unindexed += count
        self._count_more(count)
        return TableBlocks(self._serial, count, number)

    def borrow(self, bytes_lent: int) -> None:
        """Use so many bytes beside the own ones, instead of what was lent before."""
        self._bytes_max = self._bytes_own + bytes_lent
        self.rows.lone.bound(self._bytes_max // 4 * 3)
        self._make_room(0)

    def wants(self, blocks: TableBlocks, index: int) -> bool:
        """Say whether a block that is not here should be kept, now that it is asked for."""
        marks = blocks.marks
        if marks[index] == _GHOST:
            return True
        left = self._bytes_max - self._bytes - self.rows.lone.bytes
        if left >= self._bytes_max // _FULL_SHARE:
            return True
        ghosts = self._ghosts
        ghosts.append((blocks, index))
        marks[index] = _GHOST
        while len(ghosts) > _GHOSTS_MIN + len(self._queue) // 8:
            forgotten, place = ghosts.popleft()
            if forgotten.marks[place] == _GHOST:
                forgotten.marks[place] = 0
        return False

    @property
    def _holds_all(self) -> bool:
        """Whether all blocks of all open tables would find room, if they are like those here."""
        return self._count * self._bytes <= self._bytes_max * len(self._queue)

    def keep(
        self, blocks: TableBlocks, index: int, columns: Columns, raw_bytes: int
    ) -> None:
        """Fill a slot, unless the table was dropped or the block fits no budget."""
        charge = raw_bytes + _ENTRY_BYTES * len(columns.keys) + _BLOCK_BYTES
        if (
            charge > self._bytes_max
            or blocks.is_dropped
            or blocks.slots[index] is not None
        ):
            return
        self._make_room(charge)
        blocks.slots[index] = columns
        blocks.marks[index] = 0
        self._queue[blocks.serial, index] = (blocks, charge)
        self._bytes += charge

    def index(self, blocks: TableBlocks, index: int) -> None:
        """Index a block that is kept and holds the newest versions of its keys, if there is room."""
        columns = blocks.slots[index]
        if columns is None or blocks.indexed[index] == _INDEXED or not self._holds_all:
            return
        in_memory = self.newest(blocks.number, columns)
        if in_memory is None or not self._charge_rows(blocks, index, columns):
            return
        keys, values, rows = columns.keys, columns.values, self.rows
        if columns.kinds or len(set(keys)) < len(keys) or min(map(len, values)) < 2:
            mask = _plain_rows(columns)
            rows.put_all(list(compress(keys, mask)), compress(values, mask))
        else:
            rows.put_all(keys, values)
            blocks.indexed[index] = _INDEXED
            blocks.unindexed -= 1
            self.unindexed -= 1
        rows.forget_all(in_memory)

    def add_row(
        self, blocks: TableBlocks, index: int, key: bytes, value: bytes
    ) -> None:
        """Add one row: the newest version of a key that has none and is not in memory."""
        if len(value) < 2:
            return
        if blocks.indexed[index]:
            self.rows.put(key, value)
        else:
            self.rows.put_lone(key, value)
            self._make_room(0)

    def another(self, blocks: TableBlocks) -> int:
        """Return a block of this table that is worth reading so that it can be indexed, else -1.

        That is so if there is room and only few blocks of all tables have given no rows: once
        none is left, what is missing costs a dict instead of filters. Each is named once.
        """
        if (
            self.unindexed > self.few
            or self.bytes_used > self._bytes_max - self._bytes_max // 8
            or not self._holds_all
        ):
            return -1
        index = blocks.indexed.find(_BARE, blocks.tried)
        blocks.tried = index + 1 if index >= 0 else len(blocks.slots)
        return index

    def drop(self, blocks: TableBlocks) -> None:
        """Empty the slots of a table for good."""
        if blocks.is_dropped:
            return
        blocks.is_dropped = True
        self.rows.is_whole = False
        for index, columns in enumerate(blocks.slots):
            if columns is not None:
                _, charge = self._queue.pop((blocks.serial, index))
                self._bytes -= charge
                self._remove(blocks, index)
                blocks.slots[index] = None
        self.unindexed -= blocks.unindexed
        self._count_more(-len(blocks.slots))

    def _count_more(self, blocks: int) -> None:
        self._count += blocks
        self.few = _FEW_BLOCKS + self._count // _FEW_SHARE

    def _charge_rows(self, blocks: TableBlocks, index: int, columns: Columns) -> bool:
        """Pay for the rows of a block, unless that was done; say whether there was room."""
        if blocks.indexed[index]:
            return True
        count = len(columns.keys)
        charge = _ROW_BYTES * count
        if self.bytes_used + charge > self._bytes_max or count > _BLOCK_ENTRIES_MAX:
            return False
        self._bytes += charge
        blocks.indexed[index] = _PARTLY
        return True

    def _make_room(self, charge: int) -> None:
        """Evict the oldest blocks that were not hit since they were last looked at."""
        queue, lone = self._queue, self.rows.lone
        while self._bytes + lone.bytes + charge > self._bytes_max:
            if not queue:
                lone.clear()
                return
            key, entry = queue.popitem(last=False)
            blocks, evicted = entry
            index = key[1]
            if blocks.marks[index]:
                blocks.marks[index] = 0
                queue[key] = entry
            else:
                self._bytes -= evicted
                self._remove(blocks, index)
                blocks.slots[index] = None

    def _remove(self, blocks: TableBlocks, index: int) -> None:
        """Take the rows of a block out again, if there are any."""
        columns, state = blocks.slots[index], blocks.indexed[index]
        if not state:
            return
        assert columns is not None, "a block is indexed and not kept"
        self.rows.remove(columns.keys, columns.values)
        if state == _INDEXED:
            blocks.unindexed += 1
            self.unindexed += 1
        blocks.indexed[index] = _BARE
        self._bytes -= _ROW_BYTES * len(columns.keys)


def _plain_rows(columns: Columns) -> list[bool]:
    """Say of each entry whether it is a put, alone with its key, whose value is an object of its own.

    Python has one object for all values of no byte, and one for each of a single byte.
    """
    keys, values, kinds = columns.keys, columns.values, columns.kinds
    count = len(keys)
    return [
        not (kinds and kinds[place])
        and len(values[place]) > 1
        and (not place or keys[place - 1] != keys[place])
        and (place + 1 == count or keys[place + 1] != keys[place])
        for place in range(count)
    ]

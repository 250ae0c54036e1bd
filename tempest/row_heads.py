"""Where a scan stands in each of its sources: a memtable, or tables that do not overlap.

A head shows a stretch of its source, `keys[low:high]`, which ascends also in a reverse scan; what
was taken is gone from the end at which the scan began. `refill` shows the next stretch.

Rows come as keys and values, newest visible versions only. A key that is deleted there has the
value `DELETED`, since it hides what older sources have of it, and a pointer in place of a value
is a `Separated`.

Invariants
- All versions of a key that a source has are shown, and taken, together.
- A head that could not be refilled stands where it stood.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Protocol

from msgspec import Struct

from tempest.columns import Columns, Kind
from tempest.iterator import newest_rows
from tempest.memtable import CHUNK_KEYS, Memtable
from tempest.table import TableCursor, TableMeta

RowPart = tuple[Sequence[bytes], Sequence[bytes], int]
"""Keys, values, and which marks (`HIDES`, `POINTS`) stand among the values."""

OwnPart = tuple[list[bytes], list[bytes], int]
"""The same in lists of whoever asked."""

HIDES = 1
POINTS = 2

_DELETE = int(Kind.DELETE)
_POINTER = int(Kind.POINTER)
_KEYS_MIN = 32
_JOINED_ROWS_MAX = 512  # unpacked at once by each of several heads, some 110 us
_keys, _values = attrgetter("keys"), attrgetter("values")


class Separated(bytes):
    """An encoded pointer to a value, in place of the value."""

    __slots__ = ()


DELETED = Separated()


class Range(Struct, frozen=True):
    """What to scan: [start, stop), `stop` None for the end; from either end; how many rows."""

    start: bytes
    stop: bytes | None
    reverse: bool
    limit: int | None
    keys_only: bool = False


def is_plain(meta: TableMeta, at: int) -> bool:
    """Say whether every entry of a table is a row to who reads at `at`.

    What the manifest knows saves a look at every entry: 2 us a block.
    """
    return not (
        meta.sequence_max > at or meta.shadowed or meta.tombstones or meta.segments
    )


class Head(Protocol):
    """What `RowMerger` asks of a source."""

    keys: Sequence[bytes]
    low: int
    high: int

    def refill(self, count: int, *, joins: bool = False) -> bool:
        """Show the next stretch if nothing is left of this one; False at the end.

        `count` entries are wanted; `joins`: many more will be, so blocks may be joined. Raises
        `trio.WouldBlock` if that needs the device.
        """
        ...

    async def wait(self) -> None:
        """Wait for what `refill` needs."""
        ...

    def is_last(self) -> bool:
        """Say whether the source is known to have nothing behind the stretch that is shown."""
        ...

    def rows(self, low: int, high: int) -> OwnPart:
        """Return the rows of keys[low:high] in lists of their own."""
        ...

    def take_whole(self, count: int) -> list[RowPart]:
        """Take what is shown and whole blocks behind it if they need no look at their entries.

        At most `count` rows, none if it cannot be done; in the direction of the scan. The lists
        may be shared and must not be changed.
        """
        ...


class TableHead:
    """A place in the tables of a level, or in one table of level 0. `at`: the reader's position."""

    __slots__ = (
        "_at",
        "_columns",
        "_cursor",
        "_is_plain",
        "_joined",
        "_reverse",
        "_start",
        "_stop",
        "_values",
        "high",
        "keys",
        "low",
    )

    def __init__(
        self,
        cursor: TableCursor,
        start: bytes,
        stop: bytes | None,
        *,
        reverse: bool,
        at: int,
    ) -> None:
        self._cursor = cursor
        self._start = start
        self._stop = stop
        self._reverse = reverse
        self._at = at
        self._columns: Columns | None = None
        self._is_plain = False
        self._joined = 0  # rows of blocks to be shown together
        self.keys: Sequence[bytes] = []
        self._values: Sequence[bytes] = []
        self.low = self.high = 0

    def refill(self, count: int, *, joins: bool = False) -> bool:
        if self.low < self.high:
            return True
        while self.low == self.high:
            columns = self._cursor.next_block_nowait()
            if columns is None:
                return False
            self._show(columns)
        if joins and self._is_plain:
            self._join()
        return True

    def _join(self) -> None:
        """Show the blocks behind the one that is shown together with it, twice as many each time.

        What is shown is merged with other heads in one go, which costs some 8 us by itself, and
        more the more heads there are. A row of a million, a memtable's between them, took 0.47 us
        block by block and takes 0.41; of ten million, in twelve heads, 0.75 and 0.58.
        """
        size = len(self.keys)
        blocks = self._cursor.whole_blocks(self._joined - size, size)
        self._joined = min(max(2 * self._joined, 2 * size), _JOINED_ROWS_MAX)
        if not blocks:
            return
        assert self._columns is not None, "a block is shown"
        parts = [self._columns, *blocks]
        if self._reverse:
            parts.reverse()
        behind = size - self.high
        self.keys = [*chain.from_iterable(map(_keys, parts))]
        self._values = [*chain.from_iterable(map(_values, parts))]
        self.high = len(self.keys) - behind

    async def wait(self) -> None:
        columns = await self._cursor.next_block()
        if columns is not None:
            self._show(columns)

    def is_last(self) -> bool:
        return False

    def rows(self, low: int, high: int) -> OwnPart:
        columns = self._columns
        assert columns is not None, "there is a block if there are keys"
        if self._is_plain:
            return list(self.keys[low:high]), list(self._values[low:high]), 0
        keys, values, kinds = newest_rows(columns.part(low, high), self._at)
        marks = HIDES * (_DELETE in kinds) | POINTS * (_POINTER in kinds)
        if marks:
            for place, kind in enumerate(kinds):
                if kind == _DELETE:
                    values[place] = DELETED
                elif kind == _POINTER:
                    values[place] = Separated(values[place])
        return keys, values, marks

    def take_whole(self, count: int) -> list[RowPart]:
        columns = self._columns
        low, high = self.low, self.high
        left = count - high + low
        if columns is None or not self._is_plain or left < 0:
            return []
        parts: list[RowPart] = []
        if low < high:
            parts.append((self.keys[low:high], self._values[low:high], 0))
            self.low = self.high = 0
        size = len(columns.keys)
        if left >= size:
            # Blocks of one table are all plain. Lists are not copied: 0.02 us a row.
            whole = self._cursor.whole_blocks(left, size)
            parts += [(block.keys, block.values, 0) for block in whole]
        if self._reverse:
            return [(keys[::-1], values[::-1], 0) for keys, values, _ in parts]
        return parts

    def _show(self, columns: Columns) -> None:
        keys, start, stop = columns.keys, self._start, self._stop
        low, high = 0, len(keys)
        if keys[0] < start:
            low = bisect_left(keys, start)
        if stop is not None and keys[-1] >= stop:
            high = bisect_left(keys, stop, low)
        meta = self._cursor.meta
        self._is_plain = meta is not None and is_plain(meta, self._at)
        self._columns, self._values = columns, columns.values
        self.keys, self.low, self.high = keys, low, high


class MemtableHead:
    """A place in a memtable whose keys are settled as far as `at` can see them."""

    __slots__ = (
        "_at",
        "_has_more",
        "_reverse",
        "_start",
        "_stop",
        "_table",
        "high",
        "keys",
        "low",
    )

    def __init__(
        self,
        table: Memtable,
        start: bytes,
        stop: bytes | None,
        *,
        reverse: bool,
        at: int,
    ) -> None:
        self._table = table
        self._start = start
        self._stop = stop
        self._reverse = reverse
        self._at = at
        self._has_more = True
        self.keys: Sequence[bytes] = []
        self.low = self.high = 0

    def refill(self, count: int, *, joins: bool = False) -> bool:
        """Show the next keys: few if few are wanted, since a copy of many costs."""
        if not self._has_more or self.low < self.high:
            return self.low < self.high
        count = min(max(count, _KEYS_MIN), CHUNK_KEYS)
        keys = self._table.keys(
            self._start, self._stop, reverse=self._reverse, count=count
        )
        self._has_more = len(keys) == count
        if self._has_more and self._reverse:
            self._stop = keys[0]
        elif self._has_more:
            self._start = keys[-1] + b"\0"
        self.keys, self.low, self.high = keys, 0, len(keys)
        return bool(keys)

    async def wait(self) -> None:
        raise AssertionError("a memtable never has to be waited for")

    def is_last(self) -> bool:
        return not self._has_more

    def rows(self, low: int, high: int) -> OwnPart:
        return rows_of_memtable(self._table, self.keys[low:high], self._at)

    def take_whole(self, count: int) -> list[RowPart]:
        return []


def rows_of_memtable(table: Memtable, names: Sequence[bytes], at: int) -> OwnPart:
    """Return what a memtable has of these keys of it for who reads at `at`."""
    keys: list[bytes] = []
    values: list[bytes] = []
    marks = 0
    newest = table.newest
    for key in names:
        found = newest[key]  # mostly the one: 0.15 us less a row than `get`
        entry = found if found.sequence <= at else table.get(key, at)
        if entry is None:
            continue
        value = entry.value
        if value is None:
            value, marks = DELETED, HIDES
        keys.append(key)
        values.append(value)
    return keys, values, marks


def taken_forward(head: Head, cut: bytes | None) -> OwnPart | None:
    """Take the rows up to and with the cut; None: all that is shown."""
    keys, low, high = head.keys, head.low, head.high
    if cut is not None and keys[high - 1] > cut:
        high = bisect_right(keys, cut, low, high)
    if low == high:
        return None
    head.low = high
    return head.rows(low, high)


def taken_backward(head: Head, cut: bytes | None) -> OwnPart | None:
    """Take the rows down to and with the cut; None: all that is shown."""
    keys, low, high = head.keys, head.low, head.high
    if cut is not None and keys[low] < cut:
        low = bisect_left(keys, cut, low, high)
    if low == high:
        return None
    head.high = low
    return head.rows(low, high)

"""The rows of a short scan at once, if all that it takes is a look into memory.

Most scans want a few rows: for them heads and a merger cost more than the rows. Here each run of
tables and each memtable gives a few rows from where the scan begins, oldest first and each no
further than those before it, and what they have in common is merged. Whatever is not that plain is
left to `tempest.row_merger`: pointers, deletes and other versions in tables, blocks that only the
device has. The tests compare the two.

Measured (50 rows of 16 and 100 bytes): 2.5 us where `RowMerger` takes 7; of six tables that lie
across each other and a memtable 77 where it takes 113, all of them cold to the processor; where
their blocks must be unpacked 170 and 235.

Invariants
- The rows are those that `RowMerger` gives, or there is no answer.
"""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

import trio
from msgspec import Struct

from io_backends import IoError
from tempest.columns import Columns
from tempest.errors import CorruptionError
from tempest.fairness import BLOCK_UNITS, OVERDRAFT_UNITS, Fairness
from tempest.memtable import Memtable
from tempest.row_heads import OwnPart, Range, is_plain, rows_of_memtable
from tempest.row_merger import merge_rows, without_deleted
from tempest.table import Table, TableCache, TableMeta

Run = Sequence[TableMeta]
Lists = tuple[list[bytes], list[bytes]]

_SPARE = 4
"""Asked of each run beside twice its share: 50 rows of seven equal ones, drawn 20,000 times, needed
more 11 times."""

_smallest = attrgetter("smallest")
_largest = attrgetter("largest")


def short_scan(
    memtables: Sequence[Memtable],
    cache: TableCache,
    runs: Sequence[Run],
    wanted: Range,
    at: int,
    fairness: Fairness,
) -> Lists | None:
    """Return keys and values in the scan's direction, or None if it is not that plain.

    `memtables` and `runs` are given newest first; the range has a limit.
    """
    count = wanted.limit
    assert count is not None, "a short scan has a limit"
    if False in [memtable.settle_some() for memtable in memtables]:
        return None
    tables = _Tables(cache, at, fairness)
    if len(runs) < 2:
        rows = _of_one(memtables, tables, runs, wanted, count)
    else:
        rows = _of_many(memtables, tables, runs, wanted, count)
    if rows is None:
        return None
    keys, values = rows
    if wanted.reverse:
        keys.reverse()
        values.reverse()
    del keys[count:], values[count:]
    return rows


class _Tables(Struct, frozen=True):
    """How tables are read."""

    cache: TableCache
    at: int
    fairness: Fairness


def _of_one(
    memtables: Sequence[Memtable],
    tables: _Tables,
    runs: Sequence[Run],
    wanted: Range,
    count: int,
) -> Lists | None:
    """Return rows of one run, and what memtables have between them: 2 us less than `_of_many`."""
    rows: Lists = ([], [])
    if runs:
        found = _rows(tables, runs[0], wanted, count)
        if found is None:
            return None
        rows = found
    if rows[0] and len(rows[0]) == count:
        # Nothing outside of this range can come before the last of them any more.
        wanted = _up_to(wanted, rows[0])
    for memtable in reversed(memtables):
        start, stop = wanted.start, wanted.stop
        names = memtable.keys(start, stop, reverse=wanted.reverse, count=count)
        if not names:
            continue
        keys, values, marks = rows_of_memtable(memtable, names, tables.at)
        if marks or len(keys) < len(names) == count:
            return None  # others may follow those that are deleted, or too new
        if rows[0]:
            keys, values, _ = merge_rows([(keys, values, 0), (*rows, 0)])
        rows = keys, values
    return rows


def _of_many(
    memtables: Sequence[Memtable],
    tables: _Tables,
    runs: Sequence[Run],
    wanted: Range,
    count: int,
) -> Lists | None:
    """Return rows of several runs and memtables."""
    if not _begin_plain(runs, wanted, tables.at):
        return None  # before blocks of the others are unpacked in vain
    needs = _shares(runs, count)
    while True:
        found = _gather(memtables, tables, runs, wanted, needs)
        if found is None:
            return None
        rows = found.merged()
        if found.is_all or len(rows[0]) >= count:
            return rows
        if min(needs) == count:
            return None  # deletes, or what is too new, have hidden the rest
        needs = [count] * len(runs)


def _begin_plain(runs: Sequence[Run], wanted: Range, at: int) -> bool:
    """Say whether all runs have nothing but plain rows where the scan begins."""
    for run in runs:
        meta = run[0] if len(run) == 1 else _first_table(run, wanted)
        if not is_plain(meta, at):
            return False
    return True


def _first_table(run: Run, wanted: Range) -> TableMeta:
    """Return the table where a scan of this run begins, or one beside that."""
    if not wanted.reverse:
        return run[min(bisect_left(run, wanted.start, key=_largest), len(run) - 1)]
    if wanted.stop is None:
        return run[-1]
    return run[max(0, bisect_left(run, wanted.stop, key=_smallest) - 1)]


def _shares(runs: Sequence[Run], count: int) -> list[int]:
    """Return how many of the next `count` rows each run may well have, and some more."""
    # The tables of a level are about equally large.
    entries = [run[0].entries * len(run) for run in runs]
    whole = sum(entries)
    return [min(count, 2 * count * each // whole + _SPARE) for each in entries]


def _gather(
    memtables: Sequence[Memtable],
    tables: _Tables,
    runs: Sequence[Run],
    wanted: Range,
    needs: Sequence[int],
) -> "_Gathered | None":
    """Return rows of every source; of each run as many as it `needs`, at most."""
    gathered = _Gathered(wanted, wanted)
    for run, need in zip(reversed(runs), reversed(needs), strict=True):
        rows = _rows(tables, run, gathered.bounded, need)
        if rows is None:
            return None
        keys, values = rows
        if keys:
            gathered.add((keys, values, 0), keys, is_full=len(keys) == need)
    count, reverse = wanted.limit or 0, wanted.reverse
    for memtable in reversed(memtables):
        start, stop = gathered.bounded.start, gathered.bounded.stop
        keys = memtable.keys(start, stop, reverse=reverse, count=count)
        if keys:
            part = rows_of_memtable(memtable, keys, tables.at)
            gathered.add(part, keys, is_full=len(keys) == count)
    return gathered


class _Gathered(Struct):
    """Rows of several sources, given oldest first, and the range of which they have all.

    A source that may have more rows behind those that it gave narrows the range to these.
    """

    wanted: Range
    bounded: Range
    parts: list[OwnPart] = []
    is_narrowed: bool = False  # since the first part came

    @property
    def is_all(self) -> bool:
        """Whether no source has any other rows of the range that was wanted."""
        return self.bounded is self.wanted

    def add(self, part: OwnPart, keys: list[bytes], *, is_full: bool) -> None:
        """Take the rows that a source has of these keys; `is_full`: it may have others behind."""
        if is_full:
            self.is_narrowed = bool(self.parts)
            self.bounded = _up_to(self.bounded, keys)
        self.parts.append(part)

    def merged(self) -> Lists:
        """Return the rows, ascending."""
        parts = self.parts
        if not parts:
            return [], []
        if self.is_narrowed:
            parts = [_within(part, self.bounded) for part in parts]
        if len(parts) == 1:
            keys, values, marks = parts[0]
        else:
            keys, values, marks = merge_rows(parts[::-1])
        return without_deleted(keys, values) if marks else (keys, values)


def _rows(tables: _Tables, run: Run, wanted: Range, count: int) -> Lists | None:
    """Return the first rows of a run where the scan begins, ascending."""
    if wanted.reverse:
        return _rows_before(tables, run, wanted, count)
    return _rows_from(tables, run, wanted, count)


def _rows_from(tables: _Tables, run: Run, wanted: Range, count: int) -> Lists | None:
    """Return the first rows of a run at or above `start`, ascending."""
    start, stop = wanted.start, wanted.stop
    keys: list[bytes] = []
    values: list[bytes] = []
    for place in range(bisect_left(run, start, key=_largest), len(run)):
        meta = run[place]
        if stop is not None and meta.smallest >= stop:
            break
        table = tables.cache.get_nowait(meta)
        if table is None or not is_plain(meta, tables.at):
            return None
        first = 0 if keys else table.find_block(start)
        for index in range(first, table.block_count):
            block = _block(table, index, tables.fairness)
            if block is None:
                return None
            names = block.keys
            low = 0 if keys else bisect_left(names, start)
            high = low + count - len(keys)
            if stop is not None and names[-1] >= stop:
                high = min(high, bisect_left(names, stop, low))
            keys += names[low:high]
            values += block.values[low:high]
            if high <= len(names):
                return keys, values
    return keys, values


def _rows_before(tables: _Tables, run: Run, wanted: Range, count: int) -> Lists | None:
    """Return the last rows of a run below `stop`, ascending."""
    start, stop = wanted.start, wanted.stop
    keys: list[bytes] = []
    values: list[bytes] = []
    first = bisect_left(run, start, key=_largest)
    behind = len(run) if stop is None else bisect_left(run, stop, key=_smallest)
    for place in range(behind - 1, first - 1, -1):
        meta = run[place]
        table = tables.cache.get_nowait(meta)
        if table is None or not is_plain(meta, tables.at):
            return None
        last = table.block_count - 1
        if stop is not None and not keys:
            last = min(last, table.find_block(stop))
        for index in range(last, -1, -1):
            block = _block(table, index, tables.fairness)
            if block is None:
                return None
            names = block.keys
            high = len(names) if stop is None or keys else bisect_left(names, stop)
            low = max(0, high - count + len(keys))
            if names[0] < start:
                low = max(low, bisect_left(names, start, 0, high))
            keys[:0] = names[low:high]
            values[:0] = block.values[low:high]
            if low or len(keys) == count:
                return keys, values
    return keys, values


def _block(table: Table, index: int, fairness: Fairness) -> Columns | None:
    """Return a block that needs no device, unless far too much was done since others had a turn.

    Damage is left to the merger, which reports it.
    """
    block = table.held_block(index)
    if block is not None or fairness.left < -OVERDRAFT_UNITS:
        return block
    fairness.left -= BLOCK_UNITS
    try:
        return table.block_nowait(index)
    except (trio.WouldBlock, CorruptionError, IoError):
        return None


def _up_to(wanted: Range, keys: list[bytes]) -> Range:
    """Return the part of a range that ends with the last of these keys, as the scan goes."""
    if wanted.reverse:
        return Range(keys[0], wanted.stop, reverse=True, limit=wanted.limit)
    return Range(wanted.start, keys[-1] + b"\0", reverse=False, limit=wanted.limit)


def _within(part: OwnPart, wanted: Range) -> OwnPart:
    """Return the rows of a part that lie in a range."""
    keys, values, marks = part
    low = bisect_left(keys, wanted.start) if wanted.reverse else 0
    high = len(keys)
    if not wanted.reverse and wanted.stop is not None:
        high = bisect_left(keys, wanted.stop)
    return keys[low:high], values[low:high], marks

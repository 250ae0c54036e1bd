"""Rows of a key range in order, as they stood at one sequence.

    async with store.scan(prefix=b"user:") as rows:
        async for key, value in rows: ...
        # or: async for chunk in rows.chunks(1000): ...

Invariants
- A scan sees one snapshot: its position is kept, and its version pinned, until it is closed and
  nobody reads from it any more; unless all its rows are in hand before anything else can happen.
- It is read by one task at a time: a second one gets `trio.BusyResourceError`.
- Of separated values, which a scan of keys never reads, about `STEP_BYTES` are held at once.
- Rows are handed out without a checkpoint; at least every 1024 rows, 16 blocks, or 256 KiB and a
  row, it checks for cancellation and counts work.
- A step that fails or is cancelled skips nothing. It waits for the device, and fails, only if it
  has nothing to give.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import trio

from io_backends import IoError
from tempest.errors import CorruptionError, NotOpenError
from tempest.fairness import BYTES_A_UNIT, Fairness, must_check
from tempest.pointers import Pointer, decode_pointer
from tempest.reader import Reader
from tempest.row_heads import (
    POINTS,
    Head,
    MemtableHead,
    Range,
    RowPart,
    Separated,
    TableHead,
)
from tempest.row_merger import ROWS_STEP, ROWS_STEP_MAX, RowMerger, bytes_in
from tempest.short_scan import Lists, short_scan
from tempest.snapshot import Positions
from tempest.table import TableCursor, TableMeta
from tempest.translate import translate

if TYPE_CHECKING:
    from tempest.memtable import Memtable
    from tempest.version import Version

STEP_BYTES = 4 << 20
UNPACKED_BYTES_A_UNIT = 1024  # copied four times, verified and unpacked


class ScanParts:
    """What a scan needs of the store."""

    def __init__(
        self,
        reader: Reader,
        positions: Positions,
        fairness: Fairness,
        check_open: Callable[[], None],
    ) -> None:
        self.reader = reader
        self.positions = positions
        self.fairness = fairness
        self.check_open = check_open
        self._version: Version | None = None
        self._runs: list[Sequence[TableMeta]] = []
        self._visibility = reader.visibility
        self._memory = reader.memtables

    def at(self, fixed: int | None) -> int:
        """Return the sequence to read at; the visible one if none is fixed."""
        return self._visibility.visible if fixed is None else fixed

    def memtables(self) -> "list[Memtable]":
        """Return the memtables that hold anything, newest first."""
        memory = self._memory
        if not memory.waiting:  # the usual case, 0.2 us less
            return [memory.active] if memory.active.newest else []
        return [table for table in memory.newest_first if table.newest]

    def few(self, wanted: Range, at: int) -> Lists | None:
        """Return all rows of a range that has few if nothing must be awaited for them.

        Nobody has to keep anything then: that is most of what a short scan would cost.
        """
        limit = wanted.limit
        if limit is None or limit > ROWS_STEP:
            return None
        reader, fairness = self.reader, self.fairness
        rows = short_scan(
            self.memtables(),
            reader.tables,
            self.runs(reader.manifest.current),
            wanted,
            at,
            fairness,
        )
        if rows is not None:
            fairness.left -= 2 + len(rows[0]) // 4
        return rows

    def runs(self, version: "Version") -> list[Sequence[TableMeta]]:
        """Return the runs of tables of a version that do not overlap within, newest first."""
        if version is not self._version:
            level0, *levels = version.levels
            self._runs = [*((table,) for table in level0), *filter(None, levels)]
            self._version = version
        return self._runs


class Scan:
    """Fetches rows of a range, a step at a time. Opened and closed by `Rows`."""

    __slots__ = (
        "_is_busy",
        "_is_pinned",
        "_memtables",
        "_merger",
        "_parts",
        "_position",
        "_rows_step",
        "_version",
        "_wanted",
        "is_closed",
        "left",
    )

    def __init__(self, parts: ScanParts, wanted: Range, at: int) -> None:
        """Take a position and pin the files; synchronous, so it sees one moment."""
        self._parts = parts
        self._wanted = wanted
        self._memtables = parts.memtables()
        self._position = parts.positions.take(at)
        self._version = parts.reader.manifest.pin()
        self._is_pinned = True
        self._merger: RowMerger | None = None
        self._rows_step = ROWS_STEP
        self._is_busy = False
        self.is_closed = False
        self.left = wanted.limit  # rows that may still come, if that is limited

    def close(self) -> None:
        """Give the position and the files back; a step that runs does it at its end. Idempotent."""
        self.is_closed = True
        self.left = None
        if self._is_busy:
            return
        if self._is_pinned:
            self._is_pinned = False
            self._parts.reader.manifest.unpin(self._version)
            self._parts.positions.release(self._position)
        self._merger = None

    async def step(self, rows_max: int) -> list[RowPart]:
        """Return the next rows, at most `rows_max`, 256 and then 1024; none at the end."""
        parts = self._parts
        parts.check_open()
        if self._is_busy:
            raise trio.BusyResourceError("another task is reading from this scan")
        self._is_busy = True
        try:
            if must_check():
                await parts.fairness.begin()
            found = await self._fetch(rows_max)
            units = 2 + 4 * len(found) + bytes_in(found) // UNPACKED_BYTES_A_UNIT
            if self._has_separated(found):
                found, size = await self._resolved(found)
                units += size // BYTES_A_UNIT
            count = rows_in(found)
            if self.left is not None:
                self.left -= count
            parts.fairness.left -= units + count // 4
            if parts.fairness.left < 0:
                await parts.fairness.give_way()
        finally:
            self._is_busy = False
            if self.is_closed:
                self.close()  # somebody else did while this step ran
        return found

    async def _fetch(self, count: int) -> list[RowPart]:
        """Return some of the next rows, in the scan's direction; none at the end."""
        count = min(count, self._rows_step)
        if self.left is not None and self.left < count:
            count = self.left
        self._rows_step = ROWS_STEP_MAX
        try:
            merger = self._merger or await self._begin()
            while True:
                try:
                    parts = merger.gather(count)
                except trio.WouldBlock:
                    await merger.wait()
                else:
                    if parts is None or parts or not count:
                        return parts or []
                    # Nothing but deletes and what is too new: that is work, too.
                    await self._parts.fairness.begin()
                    await self._parts.fairness.spend(2 + count // 4)
                self._check_not_closed()
        except CorruptionError as error:
            self._parts.reader.health.trouble("damage", error)
            raise
        except IoError as error:
            raise translate(error) from error

    async def _begin(self) -> RowMerger:
        """Stand at the beginning of the range, or find that the scan is not open."""
        self._check_not_closed()
        wanted, at = self._wanted, self._position
        start, stop, reverse = wanted.start, wanted.stop, wanted.reverse
        heads: list[Head] = []
        for memtable in self._memtables:
            await memtable.settle()
            heads.append(MemtableHead(memtable, start, stop, reverse=reverse, at=at))
        for run in self._parts.runs(self._version):
            cursor = TableCursor(
                self._parts.reader.tables,
                run,
                start,
                stop,
                reverse=reverse,
                reads_ahead=True,
            )
            if not cursor.is_done:
                heads.append(TableHead(cursor, start, stop, reverse=reverse, at=at))
        self._check_not_closed()
        self._merger = RowMerger(heads, reverse=reverse)
        return self._merger

    def _check_not_closed(self) -> None:
        if self.is_closed:
            raise NotOpenError("scan")

    def _has_separated(self, parts: list[RowPart]) -> bool:
        return not self._wanted.keys_only and POINTS in [part[2] for part in parts]

    async def _resolved(self, parts: list[RowPart]) -> tuple[list[RowPart], int]:
        """Return the first of these rows with their values, and the bytes that were fetched.

        The others, or all if that fails or is cancelled, are left for the next step.
        """
        keys = [key for part in parts for key in part[0]]
        values = [value for part in parts for value in part[1]]
        resolved: list[bytes] = []
        size = done = 0
        try:
            for value in values:
                if type(value) is Separated:
                    pointer = decode_pointer(value)
                    if size and size + pointer.length > STEP_BYTES:
                        break
                    resolved.append(await self._resolve(pointer))
                    size += pointer.length
                else:
                    resolved.append(value)
            done = len(resolved)
        except IoError as error:
            raise translate(error) from error
        finally:
            if done < len(keys) and self._merger is not None:
                self._merger.put_back((keys[done:], values[done:], POINTS))
        return [(keys[:done], resolved, 0)], size

    async def _resolve(self, pointer: Pointer) -> bytes:
        self._check_not_closed()
        return await self._parts.reader.resolve(pointer, self._version)


def rows_in(parts: list[RowPart]) -> int:
    """Return how many rows these parts have."""
    return sum([len(part[0]) for part in parts])

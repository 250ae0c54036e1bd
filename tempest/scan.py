"""Rows of a key range in order, as they stood at one sequence.

    async with store.scan(prefix=b"user:") as rows:
        async for key, value in rows: ...
        # or: async for chunk in rows.chunks(1000): ...

Invariants
- A scan sees one snapshot: its position is kept, and its version pinned, until it is closed and
  nobody reads from it any more.
- It is read by one task at a time: a second one gets `trio.BusyResourceError`.
- Of separated values, which a scan of keys never reads, about `STEP_BYTES` are held at once.
- Rows are handed out without a checkpoint; every block, and at least every 256 rows, checks for
  cancellation and counts work.
"""

from collections.abc import Awaitable, Callable
from itertools import compress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import attrs
import trio

from io_backends import IoError
from tempest.columns import Kind
from tempest.errors import CorruptionError, InvalidError, NotOpenError
from tempest.fairness import BYTES_A_UNIT, Fairness
from tempest.iterator import Merger, Source, visible_rows
from tempest.keys import check_count
from tempest.memtable import MemtableCursor
from tempest.pointers import decode_pointer
from tempest.reader import Reader
from tempest.snapshot import Positions
from tempest.table import TableCursor
from tempest.translate import translate

if TYPE_CHECKING:
    from tempest.version import Version

Row = tuple[bytes, bytes]
Item = TypeVar("Item")
ROWS_STEP = 256
STEP_BYTES = 4 << 20
_POINTER = int(Kind.POINTER)


@attrs.frozen
class Range:
    """What to scan: [start, stop), `stop` None for the end; from either end; how many rows."""

    start: bytes
    stop: bytes | None
    reverse: bool
    limit: int | None
    keys_only: bool = False


@attrs.frozen
class ScanParts:
    """What a scan needs of the store."""

    reader: Reader
    positions: Positions
    fairness: Fairness
    check_open: Callable[[], None]


class Scan:
    """Fetches rows of a range, a step at a time. Opened and closed by `Rows` or `Keys`."""

    def __init__(self, parts: ScanParts, wanted: Range, at: int | None) -> None:
        self._parts = parts
        self._wanted = wanted
        self._at = at
        self._position: int | None = None
        self._version: Version | None = None
        self._source: Source | None = None
        self._left = wanted.limit
        self._is_busy = False
        self._ahead: tuple[list[bytes], list[bytes]] = ([], [])
        # Keys in `_ahead` that have a pointer as value.
        self._separated: dict[bytes, None] = {}

    def open(self) -> None:
        """Take a position and pin the files; synchronous, so it sees one moment."""
        parts = self._parts
        parts.check_open()
        if self._position is not None:
            raise InvalidError("the scan is open already", "Make another one")
        at = parts.reader.visibility.visible if self._at is None else self._at
        self._position = parts.positions.take(at)
        self._version = parts.reader.manifest.pin()
        wanted = self._wanted
        sources: list[Source] = [
            MemtableCursor(
                table, wanted.start, wanted.stop, reverse=wanted.reverse, at=at
            )
            for table in parts.reader.memtables.newest_first
            if len(table)
        ]
        levels = self._version.levels
        runs = [*((table,) for table in levels[0]), *filter(None, levels[1:])]
        for run in runs:
            cursor = TableCursor(
                parts.reader.tables,
                run,
                wanted.start,
                wanted.stop,
                reverse=wanted.reverse,
            )
            sources.append(cursor)
        self._source = Merger(sources, reverse=wanted.reverse)

    def close(self) -> None:
        """Give the position and the files back; a step that runs does it at its end. Idempotent."""
        self._source = None
        if self._is_busy:
            return
        if self._version is not None and self._position is not None:
            self._parts.reader.manifest.unpin(self._version)
            self._parts.positions.release(self._position)
        self._version = None
        self._ahead = ([], [])

    async def step(self) -> tuple[list[bytes], list[bytes]]:
        """Return the next rows as keys and values, at most 256; none at the end."""
        parts = self._parts
        parts.check_open()
        if self._is_busy:
            raise trio.BusyResourceError("another task is reading from this scan")
        self._is_busy = True
        try:
            await parts.fairness.begin()
            if not self._ahead[0]:
                self._ahead = await self._fetch()
            keys, values = self._ahead
            units = 0
            count = ROWS_STEP
            if self._separated:
                values, size = await self._resolved(keys[:ROWS_STEP], values)
                count, units = len(values), size // BYTES_A_UNIT
            # Only now: a step that fails or is cancelled skips nothing.
            self._ahead = (keys[count:], self._ahead[1][count:])
            keys, values = keys[:count], values[:count]
            await parts.fairness.spend(2 + len(keys) // 4 + units)
        finally:
            self._is_busy = False
            if self._source is None:
                self.close()  # somebody else did while this step ran
        return keys, values

    async def _fetch(self) -> tuple[list[bytes], list[bytes]]:
        """Return the next rows in the scan's direction, as many as come at once."""
        while self._source is not None and self._left != 0:
            try:
                chunk = await self._source.next_chunk()
            except CorruptionError as error:
                self._parts.reader.health.trouble("damage", error)
                raise
            except IoError as error:
                raise translate(error) from error
            if chunk is None:
                break
            assert self._position is not None, "an open scan has a position"
            keys, values, kinds = visible_rows(chunk, self._position)
            if keys:
                if kinds and not self._wanted.keys_only:
                    is_pointer = map(_POINTER.__eq__, kinds)
                    self._separated = dict.fromkeys(compress(keys, is_pointer))
                else:
                    self._separated.clear()
                return self._cut(keys, values)
            # Nothing but deletes and what is too new: that is work, too.
            await self._parts.fairness.spend(2 + len(chunk) // 4)
        if self._source is None:
            raise NotOpenError("scan")
        return [], []

    async def _resolved(
        self, keys: list[bytes], values: list[bytes]
    ) -> tuple[list[bytes], int]:
        """Return the values of the first of these keys, and the bytes that had to be fetched."""
        resolved: list[bytes] = []
        size = 0
        for key, value in zip(keys, values, strict=False):
            if key not in self._separated:
                resolved.append(value)
                continue
            if self._source is None or self._version is None:
                raise NotOpenError("scan")
            pointer = decode_pointer(value)
            if size and size + pointer.length > STEP_BYTES:
                break
            try:
                resolve = self._parts.reader.resolve
                resolved.append(await resolve(pointer, self._version))
            except IoError as error:
                raise translate(error) from error
            size += pointer.length
        return resolved, size

    def _cut(
        self, keys: list[bytes], values: list[bytes]
    ) -> tuple[list[bytes], list[bytes]]:
        """Turn rows in the direction of the scan and hold them to its limit."""
        if self._wanted.reverse:
            keys, values = keys[::-1], values[::-1]
        if self._left is not None:
            keys, values = keys[: self._left], values[: self._left]
            self._left -= len(keys)
        return keys, values


class Rows(Generic[Item]):
    """An open scan: iterate it row by row, or in lists with `chunks`. Use `async with`."""

    def __init__(
        self, scan: Scan, shape: Callable[[list[bytes], list[bytes]], list[Item]]
    ) -> None:
        self._scan = scan
        self._shape = shape
        self._buffer: list[Item] = []  # the next row last

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._scan.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the snapshot. Idempotent; never waits."""
        self._scan.close()
        self._buffer.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if not self._buffer:
            self._buffer = await self._next_rows()
            if not self._buffer:
                raise StopAsyncIteration
            self._buffer.reverse()
        return self._buffer.pop()

    def chunks(self, rows_max: int) -> "Chunks[Item]":
        """Iterate over lists of `rows_max` rows; the last one may be shorter."""
        check_count(rows_max, 1, "a chunk")
        return Chunks(self._take, rows_max)

    async def _take(self, count: int) -> list[Item]:
        while len(self._buffer) < count:
            more = await self._next_rows()
            if not more:
                break
            self._buffer[:0] = reversed(more)
        rows = self._buffer[-count:]
        del self._buffer[-count:]
        rows.reverse()
        return rows

    async def _next_rows(self) -> list[Item]:
        keys, values = await self._scan.step()
        return self._shape(keys, values)


class Chunks(Generic[Item]):
    """Iterates over lists of rows."""

    def __init__(
        self, take: Callable[[int], Awaitable[list[Item]]], rows_max: int
    ) -> None:
        self._take = take
        self._rows_max = rows_max

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Item]:
        rows = await self._take(self._rows_max)
        if not rows:
            raise StopAsyncIteration
        return rows


def pairs(keys: list[bytes], values: list[bytes]) -> list[Row]:
    """Shape rows as `(key, value)`."""
    return list(zip(keys, values, strict=True))


def keys_alone(keys: list[bytes], _: list[bytes]) -> list[bytes]:
    """Shape rows as keys."""
    return keys

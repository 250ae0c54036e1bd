"""What can be read, from the store as it is or from a snapshot of it.

Invariants
- A view reads at one sequence for each call: the visible one, or the one it was made at.
- What a call returns was durable (or had whatever level its writer asked for) before the call.
"""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Literal, Self, cast, overload

import trio

from io_backends import IoError
from tempest.engine import Reading
from tempest.errors import InvalidError, NotOpenError
from tempest.fairness import BLOCK_UNITS, BYTES_A_UNIT, CALL_UNITS, must_check
from tempest.keys import bounds, check_count, check_key
from tempest.memory import Memtables
from tempest.options import KEY_BYTES_MAX
from tempest.reader import ASK, HITS_A_MARK, MANY_KEYS
from tempest.row_heads import Range
from tempest.rows import Row, Rows, keys_alone, pairs
from tempest.scan import ScanParts
from tempest.table import RowCache
from tempest.translate import translate


class View:
    """Reads at the visible sequence of each moment, unless it has a fixed one.

    `rows` and `memtables` have newest values; they stay empty for a view that shows others, and
    once it is closed.
    """

    _fixed_at: int | None = None

    def __init__(
        self,
        reading: Reading,
        check_open: Callable[[], None],
        rows: RowCache,
        memtables: Memtables,
    ) -> None:
        self._reading = reading
        self._check_open = check_open
        # What `get` needs, one attribute away.
        self._visibility = reading.reader.visibility
        self._fairness = reading.fairness
        self._rows = rows
        self._memtables = memtables
        self._blocks = reading.blocks
        self._search_nowait = reading.reader.search_nowait
        self._scan_parts = ScanParts(
            reading.reader, reading.positions, reading.fairness, check_open
        )

    def _at(self) -> int:
        at = self._fixed_at
        return self._visibility.visible if at is None else at

    def get_nowait(self, key: bytes) -> bytes | None:
        """Return the value, or None if there is none, without waiting.

        Raises `trio.WouldBlock` if the answer has to come from the device: await `get` then.
        """
        if type(key) is not bytes:
            check_key(key)
        rows = self._rows
        value = rows.gets[hash(key) & rows.mask](key)
        if value is None:
            if rows.lone.bytes:
                value = rows.lone.get(key)
            if value is None and (not rows.is_whole or len(key) > KEY_BYTES_MAX):
                entry = self._memtables.active.newest.get(key)
                if entry is not None and entry.sequence <= self._visibility.visible:
                    return entry.value
                return self._look(key)
        rows.hits = hits = rows.hits + 1
        if not hits % HITS_A_MARK and not rows.is_whole:
            self._reading.reader.mark(key)
        return value

    async def get(self, key: bytes) -> bytes | None:  # noqa: C901 - the hot path
        """Return the value, or None if there is none.

        Raises `CorruptionError` or `StorageError` if its bytes cannot be read: never "not
        found" for what is there. Cancellation gives up the read.
        """
        if type(key) is not bytes:
            check_key(key)
        if must_check():
            await self._fairness.begin()
        # The way of most reads: one dict has the newest value. See `tempest.table.row_cache`.
        rows = self._rows
        value = rows.gets[hash(key) & rows.mask](key)
        if value is None and rows.lone.bytes:
            value = rows.lone.get(key)
        if value is not None or (rows.is_whole and len(key) <= KEY_BYTES_MAX):
            rows.hits = hits = rows.hits + 1
            if not hits % HITS_A_MARK:
                await self._count_hits(key)
            return value
        # Nor is what was written last worth two calls: 0.15 us of 1.13.
        entry = self._memtables.active.newest.get(key)
        if entry is not None and entry.sequence <= self._visibility.visible:
            value = entry.value
        else:
            try:
                value = self._look(key)
            except trio.WouldBlock:
                value = await self._wait_for(key)
        fairness = self._fairness
        fairness.left -= (
            (CALL_UNITS + len(value) // BYTES_A_UNIT) if value else CALL_UNITS
        )
        if fairness.left < 0:
            await fairness.give_way()
        return value

    async def _count_hits(self, key: bytes) -> None:
        """Count the last answers of rows as work, and as use of a block. See `Reader.mark`."""
        if not self._rows.is_whole:
            self._reading.reader.mark(key)
        await self._fairness.spend(HITS_A_MARK)

    def _look(self, key: bytes) -> bytes | None:
        """Return the value of a key that has no row, or raise `trio.WouldBlock`."""
        if len(key) > KEY_BYTES_MAX:
            check_key(key)
        self._check_open()
        at = self._fixed_at
        if at is None:
            at = self._visibility.visible
        misses = self._blocks.misses
        try:
            return self._search_nowait(key, at)
        except IoError as error:
            raise translate(error) from error
        finally:
            self._fairness.left -= BLOCK_UNITS * (self._blocks.misses - misses)

    async def _wait_for(self, key: bytes) -> bytes | None:
        """Return the value of a key whose block is not in memory."""
        try:
            return await self._reading.reader.get(key, self._at())
        except IoError as error:
            raise translate(error) from error

    async def get_many(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """Return the values of these keys in their order, all at one moment; None for missing."""
        wanted = list(keys)
        if {*map(type, wanted)} != {bytes}:
            for key in wanted:
                check_key(key)
        if must_check():
            await self._fairness.begin()
        rows = self._rows
        gets, mask = rows.gets, rows.mask
        values = [gets[hash(key) & mask](key) for key in wanted[:MANY_KEYS]]
        rows.hits += len(values)
        try:
            # That all are there and how large they are is asked at once, 0.04 us a key less.
            size = sum(map(len, cast("list[bytes]", values)))
        except TypeError:
            rows.hits -= values.count(None)
            size = -1
        if size < 0 or not values or len(values) < len(wanted):
            values = await self._get_many(wanted, values)
            size = sum(map(len, filter(None, values)))
        else:
            self._reading.reader.mark(wanted[0])
        await self._fairness.spend(len(values) + size // BYTES_A_UNIT)
        return values

    async def _get_many(
        self, keys: list[bytes], values: list[bytes | None]
    ) -> list[bytes | None]:
        """Return the values; those of the first keys are there if their keys have rows."""
        for key in keys:
            check_key(key)
        self._check_open()
        reading, at = self._reading, self._at()
        try:
            values = reading.reader.get_many_nowait(keys, values, at)
            if ASK in values:
                reading.positions.take(
                    at
                )  # nothing was awaited: what is at `at` is there
                try:
                    await reading.reader.get_many(keys, values, at, self._fairness)
                finally:
                    reading.positions.release(at)
        except IoError as error:
            raise translate(error) from error
        return values

    @overload
    def scan(
        self,
        *,
        prefix: bytes | None = None,
        start: bytes | None = None,
        stop: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
        keys_only: Literal[False] = False,
    ) -> Rows[Row]: ...

    @overload
    def scan(
        self,
        *,
        prefix: bytes | None = None,
        start: bytes | None = None,
        stop: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
        keys_only: Literal[True],
    ) -> Rows[bytes]: ...

    @overload
    def scan(
        self,
        *,
        prefix: bytes | None = None,
        start: bytes | None = None,
        stop: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
        keys_only: bool,
    ) -> Rows[Row] | Rows[bytes]: ...

    def scan(
        self,
        *,
        prefix: bytes | None = None,
        start: bytes | None = None,
        stop: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
        keys_only: bool = False,
    ) -> Rows[Row] | Rows[bytes]:
        """Walk over a key range in order: `async with store.scan(...) as rows`.

        Args:
            prefix: only keys that start with it.
            start: lowest key, inclusive, also in reverse.
            stop: end of the range, exclusive, also in reverse.
            reverse: from the highest key down.
            limit: at most so many rows.
            keys_only: rows are keys instead of `(key, value)`.

        The rows are those of the moment at which the block is entered; what is written
        meanwhile is not seen. `rows.chunks(n)` iterates over lists of n rows.
        """
        if limit is not None and (type(limit) is not int or limit < 0):
            check_count(limit, 0, "a scan")
        self._check_open()
        low, high = bounds(prefix, start, stop)
        wanted = Range(low, high, reverse, limit, keys_only)
        parts, at = self._scan_parts, self._fixed_at
        if keys_only:
            return Rows(parts, wanted, at, keys_alone)
        return Rows(parts, wanted, at, pairs)


class Snapshot(View):
    """The store as it was when the block was entered: `async with store.snapshot() as view`.

    It costs a position: versions that it can see are kept until it is closed.
    """

    def __init__(self, reading: Reading, check_store_open: Callable[[], None]) -> None:
        super().__init__(reading, self._check_both, RowCache(0), Memtables(0))
        self._check_store_open = check_store_open

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_store_open()
        if self._fixed_at is not None:
            raise InvalidError("the snapshot is open already", "Make another one")
        visible = self._reading.reader.visibility.visible
        self._fixed_at = self._reading.positions.take(visible)
        self._is_open = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of what only this snapshot can see. Idempotent; never waits."""
        if self._is_open and self._fixed_at is not None:
            self._is_open = False
            self._reading.positions.release(self._fixed_at)

    _is_open = False

    def _check_both(self) -> None:
        self._check_store_open()
        if not self._is_open:
            raise NotOpenError("snapshot")

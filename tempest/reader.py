"""Point reads: memory first, then tables from the newest to the oldest, at one sequence.

Invariants
- The first version found is the newest at or below the sequence: memtables are newer than
  tables, level 0 is newest first, and each level is newer than the ones below it.
- Memory is asked and the version is chosen in one synchronous step, so nothing can fall between
  a memtable and the table it becomes.
- A version is pinned for as long as a read waits for the disk.
- `get_nowait` answers what `plain_get_nowait` does, which reads nothing but tables.
- A row comes into the row cache only in the step in which its key was looked for, or its block was
  read: no newer version is in memory or in another table then.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

import attrs
import trio

from io_backends import IoError
from tempest.columns import SEQUENCE_MAX, Columns, Kind
from tempest.entry import Entry
from tempest.errors import CorruptionError
from tempest.fairness import BLOCK_UNITS, BYTES_A_UNIT, CALL_UNITS, Fairness
from tempest.health import HealthMonitor
from tempest.log import Visibility
from tempest.memory import Memtables
from tempest.pointers import Pointer, decode_pointer
from tempest.table import BlockCache, RowCache, Table, TableCache, TableMeta
from tempest.values import Values
from tempest.version import Version, Versions


class Lookup:
    """Which tables of a version can hold a key, newest first."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.sequence_max = version.sequence_max  # of any table
        self.level0 = version.levels[0]
        self.levels = [
            ([table.largest for table in level], level)
            for level in version.levels[1:]
            if level
        ]

    def tables(self, key: bytes) -> Iterator[TableMeta]:
        """Yield the tables whose range holds `key`."""
        for table in self.level0:
            if table.smallest <= key <= table.largest:
                yield table
        for largest, level in self.levels:
            index = bisect_left(largest, key)
            if index < len(level) and level[index].smallest <= key:
                yield level[index]

    def is_newest(self, number: int, smallest: bytes, largest: bytes) -> bool:
        """Say whether no table but this one, and none newer, has keys of a range that it holds."""
        for table in self.level0:
            if table.number == number:
                return True
            if table.smallest <= largest and smallest <= table.largest:
                return False
        for lasts, level in self.levels:
            index = bisect_left(lasts, smallest)
            if index < len(level) and level[index].smallest <= largest:
                return level[index].number == number
        return False


MANY_KEYS = 256  # are looked up without a checkpoint
MANY_BLOCKS = 30  # are read for them from the page cache
HITS_A_MARK = 64

_NOTHING: dict[bytes, Entry] = {}
ASK = bytes(bytearray(b"ask elsewhere"))
"""In place of a value: there is none here, and that says nothing. Known by identity."""


@attrs.define(eq=False)
class Reader:
    """Answers gets of the store and of its snapshots."""

    memtables: Memtables
    manifest: Versions
    visibility: Visibility
    tables: TableCache
    values: Values
    health: HealthMonitor
    rows: RowCache = attrs.field(init=False)
    _lookup: Lookup = attrs.field(init=False)
    _blocks: BlockCache = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lookup = Lookup(self.manifest.current)
        self._blocks = self.tables.blocks
        self.rows = self.memtables.rows = self._blocks.rows
        self.memtables.active.rows = self.rows
        self._blocks.newest = self._newest_in

    def lookup(self) -> Lookup:
        """Return the tables of the current version, arranged for lookups."""
        version = self.manifest.current
        if self._lookup.version is not version:
            self._lookup = Lookup(version)
        return self._lookup

    def get_nowait(self, key: bytes, at: int) -> bytes | None:
        """Return the value at `at`, or None; `trio.WouldBlock` if that needs the device."""
        if at >= self.visibility.visible:
            value = self.rows.get(key)
            if value is not None:
                return value
        return self.search_nowait(key, at)

    def search_nowait(self, key: bytes, at: int) -> bytes | None:
        """Return what `get_nowait` does, for a key that has no row."""
        memtables = self.memtables
        active = memtables.active
        entry = active.newest.get(key)
        # The first look spares the one at a number that is far away: 0.1 us of 0.4.
        if entry is not None and (active.last_sequence <= at or entry.sequence <= at):
            return entry.value
        if entry is not None or memtables.waiting:
            return self._search_waiting(key, at)
        if at < self.visibility.visible:
            return self._search_past(key, at)
        value = self.rows.lone.get(key)
        if value is not None:
            return value
        if not self._blocks.unindexed and self._is_whole():
            self.rows.now_whole()
        return self._search_tables(key, at, is_newest=True)

    def _search_past(self, key: bytes, at: int) -> bytes | None:
        """Return what the tables have for who reads below what is visible, as a snapshot does.

        Where no table has anything newer, a row is what it was then: a key that was written since
        and is still in memory has none. 1.3 us in place of 4 to 7, cold to the processor.
        """
        if at >= self.lookup().sequence_max:
            value = self.rows.get(key)
            if value is not None:
                return value
        return self.plain_get_nowait(key, at)

    def plain_get_nowait(self, key: bytes, at: int) -> bytes | None:
        """Return what the tables have at `at`, as `get_nowait`; no row comes or goes."""
        return self._search_tables(key, at, is_newest=False)

    def _search_waiting(self, key: bytes, at: int) -> bytes | None:
        """Return what `search_nowait` does where the newest version in memory is not the answer."""
        memtables = self.memtables
        entry = memtables.get(key, at)
        if entry is not None:
            return entry.value
        if at < self.visibility.visible:
            return self._search_past(key, at)
        is_newest = not memtables.has(key)
        if is_newest and (value := self.rows.lone.get(key)) is not None:
            return value
        return self._search_tables(key, at, is_newest=is_newest)

    def _search_tables(self, key: bytes, at: int, *, is_newest: bool) -> bytes | None:
        """Return what the tables have; it gets a row if it is the newest version of all."""
        lookup, open_table = self.lookup(), self.tables.get_nowait
        table = None
        # What `Lookup.tables` says: 0.3 us less than a generator that is asked twice.
        for meta in lookup.level0:
            if meta.smallest <= key <= meta.largest:
                table = open_table(meta)
                value = self._ask(table, key, at, is_newest)
                if value is not ASK:
                    return value
        for lasts, level in lookup.levels:
            index = bisect_left(lasts, key)
            if index < len(level) and level[index].smallest <= key:
                table = open_table(level[index])
                value = self._ask(table, key, at, is_newest)
                if value is not ASK:
                    return value
        if is_newest and 0 < self._blocks.unindexed <= self._blocks.few and table:
            self._index_another(table)
        return None

    def _index_another(self, table: Table) -> None:
        """Have a block give its rows. Nobody asked for it, so nobody's read fails for it."""
        try:
            table.index_another()
        except CorruptionError as error:
            self.health.trouble("damage", error)
        except (trio.WouldBlock, IoError):
            pass  # who asks for the block waits, or is told

    async def get(self, key: bytes, at: int) -> bytes | None:
        """Return the value at `at`, or None; waits for the device if need be."""
        try:
            return self.get_nowait(key, at)
        except trio.WouldBlock:
            return await self._get_from_tables(key, at)

    def get_many_nowait(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], at: int
    ) -> list[bytes | None]:
        """Return the values in the order of `keys`; `ASK` for what would block, or take too long.

        `values` are those of the first keys, as far as they have rows. No others are looked up,
        and few blocks are read.
        """
        enough = self._blocks.misses + MANY_BLOCKS
        found = [*values, *[ASK] * (len(keys) - len(values))]
        active = self.memtables.active
        in_memory = active.newest if active.last_sequence <= at else _NOTHING
        for place, value in enumerate(values):
            if value is None:
                entry = in_memory.get(keys[place])  # the usual case: 0.3 us less
                if entry is not None:
                    found[place] = entry.value
                    continue
                found[place] = ASK
                if self._blocks.misses < enough:
                    with suppress(trio.WouldBlock):
                        found[place] = self.search_nowait(keys[place], at)
        return found

    def mark(self, key: bytes) -> None:
        """Note that the tables, and the blocks, that may hold `key` are in use.

        Their caches see nothing of hits in rows: every `HITS_A_MARK`th is told.
        """
        for meta in self.lookup().tables(key):
            table = self.tables.peek(meta.number)
            if table is not None:
                table.mark(key)

    async def get_many(
        self,
        keys: Sequence[bytes],
        values: list[bytes | None],
        at: int,
        fairness: Fairness,
    ) -> None:
        """Fill in what is `ASK` in the `values` of these keys, in key order."""
        absent = [place for place, value in enumerate(values) if value is ASK]
        for count, place in enumerate(sorted(absent, key=keys.__getitem__)):
            if count % MANY_KEYS == MANY_KEYS - 1:
                await fairness.begin()
            misses = self._blocks.misses
            value = values[place] = await self.get(keys[place], at)
            units = CALL_UNITS + BLOCK_UNITS * (self._blocks.misses - misses)
            await fairness.spend(units + (len(value) // BYTES_A_UNIT if value else 0))

    async def newest(self, key: bytes) -> bytes | None:
        """Return the newest value of all, pending writes included, for a read-modify-write.

        Nothing has been awaited since the value was the newest when this returns.
        """
        while True:
            entry = self.memtables.get(key, SEQUENCE_MAX)
            if entry is not None:
                return entry.value
            flushed = self.manifest.current.replay_from
            value = await self.get(key, SEQUENCE_MAX)
            entry = self.memtables.get(key, SEQUENCE_MAX)
            if entry is not None:
                return entry.value
            if self.manifest.current.replay_from == flushed:
                return (
                    value  # else it may have passed from memory into a table meanwhile
                )

    async def resolve(self, pointer: Pointer, version: Version) -> bytes:
        """Return the value that an entry of a pinned version points to."""
        try:
            return await self.values.read(pointer, version)
        except CorruptionError as error:
            self.health.trouble("damage", error)
            raise

    async def aclose(self) -> None:
        """Close the files of all tables and segments that are open for reads. Idempotent."""
        try:
            await self.tables.aclose()
        finally:
            await self.values.aclose()

    def _newest_in(self, number: int, columns: Columns) -> Collection[bytes] | None:
        """Return which of a block's keys are in memory; None if one may be in a newer table."""
        keys = columns.keys
        if not self.lookup().is_newest(number, keys[0], keys[-1]):
            return None
        in_memory: set[bytes] = set()
        for memtable in self.memtables.newest_first:
            in_memory |= memtable.newest.keys() & keys
        return in_memory

    def _is_whole(self) -> bool:
        """Say whether what has no row is nowhere, once all blocks of open tables are indexed."""
        return not self.memtables.active.newest and all(
            self.tables.peek(table.number) is not None
            for table in self.manifest.current.tables
        )

    def _ask(
        self,
        table: Table | None,
        key: bytes,
        at: int,
        is_newest: bool,  # noqa: FBT001 - a keyword costs more
    ) -> bytes | None:
        """Return the value that a table has, None for a delete, `ASK` if it has neither."""
        if table is None:
            raise trio.WouldBlock
        try:
            found = table.get_nowait(key, at)
            if found is None:
                return ASK
            _, kind, value = found
            if not kind:
                if is_newest:
                    self._blocks.add_row(table.blocks, table.found, key, value)
                return value
            if kind == Kind.DELETE:
                return None
            version = self.manifest.current
            return self.values.read_nowait(decode_pointer(value), version)
        except CorruptionError as error:
            self.health.trouble("damage", error)
            raise

    async def _get_from_tables(self, key: bytes, at: int) -> bytes | None:
        lookup = self.lookup()
        version = self.manifest.pin()
        try:
            for meta in lookup.tables(key):
                table = await self.tables.acquire(meta)
                try:
                    found = await table.get(key, at)
                finally:
                    self.tables.release(table)
                if found is None:
                    continue
                if found[1] == Kind.POINTER:
                    return await self.values.read(decode_pointer(found[2]), version)
                return None if found[1] == Kind.DELETE else found[2]
        except CorruptionError as error:
            self.health.trouble("damage", error)
            raise
        finally:
            self.manifest.unpin(version)
        return None

"""Point reads: memory first, then tables from the newest to the oldest, at one sequence.

Invariants
- The first version found is the newest at or below the sequence: memtables are newer than
  tables, level 0 is newest first, and each level is newer than the ones below it.
- Memory is asked and the version is chosen in one synchronous step, so nothing can fall between
  a memtable and the table it becomes.
- A version is pinned for as long as a read waits for the disk.
- `get_nowait` answers what `plain_get_nowait` does, which reads nothing but tables.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import attrs
import trio

from tempest.columns import SEQUENCE_MAX, Kind
from tempest.errors import CorruptionError
from tempest.fairness import BYTES_A_UNIT, CALL_UNITS, Fairness
from tempest.health import HealthMonitor
from tempest.log import Visibility
from tempest.memory import Memtables
from tempest.pointers import Pointer, decode_pointer
from tempest.table import ASK, BlockCache, Shard, Table, TableCache, TableMeta
from tempest.values import Values
from tempest.version import Version, Versions


class Lookup:
    """Which tables of a version can hold a key, newest first."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self._level0 = version.levels[0]
        self._levels = [
            ([table.largest for table in level], level)
            for level in version.levels[1:]
            if level
        ]

    def tables(self, key: bytes) -> Iterator[TableMeta]:
        """Yield the tables whose range holds `key`."""
        for table in self._level0:
            if table.smallest <= key <= table.largest:
                yield table
        for largest, level in self._levels:
            index = bisect_left(largest, key)
            if index < len(level) and level[index].smallest <= key:
                yield level[index]


MANY_KEYS = 256  # are looked up without a checkpoint
MANY_BLOCKS = 30  # are read for them from the page cache
BLOCK_UNITS = 12

_NOTHING: dict[bytes, bytes] = {}
_Rows = tuple[
    list[bytes],  # the greatest key of each shard
    list["Callable[[bytes], bytes | None]"],  # its `rows.get`
    list[
        tuple[bytes, Shard, Table | None]
    ],  # and its table, if open, from its least key on
]
"""The indexed rows of a level, or of a table of level 0; behind the last key there is nothing."""


class Arranged:
    """The indexed rows of a version's tables, newest first, for reads at its newest sequence.

    Good for as long as the version is current and no table is opened or evicted.
    """

    __slots__ = ("changes", "levels", "sequence_max", "version")

    def __init__(self, version: Version, tables: TableCache) -> None:
        self.version = version
        self.changes = tables.changes
        self.sequence_max = version.sequence_max
        runs = [(table,) for table in version.levels[0]]
        self.levels = [
            _rows_of(run, tables) for run in (*runs, *version.levels[1:]) if run
        ]


def _mark(table: Table | None, key: bytes) -> None:
    """Note that the block of a key, and its table, are in use."""
    if table is not None:
        table.mark(key)


def _rows_of(run: Sequence[TableMeta], cache: TableCache) -> _Rows:
    """Arrange tables whose ranges ascend."""
    lasts: list[bytes] = []
    shards: list[tuple[bytes, Shard, Table | None]] = []
    for meta in run:
        table = cache.peek(meta.number)
        if table is None:
            lasts.append(meta.largest)
            shards.append((meta.smallest, Shard(1), None))
        else:
            lasts.extend(table.shard_lasts)
            shards.extend((meta.smallest, shard, table) for shard in table.shards)
    gets = [shard.rows.get for _, shard, _ in shards]
    return lasts, [*gets, _NOTHING.get], [*shards, (b"", Shard(0), None)]


@attrs.define(eq=False)
class Reader:
    """Answers gets of the store and of its snapshots."""

    memtables: Memtables
    manifest: Versions
    visibility: Visibility
    tables: TableCache
    values: Values
    health: HealthMonitor
    _lookup: Lookup = attrs.field(init=False)
    _arranged: Arranged = attrs.field(init=False)
    _blocks: BlockCache = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lookup = Lookup(self.manifest.current)
        self._arranged = Arranged(self.manifest.current, self.tables)
        self._blocks = self.tables.blocks

    def lookup(self) -> Lookup:
        """Return the tables of the current version, arranged for lookups."""
        version = self.manifest.current
        if self._lookup.version is not version:
            self._lookup = Lookup(version)
        return self._lookup

    def get_nowait(self, key: bytes, at: int) -> bytes | None:  # noqa: C901, PLR0912 - the hot path, in one piece
        """Return the value at `at`, or None; `trio.WouldBlock` if that needs the device.

        A level is asked for its indexed rows first: one search among a few keys and one dict.
        What is not there is asked of the table, unless all its rows are. Every 32nd hit marks
        table and block for their caches, which see nothing of the others.
        """
        memtables = self.memtables
        entry = memtables.active.newest.get(key)
        if entry is not None and entry[0] <= at:
            return entry[1]
        if entry is not None or memtables.waiting:
            entry = memtables.get(key, at)
            if entry is not None:
                return entry[1]
        arranged = self._arranged
        if (
            arranged.version is not self.manifest.current
            or arranged.changes != self.tables.changes
        ):
            arranged = self._arrange()
        if at < arranged.sequence_max:
            return self.plain_get_nowait(key, at)
        for lasts, gets, shards in arranged.levels:
            place = bisect_left(lasts, key)
            value = gets[place](key)
            if value is None:
                smallest, shard, table = shards[place]
                if not shard.unindexed or key < smallest:
                    continue
            elif value is ASK:
                table = shards[place][2]
            else:
                blocks = self._blocks
                blocks.hits += 1
                if not blocks.hits & 31:
                    _mark(shards[place][2], key)
                return value
            value = self._ask(table, key, at)
            if value is not ASK:
                return value
        return None

    def plain_get_nowait(self, key: bytes, at: int) -> bytes | None:
        """Return what the tables have at `at`, as `get_nowait`, without indexed rows."""
        for meta in self.lookup().tables(key):
            value = self._ask(self.tables.get_nowait(meta), key, at)
            if value is not ASK:
                return value
        return None

    async def get(self, key: bytes, at: int) -> bytes | None:
        """Return the value at `at`, or None; waits for the device if need be."""
        try:
            return self.get_nowait(key, at)
        except trio.WouldBlock:
            return await self._get_from_tables(key, at)

    def get_many_nowait(self, keys: Sequence[bytes], at: int) -> list[bytes | None]:
        """Return the values in the order of `keys`; `ASK` for what would block, or take too long.

        Of many keys only the first `MANY_KEYS` are looked up. With one level of tables, all
        indexed, and none of the keys in memory, this is one comprehension: 0.6 us a key.
        """
        values: list[bytes | None] = [ASK] * len(keys)
        part = keys[:MANY_KEYS]
        memtables, arranged = self.memtables, self._arrange()
        if (
            len(arranged.levels) == 1
            and at >= arranged.sequence_max
            and not memtables.waiting
            and memtables.active.newest.keys().isdisjoint(part)
        ):
            lasts, gets, shards = arranged.levels[0]
            found = [gets[bisect_left(lasts, key)](key) for key in part]
            self._blocks.hits += len(found) - found.count(None)
            for key in part[:1]:
                _mark(shards[bisect_left(lasts, key)][2], key)
            values[: len(found)] = found
            if None not in found and ASK not in found:
                return values
        self._ask_many(values, part, at)
        return values

    def _ask_many(
        self, values: list[bytes | None], keys: Sequence[bytes], at: int
    ) -> None:
        """Fill in what the indexed rows did not tell, as far as few blocks have to be read."""
        enough = self._blocks.misses + MANY_BLOCKS
        for place, key in enumerate(keys):
            value = values[place]
            if value is None or value is ASK:
                values[place] = ASK
                if self._blocks.misses < enough:
                    with suppress(trio.WouldBlock):
                        values[place] = self.get_nowait(key, at)

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
                return entry[1]
            flushed = self.manifest.current.replay_from
            value = await self.get(key, SEQUENCE_MAX)
            entry = self.memtables.get(key, SEQUENCE_MAX)
            if entry is not None:
                return entry[1]
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

    def _arrange(self) -> Arranged:
        """Return the rows of the current version and of the tables that are open."""
        arranged, version = self._arranged, self.manifest.current
        if arranged.version is not version or arranged.changes != self.tables.changes:
            arranged = self._arranged = Arranged(version, self.tables)
        return arranged

    def _ask(self, table: Table | None, key: bytes, at: int) -> bytes | None:
        """Return the value that a table has, None for a delete, `ASK` if it has neither."""
        if table is None:
            raise trio.WouldBlock
        try:
            found = table.get_nowait(key, at)
            if found is None:
                return ASK
            _, kind, value = found
            if not kind:
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

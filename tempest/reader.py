"""Point reads: memory first, then tables from the newest to the oldest, at one sequence.

Invariants
- The first version found is the newest at or below the sequence: memtables are newer than
  tables, level 0 is newest first, and each level is newer than the ones below it.
- Memory is asked and the version is chosen in one synchronous step, so nothing can fall between
  a memtable and the table it becomes.
- A version is pinned for as long as a read waits for the disk.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import attrs
import trio

from tempest.columns import SEQUENCE_MAX, Kind
from tempest.errors import CorruptionError
from tempest.fairness import BYTES_A_UNIT, CALL_UNITS, Fairness
from tempest.health import HealthMonitor
from tempest.log import Visibility
from tempest.memory import Memtables
from tempest.pointers import Pointer, decode_pointer
from tempest.table import TableCache, TableMeta
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

    def __attrs_post_init__(self) -> None:
        self._lookup = Lookup(self.manifest.current)

    def lookup(self) -> Lookup:
        """Return the tables of the current version, arranged for lookups."""
        version = self.manifest.current
        if self._lookup.version is not version:
            self._lookup = Lookup(version)
        return self._lookup

    def get_nowait(self, key: bytes, at: int) -> bytes | None:
        """Return the value at `at`, or None; `trio.WouldBlock` if that needs the device."""
        entry = self.memtables.get(key, at)
        if entry is not None:
            return entry[1]
        try:
            for meta in self.lookup().tables(key):
                table = self.tables.get_nowait(meta)
                if table is None:
                    raise trio.WouldBlock
                found = table.get_nowait(key, at)
                if found is not None:
                    kind = found[1]
                    return self._other_nowait(kind, found[2]) if kind else found[2]
        except CorruptionError as error:
            self.health.trouble("damage", error)
            raise
        return None

    async def get(self, key: bytes, at: int) -> bytes | None:
        """Return the value at `at`, or None; waits for the device if need be."""
        try:
            return self.get_nowait(key, at)
        except trio.WouldBlock:
            return await self._get_from_tables(key, at)

    async def get_many(
        self, keys: Sequence[bytes], at: int, fairness: Fairness
    ) -> list[bytes | None]:
        """Return the values in the order of `keys`; keys are looked up in key order."""
        found: dict[bytes, bytes | None] = {}
        for count, key in enumerate(sorted(dict.fromkeys(keys))):
            if count % 256 == 255:
                await fairness.begin()
            value = found[key] = await self.get(key, at)
            await fairness.spend(
                CALL_UNITS + (len(value) // BYTES_A_UNIT if value else 0)
            )
        return [found[key] for key in keys]

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

    def _other_nowait(self, kind: int, value: bytes) -> bytes | None:
        """Return what an entry that is no put stands for."""
        if kind == Kind.DELETE:
            return None
        return self.values.read_nowait(decode_pointer(value), self._lookup.version)

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

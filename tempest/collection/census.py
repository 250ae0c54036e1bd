"""Count exactly what is still wanted of each segment, without trusting the tables' accounts.

    by scan      walk over all pointers in key order, as a compaction of everything would
    by lookup    walk over the frames of the segments, and look every key up

Both see what memory has overwritten by now, and keep what any reader position still shows, so both
say what would be live after stale pointers were compacted away. They read everything they count:
neither is for every day.

Invariants
- Nothing is changed; what cannot be read is an error, never a guess.
- Others have a turn after each chunk or frame.
"""

from collections.abc import Iterable, Mapping, Sequence

import attrs
import trio

from io_backends import Io
from tempest.columns import Kind
from tempest.iterator import KeyRanges, Merger, Source, retain
from tempest.log import SegmentMeta, scan_frames, value_addresses
from tempest.memory import Memtables
from tempest.memtable_cursor import MemtableCursor
from tempest.pointers import decode_pointer
from tempest.reader import Lookup
from tempest.table import BlockCache, TableCache, TableCursor
from tempest.version import Version

CACHE_BYTES_MAX = 8 << 20
TABLES_OPEN_MAX = 64
SEPARATED_BYTES_MIN = 64  # no option allows that shorter values are pointed to


@attrs.define(eq=False)
class Census:
    """Counts over the files of a pinned version and over memory. Close it in any case.

    `positions` are the sequences at which anybody reads, ascending, the visible one last.
    """

    io: Io
    folder: str
    store_id: bytes
    version: Version
    memtables: Memtables
    positions: Sequence[int]
    _tables: TableCache = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tables = TableCache(
            self.io,
            self.folder,
            self.store_id,
            BlockCache(CACHE_BYTES_MAX),
            bytes_max=CACHE_BYTES_MAX,
            tables_max=TABLES_OPEN_MAX,
        )

    async def aclose(self) -> None:
        """Close every file. Idempotent."""
        await self._tables.aclose()

    async def by_scan(self) -> Mapping[int, int]:
        """Return live bytes by segment number, from the pointers of all tables."""
        live: dict[int, int] = {}
        merger = Merger(list(self._sources()))
        nowhere = KeyRanges.union(())
        while (chunk := await merger.next_chunk()) is not None:
            columns = retain(chunk, self.positions, nowhere).columns
            for value, kind in zip(columns.values, columns.kinds, strict=False):
                if kind == Kind.POINTER:
                    pointer = decode_pointer(value)
                    before = live.get(pointer.segment, 0)
                    live[pointer.segment] = before + pointer.length
            await trio.lowlevel.checkpoint()
        return live

    async def by_lookup(self, segments: Iterable[SegmentMeta]) -> Mapping[int, int]:
        """Return live bytes by number of these closed segments, from the keys in them."""
        lookup = Lookup(self.version)
        return {
            segment.number: await self._live_in(segment, lookup) for segment in segments
        }

    def _sources(self) -> Iterable[Source]:
        for table in self.memtables.newest_first:
            for position in self.positions:
                yield MemtableCursor(table, b"", None, at=position)
        levels = self.version.levels
        for run in (*((table,) for table in levels[0]), *filter(None, levels[1:])):
            yield TableCursor(self._tables, run)

    async def _live_in(self, segment: SegmentMeta, lookup: Lookup) -> int:
        assert segment.end is not None, "only closed segments are counted"
        scanner = scan_frames(
            self.io, self.folder, self.store_id, [segment], segment.first, segment.end
        )
        live = 0
        try:
            while (frame := await scanner.next()) is not None:
                for run, addresses in value_addresses(
                    frame, scanner.path, SEPARATED_BYTES_MIN
                ):
                    for index, address in addresses.items():
                        place = (segment.number, address)
                        if await self._is_live(run.keys[index], place, lookup):
                            live += len(run.values[index])
                await trio.lowlevel.checkpoint()
        finally:
            with trio.CancelScope(shield=True):
                await scanner.aclose()
        return live

    async def _is_live(
        self, key: bytes, place: tuple[int, int], lookup: Lookup
    ) -> bool:
        """Say whether some reader of this key is led to this place."""
        for position in self.positions:
            if self.memtables.get(key, position) is not None:
                continue
            found = await self._pointed(key, position, lookup)
            if found == place:
                return True
        return False

    async def _pointed(
        self, key: bytes, position: int, lookup: Lookup
    ) -> tuple[int, int] | None:
        """Return segment and address that the newest version at a position points to."""
        for meta in lookup.tables(key):
            table = await self._tables.acquire(meta)
            try:
                entry = await table.get(key, position)
            finally:
                self._tables.release(table)
            if entry is not None:
                if entry[1] != Kind.POINTER:
                    return None
                pointer = decode_pointer(entry[2])
                return pointer.segment, pointer.address
        return None

"""Bring the log's tail back into memtables. Only reads: an error leaves everything as it was.

Closed segments were synced and must verify whole. The segment that was being written is read as
far as its frames verify; what lies above its highest synced-until mark may be there only by the
grace of the page cache, and is handed back to be written again.

Small frames are taken many at once where they are usual (`tempest.log.stretch`): 1.5 us for one
with one entry, all told, against 12. Memtables are switched at the same frames either way.

Invariants
- What comes back is the state after a prefix of the log order, or an error.
- A reader that may not write is shown nothing above the highest mark.
"""

from collections import deque

import attrs
import trio

from io_backends import Io, NotFoundError
from tempest.columns import Columns, Keyspace
from tempest.errors import CorruptionError
from tempest.log import (
    PAGE_BYTES,
    Frame,
    SealedFrame,
    SealedStretch,
    SegmentMeta,
    SegmentReader,
    Stretch,
    open_segment,
    segment_name,
    session_entries,
)
from tempest.memory import Memtables
from tempest.memtable import ENTRY_BYTES, held_bytes
from tempest.session_serials import Changes, Serials, apply_entries
from tempest.version import Version

FRAMES_STEP = 64
FRAMES_FEW = 16
ENTRIES_STEP = 4096
STRETCHES_STEP = 1024  # entries: two milliseconds; a turn of the others takes 15 us


@attrs.define(eq=False)
class Replayed:
    """What the log held. `unconfirmed` frames are not known to be durable."""

    memtables: Memtables
    confirmed: int
    last_sequence: int = 0
    frames: int = 0
    entries: int = 0
    bytes: int = 0
    torn_bytes: int = 0
    is_clean: bool = True
    unconfirmed: list[SealedFrame | SealedStretch] = attrs.field(factory=list)
    sessions: Serials = attrs.field(factory=dict)

    def count_sessions(self, entries: Changes, sequence_max: int) -> None:
        """Take in what stands next in the log of how far sessions have come."""
        for name, serial in entries.items():
            self.memtables.active.count(name, serial, sequence_max)
        apply_entries(self.sessions, entries)
        self.last_sequence = max(self.last_sequence, sequence_max)


class Replay:
    """One pass over the segments that a version names."""

    def __init__(
        self,
        io: Io,
        folder: str,
        store_id: bytes,
        *,
        memtable_bytes_max: int,
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self._io = io
        self._folder = folder
        self._store_id = store_id
        self._memtable_bytes_max = memtable_bytes_max
        self._page_bytes = page_bytes

    async def run(self, version: Version, *, read_only: bool) -> Replayed:
        """Return everything from the version's start of replay on."""
        memtables = Memtables(version.replay_from)
        replayed = Replayed(memtables, version.replay_from)
        replayed.last_sequence = version.sequence_max
        replayed.sessions = {mark.name: mark.serial for mark in version.sessions}
        for meta in version.segments:
            if meta.end is None or meta.end > max(meta.first, version.replay_from):
                await self._read_segment(meta, replayed, read_only=read_only)
        return replayed

    async def _read_segment(
        self, meta: SegmentMeta, replayed: Replayed, *, read_only: bool
    ) -> None:
        path = f"{self._folder}/{segment_name(meta.number)}"
        try:
            segment = await open_segment(self._io, self._folder, self._store_id, meta)
        except NotFoundError as error:
            detail = "the manifest names this segment and no such file exists"
            raise CorruptionError(path, 0, detail) from error
        try:
            start = max(meta.first, replayed.confirmed)
            reader = SegmentReader(segment, start, page_bytes=self._page_bytes)
            if meta.end is None:
                await self._read_open(reader, replayed, read_only=read_only)
            else:
                await self._read_closed(reader, replayed, meta.end)
        finally:
            await segment.file.aclose()

    async def _read_closed(
        self, reader: SegmentReader, replayed: Replayed, end: int
    ) -> None:
        while reader.address < end and (part := await reader.next_part()) is not None:
            await self._load(part, reader.segment.path, replayed)
        if reader.address != end:
            raise _damage(reader, f"this segment was synced up to address {end}")
        replayed.confirmed = end

    async def _read_open(
        self, reader: SegmentReader, replayed: Replayed, *, read_only: bool
    ) -> None:
        path = reader.segment.path
        start = reader.address
        waiting: deque[Frame | Stretch] = deque()
        while (part := await reader.next_part()) is not None:
            waiting.append(part)
            while waiting and waiting[0].end <= reader.highest_mark:
                await self._load(waiting.popleft(), path, replayed)
        # Of a stretch that ends above the mark its first frames may lie below. Before anything
        # else is found wrong, as if they had come one by one.
        if waiting and isinstance(part := waiting[0], Stretch):
            below, above = part.cut(reader.highest_mark)
            waiting.popleft()
            if above is not None:
                waiting.appendleft(above)
            if below is not None:
                await self._load(below, path, replayed)
        mark = max(start, reader.highest_mark, await reader.mark_behind())
        if reader.address < mark:
            raise _damage(reader, f"the log was synced up to address {mark}")
        replayed.is_clean = False
        replayed.confirmed = waiting[0].follows if waiting else reader.address
        behind = reader.segment.size - reader.segment.meta.offset(reader.address)
        replayed.torn_bytes = max(0, behind)  # an empty segment ends before it begins
        for part in waiting if not read_only else ():
            last = await self._load(part, path, replayed)
            replayed.unconfirmed.append(_sealed(part, last))

    async def _load(self, part: Frame | Stretch, path: str, replayed: Replayed) -> int:
        """Put entries into the memtable; return the newest sequence so far."""
        if isinstance(part, Frame):
            await self._load_frame(part, path, replayed)
        elif await self._load_at_once(part, replayed):
            pass
        elif len(part) > FRAMES_FEW:
            for half in part.halves():
                await self._load(half, path, replayed)
        else:
            for frame in part.frames():
                await self._load_frame(frame, path, replayed)
        return replayed.last_sequence

    async def _load_at_once(self, stretch: Stretch, replayed: Replayed) -> bool:
        """Put all entries into the memtable, if all of them are usual and it takes them."""
        columns = stretch.columns()
        active = replayed.memtables.active
        size = stretch.end - stretch.start  # more than its keys and values
        if columns is None or self._is_full(active.bytes, size, columns):
            return False
        before = replayed.entries
        active.load(columns)
        replayed.entries += len(columns)
        replayed.last_sequence = max(replayed.last_sequence, columns.sequence_max())
        replayed.frames += len(stretch)
        replayed.bytes += size
        if replayed.entries // STRETCHES_STEP > before // STRETCHES_STEP:
            await trio.lowlevel.checkpoint()
        return True

    def _is_full(self, held: int, size: int, columns: Columns) -> bool:
        """Say whether a memtable that holds so many bytes is full with these entries, too."""
        most = self._memtable_bytes_max
        roughly = held + size + ENTRY_BYTES * len(columns)
        return roughly >= most and held + held_bytes(columns) >= most

    async def _load_frame(self, frame: Frame, path: str, replayed: Replayed) -> None:
        memtables = replayed.memtables
        for run in frame.every_run(path):
            if run.keyspace == Keyspace.SESSIONS:
                entries = session_entries(run, path, frame.address)
                replayed.count_sessions(dict(entries), run.sequence_max())
                continue
            if len(run) > ENTRIES_STEP - replayed.entries % ENTRIES_STEP:
                await trio.lowlevel.checkpoint()
            memtables.active.load(run)
            replayed.entries += len(run)
            replayed.last_sequence = max(replayed.last_sequence, run.sequence_max())
        replayed.frames += 1
        replayed.bytes += frame.header.size
        if memtables.active.bytes >= self._memtable_bytes_max:
            memtables.switch()
            memtables.bound(frame.end)
        if replayed.frames % FRAMES_STEP == 0 or frame.header.size > 1 << 18:
            await trio.lowlevel.checkpoint()


def _sealed(part: Frame | Stretch, last_sequence: int) -> SealedFrame | SealedStretch:
    if isinstance(part, Stretch):
        return SealedStretch(part, last_sequence)
    return SealedFrame(part.address, part.follows, part.payload, last_sequence)


def _damage(reader: SegmentReader, known: str) -> CorruptionError:
    offset = reader.segment.meta.offset(reader.address)
    return CorruptionError(
        reader.segment.path,
        offset,
        f"expected a frame for address {reader.address}, found none that verifies, and {known}",
    )

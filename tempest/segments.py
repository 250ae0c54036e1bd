"""How the log goes on in another segment file: because one is full, or because one has failed.

A failed sync and an unclean open do the same thing: the frames that are not known to have
survived are written at the same addresses to a new segment of the next life, synced and entered
in the manifest; only then are they acknowledged or served.

Invariants
- A segment is entered in the manifest before the first acknowledgement in it.
- It counts only up to its successor's start, so nothing that surfaces late in it can matter.
- A life, a number and an address are reserved durably before they are used.
- Zeros are written ahead only behind everything that was ever written to the file, and into no
  sector of which a byte was synced. They are a convenience: where that fails, everything goes on
  the same way.
"""

import math

import trio

from io_backends import IoError
from journal import JournalError
from tempest.log import ActiveSegment, HybridLog, SegmentMeta, capacity_bytes
from tempest.version import Manifest, SegmentEnd, VersionEdit

# A sync of what a file grew by, or of blocks first written, commits to the filesystem's journal; one
# of bytes written over does not. ext4, 180 bytes a sync: 66 us, 98 without zeros ahead; 8 KiB: 80
# and 150; `allocate` helps the small ones only. In pieces, or folios as large slow every sync.
ZEROS_BYTES = 256 << 10
ZEROS_PIECE_BYTES = 64 << 10
SMALL_SYNC_BYTES = (
    32 << 10
)  # whoever syncs more at once would write twice as much for little
SMALL_SYNCS = 8  # so many before we believe it


class SegmentKeeper:
    """Moves the log from segment to segment, in the manifest and on disk."""

    def __init__(
        self, log: HybridLog, manifest: Manifest, segment_bytes_max: int
    ) -> None:
        self._log = log
        self._manifest = manifest
        self._segment_bytes_max = segment_bytes_max
        self._small_syncs = 0
        self._zeros_end: float = 0  # in the active file

    async def write_ahead(self) -> None:
        """Write zeros behind the log's end if the syncs to come will be small.

        Everything sealed is flushed, and nothing else is written to the segment meanwhile.
        """
        log, segment = self._log, self._log.segment
        assert segment is not None, "a sync needs a segment"
        assert log.flushed == log.tail, "zeros would be written over a frame"
        if log.flushed == log.durable:
            return  # nothing to sync, and the sector at the end was synced: it stays as it is
        if log.flushed - log.durable > SMALL_SYNC_BYTES:
            self._small_syncs = 0
            return
        self._small_syncs += 1
        place = segment.meta.offset(log.flushed)
        if self._small_syncs < SMALL_SYNCS or place < self._zeros_end:
            return
        self._zeros_end = math.inf  # not tried again in a file that refuses
        end = place + ZEROS_BYTES
        end = min(
            end - end % ZEROS_PIECE_BYTES, segment.meta.offset(segment.meta.limit)
        )
        try:
            while place < end:
                length = min(ZEROS_PIECE_BYTES - place % ZEROS_PIECE_BYTES, end - place)
                await segment.file.write_at(place, bytes(length))
                place += length
        except IoError:
            return
        self._zeros_end = place

    async def roll(self, first: int | None = None) -> None:
        """Close the active segment, all of it durable, and go on in a new one.

        `first` is the address to go on at if it lies above the log's end. What is sealed but
        not flushed yet goes to the new segment.
        """
        log = self._log
        if log.segment is not None:
            await log.sync()
            await log.sync()  # a late error of the first would come now
        end = log.flushed
        await self._enter(end, end if first is None else first)

    async def rewrite(self) -> None:
        """Give up the active segment, and carry what is not known to have survived to a new one."""
        manifest, failed = self._manifest, self._log.segment
        assert failed is not None, "there is a segment to give up"
        if manifest.current.life == failed.meta.life:  # else an earlier try began one
            await manifest.append(VersionEdit(life=failed.meta.life + 1))
        await self.carry_over()

    async def carry_over(self) -> None:
        """Write every retained frame at its address to a new segment of this life."""
        log = self._log
        await self._enter(log.confirmed, log.confirmed)
        log.rewritten()

    async def _enter(self, end: int, first: int) -> None:
        log, manifest = self._log, self._manifest
        (number,) = await manifest.reserve(1)
        waiting = [frame for frame in log.carried if frame.address >= first]
        size = waiting[-1].end - first if waiting else 0
        limit = first + capacity_bytes(size, self._segment_bytes_max)
        meta = SegmentMeta(number, manifest.current.life, first, limit)
        segment: ActiveSegment | None = None
        try:
            segment = await log.create_segment(meta)
            if log.segment is None or log.segment.is_failed:
                await log.rewrite(segment, waiting)
            await manifest.append(self._edit(meta, end))
        except (IoError, JournalError, trio.Cancelled):
            await self._abandon(number, segment)
            raise
        await log.adopt(segment)
        self._zeros_end = 0

    def _edit(self, meta: SegmentMeta, end: int) -> VersionEdit:
        segments = self._manifest.current.segments
        closed = tuple(SegmentEnd(s.number, end) for s in segments if s.end is None)
        return VersionEdit(segments_closed=closed, segments_added=(meta,))

    async def _abandon(self, number: int, segment: ActiveSegment | None) -> None:
        """Close a segment that was not entered; its file goes once its outcome is settled."""
        if segment is not None:
            with trio.CancelScope(shield=True):
                await segment.file.aclose()
        self._manifest.abandon(number)

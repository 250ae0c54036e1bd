"""How the log goes on in another segment file: because one is full, or because one has failed.

A failed sync and an unclean open do the same thing: the frames that are not known to have
survived are written at the same addresses to a new segment of the next life, synced and entered
in the manifest; only then are they acknowledged or served.

Invariants
- A segment is entered in the manifest before the first acknowledgement in it.
- It counts only up to its successor's start, so nothing that surfaces late in it can matter.
- A life, a number and an address are reserved durably before they are used.
"""

import trio

from io_backends import IoError
from journal import JournalError
from tempest.log import ActiveSegment, HybridLog, SegmentMeta, capacity_bytes
from tempest.version import Manifest, SegmentEnd, VersionEdit


class SegmentKeeper:
    """Moves the log from segment to segment, in the manifest and on disk."""

    def __init__(
        self, log: HybridLog, manifest: Manifest, segment_bytes_max: int
    ) -> None:
        self._log = log
        self._manifest = manifest
        self._segment_bytes_max = segment_bytes_max

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

"""Zeros written ahead of the log, so that a small sync need not make its file longer.

A sync of what a file grew by, or of blocks first written, commits to the filesystem's journal;
one of bytes written over does not. ext4, 180 bytes a sync: 66 us, 98 without zeros ahead; 8 KiB:
80 and 150. (`allocate` helps the small ones only.)

Invariants
- Zeros go only behind everything that was ever written to the file, and into no sector of which
  a byte was synced.
- They are a convenience: where that fails, health warns until the next segment, and everything
  goes on the same way.
"""

import math

from io_backends import ForkedError, IoError, PowerLostError
from tempest.health import HealthMonitor
from tempest.log import ActiveSegment, HybridLog

ZEROS_BYTES = 256 << 10
ZEROS_PIECE_BYTES = 64 << 10  # folios as large as all of it slow every sync
SMALL_SYNC_BYTES = (
    32 << 10
)  # whoever syncs more at once would write twice as much for little
SMALL_SYNCS = 3  # so many before we believe it: 64 writers pay 300 us for each

SOURCE = "zeros ahead of the log"  # of a warning


class ZerosAhead:
    """Keeps zeros behind the end of the active segment while its syncs are small."""

    def __init__(self, log: HybridLog, health: HealthMonitor) -> None:
        self._log = log
        self._health = health
        self._small_syncs = 0
        self._segment: ActiveSegment | None = None
        self._end: float = 0  # of the zeros, in the segment's file

    async def write(self) -> None:
        """Write zeros behind the log's end if the syncs to come will be small.

        Asked before a sync: everything sealed is flushed, and nothing else is written to the
        segment meanwhile. Raises only what says that the backend is gone.
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
        if segment is not self._segment:
            self._segment, self._end = segment, 0
            self._health.recovered(SOURCE)
        place = segment.meta.offset(log.flushed)
        if self._small_syncs < SMALL_SYNCS or place < self._end:
            return
        self._end = math.inf  # not tried again in a file that refuses
        end = place + ZEROS_BYTES
        end = min(
            end - end % ZEROS_PIECE_BYTES, segment.meta.offset(segment.meta.limit)
        )
        try:
            while place < end:
                length = min(ZEROS_PIECE_BYTES - place % ZEROS_PIECE_BYTES, end - place)
                await segment.file.write_at(place, bytes(length))
                place += length
        except (PowerLostError, ForkedError):
            raise  # the sync behind would meet it, too
        except IoError as error:
            self._health.warn(SOURCE, error)
            return
        self._end = place

    def hasten_sync(self) -> None:
        """Begin with a sync that the committer will ask for, if it will write no zeros before.

        While the device writes, tasks are switched and the committer comes to its sync, 40 us of
        210 for a lone writer.
        """
        log, segment = self._log, self._log.segment
        if (
            segment is not None
            and segment is self._segment
            and log.flushed + segment.shift < self._end
        ):
            segment.file.hasten_sync()

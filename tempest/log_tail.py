"""The settled frames of a running log, one after the other, from wherever they are.

What lies below the log's `confirmed` is read from its segments, a page at a time and with a
nursery a page ahead. What lies between that and the end of what is durable and visible is still
in memory, and is taken from there: a late error of the device can move it to another file.

Invariants
- Every settled frame is given out once, in address order; nothing unsettled ever is.
- `address` moves in the same step in which a frame is handed over, and past what holds no
  entries of users: whoever is cancelled or meets an error has taken nothing.
- No file goes while something in it is being read; in between, only `address` speaks for it.
"""

from collections.abc import Iterable

import attrs
import trio

from io_backends import Io
from tempest.columns import Columns, Keyspace
from tempest.errors import CorruptionError, InvalidError
from tempest.fairness import BYTES_A_UNIT, Fairness
from tempest.log import FrameScanner, decode_payload, segment_at, segment_name
from tempest.streams import Streams

ENTRIES_A_UNIT = 4


@attrs.define(eq=False)
class LogTail:
    """A reader of the log that stands at `address`, where a frame ends."""

    io: Io
    folder: str
    store_id: bytes
    streams: Streams
    fairness: Fairness
    address: int
    nursery: trio.Nursery | None = None
    _is_on_boundary: bool = False  # a frame was found where `address` says
    _scanner: FrameScanner | None = None

    async def next(self) -> list[Columns] | None:
        """Return what the next settled frame holds, or None at the end of what is settled.

        Raises `PositionLostError` if it is not kept, `InvalidError` if no frame ends at the
        address that this began with, `CorruptionError` for damage.
        """
        committer = self.streams.committer
        while self.address < committer.settled:
            self._check_kept()
            stop = min(committer.settled, committer.log.confirmed)
            if self.address < stop:
                runs, end = await self._read(stop)
            else:
                runs, end = await self._remember()
            self.address = end
            self._is_on_boundary = True
            if runs:
                return runs
        return None

    async def aclose(self) -> None:
        """Let go of files; what is left can go on from `address`."""
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with trio.CancelScope(shield=True):
                await scanner.aclose()

    def _check_kept(self) -> None:
        self.streams.check(self.streams.at(self.address))

    async def _read(self, stop: int) -> tuple[list[Columns], int]:
        """Read the next frame below `stop` from its segment."""
        manifest = self.streams.committer.manifest
        pinned = manifest.pin()
        try:
            scanner = self._scanner
            if scanner is not None and scanner.start != self.address:
                await self.aclose()  # memory was ahead of it meanwhile
                scanner = None
            if scanner is None:
                scanner = self._scanner = self._scan(self.address, stop)
            frame = await scanner.next()
            if frame is None:
                await self.aclose()
                return [], scanner.stop
            return await self._users(frame.runs(scanner.path)), frame.header.end
        except CorruptionError:
            await self.aclose()
            self._check_kept()
            if not self._is_on_boundary:
                await self._check_boundary()
            raise
        except BaseException:
            await self.aclose()
            raise
        finally:
            manifest.unpin(pinned)

    def _scan(self, start: int, stop: int) -> FrameScanner:
        return FrameScanner(
            self.io,
            self.folder,
            self.store_id,
            self.streams.version.segments,
            start,
            stop,
            self.streams.committer.options.log_page_bytes,
            self.nursery,
        )

    async def _check_boundary(self) -> None:
        """Raise `InvalidError` if the log is whole around `address`, and no frame ends there."""
        meta = segment_at(self.streams.version.segments, self.address)
        if meta is None or meta.first >= self.address:
            return
        scanner = self._scan(meta.first, self.streams.committer.log.confirmed)
        try:
            while scanner.start < self.address:
                if await scanner.next() is None:
                    break
        except CorruptionError:
            return
        finally:
            with trio.CancelScope(shield=True):
                await scanner.aclose()
        if scanner.start != self.address:
            raise InvalidError(f"no frame of the log ends at address {self.address}")

    async def _remember(self) -> tuple[list[Columns], int]:
        """Take the next frame from memory."""
        settled = self.streams.committer.settled
        frame = self.streams.committer.log.retained_behind(self.address)
        if frame is None or frame.end > settled:
            return [], settled
        if frame.follows < self.address < frame.end:
            raise InvalidError(f"no frame of the log ends at address {self.address}")
        newest = self.streams.version.segments[-1]
        path = f"{self.folder}/{segment_name(newest.number)}"
        runs = decode_payload(frame.payload, path, frame.address)
        return await self._users(runs), frame.end

    async def _users(self, runs: Iterable[Columns]) -> list[Columns]:
        """Decode the runs of users; others have a turn in between, nobody is cancelled."""
        found: list[Columns] = []
        for run in runs:
            if run.keyspace == Keyspace.USER and run.keys:
                found.append(run)
            size = run.payload_bytes()
            await self.fairness.spend(len(run) // ENTRIES_A_UNIT + size // BYTES_A_UNIT)
        return found

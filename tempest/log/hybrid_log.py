"""The hybrid log: an address space whose tail is memory and whose rest is segment files.

    durable <= flushed <= tail        addresses; what lies above the tail is the open frame

Commit is nothing but seal, flush, sync: `seal` encodes the open frame once and gives it its
addresses, `flush` hands it to the operating system, `sync` makes all that was flushed durable.
After FASTER (Chandramouli et al., SIGMOD 2018), with ordered frames in place of records.

Invariants
- Watermarks move only after the operation that justifies them has returned, never backwards.
- A frame stays in memory until the sync *after* its own has returned, so that a late error of
  the device loses nothing: `confirmed` is where that has happened.
- After a failed write or sync the segment is finished with: nothing touches it again, and the
  frames above `confirmed` are written at the same addresses to a new segment.
- No write ever touches a sector in which a byte of another frame was, or is being, synced.
- Frames are flushed in address order: none is handed to the operating system before those below.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import chain

import attrs
import trio
from xxhash import xxh3_64_intdigest as checksum

from io_backends import File, Io
from tempest.header import CHECKSUM_STRIDE, encode_header, place_seed
from tempest.leftovers import Leftovers, emptied
from tempest.log.frame import (
    FRAME_HEADER_BYTES,
    SECTOR_BYTES,
    SealedFrame,
    encode_payload,
    frame_start,
    next_sector,
    pack_fields,
    pack_head,
)
from tempest.log.one_entry import (
    SEQUENCE_MIN,
    WIDE,
    LoneFrame,
    entry_payload,
    layout_of,
)
from tempest.log.open_frame import GatheredFrame, OpenFrame
from tempest.log.segment import SegmentMeta, segment_name
from tempest.log.stretch import SealedStretch

FORGET_FRAMES = 64  # dropped at once, in some 15 us
PIECE_BYTES = 256 << 10  # handed to the operating system on the spot in some 60 us
PIECES_BYTES_MAX = 4 << 20  # beyond that a thread is cheaper than so many pieces


@attrs.define(eq=False)
class ActiveSegment:
    """The segment being written. `is_failed` once a write or sync in it has failed."""

    file: File
    meta: SegmentMeta
    seed: int
    is_failed: bool = False
    limit: int = attrs.field(init=False)  # of its addresses
    shift: int = attrs.field(init=False)  # from an address to its place in the file

    def __attrs_post_init__(self) -> None:
        self.limit = self.meta.limit
        self.shift = self.meta.offset(0)


Retained = SealedFrame | LoneFrame
Carried = Retained | SealedStretch


class HybridLog:
    """The in-memory tail of the log and the file below it. It knows nothing of the manifest."""

    def __init__(self, io: Io, folder: str, store_id: bytes, tail: int) -> None:
        """Begin at address `tail`, below which everything is durable."""
        self._io = io
        self._folder = folder
        self._store_id = store_id
        self.open = OpenFrame()
        self.tail = self.flushed = self.durable = self.confirmed = tail
        self.segment: ActiveSegment | None = None
        # The first sector of which nothing was synced, nor is a sync of it on its way.
        self._clear_from = next_sector(tail)
        self.data_end = tail  # where the newest frame that is more than a mark ends
        self.flushed_sequence = 0  # newest sequence handed to the operating system
        self.is_busy = (
            False  # a frame is being sealed or flushed: addresses are not settled
        )
        self.bytes_written = 0
        self.sync_count = 0
        # Frames in lists, so that those of a sync can go as one; the last has all that came since.
        self._young: list[Retained] = []
        self._retained: deque[list[Retained]] = deque([self._young])
        self.leftovers = Leftovers()
        self._recovered: list[SealedFrame | SealedStretch] = []

    @property
    def unsynced_bytes(self) -> int:
        return self.flushed - self.durable

    @property
    def retained(self) -> list[Retained]:
        """Frames of this life that a rewrite must carry over, in address order."""
        return list(chain.from_iterable(self._retained))

    @property
    def carried(self) -> list[Carried]:
        """All that a rewrite must carry over, in address order."""
        return [*self._recovered, *self.retained]

    def retained_behind(self, address: int) -> Retained | None:
        """Return the first frame in memory that ends above `address`."""
        for frames in self._retained:
            if frames and frames[-1].end > address:
                return frames[bisect_right(frames, address, key=_end)]
        return None

    def has_room(self) -> bool:
        """Whether all that is sealed fits into the active segment, and that is sound."""
        segment = self.segment
        return (
            segment is not None
            and not segment.is_failed
            and self.tail <= segment.meta.limit
        )

    async def encode(self, gathered: GatheredFrame) -> bytes:
        """Return the payload of a frame; gives way to other tasks between its runs."""
        if len(gathered) <= gathered.run_entries:
            return encode_payload(list(gathered.runs()))
        parts: list[bytes] = []
        for run in gathered.runs():
            parts.append(encode_payload([run]))
            await trio.lowlevel.checkpoint()
        payload = b"".join(parts)
        await trio.lowlevel.checkpoint()
        return payload

    def seal(self, payload: bytes, last_sequence: int) -> SealedFrame:
        """Give a payload the next addresses. It is retained from here on."""
        address = self.tail
        if address < self._clear_from:
            address = next_sector(address)
        frame = SealedFrame(address, self.tail, payload, last_sequence)
        self.tail = end = frame.end
        self._young.append(frame)
        if payload:
            self.data_end = end
        return frame

    def flush_nowait(self, frame: SealedFrame) -> None:
        """Hand a small frame to the operating system, or raise `trio.WouldBlock` or `IoError`."""
        segment = self._writable()
        data = frame.encode(segment.seed, self.durable)
        segment.file.write_at_nowait(segment.meta.offset(frame.address), data)
        self._flushed(frame)

    def append_nowait(self, key: bytes, value: bytes | None, sequence: int) -> bool:
        """Do what `seal` and `flush_nowait` do, for one entry, without their detours.

        False if there is no room, or the file would have to wait: nothing has happened then.
        `IoError` leaves the frame sealed: it may have been written.
        """
        # What stands in `entry_payload`, `SealedFrame.encode` and `checksum_at`, in one piece:
        # 0.9 us where they take 1.2. The checksum takes its seed modulo 2**64 by itself.
        segment, address = self.segment, self.tail
        assert segment is not None, "the log has no segment to write to"
        if address < self._clear_from:
            address = next_sector(address)
        layout = layout_of((len(key), -1 if value is None else len(value)))
        if layout is None or sequence < SEQUENCE_MIN:
            payload = entry_payload(key, value, sequence)
            start, size = frame_start(payload), FRAME_HEADER_BYTES + len(payload)
        else:
            pack, head, middle, tail, start, size = layout
            payload = pack(head, key, middle, value or b"", WIDE, sequence, tail)
        end = address + size
        if end > segment.limit or segment.is_failed:
            return False
        fields = pack_fields(start, address, self.tail, self.durable, checksum(payload))
        seed = segment.seed + address * CHECKSUM_STRIDE
        data = pack_head(fields, checksum(fields, seed)) + payload
        frame = LoneFrame(address, self.tail, end, key, value, sequence)
        self._young.append(frame)
        self.tail = self.data_end = end
        try:
            segment.file.write_at_nowait(address + segment.shift, data)
        except trio.WouldBlock:
            self.unseal(frame)
            return False
        self.flushed = end
        self.flushed_sequence = sequence
        self.bytes_written += size
        return True

    def recover(self, part: SealedFrame | SealedStretch) -> None:
        """Take back frames of an earlier life that are not known to be durable."""
        self._recovered.append(part)
        self.tail = self.data_end = part.end

    def unseal(self, frame: Retained) -> None:
        """Take back the newest frame, none of which was written."""
        assert self._young[-1] is frame, "only the newest frame can be taken back"
        self._young.pop()
        self.tail = frame.follows
        self.data_end = min(self.data_end, frame.follows)

    async def flush(self) -> None:
        """Hand every sealed frame to the operating system, in address order."""
        segment = self._writable()
        frames: list[Retained] = []
        for frame in reversed(self._young):
            if frame.address < self.flushed:
                break
            frames.append(frame)
        for frame in reversed(frames):
            await self._write(segment, frame, self.durable)
            self._flushed(frame)

    async def _write(
        self, segment: ActiveSegment, frame: Retained, synced_until: int
    ) -> None:
        """Write a frame to its place; what is large goes piece by piece, or by a thread.

        A thread has to take turns with the loop at the interpreter: beside a busy one 1.6 MiB
        took it 50 to 150 ms, and everything else waits for that.
        """
        if isinstance(frame, LoneFrame):
            frame = frame.sealed()
        file, offset = segment.file, segment.meta.offset(frame.address)
        head, payload = frame.head(segment.seed, synced_until), frame.payload
        if len(payload) > PIECES_BYTES_MAX:
            await file.write_at(offset, head)
            await file.write_at(offset + FRAME_HEADER_BYTES, payload)
            return
        size = PIECE_BYTES - FRAME_HEADER_BYTES
        await file.write_at(offset, head + payload[:size])
        for start in range(size, len(payload), PIECE_BYTES):
            await trio.lowlevel.checkpoint()
            piece = payload[start : start + PIECE_BYTES]
            await file.write_at(offset + FRAME_HEADER_BYTES + start, piece)

    def _flushed(self, frame: Retained) -> None:
        self.flushed = end = frame.end
        self.flushed_sequence = max(self.flushed_sequence, frame.last_sequence)
        self.bytes_written += end - frame.address

    async def sync(self) -> int:
        """Make everything flushed so far durable; return the newest sequence that is."""
        segment = self._writable()
        target = self.flushed
        self._clear_from = next_sector(target)
        self._close_list()
        await segment.file.sync()
        newest = self._synced(target)
        self._forget()
        return newest

    def _close_list(self) -> None:
        """Begin another list, with the frames that are not flushed."""
        left: list[Retained] = []
        while self._young and self._young[-1].end > self.flushed:
            left.append(self._young.pop())
        left.reverse()
        if self._young:
            self._retained.append(left)
        else:
            self._retained[-1] = left
        self._young = left

    def _synced(self, target: int) -> int:
        self.sync_count += 1
        self.confirmed, self.durable = self.durable, target
        for frames in reversed(self._retained):
            if frames and frames[0].end <= target:
                return frames[bisect_right(frames, target, key=_end) - 1].last_sequence
        return 0

    def _forget(self) -> None:
        """Drop the frames that are confirmed: single writes leave 45,000 of them, 12 ms' worth."""
        retained = self._retained
        while len(retained) > 1 and retained[0][-1].end <= self.confirmed:
            frames = retained.popleft()
            if len(frames) > FORGET_FRAMES:
                self.leftovers.add(emptied(frames))

    def mark_nowait(self, last_sequence: int) -> None:
        """Leave a mark behind an idle sync, so that damage below it cannot pass for a tear."""
        mark = self.seal(b"", last_sequence)
        try:
            if self.has_room():
                self.flush_nowait(mark)
        except trio.WouldBlock:
            pass
        if self.flushed < mark.end:
            self.unseal(mark)

    async def create_segment(self, meta: SegmentMeta) -> ActiveSegment:
        """Make a segment file, with its header and its name durable."""
        header = meta.header(self._store_id)
        path = f"{self._folder}/{segment_name(meta.number)}"
        file = await self._io.create_exclusive(path)
        try:
            await file.write_at(0, encode_header(header))
            await file.sync()
            await self._io.sync_dir(self._folder)
        except BaseException:
            await _close(file)
            raise
        return ActiveSegment(file, meta, place_seed(header))

    async def rewrite(self, segment: ActiveSegment, frames: Sequence[Carried]) -> None:
        """Write frames at their addresses into a segment that is not adopted yet, and sync.

        One that takes none was synced when it was made.
        """
        if not frames:
            return
        for frame in frames:
            if isinstance(frame, SealedStretch):
                data = frame.encode(segment.seed, segment.meta.first)
                await segment.file.write_at(segment.meta.offset(frame.address), data)
                await trio.lowlevel.checkpoint()
            else:
                await self._write(segment, frame, segment.meta.first)
            self.bytes_written += frame.end - frame.address
        await segment.file.sync()
        self.sync_count += 1

    def rewritten(self) -> None:
        """Note that everything sealed is durable in the segment that was adopted."""
        self.flushed = self.durable = self.tail
        self._clear_from = next_sector(self.tail)
        for frame in self.retained:
            self.flushed_sequence = max(self.flushed_sequence, frame.last_sequence)
        self._close_list()
        self._recovered.clear()

    async def adopt(self, segment: ActiveSegment) -> None:
        """Go on in a segment that the manifest has entered, and let go of the one before."""
        before, self.segment = self.segment, segment
        self.tail = max(self.tail, segment.meta.first)
        self.flushed = max(self.flushed, segment.meta.first)
        self.durable = max(self.durable, segment.meta.first)
        self.confirmed = max(self.confirmed, segment.meta.first)
        if before is not None:
            await _close(before.file)

    async def aclose(self) -> None:
        """Let go of the active segment; nothing is written."""
        segment, self.segment = self.segment, None
        if segment is not None:
            await _close(segment.file)

    def _writable(self) -> ActiveSegment:
        segment = self.segment
        assert segment is not None, "the log has no segment to write to"
        assert not segment.is_failed, "a failed segment is finished with"
        return segment


def capacity_bytes(frames_bytes: int, segment_bytes_max: int) -> int:
    """Return how many addresses a new segment takes: room for what is waiting, at least."""
    return max(frames_bytes, segment_bytes_max - SECTOR_BYTES)


def _end(frame: Retained) -> int:
    return frame.end


async def _close(file: File) -> None:
    with trio.CancelScope(shield=True):
        await file.aclose()

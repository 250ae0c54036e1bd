"""Read frames back in address order: all of a closed stretch, or as far as an open one holds.

A stretch that was synced must verify whole: anything else is damage. The segment that was being
written when the power went ends at the first frame that does not verify. Whether that is a torn
tail or damage is judged by the synced-until marks: every frame says how far its file had been
synced when it was written, so a hole *below* any mark of a frame that verifies is damage, and
one at or above all marks is a tear, whatever lies behind it.

Invariants
- Nothing is rewritten here, and nothing is skipped: replay is a prefix or an error.
- Lengths are bounded by the file before anything is allocated.
"""

from collections.abc import Sequence

import attrs
import trio

from io_backends import Io, NotFoundError
from tempest.errors import CorruptionError
from tempest.log.frame import (
    FRAME_HEADER_BYTES,
    MAGIC_BYTES,
    SECTOR_BYTES,
    Frame,
    FrameHeader,
    decode_frame_header,
    next_sector,
    verify_payload,
)
from tempest.log.pages import PAGE_BYTES, PageReader
from tempest.log.segment import OpenSegment, SegmentMeta, open_segment, segment_name
from tempest.log.stretch import SMALL_BYTES, STRETCH_BYTES, Stretch, read_stretch


class SegmentReader:
    """Frames of one segment from an address on, until one does not verify."""

    def __init__(
        self,
        segment: OpenSegment,
        address: int,
        *,
        page_bytes: int = PAGE_BYTES,
        stop: int | None = None,
        nursery: trio.Nursery | None = None,
    ) -> None:
        """Start at `address`, which must be where a frame begins or ends.

        Nothing at or above the address `stop` is read. `page_bytes` are read at once, and with
        a nursery the next ones meanwhile: `aclose` gives those up.
        """
        self.segment = segment
        self.address = address
        self.highest_mark = 0
        meta = segment.meta
        bounds = [meta.offset(bound) for bound in (meta.end, stop) if bound is not None]
        self._page_bytes = page_bytes
        self._stop = min([segment.size, *bounds])
        self._pages = PageReader(segment.file, self._stop, page_bytes, nursery)

    async def next(self) -> Frame | None:
        """Return the next frame, or None where none verifies (`address` stays there)."""
        frame = await self._frame_at(self.address)
        if frame is None and self.address % SECTOR_BYTES:
            frame = await self._frame_at(next_sector(self.address))
        if frame is None or frame.header.follows != self.address:
            return None
        self.address = frame.header.end
        self.highest_mark = max(self.highest_mark, frame.header.synced_until)
        return frame

    async def next_part(self, bytes_max: int = SMALL_BYTES) -> Frame | Stretch | None:
        """Return the next frames, or None where none verifies (`address` stays there).

        Those whose payloads are no longer than `bytes_max` may come together.
        """
        address = self.address
        offset = self.segment.meta.offset(address)
        length = min(STRETCH_BYTES, self._page_bytes)
        window, place = await self._pages.window(offset, length)
        part = read_stretch(window, place, address, self.segment.seed, bytes_max)
        if part is None:
            return await self.next()
        self.address = part.end
        self.highest_mark = max(self.highest_mark, part.highest_mark)
        return part

    async def mark_behind(self) -> int:
        """Return the highest synced-until mark of any frame that verifies behind `address`."""
        highest = 0
        meta = self.segment.meta
        offset = meta.offset(self.address)
        while offset < self._stop:
            length = min(self._page_bytes, self._stop - offset)
            window = await self._pages.read(offset, length)
            place = window.find(MAGIC_BYTES)
            while place >= 0:
                frame = await self._frame_at(meta.address(offset + place))
                if frame is not None:
                    highest = max(highest, frame.header.synced_until)
                place = window.find(MAGIC_BYTES, place + 1)
            offset += max(1, len(window) - len(MAGIC_BYTES) + 1)
        return highest

    async def _frame_at(self, address: int) -> Frame | None:
        """Return the frame that begins at this address, if one verifies there."""
        header = await self._header_at(address)
        if header is None:
            return None
        offset = self.segment.meta.offset(address)
        if offset + header.size > self._stop:
            return None
        payload = await self._pages.read(offset + FRAME_HEADER_BYTES, header.length)
        return Frame(header, payload) if verify_payload(header, payload) else None

    async def _header_at(self, address: int) -> FrameHeader | None:
        offset = self.segment.meta.offset(address)
        if offset + FRAME_HEADER_BYTES > self._stop:
            return None
        data = await self._pages.read(offset, FRAME_HEADER_BYTES)
        return decode_frame_header(self.segment.seed, address, data)

    async def aclose(self) -> None:
        """Give up what is being read ahead, and close the file."""
        try:
            await self._pages.aclose()
        finally:
            await self.segment.file.aclose()


@attrs.define
class FrameScanner:
    """All frames of [start, stop) in address order; damage is a `CorruptionError`.

    Everything below `stop` must have been synced. With a nursery the scan is double buffered:
    a page is read ahead there until `aclose`.
    """

    io: Io
    folder: str
    store_id: bytes
    segments: Sequence[SegmentMeta]
    start: int
    stop: int
    page_bytes: int = PAGE_BYTES
    nursery: trio.Nursery | None = None
    _reader: SegmentReader | None = None

    @property
    def path(self) -> str:
        """The file being read, for errors."""
        return self.folder if self._reader is None else self._reader.segment.path

    @property
    def segment(self) -> OpenSegment:
        """The segment that the last frame came from; good until `next` is called again."""
        assert self._reader is not None, "a frame came from a segment"
        return self._reader.segment

    async def next(self) -> Frame | None:
        """Return the next frame that holds entries, or None at `stop`."""
        while self.start < self.stop:
            reader = await self._reader_for(self.start)
            if self.start >= self.stop:
                break  # the stretch ends in a hole between two segments
            frame = await reader.next()
            if frame is None:
                raise _damage(reader)
            self.start = reader.address
            if frame.payload:
                return frame
        return None

    async def next_part(self, bytes_max: int = SMALL_BYTES) -> Frame | Stretch | None:
        """Return the next frames that hold entries, or None at `stop`.

        Those whose payloads are no longer than `bytes_max` may come together.
        """
        while self.start < self.stop:
            reader = await self._reader_for(self.start)
            if self.start >= self.stop:
                break  # the stretch ends in a hole between two segments
            part = await reader.next_part(bytes_max)
            if part is None:
                raise _damage(reader)
            self.start = reader.address
            if isinstance(part, Stretch) or part.payload:
                return part
        return None

    async def aclose(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.aclose()

    async def _reader_for(self, address: int) -> SegmentReader:
        reader = self._reader
        if reader is not None:
            end = reader.segment.meta.end
            if end is None or address < end:
                return reader
            await self.aclose()
        meta = segment_at(self.segments, address)
        if meta is None:
            raise CorruptionError(self.folder, address, "no segment has this address")
        self.start = max(address, meta.first)
        try:
            segment = await open_segment(self.io, self.folder, self.store_id, meta)
        except NotFoundError as error:
            path = f"{self.folder}/{segment_name(meta.number)}"
            raise CorruptionError(
                path, 0, "the manifest names it and it is gone"
            ) from error
        self._reader = SegmentReader(
            segment,
            self.start,
            page_bytes=self.page_bytes,
            stop=self.stop,
            nursery=self.nursery,
        )
        return self._reader


def _damage(reader: SegmentReader) -> CorruptionError:
    offset = reader.segment.meta.offset(reader.address)
    return CorruptionError(
        reader.segment.path,
        offset,
        f"expected a frame for address {reader.address}, found none that verifies",
    )


def segment_at(segments: Sequence[SegmentMeta], address: int) -> SegmentMeta | None:
    """Return the first segment that holds `address` or anything above it; some are empty."""
    for meta in segments:
        if meta.end is None or max(address, meta.first) < meta.end:
            return meta
    return None


def scan_frames(
    io: Io,
    folder: str,
    store_id: bytes,
    segments: Sequence[SegmentMeta],
    start: int,
    stop: int,
) -> FrameScanner:
    """Scan the frames of addresses [start, stop), all of which must verify."""
    return FrameScanner(io, folder, store_id, segments, start, stop)

"""Segment files for the tests beside this one, written with the log's own functions."""

import attrs
from hypothesis import strategies as st

from io_backends import Io, VirtualDisk, VirtualIo
from tempest.columns import Columns, Kind, make_columns
from tempest.header import encode_header, place_seed
from tempest.log import (
    FrameScanner,
    HybridLog,
    OpenSegment,
    SealedFrame,
    SegmentMeta,
    SegmentReader,
    encode_payload,
    open_segment,
    scan_frames,
    segment_name,
)
from tempest.log.frame import Frame

STORE_ID = bytes(range(16))
FOLDER = "d"

Entry = tuple[bytes, bytes | None]
ENTRIES = st.lists(
    st.tuples(st.binary(max_size=4), st.none() | st.binary(max_size=40)),
    min_size=1,
    max_size=8,
)


def run_of(entries: list[Entry], first: int) -> Columns:
    """Entries in write order, with sequences from `first` on."""
    return make_columns(
        [key for key, _ in entries],
        [value or b"" for _, value in entries],
        list(range(first, first + len(entries))),
        bytes(Kind.DELETE if value is None else Kind.PUT for _, value in entries),
    )


def payload_of(entries: list[Entry], first: int = 1) -> bytes:
    return encode_payload([run_of(entries, first)])


def text_payload(text: str, sequence: int = 1) -> bytes:
    """One put of a key that tells frames apart."""
    return payload_of([(text.encode(), b"value of " + text.encode())], sequence)


@attrs.define
class Shelf:
    """A disk with a folder for segments, and a backend over it."""

    disk: VirtualDisk = attrs.field(factory=VirtualDisk)
    io: Io = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.io = VirtualIo(self.disk)

    @classmethod
    async def make(cls) -> "Shelf":
        shelf = cls()
        await shelf.io.make_dir(FOLDER)
        return shelf

    def path(self, number: int) -> str:
        return f"{FOLDER}/{segment_name(number)}"

    async def log(self, first: int = 0, *, limit: int = 1 << 20) -> HybridLog:
        """A log whose active segment has number 1 and begins at `first`."""
        log = HybridLog(self.io, FOLDER, STORE_ID, first)
        await log.adopt(
            await log.create_segment(SegmentMeta(1, 1, first, first + limit))
        )
        return log

    async def write(self, meta: SegmentMeta, data: bytes) -> None:
        """Write a whole segment file: its header, then `data` from `first` on."""
        header = encode_header(meta.header(STORE_ID))
        gap = bytes(meta.offset(meta.first) - len(header)) if data else b""
        await self.put_file(meta.number, header + gap + data)

    async def put_file(self, number: int, data: bytes) -> None:
        file = await self.io.create_exclusive(self.path(number))
        await file.write_at(0, data)
        await file.aclose()

    async def open(self, meta: SegmentMeta) -> OpenSegment:
        return await open_segment(self.io, FOLDER, STORE_ID, meta)

    async def read(
        self, meta: SegmentMeta, start: int | None = None
    ) -> tuple[list[Frame], SegmentReader]:
        """Read frames until one does not verify; also return the reader that stopped there."""
        segment = await self.open(meta)
        reader = SegmentReader(segment, meta.first if start is None else start)
        frames = []
        while (frame := await reader.next()) is not None:
            frames.append(frame)
        return frames, reader

    def scan(self, segments: list[SegmentMeta], start: int, stop: int) -> FrameScanner:
        return scan_frames(self.io, FOLDER, STORE_ID, segments, start, stop)


async def scan_all(scanner: FrameScanner) -> list[Frame]:
    """Take every frame, and close the scanner also when that fails."""
    frames = []
    try:
        while (frame := await scanner.next()) is not None:
            frames.append(frame)
    finally:
        await scanner.aclose()
    return frames


@attrs.define
class Layout:
    """Frames laid out at their addresses by hand, and the bytes they make in a file."""

    meta: SegmentMeta
    tail: int = attrs.field(init=False)
    frames: list[SealedFrame] = attrs.field(factory=list)
    marks: list[int] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.tail = self.meta.first

    def add(
        self, payload: bytes, *, synced_until: int = 0, skip_to: int | None = None
    ) -> SealedFrame:
        """Put a frame behind the last one, or at `skip_to`; it carries this mark."""
        address = self.tail if skip_to is None else skip_to
        frame = SealedFrame(address, self.tail, payload, len(self.frames) + 1)
        self.tail = frame.end
        self.frames.append(frame)
        self.marks.append(synced_until)
        return frame

    def encode(self) -> bytes:
        """Return the bytes from `first` to the tail."""
        seed = place_seed(self.meta.header(STORE_ID))
        data = bytearray(self.tail - self.meta.first)
        for frame, mark in zip(self.frames, self.marks, strict=True):
            place = frame.address - self.meta.first
            data[place : place + frame.end - frame.address] = frame.encode(seed, mark)
        return bytes(data)

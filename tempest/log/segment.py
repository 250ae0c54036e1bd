"""A log segment: one file that holds a stretch of the log's addresses.

    segment := header:u8[64] zero:u8[448] frame*            named log-NUMBER, twelve digits

Address `a` of a segment stands at byte `512 + a - (first - first mod 512)` of its file: sectors of
the address space are sectors of the file. What lies between frames and behind the last one
(zeros, a torn frame) is not part of the log.

Invariants
- A segment counts from `first` up to `end`; while `end` is None it is the one being written.
- No address at or above `limit` is ever used in it, so the next segment may start there even
  when nobody knows how far this one was written.
"""

import attrs

from io_backends import File, Io
from journal import later
from tempest.header import (
    HEADER_SIZE,
    FileHeader,
    FileKind,
    check_identity,
    decode_header,
    place_seed,
)
from tempest.log.frame import SECTOR_BYTES, sector_start

_PREFIX = "log-"


@attrs.frozen
class SegmentMeta:
    """What the manifest knows of a segment. Addresses are bytes.

    `value_bytes` are those of the values that were copied into a value segment; 0 for the log.
    """

    number: int
    life: int
    first: int
    limit: int
    end: int | None = None
    value_bytes: int = later(0)

    def header(self, store_id: bytes) -> FileHeader:
        return FileHeader(FileKind.LOG, store_id, self.life, self.number)

    def offset(self, address: int) -> int:
        """Return where in the file the address stands."""
        return SECTOR_BYTES + address - sector_start(self.first)

    def address(self, offset: int) -> int:
        """Return which address stands at this place of the file."""
        return offset - SECTOR_BYTES + sector_start(self.first)

    @property
    def file_bytes(self) -> int:
        """How long the file is up to where the segment ends; only its header while that is open."""
        if self.end is None or self.end == self.first:
            return HEADER_SIZE
        return self.offset(self.end)


def segment_name(number: int) -> str:
    """Return the file name of a segment."""
    return f"{_PREFIX}{number:012}"


def segment_number(name: str) -> int | None:
    """Return the number in a segment's file name, or None for any other name."""
    digits = name.removeprefix(_PREFIX)
    if digits.isdecimal() and segment_name(int(digits)) == name:
        return int(digits)
    return None


@attrs.frozen
class OpenSegment:
    """A segment's file that was found to be the one the manifest means."""

    file: File
    meta: SegmentMeta
    seed: int
    size: int

    @property
    def path(self) -> str:
        return self.file.path


async def open_segment(
    io: Io, folder: str, store_id: bytes, meta: SegmentMeta
) -> OpenSegment:
    """Open a segment for reading; `CorruptionError` if it is not the file that is meant."""
    file = await io.open(f"{folder}/{segment_name(meta.number)}")
    try:
        size = await file.size()
        expected = meta.header(store_id)
        start = await file.read_at(0, min(size, HEADER_SIZE))
        check_identity(decode_header(start, file.path), expected, file.path)
    except BaseException:
        await file.aclose()
        raise
    return OpenSegment(file, meta, place_seed(expected), size)

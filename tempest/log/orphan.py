"""Whether a segment that the manifest does not name was named by it once.

A segment is entered in the manifest before anything in it counts. Frames that were written into
it before that were carried over: they say that the log was synced up to where the segment
begins. So a frame that vouches for anything above the first one was written after the entry.

Invariants
- Only headers that verify for this very file, at this very place, are believed.
"""

import struct
from collections.abc import Iterator

import attrs

from io_backends import Io, NotFoundError
from tempest.header import HEADER_SIZE
from tempest.log.frame import (
    FRAME_HEADER_BYTES,
    MAGIC_BYTES,
    FrameHeader,
    decode_frame_header,
)

WINDOW_BYTES = 1 << 20
_ADDRESS = struct.Struct("<8xQ")


async def holds_entered_frames(io: Io, path: str, seed: int) -> bool:
    """Say whether a frame in this segment was written after the segment had been entered.

    One that was removed meanwhile holds none any more.
    """
    try:
        file = await io.open(path)
    except NotFoundError:
        return False
    try:
        size = await file.size()
        search = _Search(seed)
        offset = HEADER_SIZE
        while offset + FRAME_HEADER_BYTES <= size:
            window = await file.read_at(offset, min(WINDOW_BYTES, size - offset))
            if search.finds_in(window, offset):
                return True
            offset += len(window) - FRAME_HEADER_BYTES + 1
    finally:
        await file.aclose()
    return False


@attrs.define
class _Search:
    """Looks at the frame headers of one file, in file order."""

    seed: int
    first: FrameHeader | None = None
    first_offset: int = 0

    def finds_in(self, window: bytes, window_offset: int) -> bool:
        for header, place in _headers(self.seed, window):
            offset = window_offset + place
            if self.first is None:
                self.first, self.first_offset = header, offset
            is_in_place = (
                offset - self.first_offset == header.address - self.first.address
            )
            if is_in_place and header.synced_until > self.first.address:
                return True
        return False


def _headers(seed: int, window: bytes) -> Iterator[tuple[FrameHeader, int]]:
    place = window.find(MAGIC_BYTES)
    while 0 <= place <= len(window) - FRAME_HEADER_BYTES:
        data = window[place : place + FRAME_HEADER_BYTES]
        (address,) = _ADDRESS.unpack_from(data)
        header = decode_frame_header(seed, address, data)
        if header is not None:
            yield header, place
        place = window.find(MAGIC_BYTES, place + 1)

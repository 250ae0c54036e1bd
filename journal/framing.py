"""Cut a run of bytes into checksummed frames, and back. No IO happens here.

A journal file is a sequence of frames with nothing between them (all integers little-endian):

    frame := magic:u32 address:u64 synced_until:u64 length:u32 padding:u32 checksum:u64
             payload:u8[length] zeros:u8[padding]

`address` is the frame's own offset. `synced_until` is how far the file had been synced when the
frame was written. The last frame of each write is padded to a whole sector. A frame without
payload is a mark: it carries nothing but its `synced_until`. `checksum` is XXH3-64 of the 28 bytes
before it followed by payload and zeros, seeded by the place: the file's seed plus the address times
an odd constant, modulo 2**64. So a frame verifies in one place of one file and nowhere else.

Invariants
- No write touches a sector that an earlier one filled: a power cut may turn a sector that is being
  written into garbage, and what was synced must not be in it.
- `synced_until <= address`: a file is never synced beyond what it holds.
- No length is believed before it fits into the bytes that are there and into `PAYLOAD_BYTES_MAX`.
- Reading never raises: it yields a `Frame`, or a `Defect` that says what was expected.
"""

import struct
from collections.abc import Sequence

import attrs
import xxhash

MAGIC = 0x4C4E4A54  # "TJNL"
PAYLOAD_BYTES_MAX = 1 << 28
SECTOR_BYTES = 512
_HEAD = struct.Struct("<IQQII")
_CHECKSUM = struct.Struct("<Q")
_MAGIC_BYTES = struct.pack("<I", MAGIC)
FRAME_HEADER_SIZE = _HEAD.size + _CHECKSUM.size
_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


@attrs.frozen
class Frame:
    """One verified frame: where it stands, what it vouches for, what it carries, where it ends."""

    address: int
    synced_until: int
    payload: bytes
    end: int


@attrs.frozen
class Defect:
    """Why the bytes at an offset are not a frame."""

    expected: str
    found: str


def encode_frames(
    seed: int, address: int, synced_until: int, payloads: Sequence[bytes]
) -> bytes:
    """Return one write: a frame for each payload, the last padded; an empty payload is a mark."""
    assert address % SECTOR_BYTES == 0
    assert 0 <= synced_until <= address
    frames, end, last = [], address, len(payloads) - 1
    for index, payload in enumerate(payloads):
        assert len(payload) <= PAYLOAD_BYTES_MAX
        start, end = end, end + FRAME_HEADER_SIZE + len(payload)
        padding = -end % SECTOR_BYTES if index == last else 0
        head = _HEAD.pack(MAGIC, start, synced_until, len(payload), padding)
        body = payload + bytes(padding)
        frames += [head, _CHECKSUM.pack(_checksum(seed, start, head + body)), body]
    return b"".join(frames)


def decode_frame(seed: int, data: bytes, address: int) -> Frame | Defect:
    """Read the frame that stands at `address` in `data`, the whole file."""
    room = len(data) - address - FRAME_HEADER_SIZE
    if room < 0:
        return Defect(
            f"a frame header of {FRAME_HEADER_SIZE} bytes",
            f"the end of the file after {len(data) - address}",
        )
    head = _HEAD.unpack_from(data, address)
    defect = _head_defect(head, address, room)
    if defect is not None:
        return defect
    _, _, synced_until, length, padding = head
    start = address + FRAME_HEADER_SIZE
    body = data[start : start + length + padding]
    computed = _checksum(seed, address, data[address : address + _HEAD.size] + body)
    (stored,) = _CHECKSUM.unpack_from(data, address + _HEAD.size)
    if computed != stored:
        return Defect(f"checksum {computed:#018x}", f"{stored:#018x}")
    return Frame(address, synced_until, body[:length], start + length + padding)


def _head_defect(
    head: tuple[int, int, int, int, int], address: int, room: int
) -> Defect | None:
    magic, own_address, synced_until, length, padding = head
    if magic != MAGIC:
        return Defect(f"magic {MAGIC:#010x}", f"{magic:#010x}")
    if own_address != address:
        return Defect(f"a frame of address {address}", f"one of address {own_address}")
    if synced_until > address:
        return Defect(f"synced_until of at most {address}", str(synced_until))
    if length > PAYLOAD_BYTES_MAX or padding >= SECTOR_BYTES:
        return Defect("length and padding in bounds", f"{length} and {padding}")
    if length + padding > room:
        return Defect(f"at most {room} bytes", f"{length} and {padding} of padding")
    return None


def highest_mark(seed: int, data: bytes, start: int) -> int:
    """Return the highest `synced_until` of any frame at or behind `start`, 0 if there is none.

    A power cut may keep a later frame and tear an earlier one, so every place that looks like the
    beginning of a frame is tried.
    """
    mark = 0
    place = data.find(_MAGIC_BYTES, start)
    while place >= 0:
        frame = decode_frame(seed, data, place)
        if isinstance(frame, Frame):
            mark = max(mark, frame.synced_until)
        behind = frame.end if isinstance(frame, Frame) else place + 1
        place = data.find(_MAGIC_BYTES, behind)
    return mark


def _checksum(seed: int, address: int, data: bytes) -> int:
    return xxhash.xxh3_64_intdigest(data, (seed + address * _SPREAD) & _MASK)

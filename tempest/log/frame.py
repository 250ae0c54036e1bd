"""Cut log writes into checksummed frames, and back. No IO happens here.

A frame is what commits as one. It begins where the one before it ends, or, once bytes in that
sector may have been synced, at the next sector (512 bytes): a torn write must not reach them.

    frame   := magic:u32 length:u32 address:u64 follows:u64 synced_until:u64
               payload_checksum:u64 checksum:u64 payload:u8[length]      (little-endian)
    payload := (run_length:u32 run:u8[run_length])*

`follows` is the address at which the frame before it ended, so that no frame can be left out
unnoticed. `payload_checksum` is XXH3-64 of the payload; `checksum` is the checksum of the 40
bytes before it, seeded by the file and the address (`tempest.header.checksum_at`), so that a
frame can be given another place without its payload being read again. `run` is a
`tempest.columns` run; a frame with no payload is a mark. `synced_until` is the address up to
which the log was known to be synced when the frame was written.

Invariants
- A frame is all or nothing: `parse` returns it whole and verified, or None.
- No length is believed before the header that holds it has verified.
"""

import struct
from collections.abc import Iterator

import attrs
from msgspec import Struct
from xxhash import xxh3_64_intdigest

from tempest.columns import Columns, Keyspace, Kind, decode_columns, encode_columns
from tempest.errors import CorruptionError
from tempest.header import checksum_at

MAGIC = 0x4D52_4654  # "TFRM" as it stands in the file
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
FRAME_HEADER_BYTES = 48
SECTOR_BYTES = 512

_FIELDS = struct.Struct("<IIQQQQ")
_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")
_pack_fields = _FIELDS.pack
pack_fields = struct.Struct("<8sQQQQ").pack  # the same, magic and length in one piece
pack_head = struct.Struct("<40sQ").pack


@attrs.frozen
class FrameHeader:
    """The fixed part of a frame; `size` counts header and payload, in bytes."""

    address: int
    length: int
    follows: int
    synced_until: int
    payload_checksum: int

    @property
    def size(self) -> int:
        return FRAME_HEADER_BYTES + self.length

    @property
    def end(self) -> int:
        return self.address + self.size


@attrs.frozen
class Frame:
    """A verified frame as it was read."""

    header: FrameHeader
    payload: bytes

    @property
    def address(self) -> int:
        return self.header.address

    @property
    def follows(self) -> int:
        return self.header.follows

    @property
    def end(self) -> int:
        return self.header.end

    def runs(self, path: str) -> Iterator[Columns]:
        """Decode run after run, in write order; `path` is for the error if one is malformed.

        These are the users' entries: what counts sessions is left out.
        """
        return decode_payload(self.payload, path, self.address)

    def every_run(self, path: str) -> Iterator[Columns]:
        """Decode all runs, whatever their keyspace."""
        return (run for _, run in _every_run(self.payload, path, self.address))


class SealedFrame(Struct, frozen=True, gc=False):
    """A frame that has its addresses, before it is written into any file.

    Every write at OS level makes one, and keeps it until it is confirmed: 50 ns to make and no
    work for the collector, against 390 as an attrs class.
    """

    address: int
    follows: int
    payload: bytes
    last_sequence: int

    @property
    def end(self) -> int:
        return self.address + FRAME_HEADER_BYTES + len(self.payload)

    def encode(self, seed: int, synced_until: int) -> bytes:
        """Return the bytes of the frame as it stands in the file with this seed."""
        return self.head(seed, synced_until) + self.payload

    def head(self, seed: int, synced_until: int) -> bytes:
        """Return the bytes before the payload: it need not be copied to be written."""
        payload, address = self.payload, self.address
        fields = _pack_fields(
            MAGIC,
            len(payload),
            address,
            self.follows,
            synced_until,
            xxh3_64_intdigest(payload),
        )
        return pack_head(fields, checksum_at(seed, address, fields))


def frame_start(payload: bytes) -> bytes:
    """Return what a frame with this payload begins with: magic and length."""
    return MAGIC_BYTES + len(payload).to_bytes(4, "little")


def sector_start(address: int) -> int:
    """Return the address at which the sector of `address` begins."""
    return address - address % SECTOR_BYTES


def next_sector(address: int) -> int:
    """Return the first sector boundary at or above `address`."""
    return -(-address // SECTOR_BYTES) * SECTOR_BYTES


def decode_frame_header(seed: int, address: int, data: bytes) -> FrameHeader | None:
    """Return the header in `data`, or None if no frame of this file begins at `address`."""
    if len(data) < FRAME_HEADER_BYTES:
        return None
    fields = _FIELDS.unpack_from(data)
    magic, length, found_address, follows, synced_until, payload_checksum = fields
    (checksum,) = _U64.unpack_from(data, _FIELDS.size)
    if magic != MAGIC or found_address != address:
        return None
    if checksum != checksum_at(seed, address, data[: _FIELDS.size]):
        return None
    return FrameHeader(address, length, follows, synced_until, payload_checksum)


def verify_payload(header: FrameHeader, payload: bytes) -> bool:
    """Say whether the payload is the one that the header was made for."""
    return (
        len(payload) == header.length
        and xxh3_64_intdigest(payload) == header.payload_checksum
    )


def encode_payload(runs: list[Columns]) -> bytes:
    """Return the payload that holds these runs."""
    parts: list[bytes] = []
    for run in runs:
        data = encode_columns(run)
        parts += (_U32.pack(len(data)), data)
    return b"".join(parts)


def decode_payload(payload: bytes, path: str, address: int) -> Iterator[Columns]:
    """Yield users' runs of a verified payload; `CorruptionError` if they make no sense."""
    for _, run in placed_runs(payload, path, address):
        yield run


def placed_runs(
    payload: bytes, path: str, address: int
) -> Iterator[tuple[int, Columns]]:
    """Yield users' runs of a verified payload, each with the place in it where it begins."""
    for place, run in _every_run(payload, path, address):
        if run.keyspace == Keyspace.USER:
            yield place, run


def _every_run(
    payload: bytes, path: str, address: int
) -> Iterator[tuple[int, Columns]]:
    place, view = 0, memoryview(payload)
    while place < len(payload):
        if place + 4 > len(payload):
            raise CorruptionError(path, address, "a run's length is cut short")
        (length,) = _U32.unpack_from(payload, place)
        place += 4
        if length > len(payload) - place:
            raise CorruptionError(
                path, address, f"a run of {length} bytes is cut short"
            )
        try:
            data = view[place : place + length]
            run = decode_columns(data, path, keyspace_max=Keyspace.SESSIONS)
        except ValueError as error:
            raise CorruptionError(
                path, address, f"a run is malformed ({error})"
            ) from error
        if Kind.POINTER in run.kinds:
            raise CorruptionError(path, address, "the log holds a pointer")
        yield place, run
        place += length

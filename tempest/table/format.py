"""The outline of a table file: blocks, which lie back to back, and the footer that ends it.

    table  := header:u8[64] data_block+ filter_block index_block properties_block footer
    block  := checksum:u64 stored_length:u32 raw_length:u32 compression:u8 reserved:u8[7]=0
              stored:u8[stored_length]
    footer := filter_offset:u64 index_offset:u64 properties_offset:u64 size:u64
              filter_checksum:u64 index_checksum:u64 properties_checksum:u64
              magic:u8[8] checksum:u64                                      (little-endian)

A block's checksum covers everything behind it in the block; the footer's covers everything
before it in the footer. Both are seeded by the file and by the offset of block or footer
(`tempest.header.checksum_at`). `stored` unpacks to `raw_length` bytes. Offsets count from the
start of the file, and `size` is the length of the file.

Invariants
- Nothing of a block is believed before its checksum held, and it held only if it is the very
  block that index or footer mean.
- Every byte of the file is covered by a checksum that the manifest's one reaches.
"""

import struct

import attrs

from tempest.errors import CorruptionError, InvalidError
from tempest.header import HEADER_SIZE, checksum_at
from tempest.options import Compression
from tempest.table.compression import compress, decompress

BLOCK_HEADER_SIZE = 24
FOOTER_SIZE = 72
FOOTER_MAGIC = b"TEMPTABL"
RAW_BYTES_MAX = 0x7E000000  # the most that LZ4 takes in one piece

_BLOCK = struct.Struct("<QIIB7s")
_AFTER_CHECKSUM = struct.Struct("<IIB7s")
_CHECKSUM = struct.Struct("<Q")
_FOOTER = struct.Struct("<QQQQQQQ8sQ")
_FOOTER_BODY = struct.Struct("<QQQQQQQ8s")
_RESERVED = bytes(7)


@attrs.frozen
class Footer:
    """Where the blocks behind the data start, what they must be, and how long the file is."""

    filter_offset: int
    index_offset: int
    properties_offset: int
    size: int
    filter_checksum: int
    index_checksum: int
    properties_checksum: int


def encode_block(seed: int, offset: int, raw: bytes, wanted: Compression) -> bytes:
    """Return the block that holds `raw` at `offset` of the file."""
    if len(raw) > RAW_BYTES_MAX:
        raise InvalidError(
            f"a block would hold {len(raw)} bytes and at most {RAW_BYTES_MAX} are possible",
            "Close the snapshots that keep so many versions of one key",
        )
    kind, stored = compress(wanted, raw)
    body = _AFTER_CHECKSUM.pack(len(stored), len(raw), kind, _RESERVED) + stored
    return _CHECKSUM.pack(checksum_at(seed, offset, body)) + body


def decode_block(
    seed: int, offset: int, block: bytes, expected: int, path: str
) -> bytes:
    """Return what the block holds; `expected` is the checksum that index or footer tell."""
    if len(block) < BLOCK_HEADER_SIZE:
        raise CorruptionError(path, offset, f"a block cannot have {len(block)} bytes")
    found = checksum_at(seed, offset, block[8:])
    checksum, stored_length, raw_length, compression, reserved = _BLOCK.unpack_from(
        block
    )
    if found != expected or checksum != expected:
        raise CorruptionError(
            path,
            offset,
            f"block: expected checksum {expected:016x}, found {found:016x}"
            f" of the bytes and {checksum:016x} beside them",
        )
    if (
        stored_length != len(block) - BLOCK_HEADER_SIZE
        or raw_length > RAW_BYTES_MAX
        or reserved != _RESERVED
    ):
        raise CorruptionError(path, offset, "the header of the block makes no sense")
    try:
        return decompress(compression, block[BLOCK_HEADER_SIZE:], raw_length, path)
    except ValueError as error:
        raise CorruptionError(path, offset, f"block: {error}") from error


def block_checksum(block: bytes) -> int:
    """Return the checksum that stands in an encoded block or at the end of a footer."""
    (checksum,) = _CHECKSUM.unpack_from(block)
    return int(checksum)


def encode_footer(seed: int, footer: Footer) -> tuple[bytes, int]:
    """Return the footer's bytes, and its checksum: the one that pins the table."""
    body = _FOOTER_BODY.pack(*attrs.astuple(footer), FOOTER_MAGIC)
    checksum = checksum_at(seed, footer.size - FOOTER_SIZE, body)
    return body + _CHECKSUM.pack(checksum), checksum


def decode_footer(
    seed: int, data: bytes, expected: int, size: int, path: str
) -> Footer:
    """Return the footer of a file of `size` bytes whose checksum must be `expected`."""
    place = size - FOOTER_SIZE
    if len(data) != FOOTER_SIZE:
        raise CorruptionError(
            path, place, f"footer: expected {FOOTER_SIZE} bytes, found {len(data)}"
        )
    *fields, magic, checksum = _FOOTER.unpack(data)
    found = checksum_at(seed, place, data[: _FOOTER_BODY.size])
    if found != expected or checksum != expected:
        raise CorruptionError(
            path,
            place,
            f"footer: expected checksum {expected:016x}, found {found:016x}"
            f" of the bytes and {checksum:016x} behind them",
        )
    footer = Footer(*fields)
    starts = (
        HEADER_SIZE,
        footer.filter_offset,
        footer.index_offset,
        footer.properties_offset,
        place,
    )
    if magic != FOOTER_MAGIC or footer.size != size or list(starts) != sorted(starts):
        raise CorruptionError(path, place, "the footer makes no sense")
    return footer

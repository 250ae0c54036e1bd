"""The first 64 bytes of every data file of a store: what it is, and whose it is.

    header := magic:u8[8] format:u16 kind:u16 reserved:u32=0 compatible:u32 incompatible:u32
              store_id:u8[16] life:u64 number:u64 checksum:u64           (little-endian)

`checksum` is XXH3-64 of the 56 bytes before it. `kind` is a `FileKind`. `compatible` bits may be
ignored by a reader that does not know them, `incompatible` bits may not.

Every other checksum in the file depends on this identity and on the place of the bytes:

    place_seed(header)            = XXH3-64(store_id:u8[16] kind:u8 life:u64 number:u64)
    checksum_at(seed, place, data) = XXH3-64(data, seed=(seed + place * 0x9E3779B97F4A7C15) mod 2**64)

Invariants
- Bytes that were written for another store, file, life or offset do not verify: a misdirected or
  stale block fails like a flipped bit.
- Whether a file is newer than this program is judged only after its header's checksum held.
"""

import struct
from enum import IntEnum

import attrs
from xxhash import xxh3_64, xxh3_64_intdigest

from tempest.errors import CorruptionError, UnsupportedFormatError

HEADER_SIZE = 64
MAGIC = b"TEMPEST\x00"
FORMAT = 1
INCOMPATIBLE_KNOWN = 0

_FIELDS = struct.Struct("<8sHHIII16sQQ")
_IDENTITY = struct.Struct("<16sBQQ")
_CHECKSUM = struct.Struct("<Q")
CHECKSUM_STRIDE = 0x9E3779B97F4A7C15
CHECKSUM_MASK = 2**64 - 1


class FileKind(IntEnum):
    """What a data file holds."""

    LOG = 1
    TABLE = 2


@attrs.frozen
class FileHeader:
    """Identity of a file: a file number is issued once, a life is one writable open."""

    kind: FileKind
    store_id: bytes
    life: int
    number: int
    format: int = FORMAT
    compatible: int = 0
    incompatible: int = 0


def encode_header(header: FileHeader) -> bytes:
    """Return the 64 bytes a file of this identity begins with."""
    assert len(header.store_id) == 16, "a store id has 16 bytes"
    fields = _FIELDS.pack(
        MAGIC,
        header.format,
        header.kind,
        0,
        header.compatible,
        header.incompatible,
        header.store_id,
        header.life,
        header.number,
    )
    return fields + _CHECKSUM.pack(xxh3_64_intdigest(fields))


def decode_header(data: bytes, path: str) -> FileHeader:
    """Return the header in `data`, the first bytes of the file at `path`.

    Raises `CorruptionError`, or `UnsupportedFormatError` for a sound header of a newer program.
    """
    if len(data) < HEADER_SIZE:
        raise CorruptionError(
            path, len(data), f"the header needs {HEADER_SIZE} bytes, found {len(data)}"
        )
    if data[:8] != MAGIC:
        raise CorruptionError(path, 0, f"expected magic {MAGIC!r}, found {data[:8]!r}")
    (expected,) = _CHECKSUM.unpack_from(data, _FIELDS.size)
    found = xxh3_64_intdigest(data[: _FIELDS.size])
    if found != expected:
        raise CorruptionError(
            path, 0, f"header: expected checksum {expected:016x}, found {found:016x}"
        )
    return _understand(data, path)


def check_identity(found: FileHeader, expected: FileHeader, path: str) -> None:
    """Raise `CorruptionError` unless the file is the one that the manifest means."""
    if _identity(found) != _identity(expected):
        raise CorruptionError(
            path,
            0,
            f"this is another file: expected {_describe(expected)}, found {_describe(found)}",
        )


def place_seed(header: FileHeader) -> int:
    """Return what every checksum in this file starts from."""
    return xxh3_64_intdigest(_identity(header))


def checksum_at(seed: int, place: int, data: bytes) -> int:
    """Return the checksum of `data` standing at offset or address `place` of a file."""
    return xxh3_64_intdigest(data, (seed + place * CHECKSUM_STRIDE) & CHECKSUM_MASK)


def hasher_at(seed: int, place: int) -> xxh3_64:
    """Return a hash that makes `checksum_at` of bytes that come in pieces."""
    return xxh3_64(seed=(seed + place * CHECKSUM_STRIDE) & CHECKSUM_MASK)


def _understand(data: bytes, path: str) -> FileHeader:
    """Read a header that verified; refuse what only a newer program can have written."""
    _, version, kind, reserved, compatible, incompatible, store_id, life, number = (
        _FIELDS.unpack_from(data)
    )
    if version != FORMAT or reserved != 0:
        raise UnsupportedFormatError(
            path, f"it has format {version}.{reserved}, this program reads {FORMAT}.0"
        )
    unknown = incompatible & ~INCOMPATIBLE_KNOWN
    if unknown:
        raise UnsupportedFormatError(
            path, f"it needs features that this program does not know: {unknown:#x}"
        )
    try:
        known = FileKind(kind)
    except ValueError as error:
        raise UnsupportedFormatError(
            path, f"this program does not know file kind {kind}"
        ) from error
    return FileHeader(known, store_id, life, number, version, compatible, incompatible)


def _identity(header: FileHeader) -> bytes:
    return _IDENTITY.pack(header.store_id, header.kind, header.life, header.number)


def _describe(header: FileHeader) -> str:
    return (
        f"{header.kind.name.lower()} {header.number} of life {header.life}"
        f" of store {header.store_id.hex()}"
    )

"""Pack a block and unpack it again. No file stands or falls with an optional package.

LZ4 and zlib are always there; Zstandard comes with the extra `tempestdb[fast]`.

Invariants
- A block that packing does not shrink by an eighth is stored plain.
- Unpacking never makes more bytes than the block header announced, and never fewer.
"""

import zlib

import lz4.block  # type: ignore[import-untyped]  # it ships no types

from tempest.errors import InvalidError, UnsupportedFormatError
from tempest.options import Compression

try:
    import zstandard
except ImportError:  # the extra is not installed
    _has_zstandard = False
else:
    _has_zstandard = True

_LZ4 = int(Compression.LZ4)
_MISSING = "Zstandard blocks need the extra tempestdb[fast], which is not installed"


def check_available(compression: Compression) -> None:
    """Raise `InvalidError` if this installation cannot pack that way."""
    if compression is Compression.ZSTD and not _has_zstandard:
        raise InvalidError(_MISSING, "Install it or choose another compression")


def compress(wanted: Compression, raw: bytes) -> tuple[Compression, bytes]:
    """Return how `raw` is to be stored, and the bytes to store."""
    if wanted is Compression.NONE:
        return wanted, raw
    packed = _pack(wanted, raw)
    if len(packed) > len(raw) - len(raw) // 8:
        return Compression.NONE, raw
    return wanted, packed


def decompress(compression: int, stored: bytes, raw_length: int, path: str) -> bytes:
    """Return the bytes that were packed: `raw_length` of them, or `ValueError`."""
    if compression == _LZ4 and raw_length:
        raw = _unpack_lz4(stored, raw_length)  # the usual one: 0.4 us less
    else:
        try:
            kind = Compression(compression)
        except ValueError as error:
            raise UnsupportedFormatError(
                path, f"this program does not know compression {compression}"
            ) from error
        raw = _unpack(kind, stored, raw_length, path)
    if len(raw) != raw_length:
        raise ValueError(f"expected {raw_length} unpacked bytes, found {len(raw)}")
    return raw


def _pack(kind: Compression, raw: bytes) -> bytes:
    if kind is Compression.LZ4:
        packed: bytes = lz4.block.compress(raw, store_size=False)
        return packed
    if kind is Compression.ZLIB:
        return zlib.compress(raw, 1)
    check_available(kind)
    return zstandard.ZstdCompressor(level=1).compress(raw)


def _unpack(kind: Compression, stored: bytes, raw_length: int, path: str) -> bytes:
    if kind is Compression.NONE:
        return stored
    if not raw_length:
        raise ValueError("an empty block is never packed")
    if kind is Compression.LZ4:
        return _unpack_lz4(stored, raw_length)
    if kind is Compression.ZLIB:
        return _unpack_zlib(stored, raw_length)
    if not _has_zstandard:
        raise UnsupportedFormatError(path, _MISSING)
    return _unpack_zstandard(stored, raw_length)


def _unpack_lz4(stored: bytes, raw_length: int) -> bytes:
    try:
        raw: bytes = lz4.block.decompress(stored, uncompressed_size=raw_length)
    except lz4.block.LZ4BlockError as error:
        raise ValueError(f"it does not unpack: {error}") from error
    return raw


def _unpack_zlib(stored: bytes, raw_length: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(stored, raw_length)
        more = b"" if inflater.eof else inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(f"it does not unpack: {error}") from error
    if more or not inflater.eof or inflater.unused_data:
        raise ValueError(f"it does not unpack to {raw_length} bytes")
    return raw


def _unpack_zstandard(stored: bytes, raw_length: int) -> bytes:
    try:
        # The frame's own size would be trusted by `decompress`: look at it first.
        if zstandard.frame_content_size(stored) != raw_length:
            raise ValueError(f"it does not unpack to {raw_length} bytes")
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise ValueError(f"it does not unpack: {error}") from error

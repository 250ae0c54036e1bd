"""Frames of one length, end to end: the log of single writes whose keys and values are alike.

What `tempest.log.stretch` says of frames one by one, and what `tempest.columns` says of their
runs, is said here of all of them at once, column by column, in C: 0.8 us a frame with its entry,
pages that keys and values touch for the first time included, instead of 1.8. Whatever is not
alike is left to those.

Invariants
- Every check that is made of a single frame is made of each of these: the magic, the length, the
  address and the address before it, the run's length, and both checksums.
- Bytes of runs that are neither key, value nor sequence are equal to those of the first run,
  which was decoded by itself.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, count as count_up, starmap

# A digest is the checksum as bytes, the highest first: 0.1 us to make and join, as an integer in
# an array 0.13.
from xxhash import xxh3_64_digest as _digest

from tempest.columns import (
    SEQUENCE_MAX,
    Columns,
    decode_single,
    encode_columns,
    make_columns,
)
from tempest.header import CHECKSUM_MASK, CHECKSUM_STRIDE
from tempest.log.frame import FRAME_HEADER_BYTES, MAGIC_BYTES

COUNT_MIN = 8  # fewer are not worth the trouble
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_HEAD_WORDS = 6
_MARK_AT, _CHECKSUM_AT = 24, 40  # in a header
_SEQUENCE_BYTES = {
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
}  # by the head of a MessagePack integer


class EqualFrames:
    """Verified frames of `size` bytes each, as they were read. Iterated, it gives their payloads."""

    __slots__ = ("data", "size")

    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.size = size

    def __len__(self) -> int:
        return len(self.data) // self.size

    def part(self, low: int, high: int) -> "EqualFrames":
        """Return frames [low, high) (0 <= low <= high <= len)."""
        return EqualFrames(self.data[low * self.size : high * self.size], self.size)

    def __iter__(self) -> Iterator[bytes]:
        layout = f"{FRAME_HEADER_BYTES}x{self.size - FRAME_HEADER_BYTES}s"
        return chain.from_iterable(_struct(layout).iter_unpack(self.data))

    def encode(self, address: int, seed: int, synced_until: int) -> bytes:
        """Return the bytes of the frames as they stand, from an address on, in another file."""
        # All but the mark and the header's checksum stays as it is: 0.25 us a frame, and 0.55
        # where each header is made anew.
        data, count = bytearray(self.data), len(self)
        mark = _U64.pack(synced_until)
        _fill(data, _MARK_AT, self.size, mark * count)
        layout = f"{_CHECKSUM_AT}s{self.size - _CHECKSUM_AT}x"
        heads = chain.from_iterable(_struct(layout).iter_unpack(data))
        checksums = array("Q", _of_heads(heads, seed, address, self.size))
        checksums.byteswap()
        _fill(data, _CHECKSUM_AT, self.size, checksums.tobytes())
        return bytes(data)

    def columns(self) -> Columns | None:
        """Return the entries if each payload is a run of one, and all are of one shape.

        None if not: `join_runs` says what they are.
        """
        data, size, count = self.data, self.size, len(self)
        first = data[FRAME_HEADER_BYTES:size]
        try:
            _, (key,), (value,), sequence, _, kinds, _ = decode_single(first[4:])
        except ValueError:
            return None
        usual = encode_columns(Columns(0, [key], [value], sequence, b"", kinds))
        key_at = 7 + _head_bytes(key)
        key_end = key_at + len(key)
        value_at = key_end + 1 + _head_bytes(value)
        value_end = value_at + len(value)
        width = _SEQUENCE_BYTES.get(first[value_end], 0) if first[4:] == usual else 0
        behind = value_end + 1 + width
        if not width or not (
            kinds in _KINDS
            and self._is_each(4, first[4:key_at])
            and self._is_each(key_end, first[key_end:value_at])
            and self._is_each(value_end, first[value_end : value_end + 1])
            and self._is_each(behind, first[behind:])
        ):
            return None
        words = bytearray(8 * count)
        last = FRAME_HEADER_BYTES + behind - 1
        for index in range(width):
            words[index::8] = data[last - index :: size]
        sequences = array("Q", bytes(words))
        if sys.byteorder == "big":
            sequences.byteswap()
        if width == 8 and max(sequences) > SEQUENCE_MAX:
            return None
        layout = (
            f"{FRAME_HEADER_BYTES + key_at}x{len(key)}s"
            f"{value_at - key_end}x{len(value)}s{len(first) - value_end}x"
        )
        pairs = _struct(layout).iter_unpack(data)
        keys, values = map(list, zip(*pairs, strict=True))
        if sequences == array("Q", range(sequence, sequence + count)):
            return Columns(0, keys, values, sequence, b"", kinds.strip(b"\0") * count)
        return make_columns(keys, values, sequences.tolist(), kinds * count)

    def _is_each(self, place: int, expected: bytes) -> bool:
        """Say whether each payload has these bytes at a place."""
        return _is_each(self.data, FRAME_HEADER_BYTES + place, self.size, expected)


def read_equal(
    window: bytes, place: int, address: int, seed: int, count: int
) -> tuple[EqualFrames, list[int]] | None:
    """Return up to `count` verified frames at a place of a window, and their marks.

    None at all if few stand there whole, or not every one of them verifies.
    """
    (length,) = _U32.unpack_from(window, place + 4)
    size = FRAME_HEADER_BYTES + length
    count = min(count, (len(window) - place) // size)
    alike = MAGIC_BYTES + _U32.pack(length)
    for offset in range(8):
        column = window[place + offset : place + count * size : size]
        count -= len(column.lstrip(alike[offset : offset + 1]))
        if count < COUNT_MIN or length < 4:
            return None
    data = window[place : place + count * size]
    if not _is_each(data, FRAME_HEADER_BYTES, size, _U32.pack(length - 4)):
        return None
    frames = EqualFrames(data, size)
    # Headers in two parts: what their checksum is of, and the checksum.
    parts = list(chain.from_iterable(_struct(f"40s8s{length}x").iter_unpack(data)))
    words = array("Q", b"".join(parts))
    digests = array("Q", words)
    digests.byteswap()
    if sys.byteorder == "big":
        words.byteswap()
    addresses = array("Q", range(address, address + count * size, size))
    layout = f"{FRAME_HEADER_BYTES}x{length}s"
    payloads = _struct(layout).iter_unpack(data)
    verified = (
        words[1::_HEAD_WORDS] == addresses
        and words[2::_HEAD_WORDS] == addresses
        and digests[4::_HEAD_WORDS].tobytes() == b"".join(starmap(_digest, payloads))
        and digests[5::_HEAD_WORDS].tobytes()
        == _of_heads(parts[::2], seed, address, size)
    )
    return (frames, words[3::_HEAD_WORDS].tolist()) if verified else None


def _of_heads(heads: Iterable[bytes], seed: int, address: int, size: int) -> bytes:
    """Return the digests of headers that stand `size` bytes apart from an address on."""
    # Of a seed, the checksum takes the lowest 64 bits. A range would make three objects for each.
    first = (seed + address * CHECKSUM_STRIDE) & CHECKSUM_MASK
    step = size * CHECKSUM_STRIDE & CHECKSUM_MASK
    return b"".join(map(_digest, heads, count_up(first, step)))


_KINDS = (b"", b"\x00", b"\x01")


def _fill(data: bytearray, place: int, size: int, words: bytes) -> None:
    """Put 8 bytes each to a place of each `size` bytes of data."""
    for offset in range(8):
        data[place + offset :: size] = words[offset::8]


def _is_each(data: bytes, place: int, size: int, expected: bytes) -> bool:
    """Say whether each `size` bytes of data have these bytes at a place."""
    count = len(data) // size
    return all(
        data[place + offset :: size] == expected[offset : offset + 1] * count
        for offset in range(len(expected))
    )


def _head_bytes(item: bytes) -> int:
    """Return how many bytes MessagePack, as narrow as can be, puts before a byte string."""
    return 2 if len(item) < 1 << 8 else 3 if len(item) < 1 << 16 else 5


@lru_cache(maxsize=64)
def _struct(layout: str) -> struct.Struct:
    return struct.Struct(f"<{layout}")

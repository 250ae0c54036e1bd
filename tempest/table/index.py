"""The index of a table: where each data block ends, how long it is, and what it must be.

    index := [first_key, last_keys, lengths, checksums]          (one MessagePack array)

    first_key    bin, the least key of the table
    last_keys    array of bin, the greatest key of each data block
    lengths      bin, u32 a block: its bytes, block header included      (little-endian)
    checksums    bin, u64 a block: the checksum in its block header      (little-endian)

The first block starts behind the file header, each other one where the one before it ends.

Invariants
- Last keys ascend strictly: all versions of a key stand in one block.
- The blocks fill the space between header and filter to the byte.
"""

import sys
from array import array
from itertools import accumulate, islice
from operator import lt

import msgspec

from tempest.header import HEADER_SIZE
from tempest.table.format import BLOCK_HEADER_SIZE


class _Stored(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    first_key: bytes
    last_keys: list[bytes]
    lengths: bytes
    checksums: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


class TableIndex:
    """The decoded index: four columns, one row a data block."""

    __slots__ = ("checksums", "first_key", "last_keys", "lengths", "offsets")

    def __init__(
        self,
        first_key: bytes,
        last_keys: list[bytes],
        lengths: "array[int]",
        checksums: "array[int]",
    ) -> None:
        self.first_key = first_key
        self.last_keys = last_keys
        self.lengths = lengths
        self.checksums = checksums
        self.offsets = array("Q", accumulate(lengths, initial=HEADER_SIZE))

    @property
    def memory_bytes(self) -> int:
        """Roughly what the index occupies."""
        return sum(map(len, self.last_keys)) + 80 * len(self.last_keys)


def encode_index(index: TableIndex) -> bytes:
    """Return the payload of the index block."""
    return _encoder.encode(
        _Stored(
            index.first_key,
            index.last_keys,
            _little_endian(index.lengths).tobytes(),
            _little_endian(index.checksums).tobytes(),
        )
    )


def decode_index(data: bytes, data_end: int) -> TableIndex:
    """Return the index of a table whose data blocks end at `data_end`, or `ValueError`."""
    stored = _decoder.decode(data)
    keys, count = stored.last_keys, len(stored.last_keys)
    if not count or (len(stored.lengths), len(stored.checksums)) != (
        4 * count,
        8 * count,
    ):
        raise ValueError("the index has columns of different lengths")
    lengths = _little_endian(array("I", stored.lengths))
    checksums = _little_endian(array("Q", stored.checksums))
    if min(lengths) < BLOCK_HEADER_SIZE or HEADER_SIZE + sum(lengths) != data_end:
        raise ValueError("the index does not describe the blocks before the filter")
    if stored.first_key > keys[0] or not all(map(lt, keys, islice(keys, 1, None))):
        raise ValueError("the keys of the index are not in order")
    return TableIndex(stored.first_key, keys, lengths, checksums)


def _little_endian(numbers: "array[int]") -> "array[int]":
    """Return the numbers in the byte order of the file (or, from it, of this machine)."""
    if sys.byteorder == "little":
        return numbers
    swapped = numbers[:]
    swapped.byteswap()
    return swapped

"""A Bloom filter over the keys of a table, shaped for a probe in pure Python.

    filter := words:u64[count]                                        (little-endian)

Of the digest `d` = XXH3-64(key), with `n` words, a key owns three bits in each of two words:

    in word  (d >> 38) mod n              the bits chosen by  d mod 4096
    in word  (d >> 12 mod 2**26) mod n    the bits chosen by  d >> 52

where `x` of 12 bits chooses the bits a, b and (a + 2*b + 17) mod 64 with a = x mod 64,
b = x >> 6. A payload of no bytes is no filter: everything may be in the table. A table of no
keys has one word of zeros: nothing may be.

Measured on the reference machine with 70,000 keys at 10 bits each: a probe costs 0.21 us for an
absent key (85 in 100 end at the first word) and 0.36 for a present one, building 0.27 a key, and
1.0 in 100 absent keys pass. The textbook filter (7 bits, double hashing) lets 0.8 pass, at 0.35,
0.91 and 1.05 us; four bits in a single word cost 0.27, 0.27 and 0.26, but let 1.9 pass.

Invariants
- A key that was added is never denied.
- There is at least one word, so no probe divides by zero.
"""

import sys
from array import array
from collections.abc import Sequence

from xxhash import xxh3_64_intdigest

from tempest.lanes import in_each, lanes_of, numbers_of

KEYS_PER_STEP = 2048

MASKS = tuple(
    1 << (x & 63) | 1 << (x >> 6) | 1 << ((x & 63) + 2 * (x >> 6) + 17) % 64
    for x in range(4096)
)
_EVERYTHING = array("Q", [2**64 - 1])


class Filter:
    """The words of a filter. `Table.get_nowait` probes them in its own code."""

    __slots__ = ("words",)

    def __init__(self, words: "array[int]") -> None:
        self.words = words

    @classmethod
    def decode(cls, data: bytes) -> "Filter":
        """Return the filter in a block's payload; `ValueError` for no whole words."""
        if not data:
            return cls(_EVERYTHING)
        words = array("Q")
        words.frombytes(data)
        if sys.byteorder == "big":
            words.byteswap()
        return cls(words)

    def encode(self) -> bytes:
        if self.words is _EVERYTHING:
            return b""
        words = self.words[:]
        if sys.byteorder == "big":
            words.byteswap()
        return words.tobytes()

    def may_contain(self, key: bytes) -> bool:
        """Say False only for a key that was not added."""
        words = self.words
        count = len(words)
        digest = xxh3_64_intdigest(key)
        mask = MASKS[digest & 4095]
        if words[(digest >> 38) % count] & mask != mask:
            return False
        mask = MASKS[digest >> 52]
        return words[(digest >> 12 & 0x3FFFFFF) % count] & mask == mask


class FilterBuilder:
    """A filter in the making, with room for so many keys; none at all for no bits."""

    def __init__(self, keys: int, bits_per_key: int) -> None:
        count = max(1, -(-keys * bits_per_key // 64)) if bits_per_key else 0
        # A list: an array makes a new number each time it is read, and takes 0.07 us a key more.
        self._words = [0] * count
        # With these, x // count is x * inverse >> shift for every x of 26 bits.
        self._shift = 26 + count.bit_length()
        self._inverse = -(-(1 << self._shift) // max(1, count))

    def add(self, digests: Sequence[int]) -> None:
        """Add keys, given by their digests. A step of `KEYS_PER_STEP` takes about 0.6 ms."""
        words, masks = self._words, MASKS
        if not words:
            return
        count = len(digests)
        lanes = lanes_of(digests)
        patterns = in_each(4095, count)
        one = self._words_of(lanes >> 38, count)
        other = self._words_of(lanes >> 12, count)
        one_bits = numbers_of(lanes & patterns, count)
        other_bits = numbers_of(lanes >> 52 & patterns, count)
        for i, x, j, y in zip(one, one_bits, other, other_bits, strict=True):
            words[i] |= masks[x]
            words[j] |= masks[y]

    def _words_of(self, lanes: int, count: int) -> "array[int]":
        """Return which word each lane chooses: its lowest 26 bits mod the number of words."""
        chosen = lanes & in_each(0x3FFFFFF, count)
        # No lane runs over: 26 bits times at most 27. What shifting brings in from the next
        # lane is cut off again.
        quotients = chosen * self._inverse >> self._shift
        quotients &= in_each((1 << 64 - self._shift) - 1, count)
        return numbers_of(chosen - quotients * len(self._words), count)

    def finish(self) -> Filter:
        return Filter(array("Q", self._words) if self._words else _EVERYTHING)

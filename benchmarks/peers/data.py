"""Keys, values and access patterns: the same for every engine, because they are seeded.

    key    := %016d of its index                              (16 bytes, as LevelDB's db_bench)
    value  := %08x of the index "." %03x of the version "." filler   (100 bytes)

The filler is printable and half compressible in db_bench's way: random halves, each twice.
Since a value names its key and version, the right answer to any read can be computed.
"""

from array import array
from itertools import accumulate
from random import Random

KEY_BYTES = 16
VALUE_BYTES = 100
SEED = 301
HEADER_BYTES = 13
POOL_BYTES = 1 << 20
HALF_BYTES = 50
ZIPF_EXPONENT = 0.99
SPREAD = 2_654_435_761  # a prime above every n: index * SPREAD % n is a permutation

PRINTABLE = bytes(32 + number % 95 for number in range(256))


class Data:
    """A database of `count` entries, and ways to walk it."""

    def __init__(self, count: int) -> None:
        self.count = count
        half_count = (POOL_BYTES + VALUE_BYTES) // (2 * HALF_BYTES) + 1
        noise = Random(SEED).randbytes(half_count * HALF_BYTES).translate(PRINTABLE)
        self._pool = b"".join(
            2 * noise[start : start + HALF_BYTES]
            for start in range(0, len(noise), HALF_BYTES)
        )

    def key(self, index: int) -> bytes:
        return b"%016d" % index

    def value(self, index: int, version: int) -> bytes:
        start = (index * 10007 + version * 7919) & (POOL_BYTES - 1)
        filler = self._pool[start : start + VALUE_BYTES - HEADER_BYTES]
        return b"%08x.%03x.%b" % (index, version & 0xFFF, filler)

    def rows(self, start: int, stop: int) -> list[tuple[bytes, bytes]]:
        """Return the entries from `start` as first written, fewer at the end of the data."""
        return [
            (self.key(index), self.value(index, 0))
            for index in range(start, min(stop, self.count))
        ]

    def permutation(self, salt: int) -> "array[int]":
        """Every index once; four bytes each, for memory is measured beside it."""
        order = array("I", range(self.count))
        Random(SEED + salt).shuffle(order)
        return order

    def uniform(self, count: int, salt: int) -> list[int]:
        return Random(SEED + salt).choices(range(self.count), k=count)

    def zipf_ranks(self, count: int, salt: int, below: int | None = None) -> list[int]:
        """Ranks of YCSB's zipfian distribution: 0 is the hottest."""
        size = below or self.count
        weights = (1.0 / rank**ZIPF_EXPONENT for rank in range(1, size + 1))
        sums = array("d", accumulate(weights))
        return Random(SEED + salt).choices(range(size), cum_weights=sums, k=count)

    def zipf(self, count: int, salt: int, below: int | None = None) -> list[int]:
        """The scrambled kind: hot keys lie all over the key space."""
        size = below or self.count
        return [rank * SPREAD % size for rank in self.zipf_ranks(count, salt, below)]

"""Entries on their way into blocks: where a block ends, and what it holds.

Invariants
- A block ends only between two keys. It takes the entry that fills it, unless that one alone
  would double it.
- Where blocks end depends on the entries alone, not on the calls of `extend` they came by.
"""

from collections.abc import Iterator

from tempest.columns import Columns
from tempest.table.block import end_of_key, shadowed_in

ENTRY_BYTES = 8  # about what an entry costs beside its key and value


class Pending:
    """Entries that are in no block yet, as plain columns.

    The first `_measured` of them take `_bytes`; each is measured when a block reaches it.
    """

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.values: list[bytes] = []
        self.sequences: list[int] = []
        self.kinds = bytearray()
        self.repeats = False  # whether a key may be here twice
        self._measured = 0
        self._bytes = 0
        self._usual = 1  # how many entries the last block took

    @property
    def size(self) -> int:
        """About the bytes of all that are here."""
        return self._bytes + self._size(self._measured, len(self.keys))

    def extend(self, columns: Columns, sequences: list[int], *, repeats: bool) -> None:
        keys = columns.keys
        self.repeats |= repeats or self.keys[-1:] == keys[:1]
        self.keys += keys
        self.values += columns.values
        self.sequences += sequences
        self.kinds += columns.kinds or bytes(len(keys))

    def cuts(self, block_bytes: int) -> Iterator[tuple[int, int, int]]:
        """Yield start, stop and size of blocks; what lies behind the last one waits for more."""
        # As many entries as the last block took are measured at once, then one by one up or
        # down to the one that fills the block: 0.04 us an entry, and the running sums of all
        # sizes took 0.09.
        keys, values, count = self.keys, self.values, len(self.keys)
        start, stop, size = 0, self._measured, self._bytes
        while True:
            guess = min(count, start + self._usual)
            if stop < guess:
                size += self._size(stop, guess)
                stop = guess
            while size < block_bytes and stop < count:
                size += len(keys[stop]) + len(values[stop]) + ENTRY_BYTES
                stop += 1
            if size < block_bytes:
                break
            while True:
                last = len(keys[stop - 1]) + len(values[stop - 1]) + ENTRY_BYTES
                if size - last < block_bytes:
                    break
                size, stop = size - last, stop - 1
            alone = size > 2 * block_bytes and stop - start > 1
            cut = end_of_key(keys, stop - 1 if alone else stop)
            if cut >= count:
                break  # the next entry may be of the same key
            yield start, cut, size if cut == stop else self._size(start, cut)
            self._usual = cut - start
            start, stop, size = cut, cut, 0
        self._measured, self._bytes = stop - start, size

    def drop(self, count: int) -> None:
        """Forget the first entries, up to the last cut: they are written."""
        del self.keys[:count], self.values[:count], self.kinds[:count]
        del self.sequences[:count]
        self.repeats = self.repeats and shadowed_in(self.keys) > 0

    def _size(self, start: int, stop: int) -> int:
        """Return about the bytes of entries [start, stop)."""
        of_keys = sum(map(len, self.keys[start:stop]))
        of_values = sum(map(len, self.values[start:stop]))
        return of_keys + of_values + ENTRY_BYTES * (stop - start)

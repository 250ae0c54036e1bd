"""The keys of a memtable in order, sorted only when somebody asks for order.

The dict that has them keeps them in the order in which they came, so a new key costs nothing here
(0.05 us to append it to a list, which Python's collector of cycles would go through besides):
`settle` takes those that have come since, and sorts them into chunks of bounded length, a few
thousand at a time. A chunk takes its share of new keys by extending and sorting (timsort merges
the two runs in C: 0.1-0.3 us a key, against 1.3 us for an insertion into a sorted container). Fewer
than `FEW_KEYS` of them, as between two scans, are inserted: 0.5 us each, where a sort that only
finds its two runs costs 30.

Invariants
- Chunks are sorted, disjoint, in order, not empty, and hold every settled key once.
- No call sorts more than `STEP_KEYS` new keys, nor merges into more than `STEP_CHUNKS` chunks, nor
  takes more than `TAKEN_KEYS` out of the dict.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Reversible, Sized
from itertools import islice
from typing import Protocol

STEP_KEYS = 4096
TAKEN_KEYS = 65_536  # a millisecond; those before or behind them are passed over
STEP_CHUNKS = 16
CHUNK_KEYS_MAX = 2048
FEW_KEYS = 32


class Keys(Sized, Reversible[bytes], Protocol):
    """A view of a dict's keys."""


class OrderedKeys:
    """The keys of a dict that only grows."""

    def __init__(self, held: Keys) -> None:
        self._held = held
        self._taken = 0  # so many, the oldest, are or were in `_fresh`
        self._fresh: list[bytes] = []
        self._batch: list[bytes] = []  # sorted, on its way into the chunks
        self._chunks: list[list[bytes]] = []
        self._lasts: list[bytes] = []

    def settle(self) -> bool:
        """Sort in some of the new keys; say whether all keys are sorted in now."""
        fresh = self._fresh
        if not fresh and not self._batch:
            if self._taken == len(self._held):
                return True
            fresh += self._take()
        if not self._batch:
            self._batch = sorted(fresh[-STEP_KEYS:])
            del fresh[-STEP_KEYS:]
        if not self._chunks and self._batch:
            self._chunks, self._lasts = [self._batch], [self._batch[-1]]
            self._split(0)
            self._batch = []
        start = 0
        for _ in range(STEP_CHUNKS):
            if start == len(self._batch):
                break
            start = self._merge(self._batch, start)
        del self._batch[:start]
        return not fresh and not self._batch and self._taken == len(self._held)

    def _take(self) -> Iterator[bytes]:
        """Return the oldest of the keys that have come since."""
        start, whole = self._taken, len(self._held)
        self._taken = stop = min(start + TAKEN_KEYS, whole)
        if start < whole - stop:
            return islice(self._held, start, stop)
        return islice(reversed(self._held), whole - stop, whole - start)

    def _merge(self, batch: list[bytes], start: int) -> int:
        """Sort batch[start:] as far as it belongs to one chunk into it; return what is next."""
        last_index = len(self._chunks) - 1
        index = min(bisect_left(self._lasts, batch[start]), last_index)
        stop = len(batch)
        if index < last_index:
            stop = bisect_right(batch, self._lasts[index], start)
        chunk = self._chunks[index]
        if stop - start < FEW_KEYS:
            for key in batch[start:stop]:
                insort(chunk, key)
        else:
            chunk += batch[start:stop]
            chunk.sort()
        self._lasts[index] = chunk[-1]
        self._split(index)
        return stop

    def _split(self, index: int) -> None:
        chunk = self._chunks[index]
        if len(chunk) <= CHUNK_KEYS_MAX:
            return
        half = CHUNK_KEYS_MAX // 2
        parts = [chunk[at : at + half] for at in range(0, len(chunk), half)]
        self._chunks[index : index + 1] = parts
        self._lasts[index : index + 1] = [part[-1] for part in parts]

    def forward(self, start: bytes, stop: bytes | None, count: int) -> list[bytes]:
        """Return up to `count` settled keys of [start, stop), the lowest, ascending."""
        index = bisect_left(self._lasts, start)
        found: list[bytes] = []
        while index < len(self._chunks) and len(found) < count:
            chunk = self._chunks[index]
            low = 0 if found else bisect_left(chunk, start)
            high = len(chunk) if stop is None else bisect_left(chunk, stop)
            found += chunk[low : min(high, low + count - len(found))]
            if high < len(chunk):
                break
            index += 1
        return found

    def backward(self, start: bytes, stop: bytes | None, count: int) -> list[bytes]:
        """Return up to `count` settled keys of [start, stop), the highest, ascending."""
        index = len(self._chunks) - 1
        if stop is not None:
            index = min(index, bisect_left(self._lasts, stop))
        parts: list[list[bytes]] = []
        missing = count
        while index >= 0 and missing > 0:
            chunk = self._chunks[index]
            high = len(chunk) if stop is None else bisect_left(chunk, stop)
            low = bisect_left(chunk, start)
            part = chunk[max(low, high - missing) : high]
            parts.append(part)
            missing -= len(part)
            if low > 0:
                break
            index -= 1
        return [key for part in reversed(parts) for key in part]

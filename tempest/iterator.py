"""Merge sorted runs of entries, and keep of them what a reader can still see.

A *source* hands out chunks: runs of entries sorted by key, the versions of one key newest first.
The chunks of one source follow each other in key order. `Merger` makes one source of several:
again and again it takes from all of them what lies up to a common cut and sorts it in bulk.

Invariants
- All versions of a key stand in one chunk, newest first; so whoever looks at a chunk sees all.
- A version is dropped only if no reader position tells it from its successor.
- A tombstone is dropped only if no older version of its key is kept, here or in what the caller
  says may lie below.
- Nothing is done entry by entry in Python unless versions or tombstones meet reader positions.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress, islice
from operator import and_, eq, itemgetter, lt, ne, not_
from typing import Protocol

import attrs

from tempest.columns import Columns, Kind, wide_columns

ENTRY_BYTES = 64  # what an entry counts for besides its key and value

_DELETE = int(Kind.DELETE)


class Source(Protocol):
    """A sorted stretch of entries, chunk by chunk; empty chunks are allowed."""

    async def next_chunk(self) -> Columns | None:
        """Return the next chunk, or None at the end (and ever after)."""
        ...


class Merger:
    """A source that merges others. Give the sources newest first: it saves a sort."""

    def __init__(self, sources: Sequence[Source], *, bytes_ahead: int = 0) -> None:
        """Hold at least `bytes_ahead` of each source, or one chunk if that is more.

        More make the steps larger and fewer, for whoever is going to read to the end.
        """
        self._heads = [_Head(source, bytes_ahead) for source in sources]
        self._ready: deque[Columns] = deque()

    async def next_chunk(self) -> Columns | None:
        if self._ready:
            return self._ready.popleft()
        for head in self._heads:
            await head.refill()
        heads = self._heads = [head for head in self._heads if head.chunks]
        if not heads:
            return None
        if len(heads) == 1:
            return heads[0].take_chunk()
        cut = min([head.reach for head in heads])
        taken = [parts for head in heads if (parts := head.take(cut))]
        if len(taken) > 1:
            return combine(list(chain.from_iterable(taken)))
        # What only one source has at this place passes through as it came.
        self._ready.extend(taken[0])
        return self._ready.popleft()


class _Head:
    """The chunks that a source stands at, in the order in which it gave them.

    Of the first one the `_taken` entries in front are gone. Only whole chunks are let go, so
    taking a little from a large one copies nothing but that little.
    """

    __slots__ = ("_bytes_ahead", "_source", "_taken", "_weights", "chunks")

    def __init__(self, source: Source, bytes_ahead: int) -> None:
        self._source = source
        self._bytes_ahead = bytes_ahead
        self._weights: deque[int] = deque()
        self._taken = 0
        self.chunks: deque[Columns] = deque()

    async def refill(self) -> None:
        """Fetch until there is enough; at the end of the source do nothing."""
        while not self.chunks or sum(self._weights) < self._bytes_ahead:
            chunk = await self._source.next_chunk()
            if chunk is None:
                return
            if chunk.keys:
                self.chunks.append(chunk)
                self._weights.append(self._bytes_ahead and _weight(chunk))

    @property
    def reach(self) -> bytes:
        """The key up to which everything of the source is here."""
        return self.chunks[-1].keys[-1]

    def take(self, cut: bytes) -> list[Columns]:
        """Take the entries up to and with the cut."""
        parts: list[Columns] = []
        while self.chunks and self.chunks[0].keys[self._taken] <= cut:
            keys = self.chunks[0].keys
            if keys[-1] <= cut:
                parts.append(self.take_chunk())
            else:
                low, self._taken = self._taken, bisect_right(keys, cut, self._taken)
                parts.append(self.chunks[0].part(low, self._taken))
        return parts

    def take_chunk(self) -> Columns:
        """Take what is left of the first chunk."""
        chunk, low = self.chunks.popleft(), self._taken
        self._taken = 0
        self._weights.popleft()
        return chunk.part(low, len(chunk.keys)) if low else chunk


def _weight(chunk: Columns) -> int:
    return chunk.payload_bytes() + ENTRY_BYTES * len(chunk.keys)


def combine(parts: Sequence[Columns]) -> Columns:
    """Merge sorted runs into one; newest first among the parts saves a second sort."""
    return parts[0] if len(parts) == 1 else _sorted(*_joined(parts))


def concatenate(parts: Sequence[Columns]) -> Columns:
    """Join runs end to end."""
    return parts[0] if len(parts) == 1 else wide_columns(*_joined(parts))


def sort_run(run: Columns) -> Columns:
    """Sort entries by key, and the versions of a key newest first."""
    return _sorted(run.keys, run.values, run.sequences(), run.kinds)


def _joined(
    parts: Sequence[Columns],
) -> tuple[list[bytes], list[bytes], list[int], bytes]:
    """Return keys, values, sequences and kinds of runs put end to end."""
    kinds = b""
    if any(part.kinds for part in parts):
        kinds = b"".join([part.kinds or bytes(len(part.keys)) for part in parts])
    return (
        list(chain.from_iterable([part.keys for part in parts])),
        list(chain.from_iterable([part.values for part in parts])),
        list(chain.from_iterable([part.sequences() for part in parts])),
        kinds,
    )


def _sorted(
    keys: Sequence[bytes],
    values: Sequence[bytes],
    sequences: list[int],
    kinds: bytes,
) -> Columns:
    places = range(len(keys))
    if len(places) < 2:
        return wide_columns(keys, values, sequences, kinds)
    # The sort is stable and merges ascending stretches in C. If of two versions of a key the
    # newer one came first, as it does where the caller kept an order, that was all.
    order = sorted(places, key=keys.__getitem__)
    pick = itemgetter(*order)
    ordered_keys, ordered = list(pick(keys)), pick(sequences)
    if _any_risen(ordered_keys, ordered):
        order = sorted(places, key=sequences.__getitem__, reverse=True)
        pick = itemgetter(*sorted(order, key=keys.__getitem__))
        ordered = pick(sequences)
    kinds = bytes(pick(kinds)) if kinds else b""
    return wide_columns(ordered_keys, list(pick(values)), ordered, kinds)


def _any_risen(keys: list[bytes], sequences: Sequence[int]) -> bool:
    """Say whether a version stands before a newer one of its key."""
    if not any(_repeats(keys)):
        return False
    risen = map(lt, sequences, islice(sequences, 1, None))
    return any(map(and_, _repeats(keys), risen))


def visible_rows(columns: Columns, at: int) -> tuple[list[bytes], list[bytes], bytes]:
    """Return keys, values and kinds of the newest versions with sequence <= `at`.

    Deletes are left out; the kinds are empty if all are puts.
    """
    keys, values, kinds = newest_rows(columns, at)
    if _DELETE in kinds:
        mask = list(map(_DELETE.__ne__, kinds))
        keys, values, kinds = _select(mask, keys, values, kinds)
    return keys, values, kinds if any(kinds) else b""


def newest_rows(columns: Columns, at: int) -> tuple[list[bytes], list[bytes], bytes]:
    """Return what `visible_rows` does, deletes included; the lists are new ones."""
    keys, values, kinds = list(columns.keys), list(columns.values), columns.kinds
    if keys and columns.sequence_max() > at:
        mask = list(map(at.__ge__, columns.sequences()))
        keys, values, kinds = _select(mask, keys, values, kinds)
    if any(_repeats(keys)):
        mask = [True, *map(ne, islice(keys, 1, None), keys)]
        keys, values, kinds = _select(mask, keys, values, kinds)
    return keys, values, kinds


@attrs.frozen
class KeyRanges:
    """A set of keys: disjoint closed ranges in ascending order."""

    smallest: tuple[bytes, ...]
    largest: tuple[bytes, ...]

    @classmethod
    def union(cls, ranges: Iterable[tuple[bytes, bytes]]) -> "KeyRanges":
        """Return the keys that lie in any of these (smallest, largest) ranges."""
        smallest: list[bytes] = []
        largest: list[bytes] = []
        for low, high in sorted(ranges):
            if largest and low <= largest[-1]:
                largest[-1] = max(largest[-1], high)
            else:
                smallest.append(low)
                largest.append(high)
        return cls(tuple(smallest), tuple(largest))

    def __contains__(self, key: bytes) -> bool:
        index = bisect_right(self.smallest, key) - 1
        return index >= 0 and key <= self.largest[index]


@attrs.frozen
class Retained:
    """What is left of a run, and how many entries went for which reason."""

    columns: Columns
    shadowed: int
    tombstones: int


def retain(columns: Columns, positions: Sequence[int], older: KeyRanges) -> Retained:
    """Drop what no reader can see from a sorted run that has all versions of its keys.

    `positions` are the sequences at which anybody reads or will read, ascending, the visible
    sequence (the last) included; what is newer than all of them is kept. `older` are the keys
    of which older versions may lie outside of what is being merged.
    """
    assert positions, "the visible sequence is always a position"
    columns, shadowed = drop_shadowed(columns, positions)
    columns, tombstones = drop_tombstones(columns, positions[-1], older)
    return Retained(columns, shadowed, tombstones)


def drop_shadowed(columns: Columns, positions: Sequence[int]) -> tuple[Columns, int]:
    """Drop versions that no position tells from a newer one; say how many went."""
    if not any(_repeats(columns.keys)):
        return columns, 0
    repeats = list(_repeats(columns.keys))
    if columns.sequence_max() <= positions[0]:
        mask = [True, *map(not_, repeats)]
    else:
        mask = [True, *_told_apart(columns.sequences(), positions, repeats)]
    return _masked(columns, mask)


def _told_apart(
    sequences: list[int], positions: Sequence[int], repeats: list[bool]
) -> Iterator[bool]:
    """Say for each entry but the first whether a position lies between it and its successor.

    The first position at or above a version is the first reader of it: a version and its
    successor that have the same one are the same to every reader.
    """
    future = len(positions)
    readers = [bisect_left(positions, sequence) for sequence in sequences]
    for repeat, reader, newer in zip(repeats, readers[1:], readers, strict=False):
        yield not repeat or reader != newer or reader == future


def drop_tombstones(
    columns: Columns, visible: int, older: KeyRanges
) -> tuple[Columns, int]:
    """Drop tombstones that everybody sees and that hide nothing; say how many went."""
    if _DELETE not in columns.kinds:
        return columns, 0
    keys, count = columns.keys, len(columns.keys)
    mask = [True] * count
    places = [place for place, kind in enumerate(columns.kinds) if kind == _DELETE]
    for place in reversed(places):
        behind = place + 1
        if behind < count and mask[behind] and keys[behind] == keys[place]:
            continue
        if columns.sequence(place) <= visible and keys[place] not in older:
            mask[place] = False
    return _masked(columns, mask)


def _masked(columns: Columns, mask: list[bool]) -> tuple[Columns, int]:
    dropped = mask.count(False)
    if not dropped:
        return columns, 0
    keys, values, kinds = _select(mask, columns.keys, columns.values, columns.kinds)
    sequences = list(compress(columns.sequences(), mask))
    return wide_columns(keys, values, sequences, kinds), dropped


def _select(
    mask: list[bool], keys: Sequence[bytes], values: Sequence[bytes], kinds: bytes
) -> tuple[list[bytes], list[bytes], bytes]:
    return (
        list(compress(keys, mask)),
        list(compress(values, mask)),
        bytes(compress(kinds, mask)) if kinds else b"",
    )


def _repeats(keys: Sequence[bytes]) -> Iterator[bool]:
    """Say for each key but the first whether it equals the one before it."""
    return map(eq, islice(keys, 1, None), keys)

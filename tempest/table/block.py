"""Search inside a decoded data block: a run sorted by key, the versions of a key newest first."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import compress, islice
from operator import eq, gt, le

from tempest.columns import Columns, Kind
from tempest.pointers import Pointer, decode_pointer

Entry = tuple[int, int, bytes]
"""What is known of one key: sequence, kind (`tempest.columns.Kind`) and value."""

_POINTER = int(Kind.POINTER)


def newest(columns: Columns, key: bytes, at: int) -> Entry | None:
    """Return the newest version of `key` whose sequence is at most `at`."""
    keys = columns.keys
    place = bisect_left(keys, key)
    for index in range(place, len(keys)):
        if keys[index] != key:
            break
        sequence = columns.sequence(index)
        if sequence <= at:
            return sequence, columns.kind(index), columns.values[index]
    return None


def clip(columns: Columns, start: bytes, stop: bytes | None) -> Columns:
    """Return the entries whose keys lie in [start, stop); the run itself if all do."""
    keys = columns.keys
    if not keys or (keys[0] >= start and (stop is None or keys[-1] < stop)):
        return columns
    low = bisect_left(keys, start)
    high = len(keys) if stop is None else bisect_left(keys, stop, low)
    return columns.part(low, high)


def end_of_key(keys: Sequence[bytes], place: int) -> int:
    """Return the first place at or behind `place` that does not split the versions of a key."""
    if 0 < place < len(keys) and keys[place] == keys[place - 1]:
        return bisect_right(keys, keys[place], place)
    return place


def is_sorted(keys: Sequence[bytes], sequences: list[int]) -> bool:
    """Say whether keys ascend, and sequences descend strictly among equal keys."""
    if not all(map(le, keys, islice(keys, 1, None))):
        return False
    repeats = list(map(eq, keys, islice(keys, 1, None)))
    if True not in repeats:
        return True
    falls = map(gt, sequences, islice(sequences, 1, None))
    return all(fall for fall, repeat in zip(falls, repeats, strict=True) if repeat)


def pointers_of(columns: Columns) -> Iterator[Pointer]:
    """Yield what the entries of a block point to."""
    if _POINTER in columns.kinds:
        is_pointer = map(_POINTER.__eq__, columns.kinds)
        yield from map(decode_pointer, compress(columns.values, is_pointer))


def segment_bytes(columns: Columns) -> dict[int, int]:
    """Return by segment how many bytes of values the entries of a block point to."""
    found: dict[int, int] = {}
    for pointer in pointers_of(columns):
        found[pointer.segment] = found.get(pointer.segment, 0) + pointer.length
    return found


def shadowed_in(keys: Sequence[bytes]) -> int:
    """Return how many of a block's entries have a newer version of their key before them."""
    return len(keys) - len(set(keys))

"""Where the large values of a frame stand in the log: what pointers in tables are made from.

A run is MessagePack, and its encoding is the one that `tempest.columns` writes, so a value's place
follows from the lengths of what stands before it: the head of the array, the keyspace, the keys,
the values. Nothing is searched for.

    run    := array(7) keyspace keys:array(n) values:array(n) ...
    array  := head:u8 | head:u8 count:u16 | head:u8 count:u32        n < 16, < 2**16, else
    value  := head:u8 length:u8|u16|u32 bytes                        the narrowest that holds it

Invariants
- A place is given out only after the very bytes of the value were found there.
"""

from collections.abc import Iterator, Sequence

from tempest.columns import Columns
from tempest.errors import CorruptionError
from tempest.log.frame import FRAME_HEADER_BYTES, Frame, placed_runs


def value_addresses(
    frame: Frame, path: str, bytes_min: int
) -> Iterator[tuple[Columns, dict[int, int]]]:
    """Yield every run of a verified frame with the addresses of its large values.

    The dict gives, by index in the run, the log address of the first byte of each value of at
    least `bytes_min` (> 0) bytes; deletes have none. `path` is for errors: `CorruptionError` if
    the frame is malformed, or holds a run that this program would have written otherwise.
    """
    first = frame.address + FRAME_HEADER_BYTES
    for place, run in placed_runs(frame.payload, path, frame.address):
        if not run.values or max(map(len, run.values)) < bytes_min:
            yield run, {}
            continue
        addresses: dict[int, int] = {}
        for index, start in _large(run, bytes_min):
            if not frame.payload.startswith(run.values[index], place + start):
                detail = f"value {index} of a run does not stand where it must"
                raise CorruptionError(path, frame.address, detail)
            addresses[index] = first + place + start
        yield run, addresses


def _large(run: Columns, bytes_min: int) -> Iterator[tuple[int, int]]:
    """Yield index and place in the encoded run of every large value."""
    place = 1 + _integer_head(run.keyspace)
    place += _array_head(len(run.keys)) + _bytes(run.keys)
    place += _array_head(len(run.values))
    for index, value in enumerate(run.values):
        length = len(value)
        place += _head(length)
        if length >= bytes_min:
            yield index, place
        place += length


def _bytes(items: Sequence[bytes]) -> int:
    """Return how many bytes these take, one behind the other."""
    lengths = list(map(len, items))
    return sum(lengths) + sum(map(_head, lengths))


def _head(length: int) -> int:
    """Return the bytes before those of a byte string."""
    return 2 if length < 1 << 8 else 3 if length < 1 << 16 else 5


def _array_head(count: int) -> int:
    return 1 if count < 1 << 4 else 3 if count < 1 << 16 else 5


def _integer_head(number: int) -> int:
    assert 0 <= number < 1 << 7, "a keyspace is a small number"
    return 1

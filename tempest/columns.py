"""A run of entries held as columns: one C call encodes or decodes the whole run.

The payload of a log frame and of a table block is one MessagePack array:

    run := [keyspace, keys, values, sequence_base, sequence_deltas, kinds, expiries]

    keyspace         int, a `Keyspace`; tables hold none but USER
    keys, values     arrays of bin; the value of a delete is empty
    sequence_base    int
    sequence_deltas  bin, empty: entry i has sequence_base + i; else one little-endian unsigned
                     number of 1, 2, 4 or 8 bytes an entry, to be added to sequence_base
    kinds            bin, empty: every entry is a put; else one `Kind` byte an entry
    expiries         bin, empty (reserved)

Invariants
- All columns have one length; `decode_columns` lets nothing through that breaks this.
- A `Columns` is never changed after it was made: caches share it. `part` copies.
- Keys and values of a decoded run are ready `bytes`: nothing is left to do per entry.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import chain, compress
from typing import Annotated, Literal

import msgspec

from tempest.errors import UnsupportedFormatError
from tempest.lanes import in_each, lanes_of, packed
from tempest.pointers import POINTER_BYTES

SEQUENCE_MAX = 2**63 - 1

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_WRITTEN = b"\x00\x01\x02"
_LOGGED = b"\x00\x01"  # pointers stand in tables only
_number = int.from_bytes


class Keyspace(IntEnum):
    """Whose keys a run holds.

    `SESSIONS` runs stand in log frames only, beside the operations that they count: the key is
    the name of a session, the value its last serial number (`tempest.session`).
    """

    USER = 0
    SESSIONS = 1


class Kind(IntEnum):
    """What an entry does to its key. Puts, deletes and (in tables) pointers are written today."""

    PUT = 0
    DELETE = 1
    POINTER = 2
    MERGE = 3
    RANGE_DELETE = 4


_POINTER = int(Kind.POINTER)


class Columns(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """A run of entries; see the module docstring for each column."""

    keyspace: int
    keys: Sequence[bytes]
    values: Sequence[bytes]
    sequence_base: int
    sequence_deltas: bytes = b""
    kinds: bytes = b""
    expiries: bytes = b""

    def __len__(self) -> int:
        return len(self.keys)

    def sequence(self, index: int) -> int:
        """Return the sequence of entry `index` (not negative)."""
        deltas = self.sequence_deltas
        if not deltas:
            return self.sequence_base + index
        width = len(deltas) // len(self.keys)
        place = index * width
        return self.sequence_base + _number(deltas[place : place + width], "little")

    def sequences(self) -> list[int]:
        """Return the sequences of all entries."""
        base = self.sequence_base
        if not self.sequence_deltas:
            return list(range(base, base + len(self.keys)))
        if not base:
            return _unpack(self.sequence_deltas, len(self.keys)).tolist()
        return list(map(base.__add__, _unpack(self.sequence_deltas, len(self.keys))))

    def sequence_max(self) -> int:
        """Return the newest sequence of a run that is not empty."""
        if not self.sequence_deltas:
            return self.sequence_base + len(self.keys) - 1
        return self.sequence_base + max(_unpack(self.sequence_deltas, len(self.keys)))

    def sequence_min(self) -> int:
        """Return the oldest sequence of a run that is not empty."""
        if not self.sequence_deltas:
            return self.sequence_base
        return self.sequence_base + min(_unpack(self.sequence_deltas, len(self.keys)))

    def kind(self, index: int) -> int:
        """Return the `Kind` of entry `index`, as a plain int."""
        return self.kinds[index] if self.kinds else 0

    def payload_bytes(self) -> int:
        """Return the bytes of all keys and values."""
        return sum(map(len, self.keys)) + sum(map(len, self.values))

    def part(self, start: int, stop: int) -> "Columns":
        """Return entries [start, stop) as a run of their own (0 <= start <= stop <= len)."""
        deltas = self.sequence_deltas
        width = len(deltas) // len(self.keys) if deltas else 0
        return Columns(
            self.keyspace,
            self.keys[start:stop],
            self.values[start:stop],
            self.sequence_base if deltas else self.sequence_base + start,
            deltas[start * width : stop * width],
            self.kinds[start:stop],
        )


class HeldColumns(
    Columns, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """A run that a cache holds: in tuples, which the collector of cycles soon leaves alone.

    It looks at every entry of a list each time it goes through everything: 15 ms for 53 MiB of
    cached blocks, and none at all for tuples of bytes, which it forgets when it first meets them.
    """

    keyspace: int
    keys: tuple[bytes, ...]
    values: tuple[bytes, ...]
    sequence_base: int
    sequence_deltas: bytes = b""
    kinds: bytes = b""
    expiries: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(Columns).decode
_decode_held = msgspec.msgpack.Decoder(HeldColumns).decode

_Empty = Annotated[bytes, msgspec.Meta(max_length=0)]
_Single = tuple[
    Literal[0],
    tuple[bytes],
    tuple[bytes],
    Annotated[int, msgspec.Meta(ge=0, le=SEQUENCE_MAX)],
    _Empty,
    Annotated[bytes, msgspec.Meta(max_length=1)],
    _Empty,
]
decode_single = msgspec.msgpack.Decoder(_Single).decode


def make_columns(
    keys: Sequence[bytes],
    values: Sequence[bytes],
    sequences: Sequence[int],
    kinds: bytes = b"",
) -> Columns:
    """Return columns of these entries, every column as narrow as it can be.

    `kinds` is empty or has one byte an entry. The lists are kept, not copied.
    """
    count = len(keys)
    assert len(values) == len(sequences) == count, "columns differ in length"
    assert len(kinds) in {0, count}, "kinds differ in length"
    if not count:
        return Columns(0, keys, values, 0)
    bounds = sequences[0], sequences[-1]
    if bounds[1] - bounds[0] != count - 1 or not _are_consecutive(sequences):
        bounds = min(sequences), max(sequences)
    return narrow_columns(keys, values, sequences, bounds, kinds)


def narrow_columns(
    keys: Sequence[bytes],
    values: Sequence[bytes],
    sequences: Sequence[int],
    bounds: tuple[int, int],
    kinds: bytes,
) -> Columns:
    """Return what `make_columns` does; `bounds` are the least and the greatest sequence."""
    base, span = bounds[0], bounds[1] - bounds[0]
    count = len(keys)
    if kinds.count(0) == count:
        kinds = b""
    deltas = b""
    if sequences[0] != base or span != count - 1 or not _are_consecutive(sequences):
        deltas = _pack(sequences, base, span)
    return Columns(0, keys, values, base, deltas, kinds)


def ascending_columns(
    keys: list[bytes], values: Sequence[bytes | None], sequences: Sequence[int]
) -> Columns:
    """Return columns of entries in sequence order, at least one; a value None is a delete.

    What `make_columns` says, from the ends alone: 0.02 us an entry, against 0.15.
    """
    base, count = sequences[0], len(keys)
    filled, kinds = list(filter(None, values)), b""
    if len(filled) < count:
        filled = [value or b"" for value in values]
        kinds = bytes([value is None for value in values])
        if not any(kinds):
            kinds = b""
    deltas = b""
    if sequences[-1] - base != count - 1:
        assert min(sequences) == base, "lanes borrow from each other below the base"
        deltas = _pack(sequences, base, max(sequences) - base)
    return Columns(0, keys, filled, base, deltas, kinds)


def wide_columns(
    keys: Sequence[bytes],
    values: Sequence[bytes],
    sequences: Iterable[int],
    kinds: bytes = b"",
) -> Columns:
    """Return columns that stay in memory: what `make_columns` says, made and read faster.

    Sequences take 8 bytes each. Per entry packing costs 0.02 us, against 0.06, and unpacking
    0.01, against 0.07.
    """
    if not keys:
        return Columns(0, keys, values, 0)
    if not any(kinds):
        kinds = b""
    wide = array("Q", sequences)
    if sys.byteorder == "big":
        wide.byteswap()
    deltas = wide.tobytes()
    assert len(keys) == len(values) == len(wide), "columns differ in length"
    assert len(kinds) in {0, len(keys)}, "kinds differ in length"
    return Columns(0, keys, values, 0, deltas, kinds)


def encode_columns(columns: Columns) -> bytes:
    """Return the run as bytes."""
    return _encoder.encode(columns)


def decode_columns(
    data: bytes | memoryview, path: str, *, keyspace_max: int = 0
) -> Columns:
    """Return the run in `data`, which came from the file at `path`.

    Raises `ValueError` (the caller knows file and offset) for what was never written, and
    `UnsupportedFormatError` for what only a newer program can have written.
    """
    columns = _decode(data)
    _check(columns, path, keyspace_max)
    return columns


def decode_held(data: bytes, path: str) -> HeldColumns:
    """Return what `decode_columns` does, for a cache."""
    columns = _decode_held(data)
    _check(columns, path, 0)
    return columns


def join_runs(data: Sequence[bytes]) -> Columns | None:
    """Return these encoded runs of users' puts and deletes, end to end, as one.

    None if one of them is anything else: `decode_columns` of each says what.
    """
    # Where every run is one entry, as in the frames of single writes: 0.4 us for each, and 0.9
    # by way of `Columns`. The types of `_Single` are the checks of `_check`.
    try:
        columns = zip(*map(decode_single, data), strict=True)
        _, keys, values, sequences, _, parts, _ = columns
    except ValueError:
        return _join_longer(data)
    kinds = b"".join(parts)
    if kinds:
        kinds = b"".join([kind or b"\x00" for kind in parts])
    if kinds.translate(None, _LOGGED):
        return None
    return make_columns(
        list(chain.from_iterable(keys)),
        list(chain.from_iterable(values)),
        sequences,
        kinds,
    )


def _join_longer(data: Sequence[bytes]) -> Columns | None:
    try:
        runs = [decode_columns(run, "") for run in data]
    except (ValueError, UnsupportedFormatError):
        return None
    kinds = b""
    if any(run.kinds for run in runs):
        kinds = b"".join([run.kinds or bytes(len(run.keys)) for run in runs])
    if kinds.translate(None, _LOGGED):
        return None
    return make_columns(
        list(chain.from_iterable(run.keys for run in runs)),
        list(chain.from_iterable(run.values for run in runs)),
        list(chain.from_iterable(run.sequences() for run in runs)),
        kinds,
    )


def _check(columns: Columns, path: str, keyspace_max: int) -> None:
    count = len(columns.keys)
    if len(columns.values) != count:
        raise ValueError(f"{count} keys but {len(columns.values)} values")
    deltas = columns.sequence_deltas
    if deltas and (
        not count or len(deltas) % count or len(deltas) // count not in _CODES
    ):
        raise ValueError(f"{len(deltas)} bytes of sequences for {count} entries")
    if not 0 <= columns.sequence_base <= SEQUENCE_MAX:
        raise ValueError(f"sequence base {columns.sequence_base} is out of bounds")
    if columns.kinds:
        _check_kinds(columns, path)
    if not 0 <= columns.keyspace <= keyspace_max or columns.expiries:
        raise UnsupportedFormatError(path, "its entries have keyspaces or expiry times")


def _check_kinds(columns: Columns, path: str) -> None:
    if len(columns.kinds) != len(columns.keys):
        raise ValueError(f"{len(columns.kinds)} kinds for {len(columns.keys)} entries")
    if Kind.POINTER in columns.kinds:
        is_pointer = map(_POINTER.__eq__, columns.kinds)
        lengths = map(len, compress(columns.values, is_pointer))
        if any(map(POINTER_BYTES.__ne__, lengths)):
            raise ValueError("a pointer has the wrong length")
    others = columns.kinds.translate(None, _WRITTEN)
    if not others:
        return
    if max(others) > max(Kind):
        raise ValueError(f"{max(others)} is no kind of entry")
    raise UnsupportedFormatError(
        path, f"it has {Kind(others[0]).name} entries, which this program cannot read"
    )


def _are_consecutive(sequences: Sequence[int]) -> bool:
    first = sequences[0]
    return list(sequences) == list(range(first, first + len(sequences)))


def _pack(sequences: Sequence[int], base: int, span: int) -> bytes:
    """Return the distances from `base`, at most `span`, in the narrowest width that holds it."""
    width = 1 if span < 1 << 8 else 2 if span < 1 << 16 else 4 if span < 1 << 32 else 8
    # 0.03 us an entry; a list of the differences 0.05.
    count = len(sequences)
    return packed(lanes_of(sequences) - in_each(base, count), count, width)


def _unpack(deltas: bytes, count: int) -> "array[int]":
    numbers = array(_CODES[len(deltas) // count], deltas)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers

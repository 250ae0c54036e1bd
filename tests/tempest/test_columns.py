"""A run of entries survives encoding; malformed runs are refused, newer ones named."""

from itertools import accumulate

import msgspec
import pytest
from hypothesis import given, strategies as st

from tempest.columns import (
    Columns,
    Kind,
    ascending_columns,
    decode_columns,
    encode_columns,
    make_columns,
    wide_columns,
)
from tempest.errors import UnsupportedFormatError

ENTRY = st.tuples(
    st.binary(max_size=6),
    st.binary(max_size=6),
    st.integers(0, 2**63 - 1) | st.integers(0, 300),
    st.sampled_from([Kind.PUT, Kind.DELETE]),
)
Entry = tuple[bytes, bytes, int, Kind]


def build(entries: list[Entry]) -> Columns:
    return make_columns(
        [key for key, _, _, _ in entries],
        [value for _, value, _, _ in entries],
        [sequence for _, _, sequence, _ in entries],
        bytes(kind for _, _, _, kind in entries),
    )


@given(st.lists(ENTRY, max_size=20), st.data())
def test_wide_columns_say_what_narrow_ones_do(
    entries: list[Entry], data: st.DataObject
) -> None:
    narrow = build(entries)
    wide = wide_columns(
        narrow.keys,
        narrow.values,
        narrow.sequences(),
        bytes(kind for _, _, _, kind in entries),
    )
    start = data.draw(st.integers(0, len(entries)))
    stop = data.draw(st.integers(start, len(entries)))

    for one, other in (
        (wide, narrow),
        (wide.part(start, stop), narrow.part(start, stop)),
        (decode_columns(encode_columns(wide), "f"), narrow),
    ):
        assert (one.keys, one.values) == (other.keys, other.values)
        assert one.sequences() == other.sequences()
        for index in range(len(other)):
            assert one.sequence(index) == other.sequence(index)
            assert one.kind(index) == other.kind(index)
        if other.keys:
            assert one.sequence_max() == other.sequence_max()
            assert one.sequence_min() == other.sequence_min()


@given(st.lists(ENTRY, max_size=20))
def test_a_run_comes_back_as_it_was(entries: list[Entry]) -> None:
    columns = decode_columns(encode_columns(build(entries)), "f")
    assert columns == build(entries)
    sequences = [sequence for _, _, sequence, _ in entries]
    assert columns.sequences() == sequences
    assert [columns.sequence(i) for i in range(len(columns))] == sequences
    assert [columns.kind(i) for i in range(len(columns))] == [e[3] for e in entries]
    if entries:
        assert columns.sequence_max() == max(sequences)
        assert columns.sequence_min() == min(sequences)


@given(st.lists(ENTRY, min_size=1, max_size=20), st.data())
def test_a_part_is_the_run_of_those_entries(
    entries: list[Entry], data: st.DataObject
) -> None:
    stop = data.draw(st.integers(0, len(entries)))
    start = data.draw(st.integers(0, stop))
    part = build(entries).part(start, stop)
    assert part.keys == [entry[0] for entry in entries[start:stop]]
    assert part.values == [entry[1] for entry in entries[start:stop]]
    assert part.sequences() == [entry[2] for entry in entries[start:stop]]
    assert [part.kind(i) for i in range(len(part))] == [
        entry[3] for entry in entries[start:stop]
    ]


@pytest.mark.parametrize(
    ("sequences", "width"),
    [
        ([5, 6, 7], 0),
        ([7, 6, 5], 1),
        ([0, 255], 1),
        ([256, 0], 2),
        ([0, 65536], 4),
        ([2**32, 0], 8),
    ],
)
def test_sequences_take_the_narrowest_width(sequences: list[int], width: int) -> None:
    columns = make_columns([b""] * len(sequences), [b""] * len(sequences), sequences)
    assert len(columns.sequence_deltas) == width * len(sequences)
    assert columns.sequences() == sequences


def test_puts_alone_need_no_kinds() -> None:
    assert make_columns([b"a"], [b"1"], [1], bytes([Kind.PUT])).kinds == b""
    assert make_columns([], [], [], b"").kinds == b""


def test_the_bytes_of_a_run_are_pinned() -> None:
    columns = make_columns([b"a", b"b"], [b"1", b""], [9, 7], b"\x00\x01")
    assert encode_columns(columns).hex(" ") == (
        "97 00 92 c4 01 61 c4 01 62 92 c4 01 31 c4 00 07 c4 02 02 00 c4 02 00 01 c4 00"
    )


@pytest.mark.parametrize(
    "bad",
    [
        Columns(0, [b"a"], [], 0),
        Columns(0, [], [], 0, b"\x00"),
        Columns(0, [b"a"], [b""], 0, b"\x00\x00\x00"),
        Columns(0, [b"a", b"b"], [b"", b""], 0, b"\x00"),
        Columns(0, [b"a", b"b"], [b"", b""], 0, b"", b"\x00"),
        Columns(0, [b"a"], [b""], 0, b"", b"\x05"),
        Columns(0, [b"a"], [b""], -1),
        Columns(0, [b"a"], [b""], 2**63),
    ],
)
def test_a_malformed_run_is_a_value_error(bad: Columns) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_columns(encode_columns(bad), "f")


@pytest.mark.parametrize(
    "newer",
    [
        Columns(1, [b"a"], [b""], 0),
        Columns(0, [b"a"], [b""], 0, b"", b"\x03"),
        Columns(0, [b"a"], [b""], 0, b"", b"\x04"),
        Columns(0, [b"a"], [b""], 0, b"", b"", b"\x00"),
    ],
)
def test_a_run_of_a_newer_program_is_unsupported(newer: Columns) -> None:
    with pytest.raises(UnsupportedFormatError, match="f"):
        decode_columns(encode_columns(newer), "f")


def test_pointers_are_read_and_sessions_where_they_belong() -> None:
    """Kind 2 stands in tables; keyspace 1 in log frames, whose reader says that it expects it."""
    pointer = Columns(0, [b"a"], [bytes(32)], 0, b"", b"\x02")
    session = Columns(1, [b"a"], [bytes(8)], 0)

    assert decode_columns(encode_columns(pointer), "f") == pointer
    assert decode_columns(encode_columns(session), "f", keyspace_max=1) == session
    for keyspace in (2, -1):
        newer = encode_columns(Columns(keyspace, [b"a"], [b""], 0))
        with pytest.raises(UnsupportedFormatError, match="f"):
            decode_columns(newer, "f", keyspace_max=1)


def check_decoding(data: bytes) -> None:
    try:
        columns = decode_columns(data, "f")
    except (ValueError, UnsupportedFormatError):
        return
    assert len(columns.keys) == len(columns.values) == len(columns.sequences())


@given(st.binary(max_size=60))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    """T27: every decoder is fuzzed."""
    check_decoding(data)


@given(st.lists(ENTRY, max_size=3), st.data())
def test_changed_bytes_never_raise_anything_else(
    entries: list[Entry], data: st.DataObject
) -> None:
    encoded = bytearray(encode_columns(build(entries)))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] = data.draw(st.integers(0, 255))
    check_decoding(bytes(encoded))


def test_extra_columns_are_refused() -> None:
    data = msgspec.msgpack.encode([0, [], [], 0, b"", b"", b"", 1])
    with pytest.raises(ValueError, match="at most length 7"):
        decode_columns(data, "f")


@given(
    st.lists(
        st.tuples(st.binary(max_size=6), st.none() | st.binary(max_size=6)), min_size=1
    ),
    st.integers(0, 2**62),
    st.data(),
)
def test_a_run_in_sequence_order_is_made_from_its_ends(
    pairs: list[tuple[bytes, bytes | None]], first: int, data: st.DataObject
) -> None:
    steps = [data.draw(st.sampled_from([1, 1, 1, 2, 300])) for _ in pairs[1:]]
    sequences = list(accumulate(steps, initial=first))
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    kinds = bytes([value is None for value in values])
    plain = make_columns(keys, [value or b"" for value in values], sequences, kinds)
    assert ascending_columns(keys, values, sequences) == plain

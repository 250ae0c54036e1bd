"""The index describes the blocks to the byte, or is refused."""

from array import array

import msgspec
import pytest
from hypothesis import given, strategies as st

from tempest.table.index import TableIndex, decode_index, encode_index

LENGTHS = [24, 100, 50]
GOOD = [
    b"a",
    [b"b", b"c", b"d"],
    array("I", LENGTHS).tobytes(),
    array("Q", [1, 2, 3]).tobytes(),
]
DATA_END = 64 + sum(LENGTHS)


def changed(column: int, value: object) -> bytes:
    return msgspec.msgpack.encode([*GOOD[:column], value, *GOOD[column + 1 :]])


def test_an_index_comes_back() -> None:
    index = decode_index(changed(0, b"b"), DATA_END)
    assert index.first_key == b"b"
    assert index.last_keys == GOOD[1]
    assert list(index.lengths) == LENGTHS
    assert list(index.offsets) == [64, 88, 188, 238]
    assert list(index.checksums) == [1, 2, 3]
    assert encode_index(index) == changed(0, b"b")
    assert index.memory_bytes > 0


def test_the_bytes_of_an_index_are_pinned() -> None:
    index = TableIndex(b"a", [b"b"], array("I", [258]), array("Q", [2**56]))
    assert encode_index(index).hex(" ") == (
        "94 c4 01 61 91 c4 01 62 c4 04 02 01 00 00 c4 08 00 00 00 00 00 00 00 01"
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, b"c"),
        (0, "a"),
        (1, []),
        (1, [b"b", b"c"]),
        (1, [b"b", b"c", b"c"]),
        (1, [b"b", b"d", b"c"]),
        (2, b""),
        (2, array("I", [24, 100, 51]).tobytes()),
        (2, array("I", [23, 101, 50]).tobytes()),
        (3, bytes(23)),
        (3, bytes(32)),
    ],
)
def test_an_index_that_contradicts_itself_is_a_value_error(
    column: int, value: object
) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_index(changed(column, value), DATA_END)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_value_error(data: bytes) -> None:
    """T27: every decoder is fuzzed."""
    with pytest.raises(ValueError, match=r"."):
        decode_index(data, DATA_END)

"""A pointer is 32 bytes that say the same for ever; nothing else passes for one."""

import pytest
from hypothesis import given, strategies as st

from tempest.columns import Kind, decode_columns, encode_columns, make_columns
from tempest.errors import CorruptionError
from tempest.pointers import POINTER_BYTES, Pointer, decode_pointer

numbers = st.integers(0, 2**64 - 1)


def test_golden() -> None:
    pointer = Pointer(7, (1 << 62) + 5, 64 << 20, 0x0102030405060708)
    assert pointer.encode().hex(" ", 8) == (
        "0700000000000000 0500000000000040 0000000400000000 0807060504030201"
    )


@given(numbers, numbers, numbers, numbers)
def test_a_pointer_comes_back(
    segment: int, address: int, length: int, checksum: int
) -> None:
    """R33: a round trip for every codec."""
    pointer = Pointer(segment, address, length, checksum)
    assert decode_pointer(pointer.encode()) == pointer


@given(st.binary(max_size=64).filter(lambda data: len(data) != POINTER_BYTES))
def test_other_lengths_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="pointer"):
        decode_pointer(data)
    run = make_columns([b"k"], [data], [1], bytes([Kind.POINTER]))
    with pytest.raises((ValueError, CorruptionError), match="pointer"):
        decode_columns(encode_columns(run), "some/file")

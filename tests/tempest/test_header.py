"""The file header is pinned byte by byte, and no damaged or foreign one passes."""

import attrs
import pytest
from hypothesis import given, strategies as st
from xxhash import xxh3_64_intdigest

from tempest.errors import CorruptionError, UnsupportedFormatError
from tempest.header import (
    HEADER_SIZE,
    FileHeader,
    FileKind,
    check_identity,
    checksum_at,
    decode_header,
    encode_header,
    place_seed,
)

HEADER = FileHeader(FileKind.TABLE, bytes(range(16)), life=2, number=3)
U64 = st.integers(0, 2**64 - 1)
HEADERS = st.builds(
    FileHeader,
    st.sampled_from(FileKind),
    st.binary(min_size=16, max_size=16),
    U64,
    U64,
    compatible=st.integers(0, 2**32 - 1),
)


def resealed(data: bytes) -> bytes:
    """Give changed fields a checksum that holds, as a newer program would."""
    return data[:56] + xxh3_64_intdigest(data[:56]).to_bytes(8, "little")


def test_the_bytes_of_a_header_are_pinned() -> None:
    assert encode_header(HEADER).hex(" ", 8) == (
        "54454d5045535400 0100020000000000 0000000000000000"
        " 0001020304050607 08090a0b0c0d0e0f"
        " 0200000000000000 0300000000000000 cb27adeff9ffc5ad"
    )


def test_the_place_seed_and_checksum_are_pinned() -> None:
    seed = place_seed(HEADER)
    identity = bytes(range(16)) + b"\x02" + (2).to_bytes(8, "little")
    assert seed == xxh3_64_intdigest(identity + (3).to_bytes(8, "little"))
    far = (seed + 100 * 0x9E3779B97F4A7C15) % 2**64
    assert checksum_at(seed, 100, b"abc") == xxh3_64_intdigest(b"abc", far)


@given(HEADERS)
def test_a_header_comes_back_as_it_was(header: FileHeader) -> None:
    data = encode_header(header)
    assert len(data) == HEADER_SIZE
    assert decode_header(data + b"more", "f") == header


@given(HEADERS, st.integers(0, 8 * HEADER_SIZE - 1))
def test_every_flipped_bit_is_corruption(header: FileHeader, bit: int) -> None:
    data = bytearray(encode_header(header))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptionError, match="f"):
        decode_header(bytes(data), "f")


def test_every_truncation_is_corruption_and_names_the_length() -> None:
    """T15: a short or empty file is a documented error, never an unexpected one."""
    data = encode_header(HEADER)
    for length in range(HEADER_SIZE):
        with pytest.raises(CorruptionError) as caught:
            decode_header(data[:length], "f")
        assert caught.value.offset == length


@pytest.mark.parametrize(
    ("place", "value"), [(8, 2), (8, 0), (10, 9), (12, 1), (20, 1), (23, 128)]
)
def test_a_sound_header_of_a_newer_program_is_unsupported_and_not_damage(
    place: int, value: int
) -> None:
    data = bytearray(encode_header(HEADER))
    data[place] = value
    with pytest.raises(UnsupportedFormatError):
        decode_header(resealed(bytes(data)), "f")


def test_a_compatible_feature_is_ignored() -> None:
    data = bytearray(encode_header(HEADER))
    data[16] = 7
    assert decode_header(resealed(bytes(data)), "f") == attrs.evolve(
        HEADER, compatible=7
    )


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(HEADER, kind=FileKind.LOG),
        attrs.evolve(HEADER, store_id=bytes(16)),
        attrs.evolve(HEADER, life=9),
        attrs.evolve(HEADER, number=9),
    ],
)
def test_another_file_is_told_apart_by_each_part_of_its_identity(
    other: FileHeader,
) -> None:
    check_identity(HEADER, attrs.evolve(HEADER, compatible=1), "f")
    with pytest.raises(CorruptionError, match="another file"):
        check_identity(other, HEADER, "f")
    assert place_seed(other) != place_seed(HEADER)


@given(HEADERS, st.binary(max_size=50), st.integers(0, 2**40), st.integers(1, 2**40))
def test_the_same_bytes_elsewhere_have_another_checksum(
    header: FileHeader, data: bytes, place: int, distance: int
) -> None:
    seed = place_seed(header)
    assert checksum_at(seed, place, data) != checksum_at(seed, place + distance, data)

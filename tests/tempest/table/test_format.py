"""Blocks and footers verify only where they belong, and only whole."""

import pytest
from hypothesis import given, strategies as st

from tempest.columns import make_columns
from tempest.errors import CorruptionError, InvalidError, UnsupportedFormatError
from tempest.header import checksum_at
from tempest.options import Compression
from tempest.table import format as table_format
from tempest.table.format import (
    FOOTER_SIZE,
    RAW_BYTES_MAX,
    Footer,
    block_checksum,
    decode_block,
    decode_footer,
    encode_block,
    encode_footer,
)

SEED = 12345
RAWS = st.binary(max_size=100) | st.binary(max_size=20).map(lambda raw: raw * 30)
FOOTER = Footer(100, 200, 300, 400 + FOOTER_SIZE, 1, 2, 3)


def resealed(block: bytes, offset: int) -> tuple[bytes, int]:
    """Give a changed block the checksum that a faulty writer would."""
    checksum = checksum_at(SEED, offset, block[8:])
    return checksum.to_bytes(8, "little") + block[8:], checksum


@given(RAWS, st.integers(0, 2**40), st.sampled_from(Compression))
def test_a_block_comes_back_from_its_place(
    raw: bytes, offset: int, wanted: Compression
) -> None:
    block = encode_block(SEED, offset, raw, wanted)
    assert decode_block(SEED, offset, block, block_checksum(block), "f") == raw


@given(RAWS, st.data())
def test_every_flipped_bit_and_every_truncation_is_corruption_at_the_offset(
    raw: bytes, data: st.DataObject
) -> None:
    block = encode_block(SEED, 64, raw, Compression.LZ4)
    bit = data.draw(st.integers(0, 8 * len(block) - 1))
    flipped = bytearray(block)
    flipped[bit // 8] ^= 1 << bit % 8
    cut = block[: data.draw(st.integers(0, len(block) - 1))]
    for damaged in (bytes(flipped), cut):
        with pytest.raises(CorruptionError, match="offset 64") as caught:
            decode_block(SEED, 64, damaged, block_checksum(block), "f")
        assert (caught.value.path, caught.value.offset) == ("f", 64)


def test_damage_names_what_was_expected_and_what_was_found() -> None:
    block = encode_block(SEED, 64, b"abc", Compression.NONE)
    found = checksum_at(SEED, 64, block[8:-1] + b"x")
    with pytest.raises(CorruptionError) as caught:
        decode_block(SEED, 64, block[:-1] + b"x", block_checksum(block), "f")
    assert f"{block_checksum(block):016x}" in caught.value.detail
    assert f"{found:016x}" in caught.value.detail


@given(RAWS, st.integers(0, 2**40), st.integers(1, 2**40), st.integers(1, 2**64 - 1))
def test_a_block_of_another_place_or_file_is_corruption(
    raw: bytes, offset: int, distance: int, other: int
) -> None:
    block = encode_block(SEED, offset, raw, Compression.LZ4)
    with pytest.raises(CorruptionError):
        decode_block(SEED, offset + distance, block, block_checksum(block), "f")
    with pytest.raises(CorruptionError):
        decode_block(SEED ^ other, offset, block, block_checksum(block), "f")


def test_a_stale_block_that_is_whole_is_corruption() -> None:
    """A lost write leaves an older block in place: its own checksum holds, the index's not."""
    old = encode_block(SEED, 64, b"old", Compression.NONE)
    new = encode_block(SEED, 64, b"new", Compression.NONE)
    with pytest.raises(CorruptionError):
        decode_block(SEED, 64, old, block_checksum(new), "f")


@pytest.mark.parametrize(("place", "value"), [(8, 4), (12, 4), (17, 1), (23, 1)])
def test_a_header_that_makes_no_sense_is_corruption_although_it_verifies(
    place: int, value: int
) -> None:
    changed = bytearray(encode_block(SEED, 64, b"abc", Compression.NONE))
    changed[place] = value
    block, checksum = resealed(bytes(changed), 64)
    with pytest.raises(CorruptionError):
        decode_block(SEED, 64, block, checksum, "f")


def test_lengths_are_bounded_before_anything_is_unpacked() -> None:
    """T17: no length is believed before it is bounded."""
    changed = bytearray(encode_block(SEED, 64, bytes(1000), Compression.LZ4))
    changed[12:16] = (RAW_BYTES_MAX + 1).to_bytes(4, "little")
    block, checksum = resealed(bytes(changed), 64)
    with pytest.raises(CorruptionError, match="no sense"):
        decode_block(SEED, 64, block, checksum, "f")


def test_a_block_too_large_to_be_packed_is_refused_when_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table_format, "RAW_BYTES_MAX", 99)
    encode_block(SEED, 64, bytes(99), Compression.NONE)
    with pytest.raises(InvalidError, match="at most 99"):
        encode_block(SEED, 64, bytes(100), Compression.NONE)


def test_an_unknown_compression_is_unsupported_and_not_damage() -> None:
    changed = bytearray(encode_block(SEED, 64, b"abc", Compression.NONE))
    changed[16] = 200
    block, checksum = resealed(bytes(changed), 64)
    with pytest.raises(UnsupportedFormatError):
        decode_block(SEED, 64, block, checksum, "f")


def test_a_footer_comes_back() -> None:
    data, checksum = encode_footer(SEED, FOOTER)
    assert len(data) == FOOTER_SIZE
    assert decode_footer(SEED, data, checksum, FOOTER.size, "f") == FOOTER


@given(st.integers(0, 8 * FOOTER_SIZE - 1))
def test_every_flipped_bit_of_a_footer_is_corruption(bit: int) -> None:
    data, checksum = encode_footer(SEED, FOOTER)
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptionError, match="offset 400"):
        decode_footer(SEED, bytes(flipped), checksum, FOOTER.size, "f")


def test_a_footer_that_the_manifest_does_not_mean_is_corruption() -> None:
    data, checksum = encode_footer(SEED, FOOTER)
    with pytest.raises(CorruptionError, match="footer"):
        decode_footer(SEED, data, checksum ^ 1, FOOTER.size, "f")
    with pytest.raises(CorruptionError, match="footer"):
        decode_footer(SEED ^ 1, data, checksum, FOOTER.size, "f")
    with pytest.raises(CorruptionError, match="found 71"):
        decode_footer(SEED, data[1:], checksum, FOOTER.size, "f")


@pytest.mark.parametrize(
    "footer",
    [
        Footer(63, 200, 300, 472, 1, 2, 3),
        Footer(300, 200, 100, 472, 1, 2, 3),
        Footer(100, 200, 401, 472, 1, 2, 3),
        Footer(100, 200, 2**64 - 1, 472, 1, 2, 3),
        Footer(100, 200, 300, 473, 1, 2, 3),
    ],
)
def test_offsets_out_of_order_are_corruption(footer: Footer) -> None:
    """T27: offsets from disk are bounded before they are used."""
    data, checksum = encode_footer(SEED, footer)
    with pytest.raises(CorruptionError):
        decode_footer(SEED, data, checksum, 472, "f")


def test_columns_of_nothing_make_a_block_too() -> None:
    assert make_columns([], [], []).payload_bytes() == 0
    block = encode_block(SEED, 64, b"", Compression.LZ4)
    assert decode_block(SEED, 64, block, block_checksum(block), "f") == b""

"""Blocks are packed and unpacked to the byte, within the length that was announced."""

import pytest
from hypothesis import given, strategies as st

from tempest.errors import InvalidError, UnsupportedFormatError
from tempest.options import Compression
from tempest.table import check_available, compression
from tempest.table.compression import compress, decompress

RAW = b"the store " * 12
PACKED = {
    Compression.NONE: RAW.hex(),
    Compression.LZ4: "af7468652073746f7265200a005650746f726520",
    Compression.ZLIB: "78012bc94855282ec92f4a5528a12b0b007b9e2c29",
    Compression.ZSTD: "28b52ffd20788d0000507468652073746f7265200100ab694102",
}
PACKING = [kind for kind in Compression if kind is not Compression.NONE]


@given(st.sampled_from(Compression), st.binary() | st.binary().map(lambda b: b * 40))
def test_what_was_packed_comes_back(wanted: Compression, raw: bytes) -> None:
    kind, stored = compress(wanted, raw)
    assert decompress(kind, stored, len(raw), "f") == raw
    assert len(stored) <= len(raw)


@pytest.mark.parametrize("kind", Compression)
def test_packed_bytes_are_read_for_ever(kind: Compression) -> None:
    assert decompress(kind, bytes.fromhex(PACKED[kind]), len(RAW), "f") == RAW


@pytest.mark.parametrize("wanted", PACKING)
def test_a_block_that_does_not_shrink_by_an_eighth_is_stored_plain(
    wanted: Compression,
) -> None:
    raw = bytes(range(256))
    assert compress(wanted, raw) == (Compression.NONE, raw)
    assert compress(wanted, RAW)[0] is wanted


@given(st.sampled_from(Compression), st.integers(0, 300), st.integers(0, 120))
def test_any_other_length_is_refused(kind: Compression, length: int, cut: int) -> None:
    stored = bytes.fromhex(PACKED[kind])
    if length != len(RAW):
        with pytest.raises(ValueError, match=r"."):
            decompress(kind, stored, length, "f")
    if cut < len(stored):
        with pytest.raises(ValueError, match=r"."):
            decompress(kind, stored[:cut], len(RAW), "f")


@given(st.sampled_from(PACKING), st.binary(max_size=60), st.integers(0, 1000))
def test_arbitrary_bytes_never_raise_anything_else(
    kind: Compression, stored: bytes, length: int
) -> None:
    try:
        raw = decompress(kind, stored, length, "f")
    except ValueError:
        return
    assert len(raw) == length


def test_a_small_block_cannot_unpack_into_a_large_one() -> None:
    """T17: no length is believed before it is bounded."""
    for kind in PACKING:
        stored = compress(kind, bytes(1 << 20))[1]
        assert len(stored) < 1 << 13
        with pytest.raises(ValueError, match=r"."):
            decompress(kind, stored, 100, "f")


def test_an_unknown_compression_is_unsupported() -> None:
    with pytest.raises(UnsupportedFormatError, match="compression 9"):
        decompress(9, b"", 0, "f")


def test_without_the_extra_zstandard_is_named_when_reading_and_when_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_available(Compression.ZSTD)
    monkeypatch.setattr(compression, "_has_zstandard", False)
    for kind in Compression:
        if kind is not Compression.ZSTD:
            check_available(kind)
    with pytest.raises(InvalidError, match=r"tempestdb\[fast\]"):
        check_available(Compression.ZSTD)
    with pytest.raises(InvalidError, match=r"tempestdb\[fast\]"):
        compress(Compression.ZSTD, RAW)
    stored = bytes.fromhex(PACKED[Compression.ZSTD])
    with pytest.raises(UnsupportedFormatError, match=r"tempestdb\[fast\]"):
        decompress(Compression.ZSTD, stored, len(RAW), "f")

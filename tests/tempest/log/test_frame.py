"""A frame comes back whole and verified, or not at all."""

import pytest
from hypothesis import given, strategies as st

from tempest.columns import make_columns
from tempest.errors import CorruptionError
from tempest.header import FileHeader, place_seed
from tempest.log import (
    FRAME_HEADER_BYTES,
    SealedFrame,
    SegmentMeta,
    decode_payload,
    encode_payload,
)
from tempest.log.frame import (
    SECTOR_BYTES,
    decode_frame_header,
    next_sector,
    sector_start,
    verify_payload,
)
from tests.tempest.log.support import ENTRIES, STORE_ID, Entry, payload_of, run_of

ADDRESSES = st.integers(0, 2**62)
SEED = place_seed(SegmentMeta(3, 2, 0, 1 << 20).header(STORE_ID))


@given(ENTRIES, ADDRESSES, st.integers(0, 2000), st.integers(0, 2**62))
def test_a_frame_comes_back_as_it_was(
    entries: list[Entry], address: int, gap: int, mark: int
) -> None:
    follows = max(0, address - gap)
    frame = SealedFrame(address, follows, payload_of(entries), len(entries))

    data = frame.encode(SEED, mark)
    header = decode_frame_header(SEED, address, data)

    assert header is not None
    assert (header.address, header.follows, header.synced_until) == (
        address,
        follows,
        mark,
    )
    assert header.size == len(data) == frame.end - frame.address
    assert header.end == frame.end
    payload = data[FRAME_HEADER_BYTES:]
    assert verify_payload(header, payload)
    assert list(decode_payload(payload, "f", address)) == [run_of(entries, 1)]


@given(ENTRIES, st.data())
def test_no_flipped_bit_is_taken_for_a_frame(
    entries: list[Entry], data: st.DataObject
) -> None:
    frame = SealedFrame(512, 500, payload_of(entries), 1).encode(SEED, 400)
    place = data.draw(st.integers(0, len(frame) - 1))
    flipped = bytearray(frame)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))

    header = decode_frame_header(SEED, 512, bytes(flipped))

    if place < FRAME_HEADER_BYTES:
        assert header is None
    else:
        assert header is not None
        assert not verify_payload(header, bytes(flipped[FRAME_HEADER_BYTES:]))


@given(st.integers(0, FRAME_HEADER_BYTES - 1))
def test_no_header_is_read_out_of_too_few_bytes(length: int) -> None:
    frame = SealedFrame(0, 0, b"", 0).encode(SEED, 0)

    assert decode_frame_header(SEED, 0, frame[:length]) is None


@given(ENTRIES, st.data())
def test_a_payload_that_is_cut_short_does_not_verify(
    entries: list[Entry], data: st.DataObject
) -> None:
    payload = payload_of(entries)
    frame = SealedFrame(0, 0, payload, 1).encode(SEED, 0)
    header = decode_frame_header(SEED, 0, frame)

    assert header is not None
    assert not verify_payload(
        header, payload[: data.draw(st.integers(0, len(payload) - 1))]
    )
    assert not verify_payload(header, payload + b"\0")


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_a_frame_verifies_at_its_own_address_only(address: int, other: int) -> None:
    data = SealedFrame(address, address, b"", 0).encode(SEED, 0)

    assert (decode_frame_header(SEED, other, data) is not None) == (address == other)


@pytest.mark.parametrize(
    "other",
    [
        SegmentMeta(4, 2, 0, 1 << 20).header(STORE_ID),
        SegmentMeta(3, 1, 0, 1 << 20).header(STORE_ID),
        SegmentMeta(3, 2, 0, 1 << 20).header(bytes(16)),
    ],
    ids=["another number", "another life", "another store"],
)
def test_a_frame_verifies_in_its_own_file_only(other: FileHeader) -> None:
    data = SealedFrame(0, 0, b"", 0).encode(SEED, 0)

    assert decode_frame_header(place_seed(other), 0, data) is None


def test_a_frame_can_be_given_to_another_file_without_its_payload_being_read() -> None:
    payload = payload_of([(b"k", b"v" * 1000)])
    frame = SealedFrame(64, 0, payload, 1)

    one, other = frame.encode(SEED, 0), frame.encode(SEED + 1, 64)

    assert one[FRAME_HEADER_BYTES:] == other[FRAME_HEADER_BYTES:] == payload
    assert decode_frame_header(SEED + 1, 64, other) is not None


@given(st.lists(ENTRIES, max_size=4))
def test_runs_come_back_in_write_order(runs: list[list[Entry]]) -> None:
    columns = [run_of(entries, 100 * index) for index, entries in enumerate(runs)]

    assert list(decode_payload(encode_payload(columns), "f", 0)) == columns


def test_no_runs_are_a_mark() -> None:
    assert encode_payload([]) == b""
    assert list(decode_payload(b"", "f", 0)) == []


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (b"\1\0\0", "a run's length is cut short"),
        (b"\2\0\0\0\0", "a run of 2 bytes is cut short"),
        (b"\xff\xff\xff\xff", "cut short"),
        (b"\0\0\0\0", "malformed"),
        (b"\2\0\0\0\xc0\xc0", "malformed"),
    ],
)
def test_a_payload_that_makes_no_sense_is_damage_with_its_place(
    payload: bytes, detail: str
) -> None:
    with pytest.raises(CorruptionError, match=detail) as caught:
        list(decode_payload(payload, "some/file", 77))

    assert (caught.value.path, caught.value.offset) == ("some/file", 77)


def test_entries_with_unknown_columns_are_damage() -> None:
    values = [b"v"]
    bad = make_columns([b"a"], values, [1])
    values.append(b"one too many")

    with pytest.raises(CorruptionError, match="1 keys but 2 values"):
        list(decode_payload(encode_payload([bad]), "f", 0))


@given(ADDRESSES)
def test_sectors_enclose_their_addresses(address: int) -> None:
    start, stop = sector_start(address), next_sector(address)

    assert start % SECTOR_BYTES == stop % SECTOR_BYTES == 0
    assert start <= address <= stop
    assert stop - start in {0, SECTOR_BYTES}

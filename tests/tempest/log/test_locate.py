"""Where large values stand in a frame, held against the bytes themselves."""

import pytest
from hypothesis import given, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.errors import CorruptionError
from tempest.log import Frame, encode_payload, value_addresses
from tempest.log.frame import FRAME_HEADER_BYTES, FrameHeader

ADDRESS = 5000
EDGES = (0, 1, 15, 16, 63, 64, 255, 256, 65_535, 65_536, 70_000)
sizes = st.sampled_from(EDGES) | st.integers(0, 400)
runs = st.lists(st.lists(st.tuples(sizes, sizes), max_size=40), max_size=4)


def frame_of(columns: list[Columns]) -> Frame:
    payload = encode_payload(columns)
    return Frame(FrameHeader(ADDRESS, len(payload), ADDRESS, 0, 0), payload)


def run_of(sizes: list[tuple[int, int]]) -> Columns:
    keys = [b"%d" % n + bytes(key_size) for n, (key_size, _) in enumerate(sizes)]
    values = [bytes([n % 251 + 1]) * size for n, (_, size) in enumerate(sizes)]
    return make_columns(keys, values, range(7, 7 + len(keys)))


def check(frame: Frame, columns: list[Columns], bytes_min: int) -> int:
    found = list(value_addresses(frame, "f", bytes_min))
    assert [run for run, _ in found] == columns
    located = 0
    for run, addresses in found:
        large = [i for i, value in enumerate(run.values) if len(value) >= bytes_min]
        assert list(addresses) == large
        for index, address in addresses.items():
            place = address - ADDRESS - FRAME_HEADER_BYTES
            value = run.values[index]
            assert frame.payload[place : place + len(value)] == value
        located += len(addresses)
    return located


@given(runs, st.sampled_from([1, 64, 256, 65_536]))
def test_the_bytes_of_every_large_value_stand_at_its_address(
    sizes: list[list[tuple[int, int]]], bytes_min: int
) -> None:
    columns = [run_of(part) for part in sizes]
    check(frame_of(columns), columns, bytes_min)


@pytest.mark.parametrize("count", [15, 16, 17, 65_535, 65_536])
def test_runs_of_every_length_of_array_are_understood(count: int) -> None:
    """R18: sizes on both sides of every boundary of the encoding."""
    columns = [run_of([(0, 0)] * (count - 1) + [(3, 300)])]
    assert check(frame_of(columns), columns, 300) == 1


def test_a_delete_has_no_value_to_point_to() -> None:
    columns = [make_columns([b"a", b"b"], [b"", b"v" * 64], [1, 2], bytes([1, 0]))]
    assert check(frame_of(columns), columns, 64) == 1


def test_a_run_that_was_encoded_otherwise_is_damage_not_a_wrong_pointer() -> None:
    """A place is believed only after the bytes of the value were found there."""
    columns = run_of([(0, 100), (0, 200)])
    payload = bytearray(encode_payload([columns]))
    # The same length as one byte more: bin 16 instead of bin 8.
    place = payload.index(b"\xc4\x64")
    payload[place : place + 2] = b"\xc5\x00\x64"
    payload[:4] = (len(payload) - 4).to_bytes(4, "little")
    frame = Frame(FrameHeader(ADDRESS, len(payload), ADDRESS, 0, 0), bytes(payload))

    with pytest.raises(CorruptionError, match="does not stand where it must"):
        list(value_addresses(frame, "some/file", 64))


def test_a_pointer_in_the_log_is_damage() -> None:
    kinds = bytes([Kind.POINTER])
    frame = frame_of([make_columns([b"a"], [bytes(32)], [1], kinds)])
    with pytest.raises(CorruptionError, match="pointer"):
        list(value_addresses(frame, "some/file", 64))

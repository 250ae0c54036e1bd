"""Replay stops at the first frame that does not verify, and tells a tear from damage."""

from random import Random

import attrs
import pytest
from hypothesis import given, strategies as st

from journal import CorruptJournalError, Header, encode_record
from journal.framing import SECTOR_BYTES, encode_frames
from journal.reader import Loaded, replay
from journal.segment import encode_header
from tests.journal.fileset import Edit, FileSet, add

PATH = "folder/manifest-000000000007"
HEADER = Header(
    format=1,
    compatible=0,
    incompatible=0,
    store_id=b"s" * 16,
    life=3,
    generation=7,
    generation_ceiling=70,
    token=b"t" * 16,
    snapshot=encode_record(FileSet().snapshot()),
)
FIRST = len(encode_header(HEADER))


def journal_bytes(groups: list[list[Edit]], *, closed: bool = False) -> bytes:
    """The bytes a journal leaves that committed these groups; `closed`: with the final mark."""
    data = encode_header(HEADER)
    seed = HEADER.place_seed()
    for group in groups:
        payloads = [encode_record(edit) for edit in group]
        data += encode_frames(seed, len(data), len(data), payloads)
    if closed:
        data += encode_frames(seed, len(data), len(data), [b""])
    return data


def read(data: bytes) -> Loaded[FileSet]:
    return replay(PATH, data, FileSet)


def prefixes(groups: list[list[Edit]]) -> list[FileSet]:
    states = [FileSet()]
    for edit in [edit for group in groups for edit in group]:
        states.append(states[-1].apply(edit))
    return states


GROUPS = [[add(0)], [add(1), add(2)], [Edit(removed=(0,))], [add(3)]]
STATES = prefixes(GROUPS)
WHOLE = journal_bytes(GROUPS)
CLOSED = journal_bytes(GROUPS, closed=True)


def test_a_whole_file_gives_the_last_state() -> None:
    for data in (WHOLE, CLOSED):
        loaded = read(data)
        assert loaded.state == STATES[-1]
        assert (loaded.replayed, loaded.torn_bytes) == (5, 0)
        assert (loaded.end, loaded.generation) == (len(data), 7)


@pytest.mark.parametrize("data", [WHOLE, CLOSED], ids=["open", "closed"])
def test_a_file_cut_at_any_byte_opens_with_a_prefix_once_its_header_is_whole(
    data: bytes,
) -> None:
    """T15, H10: a short header or tail is the most common residue of a crash."""
    for length in range(len(data)):
        if length < FIRST:
            with pytest.raises(CorruptJournalError) as caught:
                read(data[:length])
            assert caught.value.offset == 0
        else:
            loaded = read(data[:length])
            assert loaded.state == STATES[loaded.replayed]
            assert loaded.end + loaded.torn_bytes == length


@pytest.mark.parametrize("data", [WHOLE, CLOSED], ids=["open", "closed"])
def test_a_flipped_bit_at_any_byte_is_damage_or_in_the_last_unmarked_group(
    data: bytes,
) -> None:
    """T14: damage in the middle must never drop the edits behind it silently."""
    last_group = len(data) - SECTOR_BYTES
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        if place < last_group:
            with pytest.raises(CorruptJournalError) as caught:
                read(bytes(damaged))
            assert 0 <= caught.value.offset <= place
            assert caught.value.path == PATH
        else:
            loaded = read(bytes(damaged))
            assert loaded.state == (STATES[-1] if data is CLOSED else STATES[-2])
            assert loaded.torn_bytes == SECTOR_BYTES


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 31, 32, 36, 511, 512, 2000]))
def test_a_tail_of_zeros_or_garbage_is_torn(seed: int, length: int) -> None:
    """H10, FAULTS 4: a size that reached the disk before its data leaves zeros or garbage."""
    for tail in (bytes(length), Random(seed).randbytes(length), b"TJNL" * length):
        loaded = read(WHOLE + tail)
        assert loaded.state == STATES[-1]
        assert loaded.torn_bytes == len(tail)


def test_a_torn_frame_before_a_whole_one_of_the_same_group_ends_the_journal() -> None:
    """A power cut may keep the second sector of a group and not the first."""
    group = [add(number) for number in range(4, 40)]  # several sectors, written as one
    whole = journal_bytes([*GROUPS, group])
    start = len(WHOLE)

    torn = whole[:start] + bytes(SECTOR_BYTES) + whole[start + SECTOR_BYTES :]

    loaded = read(torn)
    assert loaded.state == STATES[-1]
    assert loaded.torn_bytes == len(whole) - start


def test_every_mixture_of_the_last_groups_sectors_gives_a_prefix() -> None:
    group = [add(number) for number in range(4, 60)]
    states = prefixes([*GROUPS, group])
    whole, start = journal_bytes([*GROUPS, group]), len(WHOLE)
    count = (len(whole) - start) // SECTOR_BYTES
    assert 4 < count < 12

    for kept in range(1 << count):
        data = bytearray(whole)
        for sector in range(count):
            if not kept >> sector & 1:
                place = start + sector * SECTOR_BYTES
                data[place : place + SECTOR_BYTES] = bytes(SECTOR_BYTES)
        loaded = read(bytes(data))
        assert loaded.state == states[loaded.replayed]
        assert loaded.replayed >= 5


def test_damage_below_a_mark_that_only_a_later_frame_carries_is_damage() -> None:
    torn_between = bytearray(journal_bytes([*GROUPS, [add(4)]]))
    torn_between[len(WHOLE) - SECTOR_BYTES] ^= 1

    with pytest.raises(CorruptJournalError) as caught:
        read(bytes(torn_between))

    assert caught.value.offset == len(WHOLE) - SECTOR_BYTES
    assert "magic" in caught.value.expected
    assert str(caught.value.offset) in str(caught.value)


def test_a_frame_of_another_generation_is_not_replayed() -> None:
    """FAULTS 29: a write of an earlier life that surfaces late belongs to another file."""
    stale = attrs.evolve(HEADER, generation=6)
    payload = encode_record(add(4))
    frame = encode_frames(stale.place_seed(), len(WHOLE), len(WHOLE), [payload])

    assert read(WHOLE + frame).state == STATES[-1]


@pytest.mark.parametrize(
    "payload",
    [
        encode_record(add(0)),
        encode_record(Edit(removed=(9,))),
        b"\x00",
        encode_record(add(9)) + b"\x00",
    ],
    ids=["twice", "unknown", "foreign", "trailing"],
)
def test_a_whole_frame_with_a_bad_edit_is_a_typed_error(payload: bytes) -> None:
    """T7: replay validates as the live path does, and never by an assertion."""
    frame = encode_frames(HEADER.place_seed(), len(WHOLE), len(WHOLE), [payload])
    live = STATES[-1]
    data = WHOLE + frame

    assert live.numbers == [1, 2, 3]
    if payload == encode_record(add(0)):  # legal again: the counter is what refuses it
        with pytest.raises(CorruptJournalError, match="backwards"):
            read(data)
    else:
        with pytest.raises(CorruptJournalError):
            read(data)


@pytest.mark.parametrize("snapshot", [b"", b"\x00", b"\x84\x80\x00\x00"])
def test_a_snapshot_that_is_none_is_damage(snapshot: bytes) -> None:
    header = attrs.evolve(HEADER, snapshot=snapshot)

    with pytest.raises(CorruptJournalError, match="snapshot"):
        read(encode_header(header))

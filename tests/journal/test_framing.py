"""A frame verifies in its place, whole, and nowhere else."""

from hypothesis import given, settings, strategies as st

from journal.framing import (
    FRAME_HEADER_SIZE,
    SECTOR_BYTES,
    Defect,
    Frame,
    decode_frame,
    encode_frames,
    highest_mark,
)

payloads = st.lists(st.binary(max_size=700), min_size=1, max_size=5)
seeds = st.integers(0, 2**64 - 1)


def read_all(seed: int, data: bytes) -> list[Frame]:
    frames: list[Frame] = []
    while not frames or frames[-1].end < len(data):
        frame = decode_frame(seed, data, frames[-1].end if frames else 0)
        assert isinstance(frame, Frame)
        frames.append(frame)
    return frames


@given(seeds, st.lists(payloads, min_size=1, max_size=3))
def test_writes_are_read_back_frame_by_frame(
    seed: int, writes: list[list[bytes]]
) -> None:
    data = b""
    for write in writes:
        data += encode_frames(seed, len(data), len(data), write)

    expected = [payload for write in writes for payload in write]
    assert [frame.payload for frame in read_all(seed, data)] == expected
    assert len(data) % SECTOR_BYTES == 0


@given(seeds, payloads)
def test_no_two_writes_share_a_sector(seed: int, write: list[bytes]) -> None:
    data = encode_frames(seed, SECTOR_BYTES, 0, write)

    assert len(data) % SECTOR_BYTES == 0
    assert len(data) - sum(map(len, write)) < SECTOR_BYTES + len(write) * (
        FRAME_HEADER_SIZE
    )


def test_a_flipped_bit_anywhere_is_a_defect() -> None:
    data = encode_frames(5, 0, 0, [b"some payload"])

    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            assert isinstance(decode_frame(5, bytes(damaged), 0), Defect)


def test_a_frame_cut_anywhere_is_a_defect() -> None:
    data = encode_frames(5, 0, 0, [b"some payload"])

    for length in range(len(data)):
        assert isinstance(decode_frame(5, data[:length], 0), Defect)


@given(seeds, seeds, payloads)
def test_a_frame_does_not_verify_in_another_place_or_file(
    seed: int, other: int, write: list[bytes]
) -> None:
    """FAULTS 22, 23: a misdirected or stale write is caught like a flipped bit."""
    data = encode_frames(seed, 0, 0, write)

    moved = bytes(SECTOR_BYTES) + data
    assert isinstance(decode_frame(seed, moved, SECTOR_BYTES), Defect)
    if seed != other:
        assert isinstance(decode_frame(other, data, 0), Defect)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_a_frame_or_a_defect(data: bytes) -> None:
    head = encode_frames(0, 0, 0, [b"x"])[:8]

    assert isinstance(decode_frame(0, head + data, 0), Defect)


def test_a_length_beyond_the_file_is_not_believed() -> None:
    """T17: a corrupt length must not decide how much is allocated."""
    data = bytearray(encode_frames(0, 0, 0, [b"x"]))
    data[20:24] = b"\xff\xff\xff\x0f"

    defect = decode_frame(0, bytes(data), 0)

    assert isinstance(defect, Defect)
    assert "268435455" in defect.found


def test_marks_are_found_behind_damage() -> None:
    first = encode_frames(0, 0, 0, [b"first"])
    second = encode_frames(0, 512, 512, [b"second"])
    third = encode_frames(0, 1024, 1024, [b"third"])

    assert highest_mark(0, first + second + third, 0) == 1024
    assert highest_mark(0, first + bytes(512) + third, 0) == 1024
    assert highest_mark(0, first + second + bytes(512), 0) == 512
    assert highest_mark(0, first + b"TJNL" * 128 + third, 512) == 1024
    assert highest_mark(0, first, 1) == 0

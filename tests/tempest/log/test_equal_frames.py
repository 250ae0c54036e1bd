"""Frames of one length, taken all at once, are the frames that are taken one by one."""

from collections.abc import Iterable, Iterator
from unittest.mock import patch

from hypothesis import given, strategies as st

from tempest.columns import Columns, encode_columns, join_runs, make_columns
from tempest.header import place_seed
from tempest.log import (
    Frame,
    SealedFrame,
    SealedStretch,
    SegmentMeta,
    Stretch,
    encode_payload,
)
from tempest.log.equal_frames import COUNT_MIN, EqualFrames, read_equal
from tempest.log.stretch import read_stretch
from tests.tempest.log.support import STORE_ID

SEED = place_seed(SegmentMeta(1, 1, 700, 1 << 20).header(STORE_ID))


@st.composite
def singles(draw: st.DrawFn) -> list[bytes]:
    """Payloads of one put or delete each, most of them alike."""
    first = draw(st.sampled_from([1, 120, 200, 250, 65_500, 2**32 - 9, 2**63 - 90]))
    key_bytes, value_bytes = draw(
        st.sampled_from([(0, 0), (3, 5), (16, 300), (255, 0)])
    )
    deletes = draw(st.booleans())
    odd = draw(st.integers(0, 60))
    made = []
    for number in range(draw(st.integers(1, 45))):
        kind = deletes != (number == odd and draw(st.booleans()))
        value = b"" if kind else draw(st.binary(min_size=1, max_size=1)) * value_bytes
        key = draw(st.binary(min_size=1, max_size=1)) * key_bytes
        if number == odd and draw(st.booleans()):
            key += b"x"
        run = make_columns([key], [value], [first + number], bytes([kind]))
        made.append(encode_payload([run]))
    return made


def frames_of(payloads: list[bytes], address: int) -> bytes:
    data = []
    for payload in payloads:
        frame = SealedFrame(address, address, payload, 0)
        data.append(frame.encode(SEED, address - 7))
        address = frame.end
    return b"".join(data)


def stretches(
    window: bytes, place: int, address: int, bytes_max: int
) -> Iterator[Stretch]:
    while (part := read_stretch(window, place, address, SEED, bytes_max)) is not None:
        yield part
        place += part.end - address
        address = part.end


def plainly(window: bytes, place: int, address: int, bytes_max: int) -> list[Frame]:
    with patch("tempest.log.stretch.read_equal", lambda *_: None):
        return frames_in(stretches(window, place, address, bytes_max))


def frames_in(parts: Iterable[Stretch]) -> list[Frame]:
    return [frame for part in parts for frame in part.frames()]


def equal(payloads: list[bytes]) -> EqualFrames | None:
    """Return these payloads as frames that were read, if they are read at once."""
    window = frames_of(payloads, 700)
    with patch("tempest.log.equal_frames.COUNT_MIN", 1):
        found = read_equal(window, 0, 700, SEED, len(payloads))
    return found[0] if found and len(found[0]) == len(payloads) else None


@given(singles(), st.sampled_from([4096, 50, 9]), st.data())
def test_a_window_gives_the_same_frames(
    payloads: list[bytes], bytes_max: int, data: st.DataObject
) -> None:
    before = data.draw(st.binary(max_size=9))
    address = data.draw(st.sampled_from([700, 2**40, 2**62]))
    window = bytearray(before + frames_of(payloads, address))
    harm = data.draw(st.sampled_from(["none", "none", "flip", "cut", "zeros"]))
    place = data.draw(st.integers(len(before), len(window) - 1))
    if harm == "flip":
        window[place] ^= 1 << data.draw(st.integers(0, 7))
    elif harm == "cut":
        del window[place:]
    elif harm == "zeros":
        window[place:] = bytes(len(window) - place)

    found = list(stretches(bytes(window), len(before), address, bytes_max))

    plain = plainly(bytes(window), len(before), address, bytes_max)
    assert frames_in(found) == plain
    for part in found:
        assert part.end == part.start + sum(48 + len(p) for p in part.payloads)
        assert part.highest_mark == max(
            frame.header.synced_until for frame in part.frames()
        )
        if len(part) > 1:
            assert frames_in(part.halves()) == list(part.frames())
            below, above = part.cut(part.start + (part.end - part.start) // 3)
            parts = [half for half in (below, above) if half is not None]
            assert frames_in(parts) == list(part.frames())
        seed = data.draw(st.sampled_from([0, SEED, 2**64 - 1]))
        plainer = Stretch(part.start, list(part.payloads), part.marks)
        encoded = SealedStretch(part, 1).encode(seed, address + 5)
        assert encoded == SealedStretch(plainer, 1).encode(seed, address + 5)


def test_every_flipped_bit_ends_the_stretch_at_its_frame() -> None:
    runs = [make_columns([b"k%02d" % n], [b"v%02d" % n], [300 + n]) for n in range(12)]
    payloads = [encode_payload([run]) for run in runs]
    window = frames_of(payloads, 700)
    size = len(window) // 12
    for place in range(len(window)):
        for bit in range(8):
            harmed = bytearray(window)
            harmed[place] ^= 1 << bit
            found = stretches(bytes(harmed), 0, 700, 4096)
            whole = [payload for part in found for payload in part.payloads]
            assert whole == payloads[: place // size]


@given(singles(), st.data())
def test_the_entries_are_those_of_the_runs_one_by_one(
    payloads: list[bytes], data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(payloads) - 1))
        harmed = bytearray(payloads[index])
        place = data.draw(st.integers(4, len(harmed) - 1))
        harmed[place] = data.draw(st.integers(0, 255))
        payloads[index] = bytes(harmed)

    frames = equal(payloads)
    found = None if frames is None else frames.columns()

    if found is not None:
        plain = join_runs([payload[4:] for payload in payloads])
        assert plain is not None
        assert encode_columns(found) == encode_columns(plain)


def test_entries_of_one_shape_are_taken_together() -> None:
    for kinds, value in ((b"", b"v"), (b"\x01", b"")):
        runs = [
            Columns(
                0,
                [b"%02d" % n],
                [value * n if n < 0 else value],
                70_000 + 3 * n,
                b"",
                kinds,
            )
            for n in range(COUNT_MIN)
        ]
        payloads = [encode_payload([run]) for run in runs]
        frames = equal(payloads)
        assert frames is not None
        assert list(frames) == payloads
        assert list(frames.part(2, 5)) == payloads[2:5]
        assert frames.columns() == join_runs([payload[4:] for payload in payloads])
        few = frames_of(payloads[1:], 700)
        assert read_equal(few, 0, 700, SEED, 99) is None

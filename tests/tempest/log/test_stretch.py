"""Frames that are taken many at once are those, and all those, that come one by one."""

import struct
from unittest.mock import patch

import attrs
import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tempest.columns import Columns, Kind, decode_columns, encode_columns, join_runs
from tempest.errors import CorruptionError, TempestError, UnsupportedFormatError
from tempest.header import place_seed
from tempest.log import (
    FrameScanner,
    SealedFrame,
    SealedStretch,
    SegmentMeta,
    SegmentReader,
    Stretch,
    encode_payload,
    session_run,
)
from tempest.log.frame import Frame, next_sector
from tempest.log.stretch import STRETCH_BYTES, STRETCH_FRAMES
from tempest.memtable import Memtable
from tempest.replay import Replay, Replayed
from tempest.version import Version
from tests.tempest.log.support import (
    FOLDER,
    STORE_ID,
    Layout,
    Shelf,
    payload_of,
    run_of,
    text_payload,
)

META = SegmentMeta(1, 1, 700, 1 << 20)
OTHER = SegmentMeta(1, 2, 700, 1 << 20)

KEYS = st.binary(max_size=3)
VALUES = st.none() | st.binary(max_size=30)
SINGLES = st.tuples(KEYS, VALUES).map(lambda entry: [entry])
ENTRIES = st.one_of(
    SINGLES, SINGLES, SINGLES, st.lists(st.tuples(KEYS, VALUES), min_size=2, max_size=5)
)


@st.composite
def payloads(draw: st.DrawFn, sequence: int) -> bytes:
    """Mostly one put or delete; else several, two runs, sessions, a mark, or nonsense."""
    kind = draw(st.sampled_from("ssssssssmtnwxy"))
    if kind == "m":
        return b""
    entries = draw(ENTRIES)
    if kind == "t":
        runs = [run_of(entries, sequence), run_of(draw(ENTRIES), sequence + 9)]
        return encode_payload(runs)
    if kind == "n":
        name = draw(st.binary(min_size=1, max_size=4))
        runs = [session_run({name: (sequence, draw(st.none() | st.integers(1, 9)))})]
        return encode_payload(
            [run_of(entries, sequence), *runs] if draw(st.booleans()) else runs
        )
    if kind == "w":
        return payload_of([(b"big", bytes(draw(st.integers(3000, 6000))))], sequence)
    if kind == "x" and draw(st.booleans()):
        run = bytearray(encode_columns(run_of(entries, sequence)))
        run[draw(st.integers(0, len(run) - 1))] ^= 1 << draw(st.integers(0, 7))
        return struct.pack("<I", len(run)) + run
    if kind == "y" and draw(st.booleans()):
        return draw(st.binary(max_size=12))
    return payload_of(entries, sequence)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Frames with marks, gaps and frames that leave one out."""
    layout = Layout(META)
    mark = 0
    for number in range(draw(st.integers(1, 12))):
        gap = draw(st.integers(0, 7)) == 0
        if draw(st.integers(0, 4)) == 0:
            mark = layout.tail
        if draw(st.integers(0, 30)) == 0:
            layout.tail += draw(st.integers(1, 600))  # what follows it does not follow
        layout.add(
            draw(payloads(100 * number + 1)),
            synced_until=mark,
            skip_to=next_sector(layout.tail) if gap else None,
        )
    return layout


@st.composite
def damages(draw: st.DrawFn, layout: Layout) -> bytes:
    """The bytes of a layout, as they are or with a flip, a tear, a cut or a stale frame."""
    data = bytearray(layout.encode())
    place = draw(st.integers(0, len(data) - 1))
    kind = draw(st.sampled_from("nnnfcszl"))
    if kind == "f":
        data[place] ^= 1 << draw(st.integers(0, 7))
    elif kind == "c":
        del data[place:]
    elif kind == "z":
        data[place : place + 512] = bytes(len(data[place : place + 512]))
    elif kind == "s":  # the frame of an earlier life at the same place
        frame = draw(st.sampled_from(layout.frames))
        seed = place_seed(OTHER.header(STORE_ID))
        at = frame.address - META.first
        data[at : at + frame.end - frame.address] = frame.encode(seed, 0)
    elif (
        kind == "l"
    ):  # another whole frame of this file, at a place that is not its own
        frame = draw(st.sampled_from(layout.frames))
        at = frame.address - META.first
        whole = data[at : at + frame.end - frame.address]
        data[place : place + len(whole)] = whole
    return bytes(data)


async def read(
    shelf: Shelf, page_bytes: int, *, plain: bool
) -> tuple[list[Frame], int, int, int]:
    segment = await shelf.open(META)
    reader = SegmentReader(segment, META.first, page_bytes=page_bytes)
    frames: list[Frame] = []
    while part := await (reader.next() if plain else reader.next_part()):
        frames += part.frames() if isinstance(part, Stretch) else [part]
    found = (frames, reader.address, reader.highest_mark, await reader.mark_behind())
    await reader.aclose()
    return found


@settings(max_examples=300)
@given(layouts(), st.sampled_from([100, 1000, 1 << 20]), st.data())
async def test_parts_hold_the_frames_that_come_one_by_one(
    layout: Layout, page_bytes: int, data: st.DataObject
) -> None:
    shelf = await Shelf.make()
    await shelf.write(META, data.draw(damages(layout)))

    assert await read(shelf, page_bytes, plain=False) == await read(
        shelf, page_bytes, plain=True
    )


async def test_damage_at_every_place_ends_parts_where_it_ends_frames() -> None:
    layout = Layout(META)
    for number in range(4):
        layout.add(text_payload(f"k{number}", number + 1), synced_until=700)
    whole = layout.encode()
    shelf = await Shelf.make()
    await shelf.write(META, whole)
    for place in range(len(whole)):
        for bit in (0, 7):
            shelf.disk.corrupt(shelf.path(1), META.offset(700 + place), xor=1 << bit)
            found = await read(shelf, 1 << 20, plain=False)
            assert found == await read(shelf, 1 << 20, plain=True)
            kept = sum(frame.end <= 700 + place for frame in layout.frames)
            assert len(found[0]) == kept
            shelf.disk.corrupt(shelf.path(1), META.offset(700 + place), xor=1 << bit)


async def replay(
    shelf: Shelf, meta: SegmentMeta, budget: int, *, read_only: bool
) -> Replayed | TempestError:
    version = Version(
        life=1, number_ceiling=9, replay_from=meta.first, segments=(meta,)
    )
    step = Replay(shelf.io, FOLDER, STORE_ID, memtable_bytes_max=budget)
    try:
        return await step.run(version, read_only=read_only)
    except TempestError as error:
        return error


def seen(found: Replayed | TempestError) -> object:
    """Everything that a replay says, with a rewrite's bytes in place of its parts."""
    if isinstance(found, TempestError):
        return type(found), attrs.astuple(found)  # type: ignore[arg-type]
    parts = found.unconfirmed
    tables = [*found.memtables.waiting, found.memtables.active]
    numbers = attrs.asdict(
        found, filter=lambda field, _: field.name not in {"memtables", "unconfirmed"}
    )
    return (
        numbers,
        [table_content(table) for table in tables],
        b"".join(part.encode(7, 3) for part in parts),
        parts and (parts[0].address, parts[-1].end, parts[-1].last_sequence),
    )


def table_content(table: Memtable) -> object:
    while not table._order.settle():
        pass
    return (
        table.newest,
        table.sessions,
        table.first,
        table.stop,
        table.bytes,
        table.last_sequence,
        table.largest_value_bytes,
        table._order.forward(b"", None, 1 << 20),
    )


@settings(max_examples=300)
@given(layouts(), st.sampled_from([400, 1500, 1 << 20]), st.booleans(), st.data())
async def test_replay_gives_the_same_either_way(
    layout: Layout, budget: int, read_only: bool, data: st.DataObject
) -> None:
    shelf = await Shelf.make()
    await shelf.write(META, data.draw(damages(layout)))
    meta = data.draw(st.sampled_from([META, attrs.evolve(META, end=layout.tail)]))

    fast = await replay(shelf, meta, budget, read_only=read_only)
    with patch("tempest.log.scanner.read_stretch", lambda *_: None):
        plain = await replay(shelf, meta, budget, read_only=read_only)

    assert seen(fast) == seen(plain)


async def test_a_stretch_takes_small_frames_in_steps() -> None:
    layout = Layout(META)
    for number in range(3 * STRETCH_FRAMES):
        layout.add(text_payload(f"{number:04}", 500 + number), synced_until=number)
    large = layout.add(payload_of([(b"large", bytes(5000))]))
    for number in range(40):
        layout.add(payload_of([(b"%d" % number, bytes(4000))], 9000 + number))
    shelf = await Shelf.make()
    await shelf.write(META, layout.encode())
    segment = await shelf.open(META)
    reader = SegmentReader(segment, META.first)
    parts = []
    while part := await reader.next_part():
        parts.append(part)

    stretches = [part for part in parts if isinstance(part, Stretch)]
    assert [part.address for part in parts if isinstance(part, Frame)] == [
        large.address
    ]
    assert all(len(part) <= STRETCH_FRAMES for part in stretches)
    assert all(part.end - part.start < STRETCH_BYTES + 4200 for part in stretches)
    assert len(stretches[0]) == STRETCH_FRAMES
    assert stretches[1].highest_mark == 2 * STRETCH_FRAMES - 1
    scanner = FrameScanner(
        shelf.io,
        FOLDER,
        STORE_ID,
        [attrs.evolve(META, end=layout.tail)],
        700,
        large.end,
    )
    found = []
    while part := await scanner.next_part():
        found.append(part)
    assert [part.end for part in found] == [p.end for p in parts[: len(found)]]
    assert found[-1].end == large.end
    await scanner.aclose()
    await reader.aclose()


async def test_a_scan_that_meets_damage_names_it() -> None:
    layout = Layout(META)
    layout.add(text_payload("a", 1))
    broken = layout.add(text_payload("b", 2))
    shelf = await Shelf.make()
    await shelf.write(META, layout.encode())
    shelf.disk.corrupt(shelf.path(1), META.offset(broken.address + 60))
    scanner = shelf.scan([attrs.evolve(META, end=layout.tail)], 700, layout.tail)

    assert isinstance(await scanner.next_part(), Stretch)
    with pytest.raises(CorruptionError, match="none that verifies") as caught:
        await scanner.next_part()
    assert caught.value.offset == META.offset(broken.address)
    await scanner.aclose()


@given(st.lists(SINGLES, min_size=1, max_size=6), st.integers(0, 900))
def test_a_cut_parts_frames_at_an_address(
    entries: list[list[tuple[bytes, bytes | None]]], beyond: int
) -> None:
    stretch = Stretch(
        700, [payload_of(part, 1) for part in entries], list(range(len(entries)))
    )
    below, above = stretch.cut(650 + beyond)

    parts = [part for part in (below, above) if part is not None]
    assert [f for part in parts for f in part.frames()] == list(stretch.frames())
    assert below is None or below.end <= 650 + beyond
    assert above is None or next(above.frames()).end > 650 + beyond


def test_a_sealed_stretch_has_the_bytes_of_its_frames() -> None:
    stretch = Stretch(700, [text_payload("a", 1), text_payload("bc", 2)], [0, 0])
    frames = [SealedFrame(f.address, f.follows, f.payload, 0) for f in stretch.frames()]

    sealed = SealedStretch(stretch, 2)

    assert (sealed.address, sealed.end) == (700, frames[-1].end)
    assert sealed.encode(5, 600) == b"".join(frame.encode(5, 600) for frame in frames)


RUNS = st.builds(
    Columns,
    st.sampled_from([0, 0, 0, 0, 1, -1]),
    st.lists(KEYS, max_size=3),
    st.lists(st.binary(max_size=3) | st.just(bytes(32)), max_size=3),
    st.integers(-1, 3) | st.sampled_from([2**63 - 1, 2**63]),
    st.sampled_from([b"", b"", b"", b"\1", b"\0\1", b"\0\0\0\0"]),
    st.sampled_from([b"", b"", b"\0", b"\1", b"\2", b"\3", b"\x63", b"\0\1"]),
    st.sampled_from([b"", b"", b"", b"", b"x"]),
)
GOOD = ENTRIES.map(lambda entries: run_of(entries, 5))


@settings(max_examples=300)
@given(st.lists(st.one_of(GOOD, GOOD, GOOD, RUNS), min_size=1, max_size=4), st.data())
def test_runs_join_exactly_if_each_of_them_is_sound(
    runs: list[Columns], data: st.DataObject
) -> None:
    encoded = [encode_columns(run) for run in runs]
    if data.draw(st.integers(0, 5)) == 0:
        place = data.draw(st.integers(0, len(encoded) - 1))
        encoded[place] = data.draw(
            st.sampled_from([b"", encoded[place][:-1], encoded[place] + b"\xc0"])
        )
    joined = join_runs(encoded)
    try:
        singles = [decode_columns(part, "") for part in encoded]
    except (ValueError, UnsupportedFormatError, msgspec.DecodeError):
        singles = None
    if singles is None or any(Kind.POINTER in run.kinds for run in singles):
        assert joined is None
        return
    assert joined is not None
    assert rows(joined) == [row for run in singles for row in rows(run)]


def rows(run: Columns) -> list[tuple[bytes, bytes, int, int]]:
    kinds = run.kinds or bytes(len(run))
    return list(zip(run.keys, run.values, run.sequences(), kinds, strict=True))

"""Replay gives the state after a prefix of the log, or says what is damaged and where."""

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from tempest.columns import SEQUENCE_MAX
from tempest.errors import CorruptionError
from tempest.log import SealedFrame, SegmentMeta
from tempest.log.frame import next_sector
from tempest.memory import Memtables
from tempest.replay import Replay, Replayed
from tempest.version import Version
from tests.tempest.log.support import (
    ENTRIES,
    FOLDER,
    STORE_ID,
    Entry,
    Layout,
    Shelf,
    payload_of,
    text_payload,
)

OPEN = SegmentMeta(2, 1, 700, 1 << 16)


@attrs.define
class Written:
    """A layout, and the entries of each of its frames; a mark has none."""

    layout: Layout
    entries: list[list[Entry]] = attrs.field(factory=list)

    def add(self, entries: list[Entry], *, mark: int) -> None:
        sequence = 1 + sum(map(len, self.entries))
        layout = self.layout
        skips = mark > max(layout.marks, default=0)
        layout.add(
            payload_of(entries, sequence) if entries else b"",
            synced_until=mark,
            skip_to=next_sector(layout.tail) if skips else None,
        )
        self.entries.append(entries)

    def content(self, frames: int) -> dict[bytes, bytes | None]:
        return {key: value for part in self.entries[:frames] for key, value in part}


@st.composite
def logs(draw: st.DrawFn, meta: SegmentMeta = OPEN) -> Written:
    written = Written(Layout(meta))
    mark = 0
    for _ in range(draw(st.integers(0, 6))):
        mark = draw(st.sampled_from([mark, mark, written.layout.tail]))
        written.add(draw(st.one_of(st.just([]), ENTRIES)), mark=mark)
    return written


def version_of(*segments: SegmentMeta) -> Version:
    return Version(
        life=1, number_ceiling=9, replay_from=segments[0].first, segments=segments
    )


async def replay(
    shelf: Shelf, version: Version, *, read_only: bool = False, budget: int = 1 << 20
) -> Replayed:
    step = Replay(shelf.io, FOLDER, STORE_ID, memtable_bytes_max=budget)
    return await step.run(version, read_only=read_only)


def content_of(memtables: Memtables) -> dict[bytes, bytes | None]:
    tables = [*memtables.waiting, memtables.active]
    return {key: entry.value for table in tables for key, entry in table.newest.items()}


def addresses(found: Replayed) -> list[int]:
    """Where each frame begins that is not known to be durable."""
    return [
        address
        for part in found.unconfirmed
        for address in (
            [part.address]
            if isinstance(part, SealedFrame)
            else [frame.address for frame in part.stretch.frames()]
        )
    ]


@settings(max_examples=50)
@given(logs(), st.integers(500, 20_000))
async def test_a_whole_log_comes_back(written: Written, budget: int) -> None:
    shelf = await Shelf.make()
    layout = written.layout
    await shelf.write(OPEN, layout.encode())

    found = await replay(shelf, version_of(OPEN), budget=budget)

    assert content_of(found.memtables) == written.content(len(written.entries))
    assert found.entries == sum(map(len, written.entries))
    assert (found.frames, found.torn_bytes) == (len(layout.frames), 0)
    assert found.last_sequence == found.entries
    assert not found.is_clean
    mark = max(layout.marks, default=0)
    above = [frame for frame in layout.frames if frame.end > mark]
    assert addresses(found) == [frame.address for frame in above]
    assert found.confirmed == (above[0].follows if above else layout.tail)


@settings(max_examples=50)
@given(logs(), st.data())
async def test_a_log_cut_anywhere_is_a_prefix_and_never_less_than_was_synced(
    written: Written, data: st.DataObject
) -> None:
    shelf = await Shelf.make()
    layout = written.layout
    whole = layout.encode()
    cut = OPEN.first + data.draw(st.integers(0, len(whole)))
    await shelf.write(OPEN, whole[: cut - OPEN.first])
    kept = sum(frame.end <= cut for frame in layout.frames)
    end = layout.frames[kept - 1].end if kept else OPEN.first

    found = await replay(shelf, version_of(OPEN))

    assert content_of(found.memtables) == written.content(kept)
    assert found.frames == kept
    assert end >= max(layout.marks[:kept], default=0)
    assert found.torn_bytes == cut - end


@settings(max_examples=80)
@given(logs().filter(lambda log: log.layout.frames), st.data())
async def test_a_flipped_bit_is_a_tear_above_every_mark_and_damage_below_one(
    written: Written, data: st.DataObject
) -> None:
    """A power cut may keep a later frame and tear an earlier one: what lies behind is no proof."""
    shelf = await Shelf.make()
    layout = written.layout
    await shelf.write(OPEN, layout.encode())
    broken = data.draw(st.sampled_from(range(len(layout.frames))))
    frame = layout.frames[broken]
    place = data.draw(st.integers(frame.address, frame.end - 1))
    shelf.disk.corrupt(shelf.path(2), OPEN.offset(place))
    marks = layout.marks[:broken] + layout.marks[broken + 1 :]

    if frame.follows >= max(marks, default=0):
        found = await replay(shelf, version_of(OPEN))
        assert content_of(found.memtables) == written.content(broken)
        assert found.torn_bytes == layout.tail - frame.follows
        return
    before = shelf.disk.contents()
    with pytest.raises(CorruptionError, match="synced up to") as caught:
        await replay(shelf, version_of(OPEN))
    assert (caught.value.path, caught.value.offset) == (
        shelf.path(2),
        OPEN.offset(frame.follows),
    )
    assert shelf.disk.contents() == before


@settings(max_examples=50)
@given(logs())
async def test_who_may_not_write_is_shown_nothing_above_the_highest_mark(
    written: Written,
) -> None:
    shelf = await Shelf.make()
    layout = written.layout
    await shelf.write(OPEN, layout.encode())
    mark = max(layout.marks, default=0)

    found = await replay(shelf, version_of(OPEN), read_only=True)

    below = sum(frame.end <= mark for frame in layout.frames)
    assert content_of(found.memtables) == written.content(below)
    assert found.unconfirmed == []


@settings(max_examples=50)
@given(logs(), st.data())
async def test_a_closed_segment_is_whole_or_damaged(
    written: Written, data: st.DataObject
) -> None:
    shelf = await Shelf.make()
    layout = written.layout
    meta = attrs.evolve(OPEN, end=layout.tail)
    whole = layout.encode()
    cut = data.draw(st.integers(0, len(whole)))
    await shelf.write(OPEN, whole[:cut])

    if cut == len(whole):
        found = await replay(shelf, version_of(meta))
        assert content_of(found.memtables) == written.content(len(written.entries))
        assert (found.is_clean, found.confirmed) == (True, layout.tail)
        assert found.unconfirmed == []
        return
    with pytest.raises(CorruptionError, match="synced up to"):
        await replay(shelf, version_of(meta))


async def test_segments_are_replayed_one_after_another() -> None:
    shelf = await Shelf.make()
    one = Layout(SegmentMeta(1, 1, 0, 1 << 16))
    one.add(text_payload("a", 1))
    other = Layout(SegmentMeta(2, 2, 5000, 1 << 16))
    other.add(text_payload("b", 2), synced_until=5000)
    for layout in (one, other):
        await shelf.write(layout.meta, layout.encode())
    closed = attrs.evolve(one.meta, end=one.tail)

    found = await replay(shelf, version_of(closed, other.meta))

    assert list(content_of(found.memtables)) == [b"a", b"b"]
    assert found.confirmed == 5000


async def test_what_stands_in_tables_already_is_not_replayed() -> None:
    shelf = await Shelf.make()
    layout = Layout(attrs.evolve(OPEN, first=0))
    first = layout.add(text_payload("in a table", 1))
    layout.add(text_payload("in the log", 2))
    await shelf.write(layout.meta, layout.encode())
    retired = SegmentMeta(1, 1, 0, 10, end=0)
    version = attrs.evolve(version_of(retired, layout.meta), replay_from=first.end)

    found = await replay(shelf, version)

    assert list(content_of(found.memtables)) == [b"in the log"]
    assert found.memtables.active.first == first.end


async def test_full_memtables_are_bounded_by_the_frames_they_hold() -> None:
    shelf = await Shelf.make()
    layout = Layout(OPEN)
    for number in range(10):
        layout.add(text_payload(f"key {number}", number + 1))
    await shelf.write(OPEN, layout.encode())

    found = await replay(shelf, version_of(OPEN), budget=600)

    memtables = found.memtables
    assert len(memtables.waiting) > 2
    starts = [table.first for table in (*memtables.waiting, memtables.active)]
    assert starts == [OPEN.first, *(table.stop for table in memtables.waiting)]
    assert memtables.get(b"key 0", SEQUENCE_MAX) is not None


@pytest.mark.parametrize("end", [None, 800])
async def test_a_missing_segment_is_damage_that_names_it(end: int | None) -> None:
    shelf = await Shelf.make()

    with pytest.raises(CorruptionError, match="no such file") as caught:
        await replay(shelf, version_of(attrs.evolve(OPEN, end=end)))

    assert caught.value.path == shelf.path(2)


@pytest.mark.parametrize("end", [None, 700])
async def test_an_empty_segment_holds_nothing(end: int | None) -> None:
    shelf = await Shelf.make()
    await shelf.write(OPEN, b"")

    found = await replay(shelf, version_of(attrs.evolve(OPEN, end=end)))

    assert (found.frames, found.torn_bytes, found.confirmed) == (0, 0, 700)

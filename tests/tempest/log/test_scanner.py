"""Reading the log back gives the frames of a prefix, whatever was torn or damaged behind it."""

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from tempest.errors import CorruptionError
from tempest.log import SegmentMeta, SegmentReader
from tempest.log.frame import SECTOR_BYTES, next_sector
from tests.tempest.log.support import (
    ENTRIES,
    FOLDER,
    Layout,
    Shelf,
    payload_of,
    scan_all,
    text_payload,
)

META = SegmentMeta(1, 1, 700, 1 << 20)


@st.composite
def layouts(draw: st.DrawFn, meta: SegmentMeta = META) -> Layout:
    """Frames with marks and sector gaps between them; sizes around a sector."""
    layout = Layout(meta)
    mark = 0
    for _ in range(draw(st.integers(1, 6))):
        entries = draw(ENTRIES)
        if draw(st.booleans()):
            entries.append((b"big", bytes(draw(st.integers(300, 700)))))
        skips = draw(st.booleans())
        if skips:
            mark = layout.tail
        layout.add(
            draw(st.sampled_from([b"", payload_of(entries)])),
            synced_until=mark,
            skip_to=next_sector(layout.tail) if skips else None,
        )
    return layout


def closed(layout: Layout) -> SegmentMeta:
    return attrs.evolve(layout.meta, end=layout.tail)


@settings(max_examples=50)
@given(layouts())
async def test_frames_come_back_in_order_across_sector_gaps(layout: Layout) -> None:
    shelf = await Shelf.make()
    await shelf.write(META, layout.encode())

    frames, reader = await shelf.read(META)

    assert [frame.payload for frame in frames] == [f.payload for f in layout.frames]
    assert [frame.address for frame in frames] == [f.address for f in layout.frames]
    assert reader.address == layout.tail
    assert reader.highest_mark == max(layout.marks)
    assert await reader.mark_behind() == 0


@settings(max_examples=50)
@given(layouts(), st.data())
async def test_a_file_cut_anywhere_holds_the_frames_before_the_cut(
    layout: Layout, data: st.DataObject
) -> None:
    shelf = await Shelf.make()
    whole = layout.encode()
    cut = data.draw(st.integers(0, len(whole)))
    await shelf.write(META, whole[:cut])

    frames, reader = await shelf.read(META)

    kept = [f for f in layout.frames if f.end <= META.first + cut]
    assert [frame.payload for frame in frames] == [f.payload for f in kept]
    assert reader.address == (kept[-1].end if kept else META.first)


async def test_a_file_cut_at_every_offset_holds_the_frames_before_the_cut() -> None:
    layout = Layout(META)
    layout.add(text_payload("one"))
    layout.add(text_payload("two"), skip_to=next_sector(layout.tail))
    layout.add(b"", synced_until=layout.tail)
    whole = layout.encode()
    shelf = await Shelf.make()
    await shelf.write(META, whole)
    file = await shelf.io.open(shelf.path(1), writable=True)

    for cut in range(len(whole) - 1, -1, -1):
        await file.truncate(META.offset(META.first + cut))
        frames, _ = await shelf.read(META)
        assert len(frames) == sum(f.end <= META.first + cut for f in layout.frames)


@settings(max_examples=50)
@given(layouts(), st.data())
async def test_reading_stops_at_a_flipped_bit_and_finds_the_marks_behind_it(
    layout: Layout, data: st.DataObject
) -> None:
    shelf = await Shelf.make()
    broken = data.draw(st.sampled_from(range(len(layout.frames))))
    frame = layout.frames[broken]
    address = data.draw(st.integers(frame.address, frame.end - 1))
    await shelf.write(META, layout.encode())
    shelf.disk.corrupt(
        shelf.path(1), META.offset(address), 1 << data.draw(st.integers(0, 7))
    )

    frames, reader = await shelf.read(META)

    assert [f.address for f in frames] == [f.address for f in layout.frames[:broken]]
    assert reader.address == frame.follows
    assert await reader.mark_behind() == max(layout.marks[broken + 1 :], default=0)


async def test_a_mark_behind_is_found_whatever_place_the_window_ends_at() -> None:
    """The magic bytes of the frame that carries it may straddle two windows."""
    shelf = await Shelf.make()
    seen = []
    for size in range((1 << 20) - 140, (1 << 20) - 130):
        layout = Layout(SegmentMeta(size, 1, 0, 1 << 22))
        layout.add(b"")
        layout.add(bytes(size))
        layout.add(b"", synced_until=layout.frames[1].end)
        await shelf.write(layout.meta, layout.encode())
        shelf.disk.corrupt(shelf.path(size), layout.meta.offset(0))
        reader = SegmentReader(await shelf.open(layout.meta), 0)
        assert await reader.next() is None
        seen.append(await reader.mark_behind() == layout.frames[1].end)
    assert all(seen)


async def test_a_frame_that_does_not_follow_the_one_before_is_not_read() -> None:
    """A frame in the middle was lost: what stands behind it must not take its place."""
    shelf = await Shelf.make()
    layout = Layout(META)
    layout.add(text_payload("one"))
    lost = layout.add(text_payload("lost"))
    layout.add(text_payload("three"), skip_to=next_sector(layout.tail))
    data = bytearray(layout.encode())
    place = lost.address - META.first
    data[place : place + lost.end - lost.address] = bytes(lost.end - lost.address)
    await shelf.write(META, bytes(data))

    frames, reader = await shelf.read(META)

    assert len(frames) == 1
    assert reader.address == lost.address


async def test_a_stale_frame_at_the_next_sector_is_not_read() -> None:
    """Bytes of an earlier attempt: sound, in their place, but of another predecessor."""
    shelf = await Shelf.make()
    layout = Layout(META)
    layout.add(text_payload("one"))
    layout.tail -= 8
    layout.add(text_payload("stale"), skip_to=next_sector(layout.tail))
    layout.tail = layout.frames[-1].end
    await shelf.write(META, layout.encode())

    frames, _ = await shelf.read(META)

    assert len(frames) == 1


async def test_a_segment_counts_only_up_to_its_end() -> None:
    shelf = await Shelf.make()
    layout = Layout(META)
    first = layout.add(text_payload("counts"))
    layout.add(text_payload("surfaced late"))
    await shelf.write(META, layout.encode())

    for end in range(first.end, layout.tail):
        frames, reader = await shelf.read(attrs.evolve(META, end=end))
        assert len(frames) == 1
        assert reader.address == first.end


# FrameScanner


@attrs.define
class Row:
    """Closed segments one after another, some empty, some with addresses left out between."""

    layouts: list[Layout]

    @property
    def segments(self) -> list[SegmentMeta]:
        return [closed(layout) for layout in self.layouts]

    @property
    def start(self) -> int:
        return self.layouts[0].meta.first

    @property
    def stop(self) -> int:
        """Where the last frame ends: a scan is asked for addresses that were given out."""
        ends = [frame.end for layout in self.layouts for frame in layout.frames]
        return max(ends, default=self.start)

    @property
    def payloads(self) -> list[bytes]:
        return [f.payload for layout in self.layouts for f in layout.frames]

    async def write(self) -> Shelf:
        shelf = await Shelf.make()
        for layout in self.layouts:
            await shelf.write(layout.meta, layout.encode())
        return shelf


@st.composite
def rows(draw: st.DrawFn) -> Row:
    found: list[Layout] = []
    first = draw(st.integers(0, 1000))
    for number in range(1, draw(st.integers(1, 4)) + 1):
        meta = SegmentMeta(number, number, first, first + (1 << 16))
        is_empty = draw(st.integers(0, 3)) == 0
        layout = Layout(meta) if is_empty else draw(layouts(meta))
        found.append(layout)
        first = layout.tail + draw(st.sampled_from([0, 0, 1, SECTOR_BYTES, 5000]))
    return Row(found)


@settings(max_examples=40)
@given(rows())
async def test_a_scan_crosses_segments_and_addresses_nobody_used(row: Row) -> None:
    shelf = await row.write()

    frames = await scan_all(shelf.scan(row.segments, row.start, row.stop))

    assert [frame.payload for frame in frames] == [p for p in row.payloads if p]


@settings(max_examples=40)
@given(rows(), st.data())
async def test_a_scan_takes_the_frames_of_its_range(
    row: Row, data: st.DataObject
) -> None:
    shelf = await row.write()
    frames = [frame for layout in row.layouts for frame in layout.frames]
    holes = [layout.meta.first for layout in row.layouts if layout.frames]
    ends = sorted({row.start, *holes, *(frame.end for frame in frames)})
    start, stop = sorted([data.draw(st.sampled_from(ends)) for _ in range(2)])

    found = await scan_all(shelf.scan(row.segments, start, stop))

    wanted = [f for f in frames if start <= f.follows and f.end <= stop and f.payload]
    assert [frame.address for frame in found] == [frame.address for frame in wanted]


@settings(max_examples=40)
@given(rows().filter(lambda row: any(row.payloads)), st.data())
async def test_damage_in_a_scan_is_named_with_file_and_offset(
    row: Row, data: st.DataObject
) -> None:
    layout = data.draw(st.sampled_from([x for x in row.layouts if x.frames]))
    frame = data.draw(st.sampled_from(layout.frames))
    place = layout.meta.offset(data.draw(st.integers(frame.address, frame.end - 1)))
    shelf = await row.write()
    shelf.disk.corrupt(shelf.path(layout.meta.number), place)

    scanner = shelf.scan(row.segments, row.start, row.stop)
    with pytest.raises(CorruptionError, match="none that verifies") as caught:
        await scan_all(scanner)

    assert caught.value.path == shelf.path(layout.meta.number)
    assert caught.value.offset == layout.meta.offset(frame.follows)


async def test_a_missing_segment_is_damage() -> None:
    shelf = await Shelf.make()

    with pytest.raises(CorruptionError, match="gone") as caught:
        await scan_all(shelf.scan([SegmentMeta(9, 1, 0, 100, 100)], 0, 100))

    assert caught.value.path == shelf.path(9)


async def test_addresses_behind_every_segment_are_damage() -> None:
    shelf = await Shelf.make()
    layout = Layout(META)
    layout.add(text_payload("one"))
    await shelf.write(META, layout.encode())

    scanner = shelf.scan([closed(layout)], META.first, layout.tail + 1)
    with pytest.raises(CorruptionError, match="no segment has this address") as caught:
        await scan_all(scanner)

    assert caught.value.path == FOLDER


async def test_a_scan_that_stops_within_a_synced_stretch_reads_no_further() -> None:
    shelf = await Shelf.make()
    layout = Layout(META)
    first = layout.add(text_payload("one"))
    layout.add(text_payload("two"))
    await shelf.write(META, layout.encode())
    shelf.disk.corrupt(shelf.path(1), META.offset(first.end))

    assert len(await scan_all(shelf.scan([META], META.first, first.end))) == 1

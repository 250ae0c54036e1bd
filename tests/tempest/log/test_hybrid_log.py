"""The log's watermarks rise in order; what it was given is in its files, in order, untouched."""

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from io_backends import DeviceError, FailOp, FaultPlan, FaultyIo, OpKind, VirtualIo
from tempest.log import (
    ActiveSegment,
    HybridLog,
    SealedFrame,
    SegmentMeta,
    capacity_bytes,
)
from tempest.log.frame import SECTOR_BYTES, Frame
from tempest.log.hybrid_log import PIECE_BYTES
from tests.tempest.log.recording import recording
from tests.tempest.log.support import FOLDER, STORE_ID, Shelf, scan_all, text_payload

LIMIT = 1 << 20


@attrs.define
class Driver:
    """Does what the committer does, one step at a time, and remembers what it sealed."""

    shelf: Shelf
    log: HybridLog
    segments: list[SegmentMeta]
    sealed: list[bytes] = attrs.field(factory=list)

    @classmethod
    async def make(cls, first: int = 0) -> "Driver":
        shelf = await Shelf.make()
        shelf.io = recording(shelf.io)
        log = await shelf.log(first, limit=LIMIT)
        assert log.segment is not None
        return cls(shelf, log, [log.segment.meta])

    def payload(self) -> bytes:
        sequence = len(self.sealed) + 1
        return text_payload("x" * (sequence * 97 % 700), sequence)

    async def seal(self) -> None:
        payload = self.payload()
        self.sealed.append(payload)
        self.log.seal(payload, len(self.sealed))

    async def seal_in_vain(self) -> None:
        self.log.unseal(self.log.seal(self.payload(), len(self.sealed) + 1))

    async def flush(self) -> None:
        await self.log.flush()

    async def inline(self) -> None:
        if self.log.flushed == self.log.tail:
            self.sealed.append(self.payload())
            self.log.flush_nowait(self.log.seal(self.sealed[-1], len(self.sealed)))

    async def sync(self) -> None:
        await self.log.flush()
        assert await self.log.sync() <= len(self.sealed)

    async def mark(self) -> None:
        if self.log.flushed == self.log.tail:
            self.log.mark_nowait(len(self.sealed))

    async def roll(self) -> None:
        log = self.log
        await log.sync()
        await log.sync()
        await log.adopt(await self._create(log.flushed))

    async def rewrite(self) -> None:
        log = self.log
        segment = await self._create(log.confirmed)
        frames = [f for f in log.retained if f.address >= log.confirmed]
        await log.rewrite(segment, frames)
        await log.adopt(segment)
        log.rewritten()

    async def _create(self, first: int) -> ActiveSegment:
        self.segments[-1] = attrs.evolve(self.segments[-1], end=first)
        number = len(self.segments) + 1
        meta = SegmentMeta(number, number, first, first + LIMIT)
        self.segments.append(meta)
        return await self.log.create_segment(meta)

    def watermarks(self) -> tuple[int, int, int, int]:
        log = self.log
        return (log.confirmed, log.durable, log.flushed, log.tail)

    async def read(self, stop: int) -> list[Frame]:
        return await scan_all(
            self.shelf.scan(self.segments, self.segments[0].first, stop)
        )


STEPS = st.lists(
    st.sampled_from(
        [
            *("seal", "seal", "flush", "flush", "sync", "sync", "inline", "mark"),
            *("roll", "rewrite", "seal_in_vain"),
        ]
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(STEPS, st.integers(0, 1500))
async def test_watermarks_rise_in_order_and_every_frame_is_in_its_place(
    steps: list[str], first: int
) -> None:
    """The backend checks beside it that no write touches a sector that was synced."""
    driver = await Driver.make(first)
    for name in steps:
        before = driver.watermarks()
        await getattr(driver, name)()
        after = driver.watermarks()
        assert list(after) == sorted(after)
        assert all(old <= new for old, new in zip(before[:3], after[:3], strict=True))
        ends = [frame.end for frame in driver.log.retained]
        assert all(end > driver.log.confirmed for end in ends)
    await driver.flush()

    frames = await driver.read(driver.log.flushed)

    assert [frame.payload for frame in frames] == driver.sealed
    assert all(f.header.synced_until <= f.header.follows for f in frames)


@given(STEPS.filter(lambda steps: "sync" in steps))
@settings(max_examples=30)
async def test_a_frame_is_retained_until_the_sync_after_its_own(
    steps: list[str],
) -> None:
    driver = await Driver.make()
    for name in steps:
        await getattr(driver, name)()

    log = driver.log
    held = [frame.payload for frame in log.retained if frame.payload]
    assert held == driver.sealed[len(driver.sealed) - len(held) :]
    assert await driver.read(log.confirmed) is not None
    if held:
        released = len(driver.sealed) - len(held)
        assert len(await driver.read(log.confirmed)) == released


async def test_sealing_gives_addresses_back_to_back() -> None:
    log = await (await Shelf.make()).log(512)

    one, other = log.seal(b"x" * 10, 1), log.seal(b"y", 2)

    assert (one.address, one.follows, one.end) == (512, 512, 570)
    assert (other.address, other.follows) == (570, 570)
    assert log.tail == other.end == log.data_end


async def test_behind_a_sync_the_next_frame_begins_in_a_new_sector() -> None:
    log = await (await Shelf.make()).log()
    log.seal(b"x", 1)
    await log.flush()
    end = log.flushed
    await log.sync()

    frame = log.seal(b"y", 2)

    assert (frame.follows, frame.address) == (end, SECTOR_BYTES)
    assert log.seal(b"z", 3).address == frame.end


async def test_a_frame_sealed_during_a_sync_begins_in_a_new_sector(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The sync may have begun to write the sector in which the frame before it ends."""
    shelf = await Shelf.make()
    shelf.io = VirtualIo(shelf.disk, latency=1.0)
    log = await shelf.log()
    log.seal(b"x", 1)
    await log.flush()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.sync)
        await trio.testing.wait_all_tasks_blocked()
        frame = log.seal(b"y", 2)
        log.flush_nowait(frame)

    assert frame.address == SECTOR_BYTES
    assert (log.durable, log.flushed) == (frame.follows, frame.end)


async def test_a_sync_tells_the_newest_sequence_it_made_durable() -> None:
    log = await (await Shelf.make()).log()
    log.seal(b"x", 7)
    await log.flush()
    log.seal(b"y", 9)

    assert await log.sync() == 7
    await log.flush()
    assert await log.sync() == 9


async def test_a_log_that_goes_on_within_a_sector_begins_in_the_next() -> None:
    """The bytes below were synced, if in another file: the addresses are one rule for all."""
    log = await (await Shelf.make()).log(100)

    frame = log.seal(b"x", 1)

    assert (frame.follows, frame.address) == (100, SECTOR_BYTES)


async def test_a_frame_taken_back_gives_its_addresses_back() -> None:
    log = await (await Shelf.make()).log(600)
    log.seal(b"x", 1)
    await log.flush()
    await log.sync()
    before = (log.tail, log.data_end)

    log.unseal(log.seal(b"y", 2))

    assert (log.tail, log.data_end) == before


async def test_a_mark_vouches_for_what_was_synced_and_holds_no_data() -> None:
    shelf = await Shelf.make()
    log = await shelf.log()
    log.seal(b"", 1)
    await log.flush()
    await log.sync()
    synced, data_end = log.durable, log.data_end

    log.mark_nowait(1)

    assert log.segment is not None
    frames, reader = await shelf.read(log.segment.meta)
    assert [frame.payload for frame in frames] == [b"", b""]
    assert reader.highest_mark == synced
    assert (log.flushed, log.data_end) == (log.tail, data_end)


async def test_a_mark_that_would_block_leaves_no_trace() -> None:
    shelf = await Shelf.make()
    log = await shelf.log()
    log.seal(b"", 1)
    await log.flush()
    await log.sync()
    before = (log.tail, log.flushed, log.retained)
    log.segment = attrs.evolve(_active(log), meta=_full(log))

    log.mark_nowait(1)

    assert (log.tail, log.flushed, log.retained) == before


def _active(log: HybridLog) -> ActiveSegment:
    assert log.segment is not None
    return log.segment


def _full(log: HybridLog) -> SegmentMeta:
    return attrs.evolve(_active(log).meta, limit=log.tail)


async def test_room_ends_at_the_limit_of_the_segment() -> None:
    log = await (await Shelf.make()).log(limit=200)
    assert log.has_room()

    log.seal(bytes(200 - 48), 1)
    assert log.has_room()

    log.seal(b"", 2)
    assert not log.has_room()


async def test_a_failed_segment_has_no_room() -> None:
    log = await (await Shelf.make()).log()
    _active(log).is_failed = True

    assert not log.has_room()


async def test_a_failed_sync_moves_no_watermark() -> None:
    shelf = await Shelf.make()
    plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,), at=5),))
    shelf.io = FaultyIo(shelf.io, plan)
    log = await shelf.log()
    log.seal(b"x", 1)
    await log.flush()
    before = (log.confirmed, log.durable, log.flushed)

    with pytest.raises(DeviceError):
        await log.sync()

    assert (log.confirmed, log.durable, log.flushed) == before
    assert log.seal(b"y", 2).address == SECTOR_BYTES


async def test_a_rewrite_carries_frames_to_their_addresses_in_another_file() -> None:
    """A failed sync proves nothing: not even what the sync before it reported is given up."""
    driver = await Driver.make(100)
    for name in ("seal", "flush", "sync", "seal", "flush", "sync", "seal"):
        await getattr(driver, name)()
    confirmed = driver.log.confirmed
    frames = driver.log.retained
    _active(driver.log).is_failed = True

    await driver.rewrite()

    assert driver.segments[-1].first == confirmed > 100
    found = await driver.read(driver.log.tail)
    assert [frame.payload for frame in found] == driver.sealed
    assert [f.address for f in found[1:]] == [f.address for f in frames]
    assert driver.log.durable == driver.log.tail


async def test_a_segment_that_could_not_be_made_is_not_adopted() -> None:
    shelf = await Shelf.make()
    log = HybridLog(
        FaultyIo(shelf.io, FaultPlan((FailOp(kinds=(OpKind.SYNC_DIR,)),))),
        FOLDER,
        STORE_ID,
        0,
    )

    with pytest.raises(DeviceError):
        await log.create_segment(SegmentMeta(1, 1, 0, 100))

    assert log.segment is None


async def test_recovered_frames_wait_to_be_written_again() -> None:
    log = HybridLog((await Shelf.make()).io, FOLDER, STORE_ID, 100)
    frames = [SealedFrame(100, 100, b"x", 1), SealedFrame(512, 149, b"y", 2)]

    for frame in frames:
        log.recover(frame)

    assert log.carried == frames
    assert (log.tail, log.flushed) == (frames[-1].end, 100)


@given(st.integers(0, 1 << 30), st.integers(1 << 12, 1 << 30))
def test_a_segment_has_room_for_what_waits(frames_bytes: int, maximum: int) -> None:
    room = capacity_bytes(frames_bytes, maximum)

    assert room >= frames_bytes
    assert room + SECTOR_BYTES >= maximum


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 5, 5 << 20])
async def test_a_frame_is_written_whole_however_many_pieces_that_takes(
    size: int,
) -> None:
    shelf = await Shelf.make()
    log = await shelf.log(limit=8 << 20)
    segment = log.segment
    assert segment is not None
    payload = text_payload("x" * (size // 2))
    frame = log.seal(payload, 1)

    await log.flush()

    data = frame.encode(segment.seed, 0)
    place = segment.meta.offset(frame.address)
    assert await segment.file.read_at(place, len(data)) == data
    assert log.flushed == frame.end

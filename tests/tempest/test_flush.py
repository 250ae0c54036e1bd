"""A stretch of the log becomes one table that says the same to every reader."""

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    NoSpaceError,
    NotFoundError,
    OpKind,
    TracingIo,
)
from journal import decode_record, encode_record
from tempest.columns import Columns, Kind, make_columns
from tempest.errors import BackgroundError, CorruptionError
from tempest.flush import FlushJob, flush, flush_problems
from tempest.header import encode_header, place_seed
from tempest.iterator import KeyRanges
from tempest.log import (
    Frame,
    FrameScanner,
    SealedFrame,
    SegmentMeta,
    encode_payload,
    segment_name,
)
from tests.tempest.compaction.world import ALL, FLUSHES, FOLDER, LIFE, JobWorld
from tests.tempest.table.support import STORE_ID, Version, run_of

NOWHERE = KeyRanges.union([])
FIRST = 1000  # the first address of the log in these tests

Batches = list[list[tuple[int, bool, int]]]


@attrs.define
class LogWorld(JobWorld):
    """A folder with log segments, one frame after the other."""

    segments: list[SegmentMeta] = attrs.field(factory=list)
    tail: int = FIRST
    sequence: int = 0

    async def write_segment(self, frames: list[list[Columns]]) -> None:
        """Put a closed segment with these frames behind the last one."""
        number, first = len(self.segments) + 500, self.tail
        meta = SegmentMeta(number, LIFE, first, ALL)
        header = meta.header(STORE_ID)
        file = await self.io.create_exclusive(self.segment_path(number))
        await file.write_at(0, encode_header(header))
        for runs in frames:
            frame = SealedFrame(self.tail, self.tail, encode_payload(runs), 0)
            data = frame.encode(place_seed(header), 0)
            await file.write_at(meta.offset(frame.address), data)
            self.tail = frame.end
        await file.aclose()
        self.segments.append(SegmentMeta(number, LIFE, first, self.tail, self.tail))

    def segment_path(self, number: int) -> str:
        return f"{FOLDER}/{segment_name(number)}"

    def versions(self, batch: list[tuple[int, bool, int]]) -> list[Version]:
        """Give the operations of a batch their sequences, in write order."""
        made: list[Version] = []
        for key, is_delete, size in batch:
            self.sequence += 1
            kind = Kind.DELETE if is_delete else Kind.PUT
            value = b"" if is_delete else b"%d" % self.sequence * size
            made.append((b"%02d" % key, self.sequence, kind, value))
        return made

    def flush_job(
        self,
        positions: tuple[int, ...] = (ALL,),
        *,
        start: int = FIRST,
        older: KeyRanges = NOWHERE,
    ) -> FlushJob:
        return FlushJob(
            segments=tuple(self.segments),
            start=start,
            stop=self.tail,
            positions=positions,
            older=older,
            outputs=self.plan(numbers=1),
        )


async def written(batches: Batches, per_segment: int) -> tuple[LogWorld, list[Version]]:
    """A log with one frame for each batch."""
    world = LogWorld()
    await world.make_folder()
    history: list[Version] = []
    frames: list[list[Columns]] = []
    for batch in batches:
        versions = world.versions(batch)
        history += versions
        half = len(versions) // 2
        frames.append(
            [run_of(part) for part in (versions[:half], versions[half:]) if part]
        )
    for place in range(0, len(frames), per_segment):
        await world.write_segment(frames[place : place + per_segment])
    return world, history


def seen_at(history: list[Version], position: int) -> dict[bytes, bytes]:
    rows: dict[bytes, bytes] = {}
    for key, sequence, kind, value in history:
        if sequence <= position:
            rows.pop(key, None)
            if kind is Kind.PUT:
                rows[key] = value
    return rows


@settings(max_examples=80)
@given(FLUSHES, st.sets(st.integers(1, 100), max_size=3), st.integers(1, 4))
async def test_no_reader_notices_a_flush(
    batches: Batches, inside: set[int], per_segment: int
) -> None:
    """T22, T24: what was deleted stays so, and what a snapshot sees stays too."""
    world, history = await written(batches, per_segment)
    positions = tuple(sorted({*inside, ALL}))

    result = await flush(world.io, world.flush_job(positions), inline=True)

    world.levels[0] = list(result.tables)
    assert len(result.tables) <= 1, "level 0 gets one table"
    assert result.entries_in == len(history)
    for position in positions:
        assert await world.rows_at(position) == seen_at(history, position)
    assert world.open_files() == 0


@settings(max_examples=60)
@given(FLUSHES, st.booleans(), st.integers(1, 4))
async def test_small_frames_taken_together_make_the_same_table(
    batches: Batches, singly: bool, per_segment: int
) -> None:
    """The oracle takes them frame by frame."""
    if singly:  # as single writes at OS level leave them
        batches = [[operation] for batch in batches for operation in batch]
    results = []
    for next_part in (FrameScanner.next_part, one_by_one):
        world, _ = await written(batches, per_segment)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FrameScanner, "next_part", next_part)
            results.append(await flush(world.io, world.flush_job(), inline=True))

    assert results[0] == results[1], "its checksum covers every byte of the table"


async def one_by_one(scanner: FrameScanner, bytes_max: int) -> Frame | None:
    return await scanner.next()


@settings(max_examples=30)
@given(FLUSHES, st.data())
async def test_a_flush_takes_its_stretch_and_no_more(
    batches: Batches, data: st.DataObject
) -> None:
    world, _ = await written(batches, 2)
    cut = data.draw(st.integers(0, len(world.segments) - 1))
    early = sum(map(len, batches[: 2 * cut]))

    job = world.flush_job((early + 1, ALL), start=world.segments[cut].first)
    result = await flush(world.io, job, inline=True)

    assert result.entries_in == sum(map(len, batches[2 * cut :]))
    assert all(table.sequence_min > early for table in result.tables)


async def test_a_flush_keeps_tombstones_over_what_tables_may_hold() -> None:
    world, _ = await written([[(1, True, 0), (5, True, 0)]], 1)
    older = KeyRanges.union([(b"00", b"03")])

    result = await flush(world.io, world.flush_job(older=older), inline=True)

    assert (result.entries_out, result.tombstones) == (1, 1)
    assert result.tables[0].smallest == b"01"


async def test_a_flush_that_drops_everything_makes_no_table() -> None:
    """T11: a log of deletes alone flushes to nothing."""
    world, _ = await written([[(1, False, 3), (1, True, 0)]], 1)
    files = world.disk.files()

    result = await flush(world.io, world.flush_job(), inline=True)

    assert result.tables == ()
    assert (result.entries_in, result.shadowed, result.tombstones) == (2, 1, 1)
    assert world.disk.files() == files


async def test_an_empty_stretch_flushes_to_nothing() -> None:
    world = LogWorld()
    await world.make_folder()

    result = await flush(world.io, world.flush_job(), inline=True)

    assert (result.tables, result.entries_in) == ((), 0)


async def test_many_entries_are_sorted_in_steps() -> None:
    world = LogWorld()
    await world.make_folder()
    frames: list[list[Columns]] = []
    for first in range(0, 20_000, 1000):
        sequences = range(first + 1, first + 1001)
        keys = [b"%05d" % (sequence * 7919 % 15_000) for sequence in sequences]
        values = [b"%d" % sequence for sequence in sequences]
        frames.append([make_columns(keys, values, sequences)])
    await world.write_segment(frames)

    result = await flush(world.io, world.flush_job(), inline=True)

    assert (result.entries_in, result.entries_out) == (20_000, 15_000)
    assert result.shadowed == 5000
    table = result.tables[0]
    assert (table.smallest, table.largest) == (b"00000", b"14999")
    chunks = await world.read(table)
    newest = {b"%05d" % (s * 7919 % 15_000): b"%d" % s for s in range(1, 20_001)}
    assert newest == {
        key: value
        for chunk in chunks
        for key, value in zip(chunk.keys, chunk.values, strict=True)
    }


# -------------------------------------------------------------------------------------------------
# Failure
# -------------------------------------------------------------------------------------------------

SOME: Batches = [
    [(key, False, 20) for key in range(10)],
    [(3, True, 0)],
    [(4, False, 9)],
]


async def test_damage_in_the_stretch_ends_the_flush() -> None:
    """R12: a frame that does not verify is never skipped."""
    for place in (0, 50, 140):
        world, _ = await written(SOME, 3)
        segment = world.segments[0]
        path = world.segment_path(segment.number)
        world.disk.corrupt(path, segment.offset(segment.first) + place)

        with pytest.raises(CorruptionError) as caught:
            await flush(world.io, world.flush_job(), inline=True)

        assert caught.value.path == path
        assert world.open_files() == 0


async def test_a_segment_that_ends_too_soon_ends_the_flush() -> None:
    world, _ = await written(SOME, 3)
    path = world.segment_path(world.segments[0].number)
    file = await world.io.open(path, writable=True)
    await file.truncate(await file.size() - 1)
    await file.aclose()

    with pytest.raises(CorruptionError, match=path):
        await flush(world.io, world.flush_job(), inline=True)


async def test_a_missing_segment_ends_the_flush() -> None:
    world, _ = await written(SOME, 1)
    await world.io.remove(world.segment_path(world.segments[1].number))

    with pytest.raises(CorruptionError, match="gone"):
        await flush(world.io, world.flush_job(), inline=True)

    assert world.open_files() == 0


async def test_every_operation_that_fails_ends_the_flush_by_name() -> None:
    world, _ = await written(SOME, 2)
    tracing = TracingIo(world.io)
    await flush(tracing, world.flush_job(), inline=True)
    assert tracing.counts()[OpKind.SYNC] == tracing.counts()[OpKind.SYNC_DIR] == 1

    for at in range(len(tracing.ops)):
        io = FaultyIo(world.io, FaultPlan((FailOp(at=at, error="ENOSPC"),)))
        with pytest.raises(NoSpaceError):
            await flush(io, world.flush_job(), inline=True)
        assert world.open_files() == 0

    again = await flush(world.io, world.flush_job(), inline=True)
    assert again.entries_out == 9


async def test_a_folder_that_is_gone_ends_the_flush() -> None:
    world, _ = await written(SOME, 2)
    job = world.flush_job()
    nowhere = attrs.evolve(job, segments=(), stop=job.start)
    nowhere = attrs.evolve(nowhere, outputs=attrs.evolve(job.outputs, folder="gone"))

    assert (await flush(world.io, nowhere, inline=True)).tables == ()
    elsewhere = attrs.evolve(job, outputs=attrs.evolve(job.outputs, folder="gone"))
    with pytest.raises((NotFoundError, CorruptionError)):
        await flush(world.io, elsewhere, inline=True)


async def test_a_flush_of_what_is_not_visible_yet_is_refused() -> None:
    """A table may hold nothing that is above the visible sequence."""
    world, history = await written(SOME, 2)
    job = world.flush_job((len(history) - 1,))

    with pytest.raises(BackgroundError, match="not visible yet"):
        await flush(world.io, job, inline=True)


async def test_a_flush_job_is_bytes_and_back() -> None:
    world, _ = await written(SOME, 1)
    job = world.flush_job((3, ALL), older=KeyRanges.union([(b"a", b"b")]))

    assert decode_record(FlushJob, encode_record(job)) == job


async def test_through_run_job_it_is_the_same() -> None:
    world, _ = await written(SOME, 1)

    inline = await flush(world.io, world.flush_job(), inline=True)
    result = await flush(world.io, world.flush_job(), inline=False)

    assert result.entries_out == inline.entries_out == 9
    assert list(flush_problems(world.flush_job(), inline)) != []

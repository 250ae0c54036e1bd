"""Collection jobs on a virtual disk: values leave segments whole, or the job says why not."""

from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given, settings, strategies as st

from io_backends import (
    ExistsError,
    FailOp,
    FaultPlan,
    FaultyIo,
    FileIo,
    Io,
    NoSpaceError,
    OpKind,
    TracingIo,
)
from tempest.compaction import collect, collection_problems
from tempest.errors import BackgroundError, CorruptionError
from tempest.log import scan_frames
from tempest.table import table_name
from tests.tempest.compaction.test_job import CancellingIo
from tests.tempest.compaction.valued import (
    ValuedWorld,
    deletes,
    rows,
    two_segments,
)
from tests.tempest.compaction.world import ALL, FOLDER
from tests.tempest.table.support import STORE_ID


async def test_what_is_read_is_the_same_before_and_after() -> None:
    """R19, O12: live keys of an emptied segment are copied forward, none is dropped."""
    world, old, _ = await two_segments()
    before = await world.values_at(ALL)
    (victim,) = old.segments

    result = await world.collect(world.collection(victim))

    assert await world.values_at(ALL) == before == rows(5, 10) | rows(0, 5, b"w")
    assert victim not in world.live()
    assert (result.values, result.value_bytes) == (10, 1000)


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 12), st.integers(1, 90)), min_size=1),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
def test_any_tables_read_the_same_after_any_collection(
    batches: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    """R19: an oracle before and after, at every position; accounts are those of the pointers."""

    async def main() -> None:
        world = ValuedWorld()
        await world.make_folder()
        ends: list[int] = []
        for batch in batches:
            part = {b"%02d" % key: bytes([65 + key]) * size for key, size in batch}
            await world.add(0, await world.add_values(part))
            ends.append(world.sequence)
        if data.draw(st.booleans()) and len(batches) > 1:
            await world.compact(world.job(tuple(ends), numbers=9))
        victims = data.draw(
            st.lists(st.sampled_from(sorted(world.live())), unique=True, min_size=1)
        )
        before = [await world.values_at(end) for end in ends]

        result = await world.collect(
            world.collection(
                *victims,
                positions=tuple(ends),
                targets=data.draw(st.integers(1, 3)),
                segment_bytes_max=data.draw(st.integers(600, 2000)),
            )
        )

        assert [await world.values_at(end) for end in ends] == before
        assert world.live().keys().isdisjoint(victims)
        for segment in result.segments:
            assert world.live()[segment.number] == segment.value_bytes
        assert world.open_files() == 0

    trio.run(main)


async def test_versions_that_only_a_snapshot_sees_are_copied_too() -> None:
    """Invariant 9: a position between two versions keeps the older one, wherever it lies."""
    world = ValuedWorld()
    await world.make_folder()
    old = await world.add(0, await world.add_values(rows(0, 4)))
    then = world.sequence
    await world.add(0, await world.add_values(rows(0, 4, b"w")))
    await world.compact(world.job((then, ALL)))
    seen = await world.values_at(then)

    await world.collect(world.collection(*old.segments, positions=(then, ALL)))

    assert await world.values_at(then) == seen == rows(0, 4)
    assert await world.values_at(ALL) == rows(0, 4, b"w")


async def test_a_table_of_level_0_stays_one_table_newer_than_those_below() -> None:
    """No old version comes out newer than a delete: nothing goes through the tail."""
    world, old, new = await two_segments()
    world.sequence += 1
    gone = await world.add(0, deletes([b"key-003"], world.sequence))
    before = await world.values_at(ALL)

    await world.collect(world.collection(*old.segments, *new.segments))

    assert await world.values_at(ALL) == before
    assert b"key-003" not in before
    newest, rewritten = world.levels[0]
    assert newest == gone
    assert (rewritten.sequence_min, rewritten.sequence_max) == (
        new.sequence_min,
        new.sequence_max,
    )


async def test_a_value_segment_is_a_log_segment_that_tells_its_keys() -> None:
    world, old, _ = await two_segments()
    result = await world.collect(world.collection(*old.segments))
    (segment,) = result.segments
    assert segment.end is not None
    scanner = scan_frames(
        world.io, FOLDER, STORE_ID, [segment], segment.first, segment.end
    )
    found: dict[bytes, bytes] = {}
    try:
        while (frame := await scanner.next()) is not None:
            assert frame.header.synced_until == segment.first
            for run in frame.runs(""):
                found |= zip(run.keys, run.values, strict=True)
    finally:
        await scanner.aclose()
    assert found == rows(0, 10)


async def test_values_are_spread_over_segments_of_the_wanted_size() -> None:
    world = ValuedWorld()
    await world.make_folder()
    table = await world.add(1, await world.add_values(rows(0, 600)))

    result = await world.collect(
        world.collection(*table.segments, targets=4, segment_bytes_max=20_000)
    )

    sizes = [segment.file_bytes for segment in result.segments]
    assert all(20_000 <= size < 22_000 for size in sizes[:-1])
    assert sum(segment.value_bytes for segment in result.segments) == 60_000
    assert len(sizes) == 4
    assert await world.values_at(ALL) == rows(0, 600)


async def test_old_segments_are_only_read_and_new_files_only_made() -> None:
    """R20, H3: not a byte of what the manifest names is written, moved or removed."""
    world, old, new = await two_segments()
    tracing = TracingIo(world.io)
    job = world.collection(*old.segments, *new.segments)
    names = {path: world.disk.read(path) for path in world.disk.files()}

    result = await collect(tracing, job, inline=True)

    assert {path: world.disk.read(path) for path in names} == names
    made = {f"{FOLDER}/{table_name(table.number)}" for table in result.tables}
    made |= {world.path(segment) for segment in result.segments}
    changed = {
        traced.op.path
        for traced in tracing.ops
        if traced.op.kind in {OpKind.WRITE, OpKind.TRUNCATE, OpKind.RENAME}
    }
    assert changed == made
    assert tracing.counts()[OpKind.REMOVE] == 0


async def test_what_a_finished_job_names_survives_a_power_cut() -> None:
    """Invariant 1: data, sync, folder, and only then may an edit name it."""
    world, old, _ = await two_segments()
    result = await collect(world.io, world.collection(*old.segments), inline=True)

    after = world.disk.crash_keeping(())

    for segment in result.segments:
        assert len(after.read(world.path(segment))) == segment.file_bytes
    for table in result.tables:
        assert len(after.read(f"{FOLDER}/{table_name(table.number)}")) == table.size


async def test_every_operation_that_fails_ends_the_job_by_name() -> None:
    """H8: each operation fails once; no handle stays open, the inputs stay what they are."""
    world, old, new = await two_segments()
    victims = *old.segments, *new.segments
    tracing = TracingIo(world.io)
    await collect(tracing, world.collection(*victims), inline=True)
    inputs = {path: world.disk.read(path) for path in world.disk.files()[:4]}

    for at in range(len(tracing.ops)):
        io = FaultyIo(world.io, FaultPlan((FailOp(at=at, error="ENOSPC"),)))
        with pytest.raises(NoSpaceError, match="injected"):
            await collect(io, world.collection(*victims), inline=True)
        assert world.open_files() == 0
        assert {path: world.disk.read(path) for path in inputs} == inputs


async def test_a_cancelled_job_holds_no_handle_and_can_be_done_again() -> None:
    world, old, new = await two_segments()
    victims = *old.segments, *new.segments
    before = await world.values_at(ALL)
    tracing = TracingIo(world.io)
    await collect(tracing, world.collection(*victims), inline=True)

    for at in range(len(tracing.ops)):
        io = CancellingIo(world.io, at)
        with io.scope:
            await collect(io, world.collection(*victims), inline=True)
        assert world.open_files() == 0

    await world.collect(world.collection(*victims))
    assert await world.values_at(ALL) == before


async def test_a_damaged_value_ends_the_job_and_is_not_copied() -> None:
    """R12: what cannot be read is never skipped, and never made to look whole."""
    world, old, _ = await two_segments()
    segment = world.segments[old.segments[0]]
    world.disk.corrupt(world.path(segment), segment.file_bytes // 2)

    with pytest.raises(CorruptionError) as caught:
        await collect(world.io, world.collection(segment.number), inline=True)

    assert caught.value.path == world.path(segment)
    assert 0 <= segment.file_bytes // 2 - caught.value.offset < 100
    assert world.open_files() == 0


async def test_a_segment_that_is_gone_ends_the_job() -> None:
    world, old, _ = await two_segments()
    segment = world.segments[old.segments[0]]
    await world.io.remove(world.path(segment))

    with pytest.raises(CorruptionError, match="gone"):
        await collect(world.io, world.collection(segment.number), inline=True)


async def test_a_reserved_name_that_is_taken_is_never_overwritten() -> None:
    """H3: a value segment is created exclusively."""
    world, old, _ = await two_segments()
    job = world.collection(*old.segments)
    path = world.path(job.relocation.targets[0])
    await (await world.io.create_exclusive(path)).aclose()

    with pytest.raises(ExistsError):
        await collect(world.io, job, inline=True)

    assert world.disk.read(path) == b""
    assert world.open_files() == 0


async def test_a_worker_process_does_the_same_job(tmp_path: Path) -> None:
    memory, _, _ = await two_segments()
    io: Io = FileIo()
    try:
        for path in memory.disk.files():
            (tmp_path / Path(path).name).write_bytes(memory.disk.read(path))
        job = memory.collection(*memory.segments)
        plans = tuple(
            attrs.evolve(r, outputs=attrs.evolve(r.outputs, folder=str(tmp_path)))
            for r in job.rewrites
        )
        result = await collect(io, attrs.evolve(job, rewrites=plans), inline=False)
    finally:
        await io.aclose()

    assert result == await collect(memory.io, job, inline=True)


async def test_a_result_that_does_not_add_up_is_refused() -> None:
    """Entries and bytes are counted twice, by those who copy and by those who point."""
    world, old, _ = await two_segments()
    job = world.collection(*old.segments)
    good = await collect(world.io, job, inline=True)
    (segment,), (table,) = good.segments, good.tables
    assert list(collection_problems(job, good)) == []

    for bad in (
        attrs.evolve(good, segments=()),
        attrs.evolve(good, segments=(segment, segment)),
        attrs.evolve(good, segments=(attrs.evolve(segment, end=None),)),
        attrs.evolve(good, segments=(attrs.evolve(segment, life=9),)),
        attrs.evolve(good, segments=(attrs.evolve(segment, value_bytes=1),)),
        attrs.evolve(good, value_bytes=1),
        attrs.evolve(good, entries_in=9),
        attrs.evolve(good, tables=()),
        attrs.evolve(good, tables=(table, attrs.evolve(table, number=99_999))),
        attrs.evolve(good, tables=(attrs.evolve(table, segments=old.segments),)),
        attrs.evolve(good, tables=(attrs.evolve(table, segment_bytes=(999,)),)),
    ):
        assert list(collection_problems(job, bad)), bad


async def test_what_does_not_add_up_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    world, old, _ = await two_segments()
    monkeypatch.setattr(
        "tempest.compaction.collection.collection_problems", lambda *_: ["it is wrong"]
    )
    with pytest.raises(BackgroundError, match="it is wrong"):
        await collect(world.io, world.collection(*old.segments), inline=True)

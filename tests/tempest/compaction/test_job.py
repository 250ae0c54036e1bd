"""Compaction jobs on a virtual disk: what goes in comes out, whole, or the job says why not."""

from itertools import pairwise
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
    Op,
    OpKind,
    PowerLostError,
    TracedOp,
    TracingIo,
    VirtualIo,
)
from tempest.columns import Kind, make_columns
from tempest.compaction import (
    compact,
    numbers_wanted,
)
from tempest.errors import CorruptionError
from tempest.options import Compression
from tempest.table import table_name
from tests.tempest.compaction.world import (
    ALL,
    FLUSHES,
    FOLDER,
    OPTIONS,
    JobWorld,
    two_tables,
)
from tests.tempest.table.support import Version, puts, run_of

Batches = list[list[tuple[int, bool, int]]]


async def flushed(batches: Batches) -> tuple[JobWorld, list[Version]]:
    """A world with one table of level 0 for each batch, and all that was ever written."""
    world = JobWorld()
    await world.make_folder()
    history: list[Version] = []
    for batch in batches:
        versions: list[Version] = []
        for key, is_delete, size in batch:
            sequence = len(history) + len(versions) + 1
            kind = Kind.DELETE if is_delete else Kind.PUT
            value = b"" if is_delete else b"%d" % sequence * size
            versions.append((b"%02d" % key, sequence, kind, value))
        history += versions
        ordered = sorted(versions, key=lambda version: (version[0], -version[1]))
        await world.add(0, run_of(ordered))
    return world, history


def seen_at(history: list[Version], position: int) -> dict[bytes, bytes]:
    rows: dict[bytes, bytes] = {}
    for key, sequence, kind, value in history:
        if sequence <= position:
            rows.pop(key, None)
            if kind is Kind.PUT:
                rows[key] = value
    return rows


@settings(max_examples=60)
@given(
    FLUSHES,
    st.sets(st.integers(1, 100), max_size=3),
    st.sampled_from([200, 600, 1 << 20]),
    st.integers(1, 5),
)
async def test_no_reader_notices_a_compaction(
    batches: Batches, inside: set[int], table_bytes_max: int, numbers: int
) -> None:
    world, history = await flushed(batches)
    positions = tuple(sorted({*inside, ALL}))

    result = await world.compact(
        world.job(positions, table_bytes_max=table_bytes_max, numbers=numbers)
    )

    for position in positions:
        assert await world.rows_at(position) == seen_at(history, position)
    assert result.entries_in == len(history)
    assert world.open_files() == 0


@settings(max_examples=30)
@given(FLUSHES, st.integers(1, 3))
async def test_compacting_into_what_is_below_brings_nothing_back(
    batches: Batches, split: int
) -> None:
    """B3, S2: tombstones meet the values below them, also when those came down before."""
    world, history = await flushed(batches)
    newer = world.levels[0][: -split or None]
    world.levels[0] = world.levels[0][len(newer) :]
    if world.levels[0]:
        await world.compact(world.job())
    world.levels[0] = newer
    for positions, level in (((3, ALL), 1), ((ALL,), 2), ((ALL,), 3)):
        if any(world.levels):
            await world.compact(world.job(positions, output_level=level))
        assert await world.rows_at(ALL) == seen_at(history, ALL)


async def test_a_tombstone_stays_over_a_deeper_table_that_is_no_input() -> None:
    """R15: only what nothing older can lie below is dropped."""
    world = JobWorld()
    await world.make_folder()
    await world.add(2, run_of([(b"a", 1, Kind.PUT, b"old"), (b"m", 2, Kind.PUT, b"")]))
    await world.add(
        0, run_of([(b"b", 3, Kind.DELETE, b""), (b"x", 4, Kind.DELETE, b"")])
    )

    result = await world.compact(world.job())

    assert (result.entries_out, result.tombstones) == (1, 1)
    (block,) = await world.read(result.tables[0])
    assert list(block.keys) == [b"b"]


async def test_a_compaction_that_drops_everything_makes_no_table() -> None:
    """T11: no output at all is a result like any other."""
    world = JobWorld()
    await world.make_folder()
    await world.add(0, run_of([(b"a", 1, Kind.PUT, b"v")]))
    await world.add(0, run_of([(b"a", 2, Kind.DELETE, b"")]))
    files = set(world.disk.files())

    result = await world.compact(world.job())

    assert result.tables == ()
    assert (result.entries_in, result.entries_out) == (2, 0)
    assert (result.shadowed, result.tombstones) == (1, 1)
    assert set(world.disk.files()) == files


async def test_outputs_are_cut_near_the_size_and_never_inside_a_key() -> None:
    """A9: a key that straddles two tables loses its newer half to the next compaction."""
    world = JobWorld()
    await world.make_folder()
    versions: list[Version] = [
        (b"%03d" % key, 1 + key * 20 + place, Kind.PUT, b"v" * 50)
        for key in range(40)
        for place in range(19, -1, -1)
    ]
    await world.add(0, run_of(versions))

    result = await world.compact(world.job(tuple(range(1, 801)), table_bytes_max=3000))

    assert result.entries_out == 800
    assert len(result.tables) > 10
    for one, next_one in pairwise(result.tables):
        assert one.largest < next_one.smallest
        assert 3000 < one.size < 5000


async def test_outputs_come_close_to_the_size_they_are_to_have() -> None:
    world = JobWorld()
    await world.make_folder()
    await world.add(0, puts(20_000))
    job = world.job(table_bytes_max=200_000)
    options = attrs.evolve(OPTIONS, block_bytes=8192, compression=Compression.LZ4)
    job = attrs.evolve(job, outputs=attrs.evolve(job.outputs, options=options))

    result = await world.compact(job)

    assert len(result.tables) > 2
    for table in result.tables[:-1]:
        assert 180_000 < table.size < 280_000


async def test_the_last_reserved_number_takes_all_that_is_left() -> None:
    world = JobWorld()
    await world.make_folder()
    await world.add(0, puts(500))

    result = await world.compact(world.job(table_bytes_max=600, numbers=2))

    assert [table.entries for table in result.tables][1] > 400
    assert result.entries_out == 500


@pytest.mark.parametrize("mib", [3, pytest.param(64, marks=pytest.mark.slow)])
async def test_a_large_value_goes_through(mib: int) -> None:
    world = JobWorld()
    await world.make_folder()
    value = bytes(mib << 20)
    await world.add(0, make_columns([b"a", b"b"], [value, b"small"], [1, 2]))

    result = await world.compact(world.job())

    rows = await world.rows_at(ALL)
    assert rows[b"a"] == value
    assert rows[b"b"] == b"small"
    assert len(result.tables) == 2


async def test_enough_numbers_are_wanted_for_the_outputs() -> None:
    world = JobWorld()
    await world.make_folder()
    await world.add(0, puts(500))
    choice = world.choice(output_level=1)

    result = await world.compact(world.job(table_bytes_max=2000))

    assert len(result.tables) <= numbers_wanted(choice, table_bytes_max=2000)


# -------------------------------------------------------------------------------------------------
# Durability, failure, cancellation
# -------------------------------------------------------------------------------------------------


class CancellingIo(TracingIo):
    """An `Io` whose user is cancelled when operation `at` is about to start."""

    def __init__(self, inner: Io, at: int) -> None:
        super().__init__(inner)
        self.at = at
        self.scope = trio.CancelScope()

    def _record(self, op: Op) -> TracedOp:
        if op.index == self.at:
            self.scope.cancel()
        return super()._record(op)


async def test_what_a_finished_job_names_survives_a_power_cut() -> None:
    """A2: data, then the names of the folder, and only then may anybody name the tables."""
    world = await two_tables()
    result = await compact(world.io, world.job(), inline=True)

    after = world.disk.crash_keeping(())

    for table in result.tables:
        path = f"{FOLDER}/{table_name(table.number)}"
        assert len(after.read(path)) == table.size


async def test_the_folder_is_synced_once_and_last() -> None:
    world = await two_tables()
    tracing = TracingIo(world.io)

    result = await compact(tracing, world.job(), inline=True)

    assert tracing.counts()[OpKind.SYNC_DIR] == 1
    assert tracing.counts()[OpKind.SYNC] == len(result.tables)
    assert tracing.ops[-1].op.kind is OpKind.SYNC_DIR
    assert tracing.counts()[OpKind.REMOVE] == 0


async def test_every_operation_that_fails_ends_the_job_by_name() -> None:
    """Each operation fails once: the job raises, holds no handle and leaves the inputs alone."""
    world = await two_tables()
    tracing = TracingIo(world.io)
    await compact(tracing, world.job(), inline=True)
    inputs = {path: world.disk.read(path) for path in world.disk.files()[:2]}

    for at in range(len(tracing.ops)):
        io = FaultyIo(world.io, FaultPlan((FailOp(at=at, error="ENOSPC"),)))
        with pytest.raises(NoSpaceError) as caught:
            await compact(io, world.job(), inline=True)
        assert (caught.value.errno, caught.value.detail) == (28, "injected")
        assert world.open_files() == 0
        assert {path: world.disk.read(path) for path in inputs} == inputs


async def test_a_power_cut_ends_the_job_as_such() -> None:
    world = await two_tables()
    assert isinstance(world.io, VirtualIo)
    job = world.job()
    world.io.power_off()

    with pytest.raises(PowerLostError):
        await compact(world.io, job, inline=True)


async def test_a_damaged_block_ends_the_job() -> None:
    """R12: what cannot be read is never skipped, in whichever input it stands."""
    for victim in range(2):
        world = await two_tables()
        table = world.levels[0][victim]
        path = f"{FOLDER}/{table_name(table.number)}"
        world.disk.corrupt(path, table.size // 3)

        with pytest.raises(CorruptionError) as caught:
            await compact(world.io, world.job(), inline=True)

        assert caught.value.path == path
        assert 64 <= caught.value.offset <= table.size // 3
        assert world.open_files() == 0


async def test_a_missing_input_ends_the_job() -> None:
    world = await two_tables()
    path = f"{FOLDER}/{table_name(world.levels[0][1].number)}"
    await world.io.remove(path)

    with pytest.raises(CorruptionError, match=path):
        await compact(world.io, world.job(), inline=True)


async def test_a_reserved_name_that_is_taken_is_never_overwritten() -> None:
    world = await two_tables()
    job = world.job()
    path = f"{FOLDER}/{table_name(job.outputs.numbers[0])}"
    await (await world.io.create_exclusive(path)).aclose()

    with pytest.raises(ExistsError):
        await compact(world.io, job, inline=True)

    assert world.disk.read(path) == b""
    assert world.open_files() == 0


async def test_a_cancelled_job_holds_no_handle_and_can_be_done_again() -> None:
    world = await two_tables()
    tracing = TracingIo(world.io)
    await compact(tracing, world.job(), inline=True)

    for at in range(len(tracing.ops)):
        io = CancellingIo(world.io, at)
        with io.scope:
            await compact(io, world.job(), inline=True)
        assert world.open_files() == 0

    again = await world.compact(world.job())
    assert again.entries_out == 120


async def test_a_job_gives_way_to_others() -> None:
    """A thousand entries at most between two turns of a task that only wants to run."""
    world = JobWorld()
    await world.make_folder()
    await world.add(0, puts(10_000))
    await world.add(0, puts(10_000))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        await compact(world.io, world.job(table_bytes_max=1 << 30), inline=True)
        nursery.cancel_scope.cancel()

    assert turns >= 8


async def test_through_run_job_it_is_the_same() -> None:
    world = await two_tables()
    job = world.job()

    result = await compact(world.io, job, inline=False)

    assert result.entries_out == 120
    world.disk.corrupt(f"{FOLDER}/{table_name(job.tables[0].number)}", 100)
    with pytest.raises(CorruptionError):
        await compact(world.io, world.job(), inline=False)


async def test_a_worker_process_does_the_same_job(tmp_path: Path) -> None:
    """The result, and the error, of a worker are those of the same job in place."""
    world = JobWorld(folder=str(tmp_path))
    world.io = FileIo()
    try:
        victim = await world.add(0, puts(60))
        await world.add(0, puts(60, first=60))

        result = await compact(world.io, world.job(), inline=False)
        again = await compact(world.io, world.job(), inline=True)

        assert [table.entries for table in result.tables] == [
            table.entries for table in again.tables
        ]
        path = tmp_path / table_name(victim.number)
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(CorruptionError, match=path.name):
            await compact(world.io, world.job(), inline=False)
    finally:
        await world.io.aclose()

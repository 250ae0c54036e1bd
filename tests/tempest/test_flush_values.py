"""A flush that leaves values in the log: pointers lead to them, tables say how much, and merge so."""

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.errors import CorruptionError
from tempest.flush import flush
from tempest.iterator import combine, visible_rows
from tempest.pointers import Pointer, decode_pointer
from tempest.table import (
    BlockCache,
    TableCache,
    TableMeta,
    check_table,
    pointers_of,
)
from tempest.values import Values
from tempest.version import Version
from tests.tempest.compaction.world import ALL, FOLDER
from tests.tempest.table.support import STORE_ID
from tests.tempest.test_flush import LogWorld, seen_at, written

LEAST = 40
# Some values are below the least, some above; many keys come more than once.
BATCHES = st.lists(
    st.lists(
        st.tuples(st.integers(0, 20), st.booleans(), st.sampled_from([1, 30, 60])),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=5,
)


def values_on(world: LogWorld, cache_bytes_max: int = 0) -> Values:
    return Values(world.io, FOLDER, STORE_ID, cache_bytes_max, 2)


def version_of(world: LogWorld) -> Version:
    return attrs.evolve(Version.initial(), segments=tuple(world.segments))


async def flushed(world: LogWorld, positions: tuple[int, ...] = (ALL,)) -> None:
    job = attrs.evolve(world.flush_job(positions), separated_value_bytes_min=LEAST)
    result = await flush(world.io, job, inline=True)
    world.levels[0] = list(result.tables)
    assert result.separated == sum(
        [len(list(pointers_of(run))) for run in await runs_of(world, result.tables)]
    )


async def runs_of(world: LogWorld, tables: tuple[TableMeta, ...]) -> list[Columns]:
    return [run for table in tables for run in await world.read(table)]


async def rows_at(world: LogWorld, position: int) -> dict[bytes, bytes]:
    """What a reader at a position sees, pointers followed."""
    tables = tuple(table for level in world.levels for table in level)
    runs = await runs_of(world, tables)
    if not runs:
        return {}
    keys, found, kinds = visible_rows(combine(runs), position)
    values, version = values_on(world), version_of(world)
    rows = {}
    for index, (key, value) in enumerate(zip(keys, found, strict=True)):
        is_pointer = bool(kinds) and kinds[index] == Kind.POINTER
        rows[key] = (
            await values.read(decode_pointer(value), version) if is_pointer else value
        )
        assert is_pointer == (len(rows[key]) >= LEAST)
    await values.aclose()
    return rows


@settings(max_examples=60)
@given(BATCHES, st.sets(st.integers(1, 60), max_size=2), st.integers(1, 3))
async def test_no_reader_notices_that_values_stay_in_the_log(
    batches: list[list[tuple[int, bool, int]]], inside: set[int], per_segment: int
) -> None:
    world, history = await written(batches, per_segment)
    positions = tuple(sorted({*inside, ALL}))

    await flushed(world, positions)

    for position in positions:
        assert await rows_at(world, position) == seen_at(history, position)
    for table in world.levels[0]:
        sums: dict[int, int] = {}
        for run in await world.read(table):
            for pointer in pointers_of(run):
                sums[pointer.segment] = sums.get(pointer.segment, 0) + pointer.length
        assert dict(zip(table.segments, table.segment_bytes, strict=True)) == sums
        assert list(table.segments) == sorted(sums)
    assert world.open_files() == 0


async def separated() -> LogWorld:
    world, _ = await written([[(n, False, 60) for n in range(3)]], 1)
    await flushed(world)
    return world


async def test_compaction_carries_pointers_on_and_counts_what_is_left() -> None:
    world, history = await written(
        [[(key, False, 60) for key in range(20)], [(key, False, 60) for key in (3, 4)]],
        1,
    )
    await flushed(world)
    before = sum(world.levels[0][0].segment_bytes)
    (first, second) = world.levels[0][0].segments
    await world.add(1, make_columns([b"05"], [b"old"], [0]))

    result = await world.compact(world.job())

    assert await rows_at(world, ALL) == seen_at(history, ALL)
    assert sum(sum(table.segment_bytes) for table in result.tables) == before
    assert {n for table in result.tables for n in table.segments} == {first, second}


async def read_one(world: LogWorld, pointer: Pointer) -> bytes:
    values = values_on(world)
    try:
        return await values.read(pointer, version_of(world))
    finally:
        await values.aclose()


async def test_a_pointer_that_does_not_fit_is_damage() -> None:
    """The wrong segment, place, length or bytes: an error with file and offset, no value."""
    world = await separated()
    (run,) = await world.read(world.levels[0][0])
    pointer = next(iter(pointers_of(run)))
    assert len(await read_one(world, pointer)) == pointer.length

    meta = world.segments[0]
    for wrong in (
        attrs.evolve(pointer, checksum=pointer.checksum ^ 1),
        attrs.evolve(pointer, address=pointer.address + 1),
        attrs.evolve(pointer, length=pointer.length - 1),
        attrs.evolve(pointer, address=meta.first - 512),
        attrs.evolve(pointer, address=world.tail - pointer.length + 1),
        attrs.evolve(pointer, segment=77),
    ):
        with pytest.raises(CorruptionError) as caught:
            await read_one(world, wrong)
        assert caught.value.path.startswith(f"{FOLDER}/log-")


async def test_a_table_that_miscounts_what_it_points_to_is_damage() -> None:
    world = await separated()
    meta = world.levels[0][0]
    blocks = BlockCache(0)
    cache = TableCache(world.io, FOLDER, STORE_ID, blocks, bytes_max=0, tables_max=1)
    with pytest.raises(CorruptionError, match="segment_bytes"):
        await cache.acquire(attrs.evolve(meta, segment_bytes=(1,)))
    table = await cache.acquire(meta)
    await check_table(table)
    await cache.aclose()

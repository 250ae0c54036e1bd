"""A cursor walks over exactly the entries of its range, in either direction."""

import pytest
import trio
from hypothesis import given, settings, strategies as st

from io_backends import DeviceError, FailOp, FaultPlan, FaultyIo, OpKind
from tempest.columns import Columns
from tempest.table import TableCursor, TableMeta
from tests.tempest.table.support import (
    VERSIONS,
    Version,
    World,
    build,
    puts,
    run_of,
)

KEY = st.binary(max_size=3)


async def spread(world: World, versions: list[Version], tables: int) -> list[TableMeta]:
    """Write the versions as so many tables, none of which shares a key with another."""
    keys = sorted({version[0] for version in versions})
    share = -(-len(keys) // tables)
    metas = []
    for number, start in enumerate(range(0, len(keys), share)):
        mine = set(keys[start : start + share])
        run = run_of([version for version in versions if version[0] in mine])
        data, meta = build(run, number=number)
        await world.add(data, number)
        metas.append(meta)
    return metas


async def chunks_of(cursor: TableCursor) -> list[Columns]:
    chunks = []
    while (chunk := await cursor.next_chunk()) is not None:
        chunks.append(chunk)
    assert await cursor.next_chunk() is None
    return chunks


@settings(max_examples=60)
@given(
    VERSIONS,
    st.integers(1, 4),
    KEY,
    st.none() | KEY,
    st.booleans(),
    st.sampled_from([1, 100]),
)
async def test_a_cursor_yields_the_range_and_nothing_else(
    versions: list[Version],
    tables: int,
    start: bytes,
    stop: bytes | None,
    reverse: bool,
    tables_max: int,
) -> None:
    world = World(is_cold=reverse, tables_max=tables_max)
    metas = await spread(world, versions, tables)
    cursor = TableCursor(world.tables, metas, start, stop, reverse=reverse)
    chunks = await chunks_of(cursor)
    assert all(chunk.keys for chunk in chunks)
    if reverse:
        chunks.reverse()
    assert [
        (key, sequence)
        for chunk in chunks
        for key, sequence in zip(chunk.keys, chunk.sequences(), strict=True)
    ] == [
        (key, sequence)
        for key, sequence, _, _ in versions
        if key >= start and (stop is None or key < stop)
    ]
    firsts = [chunk.keys[0] for chunk in chunks]
    lasts = [chunk.keys[-1] for chunk in chunks]
    assert all(last < first for last, first in zip(lasts, firsts[1:], strict=False))
    await world.tables.evict(-1)
    assert world.disk.live_handles == len(world.tables) <= tables_max


async def test_no_tables_and_empty_ranges_end_at_once() -> None:
    world = World()
    metas = await spread(world, [(b"b", 1, 0, b"")], 1)  # type: ignore[list-item]
    assert await TableCursor(world.tables, []).next_chunk() is None
    for start, stop in ((b"b", b"b"), (b"c", b"a"), (b"c", None), (b"", b"b")):
        cursor = TableCursor(world.tables, metas, start, stop)
        assert await cursor.next_chunk() is None
    assert world.tables.opens == 0


async def test_only_the_tables_and_blocks_of_the_range_are_read() -> None:
    world = World()
    metas = []
    for number in range(5):
        data, meta = build(puts(100, first=100 * number), number=number)
        await world.add(data, number)
        metas.append(meta)
    cursor = TableCursor(world.tables, metas, b"key-0000250", b"key-0000251")
    (chunk,) = await chunks_of(cursor)
    assert list(chunk.keys) == [b"key-0000250"]
    assert (world.tables.opens, world.blocks.misses) == (1, 1)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
async def test_a_failed_read_does_not_lose_the_place(
    reverse: bool, ahead: bool
) -> None:
    """RocksDB once dropped the range that it could not read: the next call must try it again."""
    world = World(is_cold=True)
    data, meta = build(puts(50))
    await world.add(data)
    world.use(
        FaultyIo(
            world.io, FaultPlan((FailOp(kinds=(OpKind.READ,), offset=2000, times=20),))
        )
    )
    cursor = TableCursor(world.tables, [meta], reverse=reverse, reads_ahead=ahead)
    keys: list[bytes] = []
    failures = 0
    while True:
        try:
            chunk = await cursor.next_chunk()
        except DeviceError:
            failures += 1
            continue
        if chunk is None:
            break
        keys += chunk.keys
    # A failed read of several blocks is tried again with the first of them alone.
    assert failures == 20 if not ahead else 0 < failures < 20
    assert sorted(keys) == puts(50).keys


async def test_a_cancelled_read_does_not_lose_the_place_and_leaves_no_pin() -> None:
    world = World(is_cold=True)
    data, meta = build(puts(20))
    await world.add(data)
    cursor = TableCursor(world.tables, [meta])
    keys: list[bytes] = []
    patience = 0
    while True:
        async with trio.open_nursery() as nursery:
            done: list[Columns | None] = []

            async def step() -> None:
                done.append(await cursor.next_chunk())  # noqa: B023

            nursery.start_soon(step)
            for _ in range(patience):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        table = world.tables.get_nowait(meta)
        assert table is None or table.pins == 0
        patience = 0 if done else patience + 1
        if done == [None]:
            break
        keys += [key for chunk in done if chunk for key in chunk.keys]
    assert keys == puts(20).keys

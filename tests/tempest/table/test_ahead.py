"""Reading ahead changes how often a cursor reads, and nothing that it gives."""

import pytest
from hypothesis import given, settings, strategies as st

from io_backends import OpKind, TracingIo
from tempest.columns import Columns, make_columns
from tempest.errors import CorruptionError
from tempest.table import TableCursor, TableMeta
from tests.tempest.table.support import World, build, puts

READS = {OpKind.READ, OpKind.READ_NOWAIT}


async def drain(cursor: TableCursor) -> list[Columns]:
    """Take whole blocks where it gives some, as a scan does."""
    blocks: list[Columns] = []
    while (block := await cursor.next_block()) is not None:
        blocks.append(block)
        blocks += cursor.whole_blocks(200, len(block.keys))
    return blocks


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3000),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 2000, 1 << 20]),
    st.lists(st.integers(0, 3000), max_size=5),
)
async def test_it_gives_the_same_blocks(
    count: int, reverse: bool, is_cold: bool, cache_bytes_max: int, warm: list[int]
) -> None:
    world = World(is_cold=is_cold, cache_bytes_max=cache_bytes_max)
    data, meta = build(puts(count))
    await world.add(data)
    expected = await drain(TableCursor(world.tables, [meta], reverse=reverse))
    world.use(world.io)
    table = await world.tables.acquire(meta)
    for number in warm:
        await table.block(number % table.block_count)
    world.tables.release(table)

    cursor = TableCursor(world.tables, [meta], reverse=reverse, reads_ahead=True)

    assert await drain(cursor) == expected


@pytest.mark.parametrize("is_cold", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
async def test_a_long_walk_reads_many_blocks_with_one_call(
    reverse: bool, is_cold: bool
) -> None:
    world = World(is_cold=is_cold)
    data, meta = build(puts(3000))
    await world.add(data)
    io = TracingIo(world.io)
    world.use(io)

    cursor = TableCursor(world.tables, [meta], reverse=reverse, reads_ahead=True)
    blocks = await drain(cursor)

    assert len(blocks) > 1000
    assert sum(traced.op.kind in READS for traced in io.ops) < 50


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("value_bytes", "count"), [(1000, 15), (30_000, 9)])
async def test_few_blocks_are_passed_at_once_if_they_are_large(
    reverse: bool, value_bytes: int, count: int
) -> None:
    names = [b"%04d" % number for number in range(50)]
    values = [bytes([number]) * value_bytes for number in range(50)]
    world = World()
    data, meta = build(make_columns(names, values, range(1, 51)))
    await world.add(data)

    cursor = TableCursor(world.tables, [meta], reverse=reverse, reads_ahead=True)
    first = await cursor.next_block()
    assert first is not None
    blocks = [first, *cursor.whole_blocks(15, 1)]

    assert len(blocks) == 1 + count
    found = [key for block in blocks for key in block.keys]
    assert found == (names[::-1] if reverse else names)[: 1 + count]


@pytest.mark.parametrize("reverse", [False, True])
async def test_damage_costs_nothing_that_comes_before_it(reverse: bool) -> None:
    world = World()
    data, meta = build(puts(500))
    broken = bytearray(data)
    broken[len(data) // 3] ^= 1
    await world.add(bytes(broken))
    found = await until_damage(world, meta, reverse=reverse, ahead=False)
    world.use(world.io)

    assert await until_damage(world, meta, reverse=reverse, ahead=True) == found
    assert len(found) > 5


async def until_damage(
    world: World, meta: TableMeta, *, reverse: bool, ahead: bool
) -> list[Columns]:
    cursor = TableCursor(world.tables, [meta], reverse=reverse, reads_ahead=ahead)
    blocks: list[Columns] = []
    with pytest.raises(CorruptionError):
        while (block := await cursor.next_block()) is not None:
            blocks.append(block)
            blocks += cursor.whole_blocks(100, len(block.keys))
    return blocks

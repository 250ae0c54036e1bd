"""Tables are opened once, kept within bounds, and never closed under a reader."""

import pytest
import trio

from io_backends import (
    DeviceError,
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    TooManyFilesError,
)
from tempest.table import Table, TableMeta, table_name
from tests.tempest.table.support import World, build, puts


async def filled(world: World, count: int) -> list[TableMeta]:
    metas = []
    for number in range(count):
        data, meta = build(puts(20, first=100 * number), number=number)
        await world.add(data, number)
        metas.append(meta)
    return metas


async def use(world: World, meta: TableMeta) -> None:
    world.tables.release(await world.tables.acquire(meta))


async def test_a_table_is_opened_once() -> None:
    """T25: no read opens a file, reads a footer or decodes an index again."""
    world = World()
    (meta,) = await filled(world, 1)
    assert world.tables.get_nowait(meta) is None
    table = await world.tables.acquire(meta)
    assert await world.tables.acquire(meta) is table
    assert world.tables.get_nowait(meta) is table
    assert world.tables.opens == 1
    assert world.tables.bytes_used == table.memory_bytes


async def test_handles_are_bounded_and_what_is_used_stays() -> None:
    """FAULTS 31: the cache of handles is bounded."""
    world = World(tables_max=3)
    metas = await filled(world, 8)
    await use(world, metas[0])
    for meta in metas[1:]:
        assert world.tables.get_nowait(metas[0]) is not None
        await use(world, meta)
        assert len(world.tables) <= 3
        assert world.disk.live_handles <= 3
    assert world.tables.get_nowait(metas[0]) is not None
    assert world.tables.get_nowait(metas[1]) is None


async def test_bytes_are_bounded() -> None:
    probe = World()
    metas = await filled(probe, 1)
    await use(probe, metas[0])
    size = probe.tables.bytes_used
    world = World(table_bytes_max=3 * size)
    for meta in await filled(world, 8):
        await use(world, meta)
        assert world.tables.bytes_used <= 3 * size
    assert len(world.tables) == 3


async def test_an_evicted_table_takes_its_blocks_along() -> None:
    world = World(tables_max=1)
    metas = await filled(world, 2)
    table = await world.tables.acquire(metas[0])
    await table.block(0)
    world.tables.release(table)
    assert world.blocks.bytes_used > 0
    await use(world, metas[1])
    assert world.blocks.bytes_used == 0


async def test_a_pinned_table_is_not_closed() -> None:
    """FAULTS 33: a reader that holds a table reads on although its file was removed."""
    world = World(tables_max=1, is_cold=True)
    metas = await filled(world, 3)
    table = await world.tables.acquire(metas[0])
    await use(world, metas[1])
    await world.tables.evict(0)
    await world.io.remove(f"d/{table_name(0)}")
    await use(world, metas[2])
    block = await table.block(0)
    assert block.keys[0] == b"key-0000000"
    assert world.blocks.bytes_used == 0
    world.tables.release(table)
    await world.tables.evict(0)
    assert len(world.disk.open_paths()) == 1


async def test_more_tables_than_allowed_are_open_only_while_all_are_pinned() -> None:
    world = World(tables_max=2)
    metas = await filled(world, 5)
    tables = [await world.tables.acquire(meta) for meta in metas[:4]]
    assert len(world.tables) == 4
    for table in tables:
        world.tables.release(table)
    await use(world, metas[4])
    assert len(world.tables) <= 2


async def test_two_tasks_that_open_a_table_share_one() -> None:
    world = World(is_cold=True)
    (meta,) = await filled(world, 1)
    found = []

    async def acquire() -> None:
        found.append(await world.tables.acquire(meta))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(acquire)
    assert found == found[:1] * 4
    assert found[0].pins == 4
    assert len(world.tables) == 1
    await world.tables.evict(99)
    assert world.disk.live_handles == 1


async def test_two_tasks_close_what_was_evicted_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a real disk closing waits: both took one list, and one did not find its table."""
    close = Table.aclose

    async def close_late(table: Table) -> None:
        await trio.lowlevel.checkpoint()
        await close(table)

    monkeypatch.setattr(Table, "aclose", close_late)
    world = World()
    metas = await filled(world, 6)
    pinned = [await world.tables.acquire(meta) for meta in metas]
    for meta in metas:
        await world.tables.evict(meta.number)
    for table in pinned:
        world.tables.release(table)
    assert world.disk.live_handles == 6

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(world.tables.evict, 99)

    assert world.disk.live_handles == 0


async def test_eviction_closes_and_forgets() -> None:
    world = World()
    (meta,) = await filled(world, 1)
    await use(world, meta)
    await world.tables.evict(meta.number)
    await world.tables.evict(meta.number)
    assert world.tables.get_nowait(meta) is None
    assert world.tables.bytes_used == 0
    assert world.disk.live_handles == 0
    await use(world, meta)
    assert world.tables.opens == 2


async def test_closing_closes_everything_and_twice() -> None:
    world = World()
    metas = await filled(world, 3)
    for meta in metas:
        await world.tables.acquire(meta)
    await world.tables.evict(0)
    await world.tables.aclose()
    await world.tables.aclose()
    assert world.disk.live_handles == 0
    assert (world.tables.bytes_used, world.blocks.bytes_used) == (0, 0)


async def test_running_out_of_handles_gives_some_back_and_tries_again() -> None:
    """FAULTS 31: EMFILE is survived as long as there are handles to give back."""
    world = World()
    metas = await filled(world, 6)
    for meta in metas[:5]:
        await use(world, meta)
    below = world.tables
    plan = FaultPlan((FailOp(kinds=(OpKind.OPEN,), error="EMFILE"),))
    below._io = FaultyIo(world.io, plan)
    await use(world, metas[5])
    assert len(below) == 3
    assert world.disk.live_handles == 3


async def test_running_out_of_handles_for_good_is_an_error_without_traces() -> None:
    world = World()
    (meta,) = await filled(world, 1)
    plan = FaultPlan((FailOp(kinds=(OpKind.OPEN,), error="EMFILE", times=2),))
    world.use(FaultyIo(world.io, plan))
    with pytest.raises(TooManyFilesError):
        await world.tables.acquire(meta)
    assert (len(world.tables), world.tables.bytes_used) == (0, 0)
    await use(world, meta)


async def test_a_table_that_failed_to_open_can_be_tried_again() -> None:
    world = World(is_cold=True)
    (meta,) = await filled(world, 1)
    world.use(FaultyIo(world.io, FaultPlan((FailOp(kinds=(OpKind.READ,)),))))
    with pytest.raises(DeviceError):
        await world.tables.acquire(meta)
    assert world.disk.live_handles == 0
    await use(world, meta)


async def test_releasing_too_often_is_a_mistake_of_the_caller() -> None:
    world = World()
    (meta,) = await filled(world, 1)
    table = await world.tables.acquire(meta)
    world.tables.release(table)
    with pytest.raises(AssertionError, match="more often"):
        world.tables.release(table)


async def test_blocks_get_what_tables_leave_over_only_if_it_is_lent() -> None:
    """A job has a budget for tables without bounds, and blocks that are never asked for again."""
    world = World(cache_bytes_max=0, table_bytes_max=1 << 62)
    (meta,) = await filled(world, 1)
    table = await world.tables.acquire(meta)
    await table.block(0)
    assert len(world.blocks) == 0

    world.tables.lend()
    await table.block(0)
    assert len(world.blocks) == 1
    world.tables.release(table)

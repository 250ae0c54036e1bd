"""Reading a table gives what was written, waits where it must, and calls damage by its name."""

import attrs
import pytest
import trio
from hypothesis import given, strategies as st

from io_backends import DeviceError, FailOp, FaultPlan, FaultyIo, OpKind
from tempest.columns import Kind
from tempest.errors import CorruptionError, TempestError, UnsupportedFormatError
from tempest.header import decode_header, encode_header
from tempest.options import Compression
from tempest.table import Table, TableMeta, TableOptions, check_table
from tests.tempest.table.support import (
    OPTIONS,
    PLAIN,
    VERSIONS,
    Version,
    World,
    build,
    newest_at,
    puts,
    run_of,
)

SMALL = puts(8)


@given(VERSIONS, OPTIONS, st.binary(max_size=3), st.integers(0, 401), st.booleans())
async def test_get_finds_the_newest_version_at_a_position(
    versions: list[Version],
    options: TableOptions,
    key: bytes,
    at: int,
    is_cold: bool,
) -> None:
    """T22, T23: a tombstone is an answer, and the newest version wins."""
    data, meta = build(run_of(versions), options)
    world = World(is_cold=is_cold)
    await world.add(data)
    table = await world.open(meta)
    for wanted in {key, *(version[0] for version in versions)}:
        for position in (at, 400, 401):
            expected = newest_at(versions, wanted, position)
            found = await table.get(wanted, position)
            if expected is None:
                assert found is None
            else:
                _, sequence, kind, value = expected
                assert found == (sequence, kind, b"" if kind else value)
                assert table.get_nowait(wanted, position) == found
    await check_table(table)
    await table.aclose()


async def test_a_tombstone_is_found_and_is_not_nothing() -> None:
    """T22: a deleted key must not come back from an older table."""
    run = run_of([(b"a", 9, Kind.DELETE, b""), (b"a", 5, Kind.PUT, b"old")])
    data, meta = build(run)
    world = World()
    await world.add(data)
    table = await world.open(meta)
    assert table.get_nowait(b"a", 9) == (9, Kind.DELETE, b"")
    assert table.get_nowait(b"a", 8) == (5, Kind.PUT, b"old")
    assert table.get_nowait(b"a", 4) is None


async def test_keys_beyond_both_ends_are_absent() -> None:
    options = TableOptions(64, Compression.NONE, 0)
    data, meta = build(puts(20), options)
    world = World()
    await world.add(data)
    table = await world.open(meta)
    for key in (b"", b"key-", b"key-0000003x", b"z", b"\xff" * 9):
        assert table.get_nowait(key, 1000) is None
        assert await table.get(key, 1000) is None


async def test_nowait_blocks_until_the_block_was_waited_for() -> None:
    data, meta = build(puts(50))
    world = World(is_cold=True)
    await world.add(data)
    table = await world.open(meta)
    with pytest.raises(trio.WouldBlock):
        table.get_nowait(b"key-0000030", 99)
    assert table.get_nowait(b"absent", 99) is None
    found = await table.get(b"key-0000030", 99)
    assert found is not None
    assert table.get_nowait(b"key-0000030", 99) == found
    with pytest.raises(trio.WouldBlock):
        table.block_nowait(0)
    assert (world.blocks.hits, world.blocks.misses) == (1, 1)


async def test_hits_and_misses_are_counted() -> None:
    """T25: a read of a warm block opens nothing and decodes nothing."""
    data, meta = build(puts(50))
    world = World()
    await world.add(data)
    table = await world.open(meta)
    first = table.block_nowait(3)
    assert (world.blocks.hits, world.blocks.misses) == (0, 1)
    assert table.block_nowait(3) is first
    assert await table.block(3) is first
    assert table.get_nowait(first.keys[0], 99) is not None
    assert (world.blocks.hits, world.blocks.misses) == (3, 1)


async def test_two_readers_that_miss_at_once_get_the_same_answer() -> None:
    data, meta = build(puts(50))
    world = World(is_cold=True)
    await world.add(data)
    table = await world.open(meta)
    found = []

    async def read() -> None:
        found.append(await table.get(b"key-0000030", 99))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(read)
    assert found[0] is not None
    assert found == found[:1] * 5
    assert len(world.blocks) == 1


async def test_a_block_that_arrives_after_its_table_was_dropped_is_not_kept() -> None:
    data, meta = build(puts(50))
    world = World(is_cold=True)
    await world.add(data)
    table = await world.open(meta)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.block, 0)
        await trio.testing.wait_all_tasks_blocked()
        table.drop_blocks()
    assert world.blocks.bytes_used == 0


@pytest.mark.parametrize(
    "options",
    [PLAIN, TableOptions(64, Compression.LZ4, 0), TableOptions(4096)],
    ids=["plain", "packed", "one block"],
)
async def test_every_changed_byte_is_a_documented_error_and_never_a_wrong_answer(
    options: TableOptions,
) -> None:
    """FAULTS 21: bit rot anywhere in the file is found on open or on reading."""
    data, meta = build(SMALL, options)
    world = World()
    path = await world.add(data)
    for offset in range(len(data)):
        for xor in (1, 0x80, 0xFF):
            world.disk.corrupt(path, offset, xor)
            with pytest.raises(CorruptionError) as caught:
                await read_all(world, meta)
            assert caught.value.path == path
            assert 0 <= caught.value.offset <= offset
            world.disk.corrupt(path, offset, xor)
    await read_all(world, meta)


async def test_every_truncation_is_corruption_and_names_where_the_file_ends() -> None:
    """T12, T27: a truncated table is known by its size, and no length runs beyond its end."""
    data, meta = build(SMALL)
    for length in range(len(data)):
        world = World()
        path = await world.add(data[:length])
        with pytest.raises(CorruptionError) as caught:
            await read_all(world, meta)
        assert (caught.value.path, caught.value.offset) == (path, length)
        # Even a manifest that was fooled about the size does not help.
        with pytest.raises(CorruptionError):
            await read_all(world, attrs.evolve(meta, size=length))


async def test_a_longer_file_is_corruption() -> None:
    data, meta = build(SMALL)
    world = World()
    await world.add(data + b"\x00")
    with pytest.raises(CorruptionError, match="found"):
        await read_all(world, meta)


async def test_a_file_cut_short_under_an_open_table_is_corruption() -> None:
    data, meta = build(puts(50))
    for is_cold in (False, True):
        world = World(is_cold=is_cold)
        path = await world.add(data)
        table = await world.open(meta)
        file = await world.io.open(path, writable=True)
        await file.truncate(100)
        with pytest.raises(CorruptionError, match="ends before"):
            await table.block(3)


async def test_a_block_swapped_with_another_of_its_table_is_caught() -> None:
    """FAULTS 22: right data in the wrong place."""
    data, meta = build(puts(8, step=16))
    world = World()
    path = await world.add(data)
    table = await world.open(meta)
    starts = [table.block_offset(index) for index in range(3)]
    one, two = data[starts[0] : starts[1]], data[starts[1] : starts[2]]
    assert len(one) == len(two)
    world.disk.overwrite(path, starts[0], two + one)
    for index, offset in enumerate(starts[:2]):
        with pytest.raises(CorruptionError) as caught:
            await table.block(index)
        assert caught.value.offset == offset


@pytest.mark.parametrize(
    "other", [{"number": 8}, {"life": 3}, {"store_id": bytes(16)}], ids=str
)
async def test_a_block_of_another_table_at_the_same_offset_is_caught(
    other: dict[str, int],
) -> None:
    """FAULTS 23: a stale or misdirected read returns a block that is whole, but not this one."""
    data, meta = build(SMALL)
    foreign, _ = build(SMALL, **other)  # type: ignore[arg-type]  # one keyword of three kinds
    world = World()
    path = await world.add(data)
    table = await world.open(meta)
    start, stop = table.block_offset(1), table.block_offset(2)
    assert data[start + 24 : stop] == foreign[start + 24 : stop]
    world.disk.overwrite(path, start, foreign[start:stop])
    with pytest.raises(CorruptionError):
        await table.block(1)
    await table.block(0)


@pytest.mark.parametrize(
    "other", [{"number": 8}, {"life": 3}, {"store_id": bytes(16)}], ids=str
)
async def test_a_table_in_the_place_of_another_is_caught(other: dict[str, int]) -> None:
    foreign, meta = build(SMALL, **other)  # type: ignore[arg-type]  # one keyword of three kinds
    _, wanted = build(SMALL)
    assert meta.size == wanted.size
    world = World()
    await world.add(foreign)
    with pytest.raises(CorruptionError, match="another file"):
        await read_all(world, wanted)


async def test_another_content_under_the_same_identity_is_caught() -> None:
    """FAULTS 24: the manifest pins the file, so even a whole earlier one does not pass."""
    earlier, _ = build(puts(8, first=100))
    _, wanted = build(puts(8))
    assert len(earlier) == wanted.size
    world = World()
    await world.add(earlier)
    with pytest.raises(CorruptionError, match="footer"):
        await read_all(world, wanted)


@pytest.mark.parametrize(
    "field",
    [
        "smallest",
        "largest",
        "sequence_min",
        "sequence_max",
        "entries",
        "tombstones",
        "shadowed",
    ],
)
async def test_a_manifest_that_says_something_else_is_caught(field: str) -> None:
    """T12: every field of the metadata is compared when the table is opened."""
    data, meta = build(SMALL)
    value = b"x" if isinstance(getattr(meta, field), bytes) else 77
    world = World()
    await world.add(data)
    with pytest.raises(CorruptionError, match=field):
        await read_all(world, TableMeta(**{**attrs.asdict(meta), field: value}))


async def test_a_missing_table_is_corruption_that_names_it() -> None:
    _, meta = build(SMALL)
    world = World()
    await world.io.make_dir("d")
    with pytest.raises(CorruptionError, match="table-000000000007"):
        await world.open(meta)


async def test_a_newer_format_is_unsupported_and_not_damage() -> None:
    data, meta = build(SMALL)
    header = decode_header(data, "f")
    world = World()
    path = await world.add(data)
    world.disk.overwrite(path, 0, encode_header(attrs.evolve(header, format=2)))
    with pytest.raises(UnsupportedFormatError, match="format 2"):
        await world.open(meta)


@pytest.mark.parametrize("kind", [OpKind.READ, OpKind.READ_NOWAIT])
async def test_a_device_error_is_not_an_answer_and_not_kept(kind: OpKind) -> None:
    """FAULTS 16: a sector that cannot be read is an error, never "not found"."""
    data, meta = build(puts(50))
    world = World(is_cold=kind is OpKind.READ)
    await world.add(data)
    faulty = FaultyIo(world.io, FaultPlan((FailOp(kinds=(kind,), offset=2000),)))
    world.use(faulty)
    table = await world.open(meta)
    found = [block for block in range(table.block_count) if await fails(table, block)]
    assert len(found) == 1
    assert not [b for b in range(table.block_count) if await fails(table, b)]


@pytest.mark.parametrize("is_cold", [True, False])
async def test_a_failure_at_any_operation_of_opening_leaves_no_handle(
    is_cold: bool,
) -> None:
    data, meta = build(puts(50))
    world = World(is_cold=is_cold)
    await world.add(data)
    below = world.io
    failures = 0
    for index in range(20):
        world.use(FaultyIo(below, FaultPlan((FailOp(at=index),))))
        try:
            table = await world.open(meta)
        except DeviceError:
            failures += 1
        else:
            await table.aclose()
        assert world.disk.live_handles == 0
    assert failures >= 5


async def test_cancelling_at_any_checkpoint_of_opening_leaves_no_handle() -> None:
    data, meta = build(puts(50))
    world = World(is_cold=True)
    await world.add(data)
    for ticks in range(30):
        async with trio.open_nursery() as nursery:

            async def open_and_close() -> None:
                await (await world.open(meta)).aclose()

            nursery.start_soon(open_and_close)
            for _ in range(ticks):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert world.disk.live_handles == 0


async def read_all(world: World, meta: TableMeta) -> None:
    """Open and read everything; what comes must be right, or a documented error."""
    try:
        table = await world.open(meta)
        try:
            await check_table(table)
            for place, key in enumerate(SMALL.keys):
                found = await table.get(key, 2**62)
                assert found == (SMALL.sequence(place), 0, SMALL.values[place])
        finally:
            await table.aclose()
    except TempestError:
        assert world.disk.live_handles == 0
        raise


async def fails(table: Table, block: int) -> bool:
    try:
        await table.block(block)
    except DeviceError:
        return True
    return False

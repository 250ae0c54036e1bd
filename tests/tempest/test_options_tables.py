"""What each option about tables does: their blocks, their levels, and how they are read."""

from pathlib import Path

import pytest
import trio

import tempest
from io_backends import FileIo, OpKind, TracingIo, VirtualDisk
from tempest import Compression, Statistics
from tempest.table import compression
from tests.tempest.observed import (
    compacted,
    fill_and_merge,
    observes,
    roomy,
    shape_after,
    tables,
)
from tests.tempest.shelf import (
    content_of,
    evolve,
    fill,
    key_of,
    open_on,
    rows_of,
    value_of,
)


@observes("cache_bytes_max")
@pytest.mark.parametrize("budget", [0, 10_000, 1 << 20])
async def test_cache_bytes_max_bounds_what_is_kept_between_reads(budget: int) -> None:
    options = evolve(cache_bytes_max=budget, compression=Compression.NONE)
    async with open_on(VirtualDisk(), options) as store:
        await fill(store, 1000)
        await store.compact()
        await content_of(store)
        before = store.statistics()
        await content_of(store)
        after = store.statistics()

    assert after.block_cache_bytes <= budget * 3 // 4
    assert after.table_cache_bytes <= budget // 4 or after.tables_open == 1
    again = after.block_cache_misses - before.block_cache_misses
    assert (again == 0) == (budget == 1 << 20), "all of it fits, or it is read again"


@observes("block_bytes")
async def test_block_bytes_is_what_one_read_fetches() -> None:
    async def blocks(block_bytes: int) -> int:
        async with open_on(VirtualDisk(), roomy(block_bytes=block_bytes)) as store:
            await fill(store, 400)
            await store.flush()
            await content_of(store)
            return store.statistics().block_cache_misses

    assert await blocks(1 << 20) == 1
    assert await blocks(4096) in range(4, 12)
    assert await blocks(512) >= 40


@observes("table_bytes_max")
async def test_table_bytes_max_bounds_what_compaction_writes() -> None:
    plain = Compression.NONE
    small = await compacted(roomy(table_bytes_max=4096, compression=plain))
    large = await compacted(roomy(table_bytes_max=1 << 20, compression=plain))

    assert tables(large) == 1
    assert tables(small) >= 4
    assert all(level.bytes <= level.tables * 2 * 4096 for level in small.levels)


@observes("compression")
@pytest.mark.parametrize("kind", Compression)
async def test_compression_packs_blocks_and_gives_them_back(kind: Compression) -> None:
    def size(statistics: Statistics) -> int:
        return sum(level.bytes for level in statistics.levels)

    packed = await compacted(roomy(compression=kind))
    plain = await compacted(roomy(compression=Compression.NONE))

    assert (size(packed) < size(plain) / 2) == (kind is not Compression.NONE)


@pytest.mark.parametrize("has_extra", [True, False])
def test_a_compression_that_is_not_installed_is_refused_at_the_door(
    has_extra: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "_has_zstandard", has_extra)
    options = roomy(compression=Compression.ZSTD)
    if has_extra:
        assert isinstance(open_on(VirtualDisk(), options), tempest.OpenStore)
        return
    with pytest.raises(tempest.InvalidError, match="tempestdb"):
        _ = open_on(VirtualDisk(), options)


@observes("filter_bits_per_key")
async def test_filter_bits_per_key_saves_reads_for_what_is_not_there() -> None:
    async def needless_reads(filter_bits_per_key: int) -> int:
        options = roomy(
            filter_bits_per_key=filter_bits_per_key, cache_bytes_max=0, block_bytes=512
        )
        async with open_on(VirtualDisk(), options) as store:
            await fill(store, 200)
            await store.flush()
            before = store.statistics().block_cache_misses
            for number in range(199):
                assert await store.get(key_of(number) + b"x") is None
            return store.statistics().block_cache_misses - before

    assert await needless_reads(0) == 199
    assert await needless_reads(2) in range(10, 150)
    assert await needless_reads(10) <= 8


@observes("level0_tables_max")
async def test_level0_tables_max_is_how_many_tables_start_a_compaction() -> None:
    async def level0(tables_max: int) -> int:
        async with open_on(VirtualDisk(), roomy(level0_tables_max=tables_max)) as store:
            most = 0
            for _ in range(9):
                await fill(store, 5)
                await store.flush()
                await trio.testing.wait_all_tasks_blocked()
                levels = store.statistics().levels
                most = max(most, *(each.tables for each in levels if not each.level), 0)
            return most

    assert await level0(3) == 2
    assert await level0(6) == 5
    assert await level0(100) == 9


@observes("level_bytes_base")
async def test_level_bytes_base_is_how_much_level_one_holds(
    autojump_clock: object,
) -> None:
    small = await shape_after(evolve(level_bytes_base=2000, level_growth=10), 1000)
    large = await shape_after(evolve(level_bytes_base=1 << 20, level_growth=10), 1000)

    assert large.levels[-1].level == 1
    assert small.levels[-1].level >= 2
    assert all(level.bytes <= 2000 + 2500 for level in small.levels if level.level == 1)


@observes("level_growth")
async def test_level_growth_is_how_much_larger_each_level_is(
    autojump_clock: object,
) -> None:
    slow = await shape_after(evolve(level_bytes_base=2000, level_growth=2), 1000)
    fast = await shape_after(evolve(level_bytes_base=2000, level_growth=100), 1000)

    assert fast.levels[-1].level == 2
    assert slow.levels[-1].level > 2


@observes("compaction_inline")
@pytest.mark.parametrize("inline", [True, False])
async def test_compaction_inline_keeps_workers_away(
    inline: bool, tmp_path: Path
) -> None:
    file_io = FileIo()
    io = TracingIo(file_io)
    options = evolve(compaction_inline=inline)
    async with tempest.open_store(tmp_path / "store", io=io, options=options) as store:
        await fill_and_merge(store, 100)
        assert await content_of(store) == dict(rows_of(100))
        assert store.statistics().compactions >= 1
    await file_io.aclose()

    assert (io.counts()[OpKind.RUN_JOB] == 0) == inline
    assert any(t.op.path.startswith(f"{store.path}/table-") for t in io.ops)


@observes("tables_open_max")
async def test_tables_open_max_bounds_the_files_held_open() -> None:
    async def held_open(tables_open_max: int) -> tuple[int, int]:
        disk = VirtualDisk()
        options = roomy(tables_open_max=tables_open_max, table_bytes_max=1024)
        async with open_on(disk, options) as store:
            await fill_and_merge(store, 400)
            for number in range(400):
                assert await store.get(key_of(number)) == value_of(number)
            files = [path for path in disk.open_paths() if "/table-" in path]
            assert store.statistics().tables_open <= len(files)
            return len(files), tables(store.statistics())

    few, many = await held_open(3)
    assert few <= 4 < many
    all_of_them, many = await held_open(1000)
    assert all_of_them == many

"""Each option does something that can be seen from outside; wrong ones are refused by name.

R21: options that were ignored. Every test of an effect names its option; the last test asks for
those that nobody has tested.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import attrs
import pytest
import trio

import tempest
from io_backends import (
    FailOp,
    Fault,
    FaultPlan,
    FaultyIo,
    FileIo,
    OpKind,
    Stuck,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from tempest import Compression, Durability, HealthState, Options, Statistics, Store
from tempest.table import compression
from tests.tempest.shelf import (
    changed,
    content_of,
    evolve,
    fill,
    key_of,
    open_on,
    rows_of,
    value_of,
)

FIELDS = {field.name: field for field in attrs.fields(Options)}
ROOMY = Options()
Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])
observed: set[str] = set()


def observes(option: str) -> Callable[[Test], Test]:
    """Say which option's effect a test observes."""
    assert option in FIELDS
    observed.add(option)
    return lambda test: test


def roomy(**changes: object) -> Options:
    """The defaults with other values."""
    return changed(ROOMY, changes)


def entries(statistics: Statistics) -> int:
    return sum(level.entries for level in statistics.levels)


def tables(statistics: Statistics) -> int:
    return sum(level.tables for level in statistics.levels)


async def shape_after(options: Options, rows: int = 400) -> Statistics:
    """What a store looks like after these rows were written and have settled."""
    async with open_on(VirtualDisk(), options) as store:
        for start in range(0, rows, 50):
            await fill(store, 50, start=start)
            await settle(store)
        return store.statistics()


async def settle(store: Store) -> None:
    """Wait until no background task has anything left to do."""
    await store.sync()
    await trio.testing.wait_all_tasks_blocked()


async def compacted(options: Options, rows: int = 400) -> Statistics:
    """What a store looks like after these rows were written and compacted."""
    async with open_on(VirtualDisk(), options) as store:
        await fill_and_merge(store, rows)
        assert await content_of(store) == dict(rows_of(rows))
        return store.statistics()


async def fill_and_merge(store: Store, rows: int) -> None:
    """Put these rows twice, so that compaction has to write tables of its own."""
    await fill(store, rows, size=1)
    await store.flush()
    await fill(store, rows)
    await store.compact()


# Effects.


@observes("durability")
@pytest.mark.parametrize(
    ("level", "after_kill", "after_cut"),
    [
        (Durability.MEMORY, {}, {}),
        (Durability.OS, {b"k": b"v"}, {}),
        (Durability.DISK, {b"k": b"v"}, {b"k": b"v"}),
    ],
)
async def test_durability_is_what_a_write_has_survived_when_it_returns(
    level: Durability, after_kill: dict[bytes, bytes], after_cut: dict[bytes, bytes]
) -> None:
    disk = VirtualDisk()
    async with open_on(disk, roomy(durability=level)) as store:
        await store.put(b"k", b"v")
        killed, dark = disk.clone(), disk.crash_keeping(())

    async with open_on(killed) as store:
        assert await content_of(store) == after_kill
    async with open_on(dark) as store:
        assert await content_of(store) == after_cut


@observes("memtable_bytes_max")
async def test_memtable_bytes_max_decides_when_memory_becomes_a_table(
    autojump_clock: object,
) -> None:
    small = await shape_after(roomy(memtable_bytes_max=4096))
    large = await shape_after(roomy(memtable_bytes_max=1 << 20))

    assert small.flushes >= 4
    assert small.memtable_bytes <= 3 * 4096
    assert large.flushes == 0
    assert large.memtable_entries == 400


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


@observes("unsynced_bytes_max")
async def test_unsynced_bytes_max_makes_the_store_sync_by_itself(
    autojump_clock: object,
) -> None:
    async def syncs(unsynced_bytes_max: int) -> tuple[int, int]:
        options = roomy(durability=Durability.OS, unsynced_bytes_max=unsynced_bytes_max)
        async with open_on(VirtualDisk(), options) as store:
            before = store.statistics().log_syncs
            for number in range(100):
                await store.put(key_of(number), value_of(number, 100))
                await trio.testing.wait_all_tasks_blocked()
            after = store.statistics()
            return after.log_syncs - before, after.log_tail - after.log_durable

    assert (await syncs(1 << 20))[0] == 0
    count, unsynced = await syncs(2000)
    assert count >= 5
    assert unsynced <= 2000


@observes("segment_bytes_max")
async def test_segment_bytes_max_bounds_a_log_file() -> None:
    async def sizes(segment_bytes_max: int) -> list[int]:
        disk = VirtualDisk()
        options = roomy(segment_bytes_max=segment_bytes_max)
        async with open_on(disk, options) as store:
            for number in range(20):
                await store.put(key_of(number), value_of(number, 300))
            await store.put(b"large", b"v" * 10_000)
            assert store.statistics().log_segments == len(log_files(disk))
            return [len(disk.read(path)) for path in log_files(disk)]

    small = await sizes(2048)
    assert len(small) > 5
    assert sorted(small)[-2] <= 2048 + 512, "and a frame that is larger has its own"
    assert len(await sizes(1 << 20)) == 1


def log_files(disk: VirtualDisk) -> list[str]:
    return [path for path in disk.files() if "/log-" in path]


@observes("batch_bytes_max")
async def test_batch_bytes_max_bounds_a_batch() -> None:
    async with open_on(VirtualDisk(), roomy(batch_bytes_max=2000)) as store:
        with pytest.raises(tempest.InvalidError, match="batch_bytes_max"):
            await fill(store, 100)
        await fill(store, 30)
        assert await content_of(store) == dict(rows_of(30))


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


async def levels_of(options: Options) -> int:
    return (await shape_after(options, 1000)).levels[-1].level


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


@observes("manifest_rotation_bytes_min")
async def test_manifest_rotation_bytes_min_is_how_large_a_manifest_grows() -> None:
    async def generations(bytes_min: int) -> int:
        disk = VirtualDisk()
        options = roomy(manifest_rotation_bytes_min=bytes_min)
        async with open_on(disk, options) as store:
            first = generation(disk)
            for number in range(40):
                await store.put(key_of(number), b"v")
                await store.flush()
            return generation(disk) - first

    assert await generations(1 << 20) == 0
    assert await generations(10_000) >= 1
    assert await generations(1) > await generations(10_000)


def generation(disk: VirtualDisk) -> int:
    names = [path.partition("manifest-")[2] for path in disk.files()]
    return max(int(name) for name in names if name.isdecimal())


def struck(io: FaultyIo, *faults: Fault) -> None:
    """From now on `io` obeys these faults."""
    io.plan = FaultPlan(faults)
    io.log = io.plan.new_log()


@observes("resume_seconds_max")
@pytest.mark.parametrize("seconds", [0.0, 3.0, 60.0])
async def test_resume_seconds_max_is_how_long_writers_wait_for_a_broken_disk(
    seconds: float, autojump_clock: object
) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))

    async def session() -> None:
        async with open_on(io, roomy(resume_seconds_max=seconds)) as store:
            await store.put(b"k", b"v")
            struck(io, FailOp(kinds=(OpKind.SYNC,), times=None))
            started = trio.current_time()
            with pytest.raises(tempest.OutcomeUnknownError):
                await store.put(b"k", b"w")
            assert trio.current_time() - started == pytest.approx(seconds, abs=0.1)
            assert store.health().state is HealthState.READ_ONLY
            assert store.get_nowait(b"k") == b"v"
            with pytest.raises(tempest.BackgroundError):
                await store.put(b"k", b"x")

    with pytest.raises(tempest.BackgroundError):
        await session()


@observes("close_seconds_max")
@pytest.mark.parametrize("seconds", [2.0, 40.0])
async def test_close_seconds_max_bounds_closing_with_a_stuck_disk(
    seconds: float, autojump_clock: object
) -> None:
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    options = roomy(close_seconds_max=seconds, durability=Durability.MEMORY)
    started = trio.current_time()

    async def session() -> None:
        async with open_on(io, options) as store:
            await store.put(b"k", b"v")
            struck(io, Stuck(kinds=(OpKind.SYNC,), times=None))

    with pytest.raises(tempest.BackgroundError, match="closing took more than"):
        await session()
    assert seconds <= trio.current_time() - started <= 2 * seconds + 0.1
    assert disk.locked_paths() == []


# Records.


def test_options_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ROOMY.block_bytes = 5  # type: ignore[misc]


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        Options(Durability.OS)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="memtable_size"):
        Options(memtable_size=5)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", FIELDS)
def test_an_option_of_the_wrong_type_is_a_type_error_that_names_it(name: str) -> None:
    wrongs: list[object] = ["text", None, b"1", [1]]
    if FIELDS[name].type is int:
        wrongs += [True, 4096.0]
    for wrong in wrongs:
        with pytest.raises(TypeError, match=name):
            roomy(**{name: wrong})


@pytest.mark.parametrize(
    "name", [name for name, field in FIELDS.items() if field.type in (int, float)]
)
@pytest.mark.parametrize("number", [-1, 1 << 60])
def test_an_option_out_of_bounds_is_an_invalid_error_that_names_it(
    name: str, number: int
) -> None:
    kind = FIELDS[name].type
    assert kind is not None
    with pytest.raises(tempest.InvalidError, match=name) as caught:
        roomy(**{name: kind(number)})
    assert isinstance(caught.value, ValueError)


def test_memtable_bytes_max_begins_at_one_kibibyte() -> None:
    assert Options(memtable_bytes_max=1024).memtable_bytes_max == 1024
    with pytest.raises(tempest.InvalidError, match="1024"):
        Options(memtable_bytes_max=1023)


@pytest.mark.parametrize("name", ["resume_seconds_max", "close_seconds_max"])
def test_seconds_may_be_whole_and_not_a_number_is_refused(name: str) -> None:
    assert attrs.asdict(roomy(**{name: 5}))[name] == 5
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(tempest.InvalidError, match=name):
            roomy(**{name: wrong})


@pytest.mark.parametrize("name", FIELDS)
def test_an_option_is_described_with_its_default(name: str) -> None:
    entry = re.compile(
        rf"^        {name}: (.*?)(?=^        \w+: |\Z)", re.MULTILINE | re.DOTALL
    )
    found = entry.search(Options.__doc__ or "")
    assert found is not None
    assert re.search(r"[Dd]efault\s", found[1])


def test_every_option_has_a_test_that_observes_its_effect() -> None:
    assert set(FIELDS) == observed

"""Mistakes of the systems before this one that are the engine's to repeat: one test a row.

The rows about journals and manifests stand in `tests/journal/test_regressions.py`
and `tests/journal/test_regressions_on_disk.py`.
"""

from functools import partial

import attrs
import pytest
import trio

import tempest
from io_backends import (
    WRITES,
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from sim import run_seeded
from tempest import Durability
from tests.tempest.shelf import (
    SMALL,
    STORE,
    content_of,
    evolve,
    fill,
    key_of,
    open_on,
    rows_of,
    value_of,
)


async def test_a_memtable_is_readable_until_its_table_is() -> None:
    """T21: the memtable was dropped before the manifest knew its table, and data vanished."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io) as store:
        await store.put(b"k", b"v")
        io.plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,), path="*manifest*", times=3),))
        io.log = io.plan.new_log()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.flush)
            for _ in range(300):
                assert await store.get(b"k") == b"v"
                await trio.lowlevel.checkpoint()
        assert io.log.counts[0] == 3
        assert await store.get(b"k") == b"v"


async def test_a_delete_hides_what_older_tables_hold() -> None:
    """T22: a tombstone in the memtable read as "not here", and the lookup went on below it."""
    async with open_on(VirtualDisk()) as store:
        await store.put(b"k", b"v")
        await store.flush()
        await store.delete(b"k")
        assert await store.get(b"k") is None
        await store.flush()
        assert await store.get(b"k") is None
        async with store.scan() as rows:
            assert [row async for row in rows] == []


async def test_the_newest_table_is_asked_first() -> None:
    """T23: tables were asked oldest first, and the first hit won."""
    async with open_on(VirtualDisk(), evolve(level0_tables_max=100)) as store:
        for number in range(5):
            await store.put(b"k", b"%d" % number)
            await store.flush()
        assert await store.get(b"k") == b"4"


async def test_compaction_keeps_what_snapshots_see_and_drops_dead_tombstones() -> None:
    """T24: snapshots were no input of compaction, and tombstones lived for ever."""
    async with open_on(VirtualDisk()) as store:
        await store.put(b"k", b"old")
        async with store.snapshot() as view:
            await store.delete(b"k")
            await store.compact()
            assert await view.get(b"k") == b"old"
        await store.put(b"other", b"v")
        await store.delete(b"other")
        await store.compact()
        assert sum(level.tombstones for level in store.statistics().levels) <= 1
        async with store.scan(keys_only=True) as keys:
            assert [key async for key in keys] == []


async def test_versions_that_only_a_closed_snapshot_saw_leave_the_disk() -> None:
    """T24: at the bottom, only tables with tombstones were ever rewritten."""
    async with open_on(VirtualDisk(), tempest.Options()) as store:
        await fill(store, 40)
        async with store.snapshot() as view:
            await fill(store, 40, size=50)
            await store.compact()
            assert sum(level.entries for level in store.statistics().levels) == 80
            assert await view.get(key_of(7)) == value_of(7)
        await store.compact()
        assert sum(level.entries for level in store.statistics().levels) == 40
        compactions = store.statistics().compactions
        await store.compact()
        assert store.statistics().compactions == compactions
        assert await content_of(store) == dict(rows_of(40, size=50))


async def test_a_table_is_opened_once_for_many_reads() -> None:
    """T25: footer, index and filter were read again for every get."""
    io = TracingIo(VirtualIo(VirtualDisk()))
    async with open_on(io, tempest.Options()) as store:
        await store.put(b"k", b"v")
        await store.flush()
        for _ in range(50):
            assert await store.get(b"k") == b"v"
        opened = [
            traced.op.path
            for traced in io.ops
            if traced.op.kind is OpKind.OPEN and "table-" in traced.op.path
        ]
    assert len(opened) == 1


async def test_writers_never_outrun_flush_without_bound(autojump_clock: object) -> None:
    """T26: nothing held writers back while memtables waited for their flush."""
    limit = 4096
    async with open_on(VirtualDisk(), evolve(memtable_bytes_max=limit)) as store:
        for number in range(600):
            await store.put(key_of(number), b"v" * 100, durability=Durability.OS)
            assert store.statistics().memtable_bytes <= 4 * limit


async def test_an_error_in_one_scan_harms_nobody_else(autojump_clock: object) -> None:
    """T28: one scan held the storage, and an error in it ended the worker for all."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, evolve(cache_bytes_max=0)) as store:
        for number in range(40):
            await store.put(key_of(number), b"v" * 50, durability=Durability.OS)
        await store.flush()
        async with store.scan() as rows:
            io.plan = FaultPlan(
                (FailOp(kinds=(OpKind.READ_NOWAIT, OpKind.READ, OpKind.OPEN)),)
            )
            io.log = io.plan.new_log()
            with pytest.raises(tempest.StorageError):
                async for _ in rows:
                    pass
            await store.put(b"meanwhile", b"v")
        async with store.scan() as rows:
            assert len([row async for row in rows]) == 41
        assert store.health().state is tempest.HealthState.HEALTHY


async def test_close_is_idempotent_and_survives_cancellation() -> None:
    """T29: a close that was cancelled half way released everything a second time."""
    disk = VirtualDisk()
    with trio.CancelScope() as scope:
        async with open_on(disk) as store:
            await store.put(b"k", b"v", durability=Durability.MEMORY)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    await store.aclose()
    await store.aclose()
    assert disk.live_handles == 0
    assert disk.locked_paths() == []
    async with open_on(disk) as store:
        assert store.statistics().recovery.clean
        assert await store.get(b"k") == b"v"


def test_a_number_is_never_used_again_after_a_crash() -> None:
    """T31: numbers of files that a crash left behind were given out again."""
    disk = VirtualDisk()
    used: dict[str, None] = {}

    async def write_and_die(io: TracingIo) -> None:
        async with open_on(io) as store:
            for number in range(30):
                await store.put(key_of(number), b"v" * 60)
            await store.flush()
            io.power_off()

    for _ in range(4):
        io = TracingIo(VirtualIo(disk))
        with pytest.raises(tempest.TempestError):
            run_seeded(0, partial(write_and_die, io))
        for traced in io.ops:
            name = traced.op.path
            if traced.op.kind is OpKind.CREATE and "manifest" not in name:
                assert name not in used, f"{name} was created twice"
                used[name] = None
        disk = disk.crash_keeping(disk.unsynced_units()[::2])
    assert len(used) > 8


async def test_nothing_is_removed_while_the_manifest_is_in_doubt() -> None:
    """T32: the sweep of orphans believed a manifest that had just lost data."""
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await store.put(b"k", b"v")
        await store.flush()
    (manifest,) = [
        path
        for path in disk.files()
        if "manifest" in path and not path.endswith(".old")
    ]
    disk.corrupt(manifest, 600, 0xFF)
    disk.corrupt(manifest, 40, 0xFF)
    before = disk.contents()
    with pytest.raises(tempest.CorruptionError):
        await open_on(disk).__aenter__()
    assert disk.contents() == before


async def test_a_segment_is_durable_before_the_manifest_names_it() -> None:
    """T18: the manifest named a log file that a crash then took away."""
    io = TracingIo(VirtualIo(VirtualDisk()))
    async with open_on(io) as store:
        for number in range(60):
            await store.put(key_of(number), b"v" * 100)
    done = [traced.op for traced in io.ops]
    created = [op for op in done if op.kind is OpKind.CREATE and "log-" in op.path]
    assert len(created) > 1
    for creation in created:
        later = done[done.index(creation) :]
        kinds = [op.kind if op.path == creation.path else None for op in later]
        synced = kinds.index(OpKind.SYNC)
        named = [op.kind for op in later].index(OpKind.SYNC_DIR)
        edited = next(
            index
            for index, op in enumerate(later)
            if op.kind is OpKind.WRITE and "manifest" in op.path and index > named
        )
        frames = [
            index
            for index, op in enumerate(later)
            if op.path == creation.path and op.kind in WRITES and op.offset
        ]
        assert synced < named < edited < min(frames, default=len(later))


async def test_a_compaction_may_have_no_output_or_several() -> None:
    """T11: an edit could name exactly one new table."""
    async with open_on(
        VirtualDisk(), attrs.evolve(SMALL, table_bytes_max=256)
    ) as store:
        for number in range(30):
            await store.put(key_of(number), bytes(range(100)), durability=Durability.OS)
        await store.compact()
        assert sum(level.tables for level in store.statistics().levels) > 1
        for number in range(30):
            await store.delete(key_of(number), durability=Durability.OS)
        await store.compact()
        assert sum(level.tables for level in store.statistics().levels) == 0


def test_leaving_without_close_is_no_different_from_a_crash() -> None:
    """T30: a store that was dropped without close only printed a warning."""
    disk = VirtualDisk()

    async def die() -> None:
        io = VirtualIo(disk)
        async with tempest.open_store(STORE, io=io) as store:
            await store.put(b"k", b"v")
            io.power_off()

    with pytest.raises(tempest.BackgroundError):
        run_seeded(0, die)

    async def look() -> bytes | None:
        async with open_on(disk.crash_keeping(())) as store:
            return await store.get(b"k")

    assert run_seeded(0, look) == b"v"

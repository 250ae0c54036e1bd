"""Where serials survive: the log, its rewrite, the manifest, and what a reader is shown."""

import pytest
import trio

from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import Durability
from tests.tempest.shelf import content_of, evolve, open_on
from tests.tempest.test_options_writing import log_files, struck

MEMORY, OS, DISK = Durability.MEMORY, Durability.OS, Durability.DISK


async def test_flushed_serials_are_in_the_manifest_and_need_no_replay() -> None:
    disk = VirtualDisk()
    async with (
        open_on(disk) as store,
        store.session("one") as one,
        store.session("two") as two,
    ):
        await two.put(b"b", b"v")
        for number in range(30):
            await one.put(b"a%d" % number, b"v" * 100, durability=OS)
        await store.flush()
        await store.compact()
        dark = disk.crash_keeping(())
    for kept in (disk, dark):
        async with open_on(kept) as store:
            assert store.statistics().recovery.entries == 0
            assert await store.sessions() == {"one": 30, "two": 1}
        async with open_on(kept, read_only=True) as store:
            assert await store.sessions() == {"one": 30, "two": 1}


async def test_newer_serials_in_the_log_win_over_those_of_the_manifest() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store, store.session("one") as one:
        await one.put(b"a", b"1")
        await store.flush()
        await one.put(b"a", b"2", serial=20)
        dark = disk.crash_keeping(())
    async with open_on(dark) as store, store.session("one") as one:
        assert one.recovered_serial == one.durable_serial == 20
        await store.flush()
        assert await one.put(b"a", b"3") == 21
        dark = dark.crash_keeping(())
    async with open_on(dark) as store:
        assert await store.sessions() == {"one": 21}


async def test_frames_keep_their_serials_when_the_log_moves_after_a_failed_sync(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk), FaultPlan())
    async with open_on(io) as store, store.session("one") as one:
        await one.put(b"a", b"1", durability=OS)
        await one.put(b"b", b"1", durability=MEMORY)
        segments = log_files(disk)
        struck(io, FailOp(kinds=(OpKind.SYNC,)))
        await one.put(b"c", b"1")
        assert one.durable_serial == 3
        assert log_files(disk) != segments, "it went on in another segment"
        dark = disk.crash_keeping(())
    async with open_on(dark) as store:
        assert await content_of(store) == {b"a": b"1", b"b": b"1", b"c": b"1"}
        assert await store.sessions() == {"one": 3}


async def test_what_was_only_in_the_page_cache_is_durable_once_it_is_served() -> None:
    """Killed, opened, and then the power goes: the serial that was shown stays."""
    disk = VirtualDisk()
    async with open_on(disk) as store, store.session("one") as one:
        await one.put(b"a", b"1", durability=OS)
        await one.put(b"b", b"1", durability=OS)
        assert one.durable_serial == 0
        killed, dark = disk.clone(), disk.crash_keeping(())
    async with open_on(killed) as store, store.session("one") as one:
        assert one.recovered_serial == one.durable_serial == 2
        killed = killed.crash_keeping(())
    for kept, count in ((killed, 2), (dark, 0)):
        async with open_on(kept) as store, store.session("one") as one:
            assert one.recovered_serial == count
            assert len(await content_of(store)) == count


async def test_a_reader_is_shown_the_serials_of_what_it_is_shown() -> None:
    """Beside a writer it serves what is marked as synced, and not one serial more."""
    disk = VirtualDisk()
    async with open_on(disk) as store, store.session("one") as one:
        for number in range(1, 6):
            await one.put(b"%d" % number, b"v", durability=(OS, DISK)[number % 2])
            async with open_on(disk.clone(), read_only=True) as reader:
                shown = (await reader.sessions()).get("one", 0)
                assert shown <= one.durable_serial
                assert len(await content_of(reader)) == shown
    async with open_on(disk, read_only=True) as reader:
        assert await reader.sessions() == {"one": 5}


async def test_serials_alone_are_flushed_too_so_that_the_log_can_go() -> None:
    """Empty batches write log and no entry: a memtable of them is no reason to replay for ever."""
    disk = VirtualDisk()
    async with open_on(disk) as store, store.session("one") as one:
        for _ in range(200):
            async with one.batch(durability=OS):
                pass
        assert store.statistics().memtable_entries == 0
        before = store.statistics().log_segments
        await store.flush()
        assert store.statistics().log_segments < before
        assert store.statistics().memtable_entries == 0
        dark = disk.crash_keeping(())
    async with open_on(dark) as store:
        assert await store.sessions() == {"one": 200}
        assert store.statistics().recovery.frames == 0


async def test_overwriting_in_place_keeps_one_serial_in_the_frame() -> None:
    """A hot key of a session costs its log no more than its last value and serial."""
    options = evolve(memtable_bytes_max=1 << 20)
    async with open_on(VirtualDisk(), options) as store, store.session("one") as one:
        await store.sync()
        before = store.statistics().log_bytes_written
        for _ in range(1000):
            await one.put(b"hot", b"v" * 50, durability=MEMORY)
        await one.wait_durable()
        assert store.statistics().log_bytes_written - before < 1024
        assert one.durable_serial == 1000


@pytest.mark.parametrize("is_flushed", [True, False])
@pytest.mark.parametrize("is_flushed_after", [True, False])
async def test_a_forgotten_session_stays_forgotten(
    is_flushed: bool, is_flushed_after: bool
) -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        async with store.session("one") as one, store.session("two") as two:
            await one.put(b"a", b"1", serial=100)
            await two.put(b"b", b"1")
        if is_flushed:
            await store.flush()
        await store.forget_session("one")
        if is_flushed_after:
            await store.flush()
        dark = disk.crash_keeping(())
    for kept in (disk, dark):
        async with open_on(kept) as store:
            assert await store.sessions() == {"two": 1}
            async with store.session("one") as one:
                assert await one.put(b"a", b"2") == 1
            await store.flush()
        async with open_on(kept) as store:
            assert await store.sessions() == {"one": 1, "two": 1}

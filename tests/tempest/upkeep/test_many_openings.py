"""Each opening leaves a segment of the log: of many, few are left for the next one to read."""

from random import Random

import pytest
import trio

from io_backends import VirtualDisk, VirtualIo
from tempest import Durability, Store
from tempest.maintenance import Maintenance
from tempest.upkeep.removing import EARLIER_SEGMENTS_MAX
from tests.tempest.observed import settle
from tests.tempest.shelf import STORE, content_of, evolve, open_on

ROOMY = evolve(
    durability=Durability.DISK,
    memtable_bytes_max=1 << 20,
    segment_bytes_max=1 << 16,
    compaction_inline=False,
)
OPENINGS = 3 * EARLIER_SEGMENTS_MAX


async def log_files(disk: VirtualDisk) -> int:
    names = await VirtualIo(disk).list(STORE)
    return sum(name.startswith("log-") for name in names)


async def test_openings_that_write_nothing_leave_few_segments(
    autojump_clock: object,
) -> None:
    """A shell that looked into a store a thousand times made a thousand files."""
    disk = VirtualDisk()
    async with open_on(disk, ROOMY) as store:
        await store.put(b"key", b"value")
    most = 0
    for _ in range(OPENINGS):
        async with open_on(disk, ROOMY) as store:
            assert await store.get(b"key") == b"value"
        most = max(most, await log_files(disk))

    assert EARLIER_SEGMENTS_MAX // 2 < most <= EARLIER_SEGMENTS_MAX + 1
    async with open_on(disk, ROOMY) as store:
        assert store.statistics().recovery.frames <= EARLIER_SEGMENTS_MAX + 1


async def test_openings_that_write_little_leave_few_segments(
    autojump_clock: object,
) -> None:
    """None of them filled a memtable, so nothing was ever flushed."""
    disk = VirtualDisk()
    written: dict[bytes, bytes] = {}
    for number in range(OPENINGS):
        key, value = b"%02d" % (number % 40), b"%d" % number
        async with open_on(disk, ROOMY) as store:
            assert await content_of(store) == written
            await store.put(key, value)
            written[key] = value
        assert await log_files(disk) <= EARLIER_SEGMENTS_MAX + 1

    cut_off = disk.crash(Random(1))
    async with open_on(cut_off, ROOMY) as store:
        assert await content_of(store) == written
        assert store.statistics().levels, "they are in tables"


async def test_openings_that_power_cuts_end_leave_few_segments(
    autojump_clock: object,
) -> None:
    """Nobody closes these: a flush beside the program sees to it, once it had a moment."""
    disk = VirtualDisk()
    written: dict[bytes, bytes] = {}

    async def live(store: Store, number: int) -> VirtualDisk:
        key = b"%04d" % number
        await store.put(key, b"on the disk")
        written[key] = b"on the disk"
        await settle(store)
        return disk.crash(Random(number))

    for number in range(OPENINGS):
        async with open_on(disk, ROOMY) as store:
            cut_off = await live(store, number)
        disk = cut_off
        assert await log_files(disk) <= EARLIER_SEGMENTS_MAX + 3

    async with open_on(disk, ROOMY) as store:
        assert await content_of(store) == written


async def test_closing_does_not_wait_for_a_flush_that_goes_wrong(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def never(maintenance: Maintenance, *_: object) -> None:
        asked.append(maintenance.flushes_here)
        await trio.sleep_forever()

    disk = VirtualDisk()
    for number in range(EARLIER_SEGMENTS_MAX):
        async with open_on(disk, ROOMY) as store:
            await store.put(b"%02d" % number, b"value")
    monkeypatch.setattr(Maintenance, "_run_flush", never)
    started = trio.current_time()
    async with open_on(disk, ROOMY) as store:
        await store.put(b"last", b"value")

    assert asked
    assert trio.current_time() - started < 5
    monkeypatch.undo()
    async with open_on(disk, ROOMY) as store:
        assert len(await content_of(store)) == EARLIER_SEGMENTS_MAX + 1


async def test_closing_does_not_wait_for_a_store_that_is_paused(
    autojump_clock: object,
) -> None:
    disk = VirtualDisk()
    for _ in range(EARLIER_SEGMENTS_MAX + 1):
        started = trio.current_time()
        async with open_on(disk, ROOMY) as store:
            await store.put(b"key", b"value")
            store.maintenance.pause()
        assert trio.current_time() - started < 0.5

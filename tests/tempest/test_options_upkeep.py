"""What each option about automatic checkpoints does, on trio's clock.

R21: most options of the seed were read by nobody.
"""

import pytest
import trio
import trio.testing

from io_backends import VirtualDisk
from tempest import Durability, Store, Work
from tests.tempest.observed import observes, roomy, settle
from tests.tempest.shelf import fill, open_on


async def automatic(store: Store) -> int:
    """How many automatic checkpoints were taken since the store was opened."""
    await settle(store)
    return store.maintenance.statistics()[Work.CHECKPOINT].runs


async def automatic_now(store: Store) -> int:
    """As `automatic`, but with nothing done that would make anybody look."""
    await trio.testing.wait_all_tasks_blocked()
    return store.maintenance.statistics()[Work.CHECKPOINT].runs


@observes("checkpoint_interval_seconds")
async def test_checkpoint_interval_seconds_is_the_age_at_which_another_is_taken(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """R11, R27: never at once, never when nothing was written, and nobody sleeps for real."""
    async with open_on(VirtualDisk(), roomy(checkpoint_interval_seconds=60.0)) as store:
        await store.put(b"a", b"1")
        await trio.sleep(59)
        assert await automatic_now(store) == 0
        await trio.sleep(2)
        assert await automatic_now(store) == 1
        await trio.sleep(600)
        assert await automatic_now(store) == 1
        await store.put(b"a", b"2")
        assert await automatic_now(store) == 2
        await store.put(b"a", b"3")
        await trio.sleep(61)
        assert await automatic_now(store) == 3
        assert [info.automatic for info in await store.checkpoints()] == [True, True]


@observes("checkpoint_interval_seconds")
async def test_without_an_interval_time_alone_takes_no_checkpoint(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_on(VirtualDisk(), roomy()) as store:
        await store.put(b"a", b"1")
        await trio.sleep(80_000)
        assert await automatic(store) == 0


@observes("checkpoint_log_bytes")
@pytest.mark.parametrize(("limit", "wanted"), [(0, 0), (20_000, 4), (1 << 20, 0)])
async def test_checkpoint_log_bytes_is_how_much_log_is_written_between_two(
    limit: int, wanted: int, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_on(VirtualDisk(), roomy(checkpoint_log_bytes=limit)) as store:
        for round_ in range(10):
            await fill(store, 100, size=90, start=round_ * 100)  # about 10 KB each
            await settle(store)
        assert await automatic(store) == pytest.approx(wanted, abs=1)


@observes("checkpoint_dirty_bytes")
@pytest.mark.parametrize("level", Durability)
async def test_checkpoint_dirty_bytes_bounds_what_is_in_memory_only(
    level: Durability, autojump_clock: trio.testing.MockClock
) -> None:
    """Whatever the level of the writes: MEMORY ones make no commit that anybody would notice."""
    options = roomy(checkpoint_dirty_bytes=20_000, durability=level)
    async with open_on(VirtualDisk(), options) as store:
        for number in range(400):
            await store.put(b"key %d" % number, b"v" * 100)
            await trio.testing.wait_all_tasks_blocked()
        assert await automatic(store) >= 2
        assert store.statistics().memtable_bytes < 40_000
    async with open_on(VirtualDisk(), roomy(durability=level)) as store:
        for number in range(400):
            await store.put(b"key %d" % number, b"v" * 100)
        assert await automatic(store) == 0


async def test_a_reopened_store_goes_on_counting_from_its_newest_automatic_checkpoint(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk = VirtualDisk()
    options = roomy(checkpoint_log_bytes=20_000)
    async with open_on(disk, options) as store:
        await fill(store, 300, size=90)
        assert await automatic(store) == 1
    async with open_on(disk, options) as store:
        assert await automatic(store) == 0
        await fill(store, 300, size=90)
        assert await automatic(store) == 1

"""What collection says of itself: arguments that are refused, failures that are shown."""

from contextlib import suppress
from pathlib import Path

import attrs
import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import CollectionMethod
from tempest.coordinator import Work
from tests.tempest.collection.support import VALUED, Oracle, opened, settle
from tests.tempest.shelf import STORE, content_of

REFUSED = (
    tempest.StorageError,
    tempest.BackgroundError,
    tempest.OutcomeUnknownError,
)


async def sparse(world: Oracle) -> None:
    """Overwrite most of what is in the first segments, and flush all of it."""
    for number in range(28):
        await world.put(number)
    for number in range(28):
        if number % 7:
            await world.put(number, 10)
    await world.store.flush()
    await world.store.compact()
    await settle()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
async def test_a_share_out_of_bounds_is_refused(share: float) -> None:
    async with opened() as world:
        with pytest.raises(tempest.InvalidError, match="live_share_max"):
            await world.store.collect(share)
        with pytest.raises(tempest.InvalidError, match="live_share_max"):
            await world.store.should_collect(live_share_max=share)


async def test_what_is_no_share_and_no_method_is_a_type_error() -> None:
    async with opened() as world:
        for wrong in ("0.5", True, b""):
            with pytest.raises(TypeError, match="live_share_max"):
                await world.store.collect(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="method"):
            await world.store.should_collect("scan")  # type: ignore[arg-type]


async def test_a_store_that_only_reads_collects_nothing() -> None:
    async with opened() as world:
        await sparse(world)
    options = VALUED
    async with tempest.open_store(
        STORE, io=VirtualIo(world.disk), options=options, read_only=True
    ) as store:
        with pytest.raises(tempest.ReadOnlyError):
            await store.collect()
        with pytest.raises(tempest.ReadOnlyError):
            await store.should_collect()
        assert store.statistics().collection.live_bytes > 0
        assert await content_of(store) == world.content
    with pytest.raises(tempest.NotOpenError):
        await store.collect()


async def test_a_store_without_large_values_has_nothing_to_collect() -> None:
    async with opened() as world:
        for number in range(40):
            await world.put(number, 100)
        report = await world.store.collect(1.0)
        assert report.values_copied == report.bytes_written == 0
        for method in CollectionMethod:
            estimate = await world.store.should_collect(method)
            assert not estimate.is_worthwhile
            assert (estimate.bytes_freed, estimate.bytes_to_copy) == (0, 0)


async def test_a_failed_step_is_shown_and_tried_again(autojump_clock: object) -> None:
    """R32, H14: automatic collection that fails is visible, and goes on when it can."""
    disk = VirtualDisk()
    async with opened(disk) as world:
        await sparse(world)
    fault = FailOp(kinds=(OpKind.CREATE,), path="*/table-*", error="ENOSPC", times=2)
    io = FaultyIo(VirtualIo(disk), FaultPlan((fault,)))
    async with opened(disk, io, collection_live_share_max=0.5) as world:
        await settle()
        assert world.store.statistics().collection.done.values_copied == 0
        told = world.store.maintenance.statistics()[Work.COLLECTION]
        assert told.failures == 1
        assert "injected" in str(told.last_error)
        assert told.retry_seconds is not None
        await world.put(50)

        await trio.sleep(10)

        told = world.store.maintenance.statistics()[Work.COLLECTION]
        assert (told.failures, told.last_error) == (2, None)
        assert world.store.statistics().collection.done.values_copied > 0
        await world.check()


async def test_damage_that_collection_meets_is_raised_and_told() -> None:
    """R12: the value is neither skipped nor copied; the store says what is wrong."""
    async with opened() as world:
        await sparse(world)
        segment = min(world.version.segments, key=lambda segment: segment.first)
        world.disk.corrupt(world.path(segment.number), 600)
        before = world.version
        with pytest.raises(tempest.CorruptionError) as caught:
            await world.store.collect(1.0)
        assert str(segment.number) in caught.value.path
        assert world.store.health().state is tempest.HealthState.READ_ONLY
        assert world.version.tables == before.tables


async def test_an_error_anywhere_leaves_all_as_it_was(autojump_clock: object) -> None:
    """H8: each operation fails once; what was begun goes, and the next collection succeeds."""
    clean = VirtualDisk()
    async with opened(clean) as world:
        await sparse(world)
    at, most = 0, 60
    while at < most:
        disk = clean.clone()
        io = FaultyIo(VirtualIo(disk), FaultPlan((FailOp(at=at, error="ENOSPC"),)))
        with suppress(*REFUSED):  # it did not even open
            async with opened(disk, io) as world:
                for _ in range(2):
                    with suppress(*REFUSED):
                        await world.store.collect(1.0)
                most = io.op_count
                await world.check()
                await world.check_statistics()
                await trio.sleep(100)  # a file that could not be removed is tried again
                numbers = set(world.version.numbers)
                names = [p for p in disk.files() if "log-" in p or "table-" in p]
                assert {int(name[-12:]) for name in names} <= numbers
        at += 1
    assert most > 60


async def test_a_store_that_closes_ends_its_collection() -> None:
    async with trio.open_nursery() as nursery:
        refused: list[BaseException] = []

        async def collect(store: tempest.Store) -> None:
            try:
                while True:
                    await store.collect(1.0)
            except tempest.TempestError as error:
                refused.append(error)

        async with opened() as world:
            await sparse(world)
            nursery.start_soon(collect, world.store)
            await world.overwrite(20, 30)
    assert isinstance(refused[0], tempest.NotOpenError)
    async with opened(world.disk) as again:
        assert again.content == world.content


async def test_workers_collect_on_a_real_disk(tmp_path: Path) -> None:
    """What is copied in another process, over real files, is what was there."""
    options = attrs.evolve(VALUED, compaction_inline=False)
    async with tempest.open_store(tmp_path / "store", options=options) as store:
        for turn in range(3):
            for number in range(turn, 30, 1 + turn):
                key = b"%d" % number
                level = tempest.Durability.OS
                await store.put(key, key * 1000 + b"%d" % turn, durability=level)
        content = await content_of(store)
        report = await store.collect(1.0)
        assert report.values_copied > 0
        assert report.bytes_freed > 0
        assert await content_of(store) == content
    async with tempest.open_store(tmp_path / "store", options=options) as store:
        assert await content_of(store) == content

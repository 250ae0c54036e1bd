"""Collection of a whole store: what is live is the same before and after, the rest is freed."""

from random import Random

import pytest
import trio
from hypothesis import given, settings, strategies as st

import tempest
from io_backends import OpKind, TracingIo, VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import CollectionMethod, CollectionReport
from tempest.coordinator import Work
from tests.tempest.collection.support import EXACT, Oracle, opened, settle
from tests.tempest.interrupting import Interruption


async def test_content_is_the_same_before_and_after() -> None:
    """R19, O12: an oracle before and after, by every way of reading, and after a restart."""
    async with opened() as world:
        await world.overwrite(40, 200)
        for number in range(0, 40, 4):
            await world.delete(number)
        await world.put(50, 10)
        await world.check()

        report = await world.store.collect(0.9)

        assert report.values_copied > 0
        await world.check()
        await world.check_statistics()
    async with opened(world.disk) as again:
        assert again.content == world.content
        await again.check()
        await again.check_statistics()


async def test_the_report_tells_what_really_went_and_came() -> None:
    """R19: statistics after it equal reality, byte for byte."""
    async with opened() as world:
        await world.overwrite(30, 200)
        await world.store.flush()
        await settle()
        files = {path: len(world.disk.read(path)) for path in world.disk.files()}

        report = await world.store.collect(0.8)
        await settle()

        for number in report.segments_removed:
            assert not world.exists(world.path(number))
        gone = [world.path(number) for number in report.segments_removed]
        assert report.bytes_removed == sum(files[path] for path in gone)
        statistics = world.store.statistics().collection
        assert statistics.done == report
        made = [
            segment
            for segment in world.version.value_segments
            if world.path(segment.number) not in files
        ]
        on_disk = sum(len(world.disk.read(world.path(s.number))) for s in made)
        assert report.bytes_written == on_disk == sum(s.file_bytes for s in made)
        assert report.bytes_copied == sum(s.value_bytes for s in made)
        assert statistics.value_segments == len(made) > 0
        assert report.bytes_freed == report.bytes_removed - report.bytes_written > 0


async def test_an_estimate_is_what_collection_then_does() -> None:
    """SCAN and LOOKUP leave out what tables still point to and nobody sees; a compaction agrees."""
    async with opened(level0_tables_max=50) as world:
        await world.overwrite(30, 150)
        await world.store.flush()
        before = world.version
        rough = await world.store.should_collect(CollectionMethod.LIVENESS, 0.8)
        exact = await world.store.should_collect(CollectionMethod.SCAN, 0.8)
        assert rough.bytes_freed < exact.bytes_freed
        early = await world.found(CollectionMethod.SCAN)
        assert world.version is before, "asking changes nothing"
        await world.store.compact()
        await settle()
        estimates = [await world.store.should_collect(m, 0.8) for m in CollectionMethod]
        assert estimates[0] == estimates[1] == estimates[2]
        found = await world.found(CollectionMethod.LIVENESS)
        ended = {s.number for s in before.all_segments if s.end is not None}
        assert early == {n: size for n, size in found.items() if n in ended}

        report = await world.store.collect(0.8)

        assert estimates[0].is_worthwhile
        assert estimates[0].bytes_to_copy == report.bytes_copied
        numbers = {segment.number for segment in estimates[0].segments}
        assert numbers == set(report.segments_removed)
        overhead = report.bytes_written - report.bytes_copied
        assert estimates[0].bytes_freed == report.bytes_freed + overhead


async def test_an_estimate_sees_what_memory_has_overwritten() -> None:
    async with opened() as world:
        for number in range(20):
            await world.put(number)
        await world.store.flush()
        for number in range(5):
            await world.put(number, 10)
        async with world.store.snapshot():
            for number in range(5, 10):
                await world.put(number, 10)
            held = [await world.store.should_collect(m, 1.0) for m in EXACT]
        free = [await world.store.should_collect(m, 1.0) for m in EXACT]

        rough = await world.store.should_collect(live_share_max=1.0)

        total = rough.bytes_to_copy
        assert [e.bytes_to_copy for e in held] == [total - 5000] * 2
        assert [e.bytes_to_copy for e in free] == [total - 10_000] * 2


async def test_what_a_snapshot_sees_is_kept() -> None:
    """Invariant 9, T24: collection copies the versions of every reader position."""
    async with opened() as world:
        for number in range(20):
            await world.put(number)
        async with world.store.snapshot() as view:
            seen = dict(world.content)
            await world.overwrite(20, 100)
            await world.store.collect(1.0)
            await world.check_view(view, seen)
            await world.check()
        await world.store.collect(1.0)
        await world.check()
        assert world.disk_bytes() < 1.5 * world.live_bytes() + 8192


async def test_a_scan_goes_on_in_segments_that_were_dropped() -> None:
    """Invariant 9: files of a pinned version stay until it is let go of."""
    async with opened(read_cache_bytes_max=0) as world:
        await world.overwrite(30, 120)
        await world.store.flush()
        expected = sorted(world.content.items())
        async with world.store.scan() as rows:
            seen = [await anext(rows)]
            report = await world.store.collect(1.0)
            await settle()
            assert report.segments_removed
            for number in report.segments_removed:
                assert world.exists(world.path(number))
            seen += [row async for row in rows]
        assert seen == expected
        await settle()
        for number in report.segments_removed:
            assert not world.exists(world.path(number))


async def test_what_a_checkpoint_needs_is_left_alone() -> None:
    """Invariant 9: a segment that a checkpoint names is neither emptied nor removed."""
    async with opened() as world:
        await world.overwrite(20, 60)
        token = await world.store.checkpoint()
        then = dict(world.content)
        await world.overwrite(20, 60)
        await world.store.collect(1.0)
        await settle()
        meta = world.version.checkpoint(token)
        assert meta is not None
        for number in meta.numbers:
            table = world.path(number).replace("log-", "table-")
            assert world.exists(world.path(number)) or world.exists(table)
        kept = {segment.number for segment in meta.segments}
        estimate = await world.store.should_collect(live_share_max=1.0)
        assert kept.isdisjoint(segment.number for segment in estimate.segments)
        await world.check()
        content = dict(world.content)
    io = VirtualIo(world.disk)
    opening = tempest.open_store("store", io=io, checkpoint=token, read_only=True)
    async with opening as old:
        await world.check_view(old, then)
    async with opened(world.disk) as world:
        await world.check_view(world.store, content)
        await world.store.drop_checkpoint(token)
        report = await world.store.collect(1.0)
        assert kept & set(report.segments_removed)
        await world.check()


async def test_what_a_reader_of_the_log_needs_is_left_alone() -> None:
    """Invariant 6: a segment above the position of a stream stays, however sparse it is."""
    async with opened() as world:
        await world.overwrite(10, 100)
        engine = world.store._engine
        assert engine is not None
        floor = world.version.segments[0].first
        engine.maintenance.log_floors.append(lambda: floor)
        before = {s.number for s in world.version.segments}

        await world.overwrite(10, 100)
        report = await world.store.collect(1.0)

        assert before.isdisjoint(report.segments_removed)
        assert (await world.store.should_collect(live_share_max=1.0)).segments == ()
        engine.maintenance.log_floors.pop()
        await world.store.collect(1.0)
        assert before.isdisjoint(world.version.numbers)
        await world.check()


async def test_live_bytes_are_never_rewritten_in_place() -> None:
    """R20, H3: while it collects, the only files that change are new, or the log's and manifest's."""
    disk = VirtualDisk()
    io = TracingIo(VirtualIo(disk))
    async with opened(disk, io) as world:
        await world.overwrite(30, 150)
        await world.store.flush()
        await settle()
        named = {world.path(number) for number in world.version.numbers}
        named |= {path.replace("log-", "table-") for path in named}
        named.discard(world.path(world.version.segments[-1].number))
        start = len(io.ops)
        await world.store.collect(1.0)
    for traced in io.ops[start:]:
        if traced.op.kind in {OpKind.WRITE, OpKind.WRITE_NOWAIT, OpKind.TRUNCATE}:
            assert f"/{traced.op.path}" not in named


async def test_everything_deleted_leaves_nothing_and_copies_nothing() -> None:
    async with opened() as world:
        for number in range(30):
            await world.put(number)
        await world.store.flush()
        for number in range(30):
            await world.delete(number)
        report = await world.store.collect()
        assert report.values_copied == 0
        assert world.version.value_segments == ()
        await settle()
        assert all(
            s.live_bytes == 0 for s in world.store.statistics().collection.segments
        )
        assert (await world.store.collect(1.0)) == CollectionReport()


async def test_what_was_collected_is_collected_again_and_its_addresses_are_new() -> (
    None
):
    """Addresses of values are never issued twice, over restarts too."""
    disk = VirtualDisk()
    highest = 0
    for _ in range(4):
        async with opened(disk) as world:
            await world.overwrite(20, 80)
            await world.store.collect(1.0)
            await world.check()
            made = world.version.value_segments
            fresh = [segment for segment in made if segment.first >= highest]
            assert fresh
            assert all((s.end or 0) <= highest for s in made if s not in fresh)
            highest = max(segment.limit for segment in made)
            assert highest <= world.version.value_ceiling


async def test_space_stays_within_half_as_much_again() -> None:
    async with opened() as world:
        for number in range(60):
            await world.put(number)
        await world.overwrite(60, 300)
        await world.store.collect()
        await world.store.collect(0.7)
        await settle()
        assert world.disk_bytes() < 1.5 * world.live_bytes() + 8192


async def test_collection_and_compaction_take_turns() -> None:
    """R12: one coordinator, one written matrix; they ask for turns, nobody is skipped."""
    seen: set[tuple[Work, ...]] = set()
    async with opened() as world, trio.open_nursery() as nursery:
        engine = world.store._engine
        assert engine is not None
        coordinator = engine.maintenance.coordinator

        async def watch() -> None:
            while True:
                await coordinator.changed.wait()
                seen.add(coordinator.running)

        nursery.start_soon(watch)
        await world.overwrite(30, 60)
        async with trio.open_nursery() as workers:
            workers.start_soon(world.store.compact)
            workers.start_soon(world.store.collect, 1.0)
            workers.start_soon(world.store.collect, 0.5)
            workers.start_soon(world.store.compact)
            await world.overwrite(30, 60)
        await world.check()
        nursery.cancel_scope.cancel()
    exclusive = {Work.COMPACTION, Work.COLLECTION}
    assert all(len([w for w in running if w in exclusive]) <= 1 for running in seen)
    assert {work for running in seen for work in running} >= exclusive


@pytest.mark.parametrize("share", [0.5, 1.0])
async def test_writers_go_on_while_it_collects(share: float) -> None:
    async with opened() as world:
        await world.overwrite(30, 100)
        done = trio.Event()

        async def collect() -> None:
            for _ in range(4):
                await world.store.collect(share)
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect)
            while not done.is_set():
                await world.overwrite(30, 3)
                await trio.lowlevel.checkpoint()
        await world.check()
        await world.store.collect(1.0)
        await world.check_statistics()


def test_a_collection_can_be_given_up_at_every_step() -> None:
    """Invariant 8: cancelled anywhere, the store is whole, and the next collection finishes."""

    async def main() -> None:
        at = 0
        while True:
            interruption = Interruption(at)
            async with opened() as world:
                await world.overwrite(12, 40)
                is_finished = await interruption.run(lambda: world.store.collect(1.0))
                await world.check()
                await world.put(3)
                await world.store.collect(1.0)
                await world.check()
                await world.check_statistics()
                await settle()
                engine = world.store._engine
                assert engine is not None
                assert engine.maintenance.coordinator.running == ()
                numbers = world.version.numbers
            files = [path for path in world.disk.files() if "log-" in path]
            assert len(files) <= len(numbers)
            if is_finished:
                break
            at += 1
        assert at > 20

    run_seeded(0, main)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_any_history_reads_the_same_however_often_it_is_collected(
    seed: int, rounds: int
) -> None:
    """R19, O12: random writes, deletes, flushes, snapshots and restarts between collections."""

    async def main() -> None:
        disk, random = VirtualDisk(), Random(seed)
        left = rounds
        while left > 0:
            async with opened(
                disk, collection_live_share_max=random.choice([0.0, 0.6])
            ) as world:
                world.random = random
                await world.check()
                for _ in range(random.randint(1, 4)):
                    left -= 1
                    await _some_round(world, random)

    trio.run(main)


async def _some_round(world: Oracle, random: Random) -> None:
    async with world.store.snapshot() as view:
        seen = dict(world.content)
        for _ in range(random.randint(1, 40)):
            if random.random() < 0.2:
                await world.delete(random.randrange(25))
            else:
                await world.put(random.randrange(25), random.choice([10, 300, 2000]))
        if random.random() < 0.5:
            await world.store.collect(random.random())
        await world.check_view(view, seen)
    await world.store.collect(random.random())
    await world.check()
    await world.check_statistics()

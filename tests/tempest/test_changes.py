"""`store.changes`: what becomes durable, frame by frame, from any kept position on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import Changes, Durability, Position, Store
from tests.tempest.shelf import SMALL, evolve, fill, key_of, open_on, value_of

MEMORY, OS, DISK = Durability.MEMORY, Durability.OS, Durability.DISK
Row = tuple[bytes, bytes | None]


async def taken(stream: Changes, upto: Position) -> list[Row]:
    """Everything that the stream gives out now, which is up to a position."""
    rows: list[Row] = []
    while (frame := await stream.poll()) is not None:
        assert frame.position == stream.position
        assert frame.changes, "a frame without changes is not shown"
        rows += [(change.key, change.value) for change in frame.changes]
    assert stream.position == upto
    return rows


async def follow(
    store: Store, start: Position, consumer: str | None = None
) -> list[Row]:
    """Everything behind a position that is durable now."""
    async with store.changes(start, consumer=consumer) as stream:
        return await taken(stream, store.position)


@asynccontextmanager
async def small_store() -> AsyncIterator[Store]:
    async with open_on(VirtualDisk()) as store:
        yield store


async def test_a_stream_gives_out_what_is_written_from_now_on() -> None:
    async with small_store() as store:
        await store.put(b"before", b"1")
        async with store.changes() as stream:
            assert stream.position == store.position
            await store.put(b"a", b"1")
            await store.delete(b"a")

            first, second = await anext(stream), await anext(stream)

    assert [(c.key, c.value) for c in first.changes] == [(b"a", b"1")]
    assert [(c.key, c.value) for c in second.changes] == [(b"a", None)]
    assert first.changes[0].sequence < second.changes[0].sequence
    assert first.position < second.position


async def test_at_the_end_it_waits_and_durability_wakes_it() -> None:
    got: list[Row] = []

    async def consume(stream: Changes) -> None:
        async for frame in stream:
            got.extend((change.key, change.value) for change in frame.changes)

    async with (
        small_store() as store,
        store.changes() as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(consume, stream)
        await store.put(b"a", b"1", durability=OS)
        await trio.testing.wait_all_tasks_blocked()
        assert got == [], "handed to the operating system is not durable"

        await store.sync()
        await trio.testing.wait_all_tasks_blocked()
        assert got == [(b"a", b"1")]
        nursery.cancel_scope.cancel()


async def test_a_cancelled_wait_takes_nothing() -> None:
    async with small_store() as store, store.changes() as stream:
        before = stream.position
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(stream)
        with trio.move_on_after(0.01):
            await anext(stream)
        assert stream.position == before
        await store.put(b"a", b"1")
        assert [c.key for c in (await anext(stream)).changes] == [b"a"]


async def test_a_batch_comes_whole_and_a_hot_key_only_as_it_survived() -> None:
    async with small_store() as store, store.changes() as stream:
        async with store.batch() as batch:
            batch.put(b"a", b"1")
            batch.put(b"b", b"2")
        frame = await anext(stream)
        assert [c.key for c in frame.changes] == [b"a", b"b"]

        for number in range(20):
            await store.put(b"hot", b"%d" % number, durability=MEMORY)
        await store.sync()
        frame = await anext(stream)
        assert [(c.key, c.value) for c in frame.changes] == [(b"hot", b"19")]


async def test_a_version_that_a_snapshot_sees_is_given_out_too() -> None:
    async with small_store() as store, store.changes() as stream:
        await store.put(b"k", b"1", durability=MEMORY)
        async with store.snapshot():
            await store.put(b"k", b"2", durability=MEMORY)
            await store.sync()
        frame = await anext(stream)
        assert [c.value for c in frame.changes] == [b"1", b"2"]


async def test_it_resumes_from_any_position_it_gave() -> None:
    async with small_store() as store:
        start = store.position
        positions = [start]
        async with store.changes(start) as stream:
            for number in range(30):
                await store.put(key_of(number), value_of(number), durability=OS)
                await store.sync()
                positions.append((await anext(stream)).position)
        rows = [(key_of(n), value_of(n)) for n in range(30)]
        for number, position in enumerate(positions):
            if position >= store.oldest_position:
                assert await follow(store, position) == rows[number:]


async def test_it_goes_on_across_segments_flushes_and_reopening() -> None:
    disk = VirtualDisk()
    options = evolve(segment_bytes_max=1024)
    rows: list[Row] = []
    async with open_on(disk, options) as store:
        start = store.position
        async with store.changes(start, consumer="c"):
            pass
    for life in range(4):
        async with open_on(disk, options) as store:
            for number in range(12):
                key, value = key_of(number), value_of(life, 200)
                await store.put(key, value, durability=(OS, DISK)[number % 2])
                rows.append((key, value))
            await store.flush()
            await store.compact()
            await store.sync()
            # Compaction ends with a mark, and the sync takes that along.
            await trio.testing.wait_all_tasks_blocked()
            assert await follow(store, start) == rows
            assert store.statistics().log_segments > 3


async def test_large_values_come_whole_also_once_tables_point_to_them() -> None:
    options = evolve(separated_value_bytes_min=64)
    async with open_on(VirtualDisk(), options) as store:
        start = store.position
        async with store.changes(start, consumer="c"):
            for number in range(8):
                await store.put(key_of(number), value_of(number, 1000))
            await store.flush()
            await store.compact()
        assert await follow(store, start) == [
            (key_of(number), value_of(number, 1000)) for number in range(8)
        ]


async def test_two_streams_do_not_disturb_each_other() -> None:
    async with small_store() as store:
        start = store.position
        async with store.changes(start) as one, store.changes(start) as two:
            await fill(store, 5)
            await store.put(b"z", b"1")
            first = await taken(one, store.position)
            assert two.position == start
            assert await taken(two, store.position) == first


async def test_a_stream_is_read_by_one_task_at_a_time() -> None:
    async with (
        small_store() as store,
        store.changes() as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(anext, stream)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await anext(stream)
        nursery.cancel_scope.cancel()


async def test_who_waits_is_told_when_the_stream_or_the_store_closes() -> None:
    ended: list[str] = []

    async def wait(stream: Changes) -> None:
        with pytest.raises(tempest.NotOpenError) as caught:
            await anext(stream)
        ended.append(caught.value.thing)

    async with small_store() as store, trio.open_nursery() as nursery:
        async with store.changes() as first:
            nursery.start_soon(wait, first)
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        async with store.changes() as second:
            nursery.start_soon(wait, second)
            await trio.testing.wait_all_tasks_blocked()
            await store.aclose()
            with pytest.raises(tempest.NotOpenError):
                await anext(second)
    assert ended == ["stream", "store"]
    with pytest.raises(tempest.NotOpenError):
        store.changes()


async def test_the_callers_own_error_leaves_the_block_unwrapped() -> None:
    async with small_store() as store:
        with pytest.raises(ZeroDivisionError):
            async with store.changes():
                raise ZeroDivisionError
        with pytest.raises(tempest.InvalidError):
            async with (stream := store.changes()):
                pass
            await stream.__aenter__()


def log_files(disk: VirtualDisk) -> list[str]:
    return [name.lstrip("/") for name in disk.files() if "/log-" in name]


def far(position: Position) -> Position:
    return Position(position.timeline, position.address + 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda position: Position(7, position.address), "timeline 7"),
        (far, "above the end"),
    ],
)
async def test_a_position_that_cannot_be_gone_on_from_is_lost(
    change: Callable[[Position], Position], words: str
) -> None:
    async with small_store() as store:
        await store.put(b"a", b"1")
        wrong = change(store.position)
        with pytest.raises(tempest.PositionLostError, match=words) as caught:
            async with store.changes(wrong):
                pass
        assert str(wrong) in str(caught.value)
        assert str(store.oldest_position) in str(caught.value)
        assert str(store.position) in str(caught.value)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_position_within_a_frame_is_refused(in_memory: bool) -> None:
    async with small_store() as store:
        start = store.position
        await fill(store, 5)
        if not in_memory:
            for number in range(3):
                await store.put(key_of(number), b"v")
        for address in (start.address + 1, start.address + 60):
            with pytest.raises(tempest.InvalidError, match="no frame"):
                async with store.changes(Position(0, address)) as stream:
                    await anext(stream)


async def test_a_stream_that_was_left_behind_is_told_what_is_kept() -> None:
    options = evolve(
        segment_bytes_max=1024, stream_retention_bytes=2048, memtable_bytes_max=1 << 20
    )
    async with open_on(VirtualDisk(), options) as store, store.changes() as stream:
        start = stream.position
        for number in range(40):
            await store.put(key_of(number), value_of(number, 200))
        assert store.oldest_position == start, "nothing was flushed"
        await store.flush()
        oldest = store.oldest_position
        assert oldest > start
        with pytest.raises(tempest.PositionLostError) as caught:
            await anext(stream)
    assert f"Position {start} is lost" in str(caught.value)
    assert f"kept from {oldest} to" in str(caught.value)


async def test_damage_is_named_and_never_skipped() -> None:
    disk = VirtualDisk()
    options = evolve(segment_bytes_max=1024, memtable_bytes_max=1 << 20)
    async with open_on(disk, options) as store:
        start = store.position
        for number in range(20):
            await store.put(key_of(number), value_of(number, 200))
        path = min(log_files(disk))
        disk.corrupt(path, 700)
        async with store.changes(start) as stream:
            for _ in range(2):
                with pytest.raises(tempest.CorruptionError) as caught:
                    await anext(stream)
                assert caught.value.path == path
                assert stream.position == start


async def test_frames_survive_a_failed_sync_and_come_once() -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, SMALL) as store:
        start = store.position
        async with store.changes(start) as stream:
            rows: list[Row] = []
            for number in range(12):
                if number in {3, 4, 8}:
                    io.plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,), times=1),))
                    io.log = io.plan.new_log()
                await store.put(key_of(number), value_of(number, 100))
                if number % 3 == 0:
                    rows += await taken(stream, store.position)
            rows += await taken(stream, store.position)
        expected = [(key_of(n), value_of(n, 100)) for n in range(12)]
        assert rows == expected
        assert store.statistics().failures >= 3
        assert await follow(store, start) == expected


async def test_a_stream_that_is_far_behind_gives_way_to_others() -> None:
    async with open_on(VirtualDisk(), evolve(memtable_bytes_max=1 << 20)) as store:
        start = store.position
        for number in range(2000):
            await store.put(key_of(number), b"v", durability=OS)
        await store.sync()
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with store.changes(start) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(count)
            while await stream.poll() is not None:
                pass
            nursery.cancel_scope.cancel()
    assert turns >= 2000 * 3 // 500


async def test_a_read_only_store_has_no_changes() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await store.put(b"a", b"1")
    async with open_on(disk, read_only=True) as store:
        with pytest.raises(tempest.ReadOnlyError):
            store.changes()
        with pytest.raises(tempest.ReadOnlyError):
            _ = store.position


async def test_arguments_are_checked() -> None:
    async with small_store() as store:
        with pytest.raises(TypeError):
            store.changes("0:0")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            store.changes(consumer=b"c")  # type: ignore[arg-type]
        for name in ("", "n" * 256, "\ud800"):
            with pytest.raises(tempest.InvalidError):
                store.changes(consumer=name)
        async with store.changes() as stream:
            with pytest.raises(tempest.InvalidError, match="consumer"):
                await stream.acknowledge(stream.position)
            with pytest.raises(tempest.InvalidError):
                _ = stream.acknowledged

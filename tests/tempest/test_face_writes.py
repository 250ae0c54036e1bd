"""What writes promise: batches are one step, `update` is a read-modify-write, levels hold."""

import pytest
import trio

import tempest
from io_backends import FaultyIo, Slow, TracingIo, VirtualDisk, VirtualIo
from io_backends.faults import WRITES, FaultPlan, OpKind
from tempest import Durability, Options, Store
from tests.tempest.shelf import (
    content_of,
    content_on,
    evolve,
    fill,
    key_of,
    open_on,
    rows_of,
)

levels = pytest.mark.parametrize("level", Durability)


@levels
async def test_a_write_is_read_back_at_once_at_every_level(level: Durability) -> None:
    async with open_on(VirtualDisk(), evolve(durability=level)) as store:
        await store.put(b"a", b"1")
        await store.put(b"a", b"2")
        assert await store.get(b"a") == store.get_nowait(b"a") == b"2"
        await store.delete(b"a")
        assert await store.get(b"a") is None
        await store.delete(b"a")
        assert await content_of(store) == {}


@levels
async def test_a_level_given_to_a_write_beats_the_stores(level: Durability) -> None:
    disk = VirtualDisk()
    async with open_on(disk, Options()) as store:
        await store.put(b"a", b"1", durability=level)
        async with store.batch(durability=level) as batch:
            batch.put(b"b", b"2")
        await store.update(b"c", lambda _: b"3", durability=level)
        await store.delete(b"d", durability=level)
        killed, dark = disk.clone(), disk.crash_keeping(())

    everything = {b"a": b"1", b"b": b"2", b"c": b"3"}
    async with open_on(killed) as store:
        # A batch promises more than MEMORY asks: the system has it, and what is before it.
        survivors = {b"a": b"1", b"b": b"2"}
        kept = survivors if level is Durability.MEMORY else everything
        assert await content_of(store) == kept
    async with open_on(dark) as store:
        assert await content_of(store) == (
            everything if level is Durability.DISK else {}
        )


# Batches.


async def test_a_batch_is_all_there_and_its_last_write_wins() -> None:
    async with open_on(VirtualDisk()) as store:
        await store.put(b"gone", b"x")
        async with store.batch() as batch:
            batch.put(b"a", b"1")
            batch.put(b"b", b"1")
            batch.put(b"a", b"2")
            batch.delete(b"b")
            batch.delete(b"c")
            batch.put(b"c", b"3")
            batch.delete(b"gone")
            assert len(batch) == 4
            assert await store.get(b"a") is None, "nothing shows before the block ends"
        assert await content_of(store) == {b"a": b"2", b"c": b"3"}


async def test_an_exception_in_the_block_writes_nothing_of_the_batch() -> None:
    disk = VirtualDisk()
    error = KeyError("mine")
    async with open_on(disk) as store:

        async def fail() -> None:
            async with store.batch() as batch:
                batch.put(b"a", b"1")
                raise error

        with pytest.raises(KeyError) as caught:
            await fail()
        assert caught.value is error
        with trio.move_on_after(0) as scope:
            async with store.batch() as batch:
                batch.put(b"a", b"1")
                await trio.sleep(1)
        assert scope.cancelled_caught
        assert await content_of(store) == {}
    assert await content_on(disk) == {}


async def test_a_refused_write_leaves_the_batch_usable() -> None:
    async with open_on(VirtualDisk(), evolve(batch_bytes_max=1024)) as store:
        async with store.batch() as batch:
            batch.put(b"a", b"1" * 1000)
            with pytest.raises(tempest.InvalidError, match="batch_bytes_max"):
                batch.put(b"b", b"2" * 1000)
            batch.put(b"a", b"3")
            batch.put(b"b", b"4" * 1000)
        assert await content_of(store) == {b"a": b"3", b"b": b"4" * 1000}


async def test_a_batch_is_over_when_its_block_is() -> None:
    async with open_on(VirtualDisk()) as store:
        async with store.batch() as batch:
            pass
        with pytest.raises(tempest.InvalidError, match="batch is over"):
            batch.put(b"a", b"1")
        with pytest.raises(tempest.InvalidError, match="batch is over"):
            batch.delete(b"a")


async def test_a_batch_may_exceed_the_memtable_and_shows_as_one() -> None:
    """Nobody sees a part of it, however many steps it takes to enter."""
    disk = VirtualDisk()
    count = 2000
    seen: set[int] = set()
    async with open_on(disk) as store:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                while True:
                    async with store.scan(keys_only=True) as rows:
                        seen.add(len([row async for row in rows]))
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(watch)
            await fill(store, count)
            while count not in seen:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert seen == {0, count}
        assert await content_of(store) == dict(rows_of(count))


async def test_a_batch_may_be_as_large_as_the_option_says_and_no_larger() -> None:
    async with open_on(VirtualDisk(), evolve(batch_bytes_max=5000)) as store:
        async with store.batch() as batch:
            batch.put(b"k" * 1000, b"v" * 4000)
            with pytest.raises(tempest.InvalidError, match="5001"):
                batch.put(b"x", b"")
        assert await content_of(store) == {b"k" * 1000: b"v" * 4000}


# Update.


async def test_update_gives_the_old_value_once_and_returns_the_new_one() -> None:
    calls: list[bytes | None] = []

    def count(old: bytes | None) -> bytes:
        calls.append(old)
        return b"%d" % (int(old or b"0") + 1)

    async with open_on(VirtualDisk()) as store:
        assert await store.update(b"hits", count) == b"1"
        assert await store.update(b"hits", count) == b"2"
        await store.flush()
        assert await store.update(b"hits", count) == b"3"
        assert calls == [None, b"1", b"2"]
        assert await store.get(b"hits") == b"3"


async def test_update_to_none_deletes() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await store.put(b"k", b"v")
        assert await store.update(b"k", lambda _: None) is None
        assert await store.get(b"k") is None
        assert await store.update(b"k", lambda _: None) is None
    assert await content_on(disk) == {}


async def test_what_the_function_of_an_update_raises_writes_nothing() -> None:
    error = ZeroDivisionError("mine")

    def fail(_: bytes | None) -> bytes:
        raise error

    async with open_on(VirtualDisk()) as store:
        await store.put(b"k", b"v")
        with pytest.raises(ZeroDivisionError) as caught:
            await store.update(b"k", fail)
        assert caught.value is error
        assert await store.get(b"k") == b"v"


async def test_updates_of_many_tasks_lose_nothing() -> None:
    """R22: check-then-act lost updates; here each sees every write before it."""

    async def count(store: Store, level: Durability) -> None:
        for _ in range(10):
            await store.update(
                b"hits", lambda old: b"%d" % (int(old or b"0") + 1), durability=level
            )

    async with open_on(VirtualDisk()) as store:
        async with trio.open_nursery() as nursery:
            for level in (*Durability, *Durability):
                nursery.start_soon(count, store, level)
            for _ in range(3):
                await store.flush()
        assert await store.get(b"hits") == b"60"


# Without waiting.


async def test_put_nowait_writes_at_once_or_would_block() -> None:
    disk = VirtualDisk()
    async with open_on(disk, Options()) as store:
        await store.sync()
        store.put_nowait(b"os", b"1", durability=Durability.OS)
        killed = disk.clone()
        store.put_nowait(b"memory", b"2", durability=Durability.MEMORY)
        assert store.get_nowait(b"os") == b"1"
        assert store.get_nowait(b"memory") == b"2"
        with pytest.raises(trio.WouldBlock):
            store.put_nowait(b"disk", b"3")
        with pytest.raises(trio.WouldBlock):
            store.put_nowait(b"disk", b"3", durability=Durability.DISK)
        assert store.get_nowait(b"disk") is None

    async with open_on(killed) as store:
        assert await content_of(store) == {b"os": b"1"}
    assert await content_on(disk) == {b"os": b"1", b"memory": b"2"}


async def test_put_nowait_behind_a_pending_disk_write_would_block(
    autojump_clock: object,
) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, Options()) as store, trio.open_nursery() as nursery:
        await store.sync()
        io.plan = FaultPlan((Slow(kinds=(OpKind.SYNC,), seconds=3.0),))
        io.log = io.plan.new_log()
        nursery.start_soon(store.put, b"disk", b"1")
        await trio.sleep(1)
        with pytest.raises(trio.WouldBlock):
            store.put_nowait(b"os", b"2", durability=Durability.OS)
        assert store.get_nowait(b"disk") is None, "durable before visible"
        await trio.sleep(3)
        store.put_nowait(b"os", b"2", durability=Durability.OS)
        assert store.get_nowait(b"disk") == b"1"


async def test_get_nowait_would_block_if_the_answer_is_on_the_device() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await store.put(b"k", b"v")
        await store.flush()
    io = VirtualIo(disk, cached=lambda *_: False)
    async with open_on(io) as store:
        with pytest.raises(trio.WouldBlock):
            store.get_nowait(b"k")
        assert await store.get(b"k") == b"v"
        assert store.get_nowait(b"k") == b"v", "now it is in the cache"


# Waiting for the disk.


async def test_sync_makes_everything_durable_that_was_written() -> None:
    disk = VirtualDisk()
    options = evolve(memtable_bytes_max=1 << 20, durability=Durability.MEMORY)
    async with open_on(disk, options) as store:
        for number in range(20):
            await store.put(key_of(number), b"v")
        await store.put(b"os", b"v", durability=Durability.OS)
        await store.sync()
        dark = disk.crash_keeping(())
        await store.sync()
    async with open_on(dark) as store:
        assert set(await content_of(store)) == {*map(key_of, range(20)), b"os"}


async def test_flush_leaves_nothing_to_replay() -> None:
    disk = VirtualDisk()
    async with open_on(disk, Options()) as store:
        await fill(store, 30)
        await store.put(b"memory", b"v", durability=Durability.MEMORY)
        await store.flush()
        statistics = store.statistics()
        assert statistics.memtable_entries == 0
        assert sum(level.entries for level in statistics.levels) == 31
        killed = disk.crash_keeping(())
        await store.flush()
    async with open_on(killed) as store:
        assert store.statistics().recovery.entries == 0
        assert await content_of(store) == {**dict(rows_of(30)), b"memory": b"v"}


async def test_compact_takes_everything_and_leaves_no_trace_of_deletes() -> None:
    async with open_on(VirtualDisk(), evolve(level0_tables_max=100)) as store:
        for _ in range(3):
            await fill(store, 40)
            await store.flush()
        async with store.batch() as batch:
            for number in range(20):
                batch.delete(key_of(number))
        await store.compact()
        levels = store.statistics().levels
        assert sum(level.entries for level in levels) == 20
        assert sum(level.tombstones for level in levels) == 0
        assert await content_of(store) == dict(rows_of(40)[20:])


async def test_compact_of_a_range_leaves_the_rest() -> None:
    options = evolve(level0_tables_max=100, table_bytes_max=512)
    async with open_on(VirtualDisk(), options) as store:
        await fill(store, 100)
        await store.compact()
        async with store.batch() as batch:
            for number in range(100):
                batch.delete(key_of(number))
        await store.flush()
        before = store.statistics()
        await store.compact(key_of(0), key_of(10))
        after = store.statistics()

        assert after.compactions > before.compactions
        assert await content_of(store) == {}
        await store.compact()
        assert sum(level.entries for level in store.statistics().levels) == 0


@pytest.mark.parametrize("bound", ["a", 5])
async def test_compact_refuses_bounds_that_are_no_keys(bound: bytes) -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(TypeError, match="a key must be bytes"):
            await store.compact(bound)
        with pytest.raises(TypeError, match="a key must be bytes"):
            await store.compact(stop=bound)


# Back-pressure.


async def test_writers_wait_while_flush_is_behind(autojump_clock: object) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    options = evolve(durability=Durability.MEMORY, batch_bytes_max=1 << 20)
    async with open_on(io, options) as store:
        io.plan = FaultPlan((Slow(kinds=(OpKind.RUN_JOB,), seconds=50.0, times=None),))
        io.log = io.plan.new_log()
        throttled = await put_until_throttled(store)
        assert store.statistics().pressure >= 2 / 3
        assert "wait_writable" in str(throttled)
        await fill(store, 300)
        assert store.statistics().pressure >= 1
        started = trio.current_time()
        with trio.move_on_after(1) as scope:
            await store.put(b"late", b"v")
        assert scope.cancelled_caught
        assert store.get_nowait(b"late") is None, "cancelled before it entered"
        await store.wait_writable()
        assert trio.current_time() > started + 10
        assert store.statistics().stalls >= 2
        assert store.statistics().pressure < 1
        await store.put(b"late", b"v")


async def put_until_throttled(store: Store) -> tempest.ThrottledError:
    for number in range(10_000):
        try:
            store.put_nowait(key_of(number), b"v" * 100)
        except trio.WouldBlock as error:
            if isinstance(error, tempest.ThrottledError):
                return error
        await trio.lowlevel.checkpoint()
    raise AssertionError("it was never throttled")


async def test_reads_write_nothing() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await fill(store, 50)
        await store.flush()
    io = TracingIo(VirtualIo(disk))
    async with open_on(io) as store:
        await store.sync()
        await trio.testing.wait_all_tasks_blocked()
        before = sum(io.counts()[kind] for kind in WRITES)
        await content_of(store)
        assert sum(io.counts()[kind] for kind in WRITES) == before

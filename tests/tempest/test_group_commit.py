"""Group commit of writers: one write and one sync, in order, with the real cause, and bounded."""

from random import Random
from typing import Literal

import pytest
import trio
import trio.testing

from io_backends import (
    FailOp,
    FaultyIo,
    IoError,
    OpKind,
    Stuck,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from tempest import BackgroundError, Options, OutcomeUnknownError, Store
from tests.tempest.crowd import LOG, Crowd, Outcomes, strike
from tests.tempest.observed import roomy, settle
from tests.tempest.shelf import content_of, evolve, key_of, open_on


async def write(store: Store, number: int) -> None:
    async with store.batch() as batch:
        batch.put(key_of(number), b"%d" % number)
        batch.put(b"last", b"%d" % number)


CROWD = Crowd(write)
put, start_all, put_all = CROWD.put, CROWD.start_all, CROWD.put_all


def content(numbers: range) -> dict[bytes, bytes]:
    rows = {key_of(number): b"%d" % number for number in numbers}
    return rows | {b"last": b"%d" % numbers[-1]}


async def test_writers_that_wait_together_share_one_write_and_one_sync() -> None:
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    tracing = TracingIo(io)
    outcomes: Outcomes = {}
    async with open_on(tracing, roomy()) as store:
        await settle(store)
        strike(io, Stuck(kinds=(OpKind.SYNC,), path=LOG))
        tracing.ops.clear()
        async with trio.open_nursery() as nursery:
            await start_all(nursery, store, range(200), outcomes)
            assert outcomes == {}
            io.release()
        kinds = [t.op.kind for t in tracing.ops if "log-" in t.op.path]
        assert kinds.count(OpKind.WRITE) == 2  # the first, and all others
        assert kinds.count(OpKind.SYNC) == 2
    assert outcomes == dict.fromkeys(range(200))


async def test_what_waited_together_keeps_its_order_in_the_log() -> None:
    """H6: the newest of them is the newest after a power cut, too."""
    disk = VirtualDisk()
    outcomes: Outcomes = {}
    async with open_on(disk, roomy()) as store:
        await put_all(store, range(50), outcomes)
        assert outcomes == dict.fromkeys(range(50))
        dark = disk.crash_keeping(())
    async with open_on(dark) as store:
        assert await content_of(store) == content(range(50))


@pytest.mark.parametrize("effect", ["none", "partial", "done"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_group_whose_disk_fails_anywhere_becomes_durable_all_the_same(
    effect: Literal["none", "partial", "done"], times: int, autojump_clock: object
) -> None:
    """H1, H5, H8: what could not be written stays dirty, in its order, and is written again."""
    options = evolve(memtable_bytes_max=1 << 20, segment_bytes_max=1024)
    io = TracingIo(VirtualIo(VirtualDisk()))
    async with open_on(io, options) as store:
        await settle(store)
        first = len(io.ops)
        await put_all(store, range(9), {})
        await settle(store)
        indexes = [traced.op.index for traced in io.ops[first:]]
    assert len(indexes) > 25
    for index in indexes[:: 2 * times - 1]:
        disk = VirtualDisk()
        faulty = FaultyIo(VirtualIo(disk))
        async with open_on(faulty, options) as store:
            await settle(store)
            strike(faulty, FailOp(at=index, times=times, effect=effect))
            outcomes: Outcomes = {}
            await put_all(store, range(9), outcomes)
            assert outcomes == dict.fromkeys(range(9))
            dark = disk.crash(Random(index))
        async with open_on(dark, options) as store:
            assert await content_of(store) == content(range(9))


async def test_each_writer_gets_the_real_cause_in_an_error_of_its_own(
    autojump_clock: object,
) -> None:
    """H4, H12: not a summary, and not dropped: the next write and closing say it, too."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    outcomes: Outcomes = {}
    options = roomy(resume_seconds_max=2.0, close_seconds_max=5.0)
    with pytest.raises(BackgroundError) as raised:
        async with open_on(io, options) as store:
            await settle(store)
            strike(io, FailOp(kinds=(OpKind.SYNC,), times=None, path=LOG))
            await put_all(store, range(10), outcomes)
            errors = list(outcomes.values())
            assert len({id(error) for error in errors}) == 10
            for error in errors:
                assert isinstance(error, OutcomeUnknownError)
                assert isinstance(error.__cause__, IoError)
                assert "sync" in str(error.__cause__)
            with pytest.raises(BackgroundError) as refused:
                await store.put(b"a", b"1")
            assert isinstance(refused.value.__cause__, IoError)
    assert isinstance(raised.value.__cause__, IoError)


async def release_later(io: FaultyIo) -> None:
    await trio.sleep(1)
    io.release()


async def test_closing_drains_what_waits(autojump_clock: object) -> None:
    """H7: what was queued when the worker was stopped was dropped."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    outcomes: Outcomes = {}
    async with trio.open_nursery() as nursery, open_on(io, roomy()) as store:
        await settle(store)
        strike(io, Stuck(kinds=(OpKind.SYNC,), path=LOG))
        await start_all(nursery, store, range(20), outcomes)
        nursery.start_soon(release_later, io)
    assert outcomes == dict.fromkeys(range(20))
    async with open_on(disk.crash_keeping(())) as store:
        assert await content_of(store) == content(range(20))


async def test_what_waits_for_the_disk_is_bounded(autojump_clock: object) -> None:
    """The log gathers no more than the memtables may hold; whoever comes then waits, or gives up."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    options: Options = evolve(memtable_bytes_max=4096)
    async with open_on(io, options) as store:
        await settle(store)
        strike(io, Stuck(kinds=(OpKind.CREATE,), path="*/table-*"))
        with trio.move_on_after(30) as scope:
            for number in range(1000):
                await store.put(key_of(number), b"v" * 100)
        assert scope.cancelled_caught
        assert store.statistics().memtable_bytes < 4 * 4096
        assert store.statistics().stalls >= 1
        io.release()
        strike(io)
        await store.put(b"after", b"1")
        assert await store.get(b"after") == b"1"

"""Synced writes that enter on the spot: shared syncs, true outcomes, and no bytes lost on the way."""

from random import Random
from typing import Literal

import pytest
import trio
import trio.testing

from io_backends import (
    FailOp,
    FaultyIo,
    OpKind,
    Stuck,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from tempest import (
    BackgroundError,
    Durability,
    OutcomeUnknownError,
    Store,
)
from tempest.zeros import ZEROS_BYTES
from tests.tempest.crowd import LOG, Crowd, Outcomes, strike
from tests.tempest.observed import roomy, settle
from tests.tempest.shelf import content_of, evolve, key_of, open_on


async def write(store: Store, number: int) -> None:
    await store.put(key_of(number), b"%d" % number, durability=Durability.DISK)


CROWD = Crowd(write)
put, start_all, put_all = CROWD.put, CROWD.start_all, CROWD.put_all


def content(numbers: range) -> dict[bytes, bytes]:
    return {key_of(number): b"%d" % number for number in numbers}


async def test_a_lone_write_costs_one_write_on_the_spot_and_one_sync() -> None:
    io = TracingIo(VirtualIo(VirtualDisk()))
    async with open_on(io, roomy()) as store:
        await settle(store)
        io.ops.clear()
        for number in range(5):
            await store.put(key_of(number), b"x", durability=Durability.DISK)
        ops = [t.op for t in io.ops if "log-" in t.op.path]
    zeros = [op for op in ops if op.kind is OpKind.WRITE]  # ahead of the log, once
    assert sum(op.length for op in zeros) <= ZEROS_BYTES
    kinds = [op.kind for op in ops if op.kind is not OpKind.WRITE]
    assert kinds == [OpKind.WRITE_NOWAIT, OpKind.SYNC] * 5


async def test_what_comes_while_a_sync_is_on_its_way_shares_the_next_one() -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    tracing, outcomes = TracingIo(io), Outcomes()
    async with open_on(tracing, roomy()) as store:
        await settle(store)
        strike(io, Stuck(kinds=(OpKind.SYNC,), path=LOG))
        tracing.ops.clear()
        async with trio.open_nursery() as nursery:
            await start_all(nursery, store, range(200), outcomes)
            assert outcomes == {}
            assert await store.get(key_of(0)) is None
            io.release()
        kinds = [t.op.kind for t in tracing.ops if "log-" in t.op.path]
        assert kinds.count(OpKind.SYNC) == 2
        assert kinds.count(OpKind.WRITE) + kinds.count(OpKind.WRITE_NOWAIT) <= 3
    assert outcomes == dict.fromkeys(range(200))


@pytest.mark.parametrize("effect", ["none", "partial", "done"])
@pytest.mark.parametrize("times", [1, 3])
async def test_wherever_the_disk_fails_all_become_durable_in_their_order(
    effect: Literal["none", "partial", "done"], times: int, autojump_clock: object
) -> None:
    options = evolve(memtable_bytes_max=1 << 20, segment_bytes_max=1024)
    io = TracingIo(VirtualIo(VirtualDisk()))
    async with open_on(io, options) as store:
        await settle(store)
        first = len(io.ops)
        await put_all(store, range(9), {})
        await settle(store)
        indexes = [traced.op.index for traced in io.ops[first:]]
    assert len(indexes) > 8
    for index in indexes[::3]:
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


async def test_whoever_waits_learns_that_the_outcome_is_unknown(
    autojump_clock: object,
) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    outcomes: Outcomes = {}
    options = roomy(resume_seconds_max=2.0, close_seconds_max=5.0)
    with pytest.raises(BackgroundError):
        async with open_on(io, options) as store:
            await settle(store)
            strike(io, FailOp(kinds=(OpKind.SYNC,), times=None, path=LOG))
            await put_all(store, range(3), outcomes)
            assert len({id(error) for error in outcomes.values()}) == 3
            for error in outcomes.values():
                assert isinstance(error, OutcomeUnknownError)


@pytest.mark.parametrize("number", [0, 1], ids=["first of a group", "gathered"])
async def test_a_cancelled_writers_write_goes_its_way(number: int) -> None:
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    outcomes: Outcomes = {}
    async with open_on(io, roomy()) as store:
        await settle(store)
        strike(io, Stuck(kinds=(OpKind.SYNC,), path=LOG))
        scope = trio.CancelScope()

        async def give_up() -> None:
            with scope:
                await put(store, number, outcomes)

        async with trio.open_nursery() as nursery:
            await start_all(nursery, store, range(number), outcomes)
            nursery.start_soon(give_up)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            io.release()
        assert scope.cancelled_caught
        assert outcomes == dict.fromkeys(range(number))
        await store.sync()
        dark = disk.crash_keeping(())
    async with open_on(dark) as store:
        assert await content_of(store) == content(range(number + 1))


async def test_nobody_is_let_by_and_nothing_is_written_without_waiting() -> None:
    async with open_on(VirtualDisk(), roomy(durability=Durability.DISK)) as store:
        await settle(store)
        assert store._engine is not None
        visibility = store._engine.committer.visibility
        last = visibility.last
        for level in (None, Durability.DISK):
            with pytest.raises(trio.WouldBlock):
                store.put_nowait(b"a", b"1", durability=level)
        with pytest.raises(TypeError):
            await store.put(b"a", b"1", durability="disk")  # type: ignore[arg-type]
        store._engine.committer.is_entering = True
        assert store._write_here(b"a", b"1") is None
        store._engine.committer.is_entering = False
        assert visibility.last == last
        await store.put(b"a", b"1")
        assert visibility.durable == visibility.visible == last + 1

"""Who waits for what in a session, always with somebody else beside it; and cancellation of it."""

import pytest
import trio

import tempest
from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    Slow,
    VirtualDisk,
    VirtualIo,
)
from sim import run_seeded
from tempest import Durability, Session, Store
from tests.tempest.interrupting import Interruption
from tests.tempest.shelf import content_of, evolve, open_on
from tests.tempest.test_cancellation import at_every_step, cold
from tests.tempest.test_options_writing import struck
from tests.tempest.test_sessions import ACTIONS, Action

MEMORY, DISK = Durability.MEMORY, Durability.DISK


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_cancelled_anywhere_serial_and_write_are_there_both_or_neither(
    action: Action,
) -> None:
    """O15: before it has entered no serial is used; after, it stays, also on the disk."""

    def run(at: int) -> bool:
        disk = VirtualDisk()
        interruption = Interruption(at)

        async def main() -> None:
            async with open_on(cold(disk)) as store, store.session("one") as session:
                await session.put(b"gone", b"v")
                before = await content_of(store)
                is_done = await interruption.run(lambda: action(session, 5))
                assert session.serial in ((5,) if is_done else (1, 5))
                await store.sync()
                if session.serial == 1:
                    assert await content_of(store) == before
                elif action.__name__ in ("put", "update", "put_nowait", "batch"):
                    assert await store.get(b"k") == b"v"
                elif action.__name__ == "large_batch":
                    assert len(await content_of(store)) == 1501
                assert session.durable_serial == session.serial
                dark, serial = disk.crash_keeping(()), session.serial
                content = await content_of(store)
                assert await session.put(b"next", b"v") == serial + 1
            async with open_on(dark) as store:
                assert await content_of(store) == content
                assert await store.sessions() == {"one": serial}

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) > 0


def test_cancelled_anywhere_a_session_can_be_opened_again() -> None:
    """The scope is around the whole block; nobody is left who uses the name."""

    def run(at: int) -> bool:
        disk = VirtualDisk()
        interruption = Interruption(at)

        async def main() -> None:
            async with open_on(cold(disk)) as store:

                async def block() -> None:
                    async with store.session("one") as session:
                        await session.put(b"k", b"v")
                        await session.put(b"l", b"v", durability=MEMORY)
                        await session.wait_durable()

                await interruption.run(block)
                content = {b"k": b"v", b"l": b"v"}
                async with store.session("one") as session:
                    count = session.recovered_serial
                    assert await content_of(store) == dict([*content.items()][:count])
                await store.forget_session("one")

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) >= 3


def test_cancelled_anywhere_forgetting_is_done_whole_or_not_at_all() -> None:
    def run(at: int) -> bool:
        disk = VirtualDisk()
        interruption = Interruption(at)

        async def main() -> None:
            async with open_on(cold(disk)) as store:
                async with store.session("one") as session:
                    await session.put(b"k", b"v")
                await interruption.run(lambda: store.forget_session("one"))
                await store.sync()
                left = await store.sessions()
                assert left in ({}, {"one": 1})
                dark = disk.crash_keeping(())
            for kept in (disk, dark):
                async with open_on(kept) as store:
                    assert await store.sessions() == left

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) > 0


async def test_the_second_opener_of_a_name_is_told_at_once() -> None:
    """F7: two of one name beside two of others; nobody waits for anybody."""
    async with open_on(VirtualDisk()) as store:
        async with store.session("one") as one, store.session("two") as two:
            for name in ("one", "two"):
                with pytest.raises(trio.BusyResourceError, match=name):
                    async with store.session(name):
                        pass
                with pytest.raises(trio.BusyResourceError, match=name):
                    await store.forget_session(name)
            await one.put(b"k", b"v")
            await two.put(b"k", b"w")
        async with store.session("one") as again:
            assert again.recovered_serial == 1


async def test_idle_and_vanished_sessions_hold_nothing_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """O7: one idles with a write that is not synced, one was dropped; all upkeep goes on."""
    disk = VirtualDisk()
    async with open_on(disk) as store:
        vanished = store.session("vanished")
        await vanished.__aenter__()
        await vanished.put(b"v", b"1", durability=MEMORY)
        del vanished
        async with store.session("idle") as idle, store.session("busy") as busy:
            await idle.put(b"i", b"1", durability=MEMORY)
            await trio.sleep(3600)
            for number in range(50):
                await busy.put(b"b%d" % number, b"v" * 100)
            await busy.wait_durable()
            await store.flush()
            await store.compact()
            await store.sync()
            assert (idle.durable_serial, busy.durable_serial) == (1, 50)
            dark = disk.crash_keeping(())
    async with open_on(dark) as store:
        assert await store.sessions() == {"vanished": 1, "idle": 1, "busy": 50}


async def test_two_sessions_wait_for_their_commit_points_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """F7: both waiters are woken by one sync, and one that gives up harms nobody.

    Whoever asked after the commit had begun got a sync of their own, one run in three.
    """
    io = FaultyIo(VirtualIo(VirtualDisk()), FaultPlan())
    async with (
        open_on(io) as store,
        store.session("one") as one,
        store.session("two") as two,
    ):
        syncs = store.statistics().log_syncs
        for session in (one, two, one):
            await session.put(b"k", b"v", durability=MEMORY)
        assert one.durable_serial == two.durable_serial == 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.wait_durable)
            nursery.start_soon(two.wait_durable, 1)
            with trio.move_on_after(0):
                await one.wait_durable(1)
        assert (one.durable_serial, two.durable_serial) == (2, 1)
        assert store.statistics().log_syncs == syncs + 1
        await one.wait_durable(1)  # no sync for what is durable already
        assert store.statistics().log_syncs == syncs + 1
        with pytest.raises(tempest.InvalidError, match="not taken yet"):
            await one.wait_durable(3)


async def test_a_session_waits_for_what_the_one_before_it_has_on_its_way(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody acts on a serial that is not as safe as it was promised to be."""
    io = FaultyIo(VirtualIo(VirtualDisk()), FaultPlan())
    async with open_on(io) as store:
        async with store.session("one") as session:
            await session.put(b"k", b"1")
            struck(io, Slow(kinds=(OpKind.SYNC,), seconds=10.0))
            with trio.move_on_after(1):
                await session.put(b"k", b"2")
            assert session.serial == 2
        assert await store.sessions() == {"one": 1}, "shown no earlier than its write"
        before = trio.current_time()
        async with store.session("two") as other:
            assert trio.current_time() == before, "the other need not wait for it"
            assert other.serial == 0
        async with store.session("one") as session:
            assert trio.current_time() > before
            assert session.recovered_serial == session.durable_serial == 2
        assert await store.sessions() == {"one": 2}


async def test_waiters_are_told_when_the_log_is_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()), FaultPlan())

    async def wait(session: Session) -> None:
        with pytest.raises(tempest.BackgroundError):
            await session.wait_durable()

    async def life() -> None:
        async with open_on(io, evolve(resume_seconds_max=1.0)) as store:
            async with store.session("one") as one, store.session("two") as two:
                await one.put(b"k", b"v", durability=MEMORY)
                await two.put(b"l", b"v", durability=MEMORY)
                struck(io, FailOp(kinds=(OpKind.SYNC,), times=None))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(wait, one)
                    nursery.start_soon(wait, two)
                with pytest.raises(tempest.BackgroundError):
                    await one.put(b"k", b"w")
                assert one.serial == 1, "a write that is refused takes none"
                assert one.durable_serial == 0
            with pytest.raises(tempest.BackgroundError):
                async with store.session("one"):
                    pass
            assert await store.sessions() == {"one": 1, "two": 1}

    with pytest.raises(tempest.BackgroundError):
        await life()


async def test_a_write_that_waits_its_turn_is_refused_when_its_session_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Two tasks, one session: the batch of one is entering while the other's block ends."""
    async with open_on(VirtualDisk()) as store:

        async def late_put(session: Session, started: trio.Event) -> None:
            started.set()
            with pytest.raises(tempest.NotOpenError, match="session"):
                await session.put(b"late", b"v")

        async with trio.open_nursery() as nursery:
            await begin_large_batch(store, nursery)
            async with store.session("one") as session:
                started = trio.Event()
                nursery.start_soon(late_put, session, started)
                await started.wait()
        async with store.session("one") as session:
            assert session.serial == 0
        assert await store.get(b"late") is None


async def begin_large_batch(store: Store, nursery: trio.Nursery) -> None:
    """Return while a batch is entering, step by step, and others wait at the gate."""

    async def write() -> None:
        async with store.batch(durability=MEMORY) as batch:
            for number in range(5000):
                batch.put(b"%d" % number, b"v")

    nursery.start_soon(write)
    while store.statistics().memtable_entries == 0:
        await trio.lowlevel.checkpoint()

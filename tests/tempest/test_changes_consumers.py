"""Named consumers: what they acknowledged is durable, and the log is kept for them, up to a bound."""

from functools import partial
from random import Random

import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import Durability, Position, Store
from tests.tempest.shelf import evolve, key_of, open_on, value_of

ROLLING = evolve(segment_bytes_max=1024, memtable_bytes_max=1 << 20)


async def write(store: Store, count: int, start: int = 0) -> None:
    """Rows of a fifth of a segment."""
    for number in range(start, start + count):
        await store.put(key_of(number), value_of(number, 200))


async def keys_from(store: Store, consumer: str) -> list[bytes]:
    """The keys that a consumer gets when it resumes, up to now."""
    keys: list[bytes] = []
    async with store.changes(consumer=consumer) as stream:
        while (frame := await stream.poll()) is not None:
            keys += [change.key for change in frame.changes]
    return keys


async def test_a_new_consumer_begins_now_and_is_remembered_at_once() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await write(store, 2)
        async with store.changes(consumer="c") as stream:
            assert stream.position == stream.acknowledged == store.position
            dark = disk.crash_keeping(())
    async with open_on(dark) as store:
        assert list(await store.consumers()) == ["c"]


async def test_it_resumes_behind_what_it_acknowledged_also_after_a_power_cut() -> None:
    disk = VirtualDisk()
    async with open_on(disk, ROLLING) as store:
        async with store.changes(consumer="c") as stream:
            await write(store, 6)
            for _ in range(3):
                frame = await anext(stream)
            await stream.acknowledge(frame.position)
            await anext(stream)
            dark = disk.crash(Random(1))
        assert await store.consumers() == {"c": frame.position}
    for after in (disk, dark):
        async with open_on(after, ROLLING) as store:
            assert await keys_from(store, "c") == [key_of(n) for n in range(3, 6)]


async def test_acknowledging_goes_forward_and_only_to_what_was_given_out() -> None:
    async with open_on(VirtualDisk()) as store, store.changes(consumer="c") as stream:
        start = stream.position
        await write(store, 3)
        first = (await anext(stream)).position
        second = (await anext(stream)).position
        await stream.acknowledge(second)
        for wrong in (start, first, store.position, Position(1, second.address)):
            with pytest.raises(tempest.InvalidError):
                await stream.acknowledge(wrong)
        await stream.acknowledge()
        assert stream.acknowledged == second


async def test_one_name_is_open_once() -> None:
    async with open_on(VirtualDisk()) as store:
        async with store.changes(consumer="c"):
            with pytest.raises(trio.BusyResourceError):
                async with store.changes(consumer="c"):
                    pass
            with pytest.raises(trio.BusyResourceError):
                await store.forget_consumer("c")
        async with store.changes(consumer="c"):
            pass


async def test_a_position_moves_a_consumer() -> None:
    async with open_on(VirtualDisk(), ROLLING) as store:
        start = store.position
        await write(store, 3)
        async with store.changes(consumer="c"):
            pass
        async with store.changes(start, consumer="c") as stream:
            assert (await anext(stream)).changes[0].key == key_of(0)
        assert await store.consumers() == {"c": start}


async def test_a_stopped_consumer_keeps_the_log_and_a_forgotten_one_lets_it_go() -> (
    None
):
    disk = VirtualDisk()
    async with open_on(disk, ROLLING) as store:
        async with store.changes(consumer="c"):
            pass
        await write(store, 30)
    async with open_on(disk, ROLLING) as store:
        await store.flush()
        await trio.testing.wait_all_tasks_blocked()
        assert store.statistics().log_segments > 5
        assert await keys_from(store, "c") == [key_of(n) for n in range(30)]

        await store.forget_consumer("c")
        await store.forget_consumer("c")
        await trio.testing.wait_all_tasks_blocked()
        assert await store.consumers() == {}
        assert store.statistics().log_segments == 1
        assert store.statistics().log_bytes < 1024


async def test_acknowledging_lets_go_of_the_log_below() -> None:
    async with open_on(VirtualDisk(), ROLLING) as store:
        async with store.changes(consumer="c") as stream:
            await write(store, 30)
            await store.flush()
            before = store.statistics()
            for _ in range(20):
                await anext(stream)
            assert store.statistics().log_segments == before.log_segments
            await stream.acknowledge()
            await trio.testing.wait_all_tasks_blocked()
            after = store.statistics()
            assert after.log_segments < before.log_segments
            assert store.oldest_position <= stream.acknowledged
        assert await keys_from(store, "c") == [key_of(n) for n in range(20, 30)]


async def test_one_left_behind_is_told_and_can_be_moved() -> None:
    options = attrs_evolve(stream_retention_bytes=2000)
    async with open_on(VirtualDisk(), options) as store:
        async with store.changes(consumer="c") as stream:
            lost = stream.position
        await write(store, 30)
        await store.flush()
        with pytest.raises(tempest.PositionLostError, match=f"Position {lost} is lost"):
            async with store.changes(consumer="c"):
                pass
        async with store.changes(store.position, consumer="c"):
            pass
        await write(store, 1, start=99)
        assert await keys_from(store, "c") == [key_of(99)]


def attrs_evolve(**changes: object) -> tempest.Options:
    return evolve(segment_bytes_max=1024, memtable_bytes_max=1 << 20, **changes)


async def test_a_slow_consumer_holds_no_writer_up() -> None:
    options = attrs_evolve(stream_retention_bytes=0)
    async with open_on(VirtualDisk(), options) as store:
        async with store.changes(consumer="slow"):
            await write(store, 30)
            await store.flush()
            await trio.testing.wait_all_tasks_blocked()
        assert store.statistics().log_segments == 1, "it pins nothing"


async def test_an_acknowledgement_that_fails_says_so_and_can_be_tried_again() -> None:
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io) as store, store.changes(consumer="c") as stream:
        await write(store, 2)
        await anext(stream)
        io.plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,), times=1),))
        io.log = io.plan.new_log()
        with pytest.raises(tempest.TempestError):
            await stream.acknowledge()
        await anext(stream)
        await stream.acknowledge()
        assert await store.consumers() == {"c": stream.position}


async def test_acknowledgements_of_several_tasks_never_go_back() -> None:
    async with open_on(VirtualDisk()) as store, store.changes(consumer="c") as stream:
        await write(store, 3)
        positions = [(await anext(stream)).position for _ in range(3)]
        refused: list[Position] = []

        async def acknowledge(position: Position) -> None:
            try:
                await stream.acknowledge(position)
            except tempest.InvalidError:
                refused.append(position)

        async with trio.open_nursery() as nursery:
            for position in reversed(positions):
                nursery.start_soon(partial(acknowledge, position))
        assert await store.consumers() == {"c": positions[-1]}
        assert stream.acknowledged == positions[-1]


async def test_a_restored_store_gives_nothing_for_positions_of_before() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        async with store.changes(consumer="c") as stream:
            before = stream.position
        await write(store, 2)
        token = await store.checkpoint()
        await write(store, 2)
    io = VirtualIo(disk)
    await tempest.restore_checkpoint("store", token, io=io)
    async with open_on(disk) as store:
        with pytest.raises(tempest.PositionLostError, match="timeline 0"):
            async with store.changes(before):
                pass
        with pytest.raises(tempest.PositionLostError, match="timeline 0"):
            async with store.changes(consumer="c"):
                pass
        await store.put(b"new", b"1", durability=Durability.DISK)
        async with store.changes(store.oldest_position, consumer="c") as stream:
            assert [c.key for c in (await anext(stream)).changes] == [b"new"]

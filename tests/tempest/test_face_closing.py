"""Leaving the block of a store: whose exception comes out, and what is durable then."""

import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import Durability
from tests.tempest.shelf import content_on, evolve, open_on


async def test_the_users_own_exception_leaves_the_block_unwrapped() -> None:
    disk = VirtualDisk()
    error = KeyError("mine")

    async def session() -> None:
        async with open_on(disk) as store:
            await store.put(b"k", b"v")
            raise error

    with pytest.raises(KeyError) as caught:
        await session()
    assert caught.value is error
    assert not getattr(error, "__notes__", [])
    assert await content_on(disk) == {b"k": b"v"}
    assert disk.open_paths() == disk.locked_paths() == []


async def test_a_group_that_the_user_raises_stays_as_it_is() -> None:
    group = ExceptionGroup("mine", [KeyError("a")])

    with pytest.raises(ExceptionGroup) as caught:
        async with open_on(VirtualDisk()):
            raise group

    assert caught.value is group


async def test_a_timeout_around_the_block_is_a_timeout(autojump_clock: object) -> None:
    disk = VirtualDisk()

    async def session() -> None:
        with trio.fail_after(3):
            async with open_on(disk) as store:
                await store.put(b"k", b"v")
                await trio.sleep(10)

    with pytest.raises(trio.TooSlowError):
        await session()
    assert await content_on(disk) == {b"k": b"v"}
    assert disk.open_paths() == disk.locked_paths() == []


async def test_a_failing_close_becomes_a_note_on_the_users_exception(
    autojump_clock: object,
) -> None:
    io = failing_io()

    async def session() -> None:
        async with open_on(io, evolve(durability=Durability.MEMORY)) as store:
            await store.put(b"k", b"v")
            strike(io)
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        await session()
    (note,) = caught.value.__notes__
    assert "Closing the store failed" in note
    assert io.inner.disk.locked_paths() == []  # type: ignore[attr-defined]


async def test_a_failing_close_without_another_exception_is_a_background_error(
    autojump_clock: object,
) -> None:
    io = failing_io()

    async def session() -> None:
        async with open_on(io, evolve(durability=Durability.MEMORY)) as store:
            await store.put(b"k", b"v")
            strike(io)

    with pytest.raises(tempest.BackgroundError) as caught:
        await session()
    assert caught.value.__cause__ is not None
    assert io.inner.disk.locked_paths() == []  # type: ignore[attr-defined]


def failing_io() -> FaultyIo:
    return FaultyIo(VirtualIo(VirtualDisk()))


def strike(io: FaultyIo) -> None:
    """From now on nothing can be written."""
    kinds = (OpKind.WRITE, OpKind.WRITE_NOWAIT, OpKind.SYNC, OpKind.CREATE)
    io.plan = FaultPlan((FailOp(kinds=kinds, times=None),))
    io.log = io.plan.new_log()


async def test_closing_makes_every_level_durable() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        for level in Durability:
            await store.put(level.value.encode(), b"v", durability=level)

    dark = disk.crash_keeping(())
    assert set(await content_on(dark)) == {b"memory", b"os", b"disk"}


async def test_closing_twice_and_by_two_tasks_is_closing_once() -> None:
    async with open_on(VirtualDisk()) as store:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.aclose)
            nursery.start_soon(store.aclose)
        await store.aclose()

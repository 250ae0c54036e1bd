"""What a session takes, what it returns, and what it refuses before anything has happened."""

from collections.abc import Awaitable, Callable

import pytest
import trio

import tempest
from io_backends import VirtualDisk
from tempest import Durability, Session
from tempest.session import NAME_BYTES_MAX
from tests.tempest.shelf import content_of, open_on

Action = Callable[[Session, int | None], Awaitable[object]]


async def put(session: Session, serial: int | None) -> object:
    return await session.put(b"k", b"v", serial=serial)


async def delete(session: Session, serial: int | None) -> object:
    return await session.delete(b"k", serial=serial)


async def update(session: Session, serial: int | None) -> object:
    return await session.update(b"k", lambda _: b"v", serial=serial)


async def update_nothing(session: Session, serial: int | None) -> object:
    level = Durability.MEMORY
    return await session.update(b"x", lambda _: None, serial=serial, durability=level)


async def put_nowait(session: Session, serial: int | None) -> object:
    level = Durability.OS
    return session.put_nowait(b"k", b"v", serial=serial, durability=level)


async def batch(session: Session, serial: int | None) -> object:
    async with session.batch(serial=serial) as gathered:
        gathered.put(b"k", b"v")
        gathered.delete(b"gone")
    return session.serial


async def empty_batch(session: Session, serial: int | None) -> object:
    async with session.batch(serial=serial, durability=Durability.MEMORY):
        pass
    return session.serial


async def large_batch(session: Session, serial: int | None) -> object:
    async with session.batch(serial=serial) as gathered:
        for number in range(1500):
            gathered.put(b"%d" % number, b"v")
    return session.serial


ACTIONS: list[Action] = [
    *(put, delete, update, update_nothing, put_nowait),
    *(batch, empty_batch, large_batch),
]
every_action = pytest.mark.parametrize(
    "action", ACTIONS, ids=lambda action: action.__name__
)


@every_action
async def test_each_write_takes_the_next_serial_or_the_one_it_is_given(
    action: Action,
) -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        async with store.session("one") as session:
            assert session.name == "one"
            assert session.serial == session.recovered_serial == 0
            for serial, expected in ((None, 1), (None, 2), (7, 7), (None, 8)):
                returned = await action(session, serial)
                assert session.serial == expected
                if action in (put, delete, put_nowait):
                    assert returned == expected
            await session.wait_durable()
            assert session.durable_serial == 8
        assert await store.sessions() == {"one": 8}
    async with open_on(disk) as store, store.session("one") as session:
        assert session.recovered_serial == session.durable_serial == 8
        await action(session, 9)


@every_action
@pytest.mark.parametrize("serial", [3, 0, -1, 2**63])
async def test_a_serial_that_is_not_above_the_last_is_refused_and_nothing_happens(
    action: Action, serial: int
) -> None:
    async with open_on(VirtualDisk()) as store, store.session("one") as session:
        await session.put(b"first", b"v", serial=3)
        tail = store.statistics().log_tail

        with pytest.raises(tempest.InvalidError, match="not above 3"):
            await action(session, serial)

        assert await content_of(store) == {b"first": b"v"}
        assert session.serial == 3
        assert store.statistics().log_tail == tail
        await action(session, None)
        assert session.serial == 4


@every_action
async def test_a_session_that_is_over_writes_nothing(action: Action) -> None:
    async with open_on(VirtualDisk()) as store:
        never = store.session("never")
        async with store.session("one") as over:
            pass
        for session in (never, over):
            with pytest.raises(tempest.NotOpenError, match="session"):
                await action(session, None)
            with pytest.raises(tempest.NotOpenError, match="session"):
                await session.wait_durable()
        with pytest.raises(tempest.InvalidError, match="opened before"):
            await over.__aenter__()
        assert await store.sessions() == {}, "it never wrote"


async def test_what_an_update_raises_takes_no_serial() -> None:
    def refuse(_: bytes | None) -> bytes:
        raise LookupError

    async with open_on(VirtualDisk()) as store, store.session("one") as session:
        with pytest.raises(LookupError):
            await session.update(b"k", refuse)
        with pytest.raises(LookupError):
            async with session.batch():
                raise LookupError
        assert session.serial == 0


async def test_put_nowait_that_would_block_takes_no_serial() -> None:
    async with open_on(VirtualDisk()) as store, store.session("one") as session:
        with pytest.raises(trio.WouldBlock):
            session.put_nowait(b"k", b"v")
        assert session.serial == 0
        assert session.put_nowait(b"k", b"v", durability=Durability.MEMORY) == 1


async def test_an_update_meets_a_serial_that_was_taken_meanwhile() -> None:
    """The function writes through the same session: the outer serial is refused, not lost."""
    async with open_on(VirtualDisk()) as store, store.session("one") as session:

        def meanwhile(_: bytes | None) -> bytes:
            session.put_nowait(b"inner", b"v", serial=5, durability=Durability.MEMORY)
            return b"outer"

        with pytest.raises(tempest.InvalidError, match="serial 5 is not above 5"):
            await session.update(b"k", meanwhile, serial=5)
        assert await content_of(store) == {b"inner": b"v"}


@pytest.mark.parametrize("name", ["", "n" * (NAME_BYTES_MAX + 1), "\ud800"])
async def test_a_name_has_to_be_text_of_some_bytes(name: str) -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(tempest.InvalidError):
            store.session(name)
        with pytest.raises(tempest.InvalidError):
            await store.forget_session(name)
        async with store.session("ö" * 127) as session:
            await session.put(b"k", b"v")
        assert await store.sessions() == {"ö" * 127: 1}


async def test_wrong_types_are_type_errors() -> None:
    name: str = b"one"  # type: ignore[assignment]
    serial: int = "1"  # type: ignore[assignment]
    level: Durability = "disk"  # type: ignore[assignment]
    async with open_on(VirtualDisk()) as store, store.session("one") as session:
        with pytest.raises(TypeError, match="name of a session"):
            store.session(name)
        for action in ACTIONS:
            for wrong in (serial, True):
                with pytest.raises(TypeError, match="serial must be"):
                    await action(session, wrong)
        with pytest.raises(TypeError, match="serial must be"):
            await session.wait_durable(serial)
        with pytest.raises(TypeError, match="durability"):
            await session.put(b"k", b"v", durability=level)
        with pytest.raises(TypeError, match="durability"):
            await store.forget_session("one", durability=level)
        assert session.serial == 0


async def test_forgetting_begins_at_zero_again_and_keeps_what_was_written() -> None:
    disk = VirtualDisk()
    for _ in range(2):
        async with open_on(disk) as store:
            async with store.session("one") as session:
                assert await session.put(b"k", b"v") == 1
            await store.flush()
            await store.forget_session("one")
            await store.forget_session("one")  # one that is not there is no error
            assert await store.sessions() == {}
        async with open_on(disk) as store:
            assert await store.sessions() == {}
            assert await content_of(store) == {b"k": b"v"}


async def test_a_closed_store_has_no_sessions() -> None:
    async with open_on(VirtualDisk()) as store:
        session = store.session("one")
        await session.__aenter__()
    for action in (session.put(b"k", b"v"), store.sessions(), session.wait_durable()):
        with pytest.raises(tempest.NotOpenError, match="store"):
            await action
    await session.__aexit__(None, None, None)


async def test_a_read_only_store_shows_sessions_and_opens_none() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store, store.session("one") as session:
        await session.put(b"k", b"v")
        await store.flush()
        await session.put(b"k", b"w")
    async with open_on(disk, read_only=True) as store:
        assert await store.sessions() == {"one": 2}
        with pytest.raises(tempest.ReadOnlyError):
            async with store.session("one"):
                pass
        with pytest.raises(tempest.ReadOnlyError):
            await store.forget_session("one")

"""The door of a store: how it is opened and closed, what leaves its block, what it refuses."""

import inspect
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import Durability, HealthState, Options, Store
from tempest.options import KEY_BYTES_MAX, VALUE_BYTES_MAX
from tests.tempest.shelf import SMALL, STORE, content_of, content_on, evolve, open_on

# Opening.


def test_open_store_has_the_promised_signature() -> None:
    parameters = inspect.signature(tempest.open_store).parameters
    path, *others = parameters.values()

    assert (path.name, path.default) == ("path", inspect.Parameter.empty)
    assert {other.name: other.default for other in others} == {
        "io": None,
        "options": Options(),
        "create": True,
        "read_only": False,
        "checkpoint": None,
    }
    assert all(other.kind is inspect.Parameter.KEYWORD_ONLY for other in others)


def test_everything_that_is_exported_is_there() -> None:
    assert sorted(tempest.__all__) == tempest.__all__
    assert all(hasattr(tempest, name) for name in tempest.__all__)


async def test_awaiting_open_store_says_what_to_write_instead() -> None:
    with pytest.raises(TypeError, match="async with"):
        await tempest.open_store(STORE, io=VirtualIo(VirtualDisk()))


async def test_a_store_is_entered_once() -> None:
    opening = open_on(VirtualDisk())
    async with opening:
        pass

    with pytest.raises(TypeError, match="open_store"):
        async with opening:
            pass


@pytest.mark.parametrize("path", [b"store", 5, None])
def test_a_path_of_the_wrong_type_is_a_type_error(path: object) -> None:
    with pytest.raises(TypeError):
        _ = tempest.open_store(path)  # type: ignore[arg-type]


def test_options_of_the_wrong_type_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="options"):
        _ = tempest.open_store(STORE, options={})  # type: ignore[arg-type]


def test_a_checkpoint_that_is_not_there_is_refused() -> None:
    with pytest.raises(tempest.CheckpointError):
        _ = tempest.open_store(STORE, checkpoint=b"token", read_only=True)


async def test_without_io_the_store_is_on_the_real_filesystem(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with tempest.open_store(folder) as store:
        await store.put(b"user:1", b"ada")
        assert store.path == os.fspath(folder)
    async with tempest.open_store(str(folder), create=False) as store:
        assert await store.get(b"user:1") == b"ada"
        assert store.options == Options()


async def test_an_empty_folder_becomes_a_store() -> None:
    disk = VirtualDisk()
    await VirtualIo(disk).make_dir(STORE)
    async with open_on(disk) as store:
        await store.put(b"k", b"v")

    assert await content_on(disk) == {b"k": b"v"}


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("is_there", [True, False])
async def test_what_may_not_create_creates_nothing(
    read_only: bool, is_there: bool
) -> None:
    disk = VirtualDisk()
    if is_there:
        await VirtualIo(disk).make_dir(STORE)

    with pytest.raises(tempest.NotAStoreError, match=STORE):
        async with open_on(disk, create=read_only, read_only=read_only):
            pass
    assert disk.contents() == {}


async def test_a_reader_reads_and_refuses_to_write() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await store.put(b"k", b"v")

    async with open_on(disk, read_only=True) as store:
        assert await store.get(b"k") == b"v"
        assert store.get_nowait(b"k") == b"v"
        assert await store.get_many([b"k", b"x"]) == [b"v", None]
        assert await content_of(store) == {b"k": b"v"}
        async with store.snapshot() as view:
            assert await view.get(b"k") == b"v"
        assert store.health().state is HealthState.HEALTHY
        assert store.statistics().sequence_visible > 0
        for write in WRITES.values():
            with pytest.raises(tempest.ReadOnlyError, match="read_only"):
                await write(store)


async def test_readers_do_not_exclude_each_other_nor_the_writer() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await store.put(b"k", b"v")
        async with (
            open_on(disk, read_only=True) as one,
            open_on(disk, read_only=True) as other,
        ):
            assert await one.get(b"k") == await other.get(b"k") == b"v"


# Leaving the block.


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


Call = Callable[[Store], Awaitable[object]]


def calling(name: str, *arguments: object) -> Call:
    async def call(store: Store) -> object:
        return await getattr(store, name)(*arguments)

    return call


async def batch(store: Store) -> None:
    async with store.batch() as batch:
        batch.put(b"k", b"v")


async def put_nowait(store: Store) -> None:
    store.put_nowait(b"k", b"v", durability=Durability.OS)


async def get_nowait(store: Store) -> None:
    store.get_nowait(b"k")


async def scan(store: Store) -> None:
    async with store.scan() as rows:
        async for _ in rows:
            pass


async def snapshot(store: Store) -> None:
    async with store.snapshot() as view:
        await view.get(b"k")


WRITES: dict[str, Call] = {
    "put": calling("put", b"k", b"v"),
    "put_nowait": put_nowait,
    "delete": calling("delete", b"k"),
    "batch": batch,
    "update": calling("update", b"k", lambda old: old),
    "sync": calling("sync"),
    "flush": calling("flush"),
    "compact": calling("compact"),
    "wait_writable": calling("wait_writable"),
}
READS: dict[str, Call] = {
    "get": calling("get", b"k"),
    "get_nowait": get_nowait,
    "get_many": calling("get_many", [b"k"]),
    "scan": scan,
    "snapshot": snapshot,
}
CALLS = WRITES | READS
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_every_public_operation_is_among_the_calls() -> None:
    public = {name for name in dir(Store) if not name.startswith("_")}

    assert public - set(CALLS) == {
        "aclose",
        "health",
        "options",
        "path",
        "statistics",
    }


@every_call
@pytest.mark.parametrize("read_only", [True, False])
async def test_a_closed_store_says_so(call: Call, read_only: bool) -> None:
    disk = VirtualDisk()
    async with open_on(disk):
        pass
    async with open_on(disk, read_only=read_only) as store:
        pass

    with pytest.raises(tempest.NotOpenError) as caught:
        await call(store)
    assert isinstance(caught.value, trio.ClosedResourceError)


@every_call
async def test_every_call_checks_for_cancellation(call: Call) -> None:
    async with open_on(VirtualDisk()) as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await call(store)
        assert scope.cancelled_caught or call in (put_nowait, get_nowait)


# Keys, values and other arguments.


@pytest.mark.parametrize("key", ["text", bytearray(b"k"), memoryview(b"k"), None, 5])
async def test_a_key_of_the_wrong_type_is_a_type_error(key: bytes) -> None:
    async with open_on(VirtualDisk()) as store:
        for action in (
            store.put(key, b"v"),
            store.delete(key),
            store.get(key),
            store.get_many([b"fine", key]),
            store.update(key, lambda old: old),
        ):
            with pytest.raises(TypeError, match="a key must be bytes"):
                await action
        with pytest.raises(TypeError, match="a key must be bytes"):
            store.get_nowait(key)
        with pytest.raises(TypeError, match="a key must be bytes"):
            store.put_nowait(key, b"v")
        with pytest.raises(TypeError, match="a key must be bytes"):
            async with store.batch() as batch:
                batch.delete(key)
        assert await content_of(store) == {}


@pytest.mark.parametrize("value", ["text", bytearray(b"v"), None, 5])
async def test_a_value_of_the_wrong_type_is_a_type_error(value: bytes) -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(TypeError, match="a value must be bytes"):
            await store.put(b"k", value)
        with pytest.raises(TypeError, match="a value must be bytes"):
            store.put_nowait(b"k", value)
        with pytest.raises(TypeError, match="a value must be bytes"):
            async with store.batch() as batch:
                batch.put(b"k", value)
        if value is not None:
            with pytest.raises(TypeError, match="a value must be bytes"):
                await store.update(b"k", lambda _: value)
        assert await content_of(store) == {}


async def test_a_durability_of_the_wrong_type_is_a_type_error() -> None:
    level: Durability = "disk"  # type: ignore[assignment]
    async with open_on(VirtualDisk()) as store:
        for write in (
            store.put(b"k", b"v", durability=level),
            store.delete(b"k", durability=level),
            store.update(b"k", lambda _: b"v", durability=level),
        ):
            with pytest.raises(TypeError, match="durability"):
                await write
        with pytest.raises(TypeError, match="durability"):
            store.put_nowait(b"k", b"v", durability=level)
        with pytest.raises(TypeError, match="durability"):
            async with store.batch(durability=level) as batch:
                batch.put(b"k", b"v")
        assert await content_of(store) == {}


async def test_keys_are_taken_up_to_their_bound_and_refused_above() -> None:
    longest = b"k" * KEY_BYTES_MAX
    disk = VirtualDisk()
    assert KEY_BYTES_MAX == 64 * 1024
    async with open_on(disk) as store:
        await store.put(longest, b"v")
        await store.flush()
        for action in (
            store.put(longest + b"k", b"v"),
            store.delete(longest + b"k"),
            store.get(longest + b"k"),
        ):
            with pytest.raises(tempest.InvalidError, match="65537") as caught:
                await action
            assert isinstance(caught.value, ValueError)

    assert await content_on(disk) == {longest: b"v"}


async def test_values_are_taken_up_to_their_bound_and_refused_above() -> None:
    largest = bytes(VALUE_BYTES_MAX)
    disk = VirtualDisk()
    assert VALUE_BYTES_MAX == 64 * 1024 * 1024
    async with open_on(disk, Options()) as store:
        await store.put(b"k", largest, durability=Durability.OS)
        with pytest.raises(tempest.InvalidError, match=str(VALUE_BYTES_MAX + 1)):
            await store.put(b"k", largest + b"x")
        with pytest.raises(tempest.InvalidError, match=str(VALUE_BYTES_MAX + 1)):
            await store.update(b"k", lambda _: largest + b"x")
        assert await store.get(b"k") == largest


async def test_the_empty_key_and_the_empty_value_are_legal() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        assert await store.get(b"") is None
        await store.put(b"", b"")
        await store.put(b"a", b"")
        assert await store.get(b"") == b""
        assert await store.get_many([b"", b"b", b"a"]) == [b"", None, b""]
        await store.flush()
        assert await store.get(b"") == b""
        await store.delete(b"a")

    assert await content_on(disk) == {b"": b""}


# What it says of itself.


async def test_health_and_statistics_are_immutable_records() -> None:
    async with open_on(VirtualDisk()) as store:
        health, statistics = store.health(), store.statistics()

        assert health.state is HealthState.HEALTHY
        assert (health.cause, health.seconds) == (None, 0.0)
        with pytest.raises(AttributeError):
            health.cause = "mine"  # type: ignore[misc]
        with pytest.raises(AttributeError):
            statistics.flushes = 5  # type: ignore[misc]


async def test_statistics_tell_what_recovery_replayed() -> None:
    disk = VirtualDisk()
    async with open_on(disk, Options()) as store:
        for number in range(5):
            await store.put(b"%d" % number, b"v")
        killed = disk.clone()
    async with open_on(killed) as store:
        report = store.statistics().recovery
        assert (report.entries, report.clean) == (5, False)
        assert report.frames >= 5  # marks count
    async with open_on(disk) as store:
        report = store.statistics().recovery
        assert (report.entries, report.clean, report.torn_bytes) == (5, True, 0)
        await store.flush()
    async with open_on(disk) as store:
        assert store.statistics().recovery.entries == 0


async def test_a_store_opens_under_any_options() -> None:
    disk = VirtualDisk()
    expected: dict[bytes, bytes] = {}
    for number, options in enumerate((Options(), SMALL, evolve(block_bytes=64))):
        async with open_on(disk, options) as store:
            await store.put(b"%d" % number, b"v" * 3000)
            expected[b"%d" % number] = b"v" * 3000
            assert await content_of(store) == expected

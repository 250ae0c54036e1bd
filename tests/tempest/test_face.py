"""The door of a store: how it is opened, every call that it offers, what it says of itself."""

import inspect
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import Durability, HealthState, Options, Store, Work
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


async def test_a_checkpoint_that_is_not_there_is_refused() -> None:
    disk = VirtualDisk()
    async with open_on(disk):
        pass
    opening = tempest.open_store(
        STORE, io=VirtualIo(disk), checkpoint=b"token", read_only=True
    )
    with pytest.raises(tempest.CheckpointError):
        await opening.__aenter__()


def test_a_checkpoint_is_opened_read_only() -> None:
    with pytest.raises(tempest.InvalidError):
        _ = tempest.open_store(STORE, io=VirtualIo(VirtualDisk()), checkpoint=b"token")


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


# Every call.


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


async def start_checkpoint(store: Store) -> None:
    store.start_checkpoint()


async def position(store: Store) -> None:
    _ = store.position


async def oldest_position(store: Store) -> None:
    _ = store.oldest_position


async def changes(store: Store) -> None:
    async with store.changes():
        pass


async def session(store: Store) -> None:
    async with store.session("importer") as importer:
        await importer.put(b"k", b"v")


async def maintenance(store: Store) -> None:
    await store.maintenance.run_now(Work.FLUSH)


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
    "checkpoint": calling("checkpoint"),
    "start_checkpoint": start_checkpoint,
    "drop_checkpoint": calling("drop_checkpoint", b"token"),
    "prune_checkpoints": calling("prune_checkpoints", 1),
    "backup": calling("backup", "/backup"),
    "collect": calling("collect"),
    "should_collect": calling("should_collect"),
    "maintenance": maintenance,
    "session": session,
    "forget_session": calling("forget_session", "importer"),
    "position": position,
    "oldest_position": oldest_position,
    "changes": changes,
    "consumers": calling("consumers"),
    "forget_consumer": calling("forget_consumer", "index"),
}
READS: dict[str, Call] = {
    "get": calling("get", b"k"),
    "get_nowait": get_nowait,
    "get_many": calling("get_many", [b"k"]),
    "scan": scan,
    "snapshot": snapshot,
    "sessions": calling("sessions"),
    "checkpoints": calling("checkpoints"),
    "checkpoint_info": calling("checkpoint_info", b"token"),
    "validate_checkpoint": calling("validate_checkpoint", b"token"),
}
CALLS = WRITES | READS
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_every_public_operation_is_among_the_calls() -> None:
    public = {name for name in dir(Store) if not name.startswith("_")}

    assert public - set(CALLS) == {
        "aclose",
        "checkpoint_phase",
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
        assert scope.cancelled_caught or call in (
            put_nowait,
            get_nowait,
            start_checkpoint,
            position,
            oldest_position,
        )


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

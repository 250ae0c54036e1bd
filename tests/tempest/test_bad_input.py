"""What a store meets at its door and cannot help: wrong folders, rights, full disks, others.

Damaged files are in `test_damage.py`. Each case gets its documented error, and nothing is changed
by it.
"""

import os
import socket
from pathlib import Path

import pytest
import trio

import tempest
from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    FileIo,
    OpKind,
    VirtualDisk,
    VirtualIo,
)
from tempest import Durability, HealthState, NotAStoreError
from tempest.check import verify_store
from tests.io_backends.file_child import run_child
from tests.tempest.damage import CLOSED, KILLED, OPTIONS, Sample, without_lock
from tests.tempest.shelf import (
    STORE,
    content_of,
    content_on,
    evolve,
    fill,
    key_of,
    open_on,
    value_of,
)

both_ways = pytest.mark.parametrize("read_only", [False, True])
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="changes its user")


async def refused(
    disk: VirtualDisk | FaultyIo, *, read_only: bool = False
) -> tempest.TempestError:
    """Open what cannot be opened and return the error."""
    with pytest.raises(tempest.TempestError) as caught:
        async with open_on(disk, OPTIONS, read_only=read_only):
            pass
    return caught.value


async def write_file(disk: VirtualDisk, path: str, data: bytes) -> None:
    file = await VirtualIo(disk).create_exclusive(path)
    await file.write_at(0, data)
    await file.aclose()


# Not a store.


@both_ways
async def test_a_file_is_not_a_store(read_only: bool) -> None:
    disk = VirtualDisk()
    await write_file(disk, STORE, b"mine")

    error = await refused(disk, read_only=read_only)
    assert isinstance(error, NotAStoreError)
    assert "not a folder" in str(error)
    assert disk.contents() == {f"/{STORE}": b"mine"}


@both_ways
async def test_a_folder_of_other_files_is_not_a_store(read_only: bool) -> None:
    """O11: never create over what is not empty."""
    disk = VirtualDisk()
    await VirtualIo(disk).make_dir(STORE)
    await write_file(disk, f"{STORE}/letter.txt", b"dear")

    error = await refused(disk, read_only=read_only)
    assert isinstance(error, NotAStoreError)
    assert "letter.txt" in str(error)
    assert disk.contents() == {f"/{STORE}/letter.txt": b"dear"}


@both_ways
async def test_a_folder_whose_parent_is_missing_is_not_made(read_only: bool) -> None:
    disk = VirtualDisk()
    io = VirtualIo(disk)
    with pytest.raises(NotAStoreError) as caught:
        async with tempest.open_store("deep/down", io=io, read_only=read_only):
            pass
    assert "deep/down" in str(caught.value)
    if not read_only:
        assert "parent 'deep' does not exist" in str(caught.value)
    assert await io.list("/") == []


async def test_a_real_file_and_a_real_missing_parent_are_not_stores(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"mine")
    for path in (file, file / "below", tmp_path / "missing" / "store"):
        with pytest.raises(NotAStoreError, match=path.name):
            async with tempest.open_store(path):
                pass
    assert await FileIo().list(str(tmp_path)) == ["file"]
    assert file.read_bytes() == b"mine"


async def test_what_a_creation_left_behind_is_no_hindrance() -> None:
    disk = VirtualDisk()
    await VirtualIo(disk).make_dir(STORE)
    await write_file(disk, f"{STORE}/lock", b"")
    await write_file(disk, f"{STORE}/manifest-000000000001.tmp", b"half")
    async with open_on(disk) as store:
        await store.put(b"k", b"v")
    assert await content_on(disk) == {b"k": b"v"}


async def test_strange_files_in_a_store_are_left_alone() -> None:
    disk = CLOSED.disk.clone()
    names = ["letter.txt", "table-7", "log-x", "manifest-1", "table-000000000001.bak"]
    for name in names:
        await write_file(disk, f"{STORE}/{name}", b"mine")
    async with open_on(disk, OPTIONS) as store:
        await store.compact()
        assert await content_of(store) == CLOSED.content
    for name in names:
        assert disk.read(f"{STORE}/{name}") == b"mine"


async def test_verify_of_what_is_not_a_store_says_so() -> None:
    disk = VirtualDisk()
    with pytest.raises(NotAStoreError):
        await verify_store(VirtualIo(disk), STORE)
    assert disk.contents() == {}


# Rights and a broken device.

OPENING = (OpKind.LIST, OpKind.OPEN, OpKind.READ, OpKind.STAT)
WRITING = (OpKind.LOCK, OpKind.CREATE, OpKind.WRITE, OpKind.SYNC)


@pytest.mark.parametrize("name", ["EACCES", "EIO", "EMFILE", "EROFS"])
@pytest.mark.parametrize(
    ("kind", "read_only"),
    [
        *((kind, True) for kind in OPENING),
        *((kind, False) for kind in (*OPENING, *WRITING)),
    ],
)
async def test_what_the_system_refuses_at_the_door_is_a_storage_error(
    kind: OpKind, name: str, read_only: bool
) -> None:
    disk = KILLED.disk.clone()
    fault = FailOp(kinds=(kind,), times=None, error=name)  # type: ignore[arg-type]
    error = await refused(
        FaultyIo(VirtualIo(disk), FaultPlan((fault,))), read_only=read_only
    )

    assert type(error) is tempest.StorageError
    assert error.errno == {"EACCES": 13, "EIO": 5, "EMFILE": 24, "EROFS": 30}[name]
    assert error.path.startswith(STORE)
    assert error.operation == kind.value
    assert "permissions" in str(error)
    assert disk.open_paths() == disk.locked_paths() == []
    async with open_on(disk, OPTIONS) as store:
        assert await content_of(store) == KILLED.content


@needs_root
def test_a_folder_without_permission_is_a_storage_error(tmp_path: Path) -> None:
    script = """
    import os, sys, trio, tempest

    async def tell(path, **arguments):
        try:
            async with tempest.open_store(path, **arguments):
                print("opened")
        except tempest.StorageError as error:
            print(type(error).__name__, error.errno)

    async def main():
        os.chdir(sys.argv[1])
        async with tempest.open_store("store") as store:
            await store.put(b"k", b"v")
        before = sorted(os.listdir("store"))
        os.chmod(".", 0o755)
        for name in before:
            os.chmod("store/" + name, 0o644)
        os.setgid(65534)
        os.setuid(65534)
        await tell("store")                       # its files can be read, not written
        await tell("other")                       # nothing can be made here
        async with tempest.open_store("store", read_only=True) as store:
            print(await store.get(b"k"))
        assert sorted(os.listdir("store")) == before
        os.chdir("/")
        await tell(sys.argv[2])                   # nothing can be looked at

    trio.run(main)
    """
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "inner").mkdir()
    closed.chmod(0o700)
    printed = run_child(script, str(tmp_path), str(closed / "inner"))

    assert printed.splitlines() == [
        "StorageError 13",
        "StorageError 13",
        "b'v'",
        "StorageError 13",
    ]


# A full disk.


async def test_a_full_disk_at_the_door_is_told_and_changes_nothing() -> None:
    disk = KILLED.disk.clone()
    before = without_lock(disk)
    disk.capacity_bytes = disk.used_bytes + 10

    error = await refused(disk)
    assert isinstance(error, tempest.NoSpaceError)
    assert "Free some space" in str(error)
    assert without_lock(disk) == before
    assert await content_on(disk, OPTIONS) == KILLED.content, "it can still be read"
    disk.capacity_bytes = None
    async with open_on(disk, OPTIONS) as store:
        assert await content_of(store) == KILLED.content


async def test_a_store_on_a_disk_that_fills_up_reads_on_and_resumes_by_itself(
    autojump_clock: object,
) -> None:
    """Health goes from healthy to resuming to read-only, and back when there is room."""
    disk = VirtualDisk(capacity_bytes=40_000)
    async with open_on(disk, evolve(resume_seconds_max=3.0)) as store:
        written = 0
        error: tempest.TempestError | None = None
        while error is None:
            try:
                await store.put(key_of(written), value_of(written, 500))
            except tempest.TempestError as caught:
                error = caught
            else:
                written += 1
        assert isinstance(error, tempest.OutcomeUnknownError | tempest.BackgroundError)
        assert written > 20
        assert store.health().state is HealthState.READ_ONLY
        assert "space" in (store.health().cause or "")
        for number in range(written):
            assert await store.get(key_of(number)) == value_of(number, 500)
        with pytest.raises(tempest.BackgroundError) as refused_write:
            await store.put(b"more", b"v")
        assert refused_write.value.__cause__ is not None

        disk.capacity_bytes = None
        await trio.sleep(5)
        assert store.health().state is HealthState.HEALTHY
        await store.put(b"more", b"v")
        await store.compact()
        found = await content_of(store)
        assert found.pop(b"more") == b"v"
        found.pop(key_of(written), None)  # its outcome was unknown
        assert found == {
            key_of(number): value_of(number, 500) for number in range(written)
        }
    assert {b"more", key_of(0)} <= set(await content_on(disk))


async def test_a_short_lack_of_space_is_waited_out(autojump_clock: object) -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await store.put(b"before", b"v")
        disk.capacity_bytes = disk.used_bytes
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.put, b"meanwhile", b"v" * 5000)
            await trio.sleep(1)
            assert store.health().state is HealthState.RESUMING
            assert store.get_nowait(b"before") == b"v"
            assert store.get_nowait(b"meanwhile") is None
            disk.capacity_bytes = None
        assert store.health().state is HealthState.HEALTHY
        assert store.get_nowait(b"meanwhile") == b"v" * 5000
    assert set(await content_on(disk.crash_keeping(()))) == {b"before", b"meanwhile"}


# A second opener.


async def test_a_second_opener_is_told_who_holds_the_store() -> None:
    disk = VirtualDisk()
    first, second = VirtualIo(disk), VirtualIo(disk)
    async with open_on(first) as store:
        await store.put(b"k", b"v")
        since = second.wall_time()
        await trio.testing.wait_all_tasks_blocked()
        before = without_lock(disk)
        with pytest.raises(tempest.LockedError) as caught:
            async with open_on(second):
                pass
        held = caught.value
        assert (held.pid, held.host) == (first.pid, "virtual")
        assert held.since == pytest.approx(since, abs=1)
        assert held.path == STORE
        assert all(word in str(held) for word in (str(first.pid), "virtual", "since"))
        assert without_lock(disk) == before
        await store.put(b"k", b"w")
    async with open_on(second) as store:
        assert await store.get(b"k") == b"w"


async def test_a_second_opener_of_a_real_folder_is_told_who_holds_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    options = evolve(compaction_inline=True)
    async with tempest.open_store(folder, options=options) as store:
        since = FileIo().wall_time()
        with pytest.raises(tempest.LockedError) as caught:
            async with tempest.open_store(folder, options=options):
                pass
        held = caught.value
        assert (held.pid, held.host) == (os.getpid(), socket.gethostname())
        assert held.since == pytest.approx(since, abs=60)
        assert held.path == str(folder)
        await store.put(b"k", b"v")
        async with tempest.open_store(folder, read_only=True) as reader:
            assert await reader.get(b"k") == b"v"
    async with tempest.open_store(folder, options=options) as store:
        assert await store.get(b"k") == b"v"


async def test_the_lock_is_let_go_however_the_block_is_left() -> None:
    disk = VirtualDisk()

    async def fail() -> None:
        async with open_on(disk):
            raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            await fail()
        with trio.move_on_after(0):
            async with open_on(disk):
                await trio.sleep(1)
        assert disk.locked_paths() == []


# Reading only.


@pytest.mark.parametrize("sample", [CLOSED, KILLED], ids=["closed", "killed"])
async def test_a_reader_of_a_read_only_device_needs_nothing(sample: Sample) -> None:
    disk = sample.disk.clone()
    faults = FaultPlan(
        (
            FailOp(
                kinds=(*WRITING, OpKind.REMOVE, OpKind.RENAME, OpKind.SYNC_DIR),
                times=None,
                error="EROFS",
            ),
        )
    )
    io = FaultyIo(VirtualIo(disk), faults)
    async with open_on(io, OPTIONS, read_only=True) as store:
        assert await content_of(store) == sample.content
    assert io.log.hits == []


async def test_a_reader_is_not_moved_by_what_is_written_meanwhile() -> None:
    disk = VirtualDisk()
    async with open_on(disk, evolve(durability=Durability.OS)) as store:
        await fill(store, 50)
        await store.sync()
        async with open_on(disk, read_only=True) as reader:
            before = await content_of(reader)
            await fill(store, 200, size=5)
            await store.compact()
            await store.compact()
            assert await content_of(reader) == before
            assert await reader.get(key_of(3)) == before.get(key_of(3))

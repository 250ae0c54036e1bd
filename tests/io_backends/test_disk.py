"""What a `VirtualDisk` does while it runs: syncs that fail, space, handles (FAULTS rows 12-13)."""

from random import Random

import pytest
from hypothesis import given

from io_backends import ClosedFileError, LockedError, NoSpaceError, VirtualDisk
from io_backends.disk import LockHolder
from tests.io_backends.disks import disk_with, seeds, write


def test_bytes_written_after_the_mark_are_not_covered_by_the_sync() -> None:
    disk = disk_with("file", b"")
    handle = disk.open("file", writable=True)
    disk.write_at(handle, 0, b"before")
    mark = disk.sync_mark(handle)
    disk.write_at(handle, 6, b"after")
    disk.sync(handle, mark)
    assert disk.durable("file") == b"before"
    disk.sync(handle)
    assert disk.durable("file") == b"beforeafter"


@given(seeds)
def test_pages_lost_by_a_failed_sync_stay_visible_and_never_become_durable(
    seed: int,
) -> None:
    """FAULTS rows 12 and 13: the second sync succeeds and proves nothing."""
    disk = disk_with("file", b"o" * 1024)
    handle = disk.open("file", writable=True)
    disk.write_at(handle, 0, b"n" * 1024)
    disk.fail_sync(handle, drop_pages=True)
    disk.sync(handle)
    assert disk.read("file") == b"n" * 1024
    assert disk.clone().read("file") == b"n" * 1024
    assert disk.survivors()[0].lost_sectors == (0, 1)
    assert disk.crash(Random(seed)).read("file") == b"o" * 1024


def test_a_lost_page_that_is_written_again_becomes_durable() -> None:
    disk = disk_with("file", b"o" * 1024)
    handle = disk.open("file", writable=True)
    disk.write_at(handle, 0, b"n" * 1024)
    disk.fail_sync(handle, drop_pages=True)
    disk.write_at(handle, 600, b"x")
    disk.sync(handle)
    new = b"n" * 88 + b"x" + b"n" * 423
    assert disk.crash(Random(0)).read("file") == b"o" * 512 + new


def test_a_failed_append_leaves_zeros_once_the_length_is_synced() -> None:
    disk = disk_with("file", b"")
    handle = disk.open("file", writable=True)
    disk.write_at(handle, 0, b"first")
    disk.fail_sync(handle, drop_pages=True)
    disk.write_at(handle, 512, b"second")
    disk.sync(handle)
    assert disk.crash(Random(0)).read("file") == bytes(512) + b"second"


def test_pages_that_stay_dirty_are_written_by_the_next_sync() -> None:
    disk = disk_with("file", b"old")
    handle = disk.open("file", writable=True)
    disk.write_at(handle, 0, b"new")
    disk.fail_sync(handle, drop_pages=False)
    assert disk.durable("file") == b"old"
    disk.sync(handle)
    assert disk.durable("file") == b"new"


def test_a_full_disk_refuses_growth_and_recovers_when_space_returns() -> None:
    disk = VirtualDisk(capacity_bytes=1000)
    write(disk, "file", b"x" * 900)
    handle = disk.create("other")
    with pytest.raises(NoSpaceError):
        disk.write_at(handle, 0, b"y" * 101)
    assert disk.read("other") == b""
    write(disk, "file", b"z" * 900)
    disk.write_at(handle, 0, b"y" * 100)
    assert disk.free_bytes == 0
    disk.remove("file")
    assert disk.free_bytes == 900
    disk.capacity_bytes = None
    disk.write_at(handle, 0, b"y" * 5000)
    assert disk.used_bytes == 5000


def test_an_unnamed_file_lives_and_takes_space_until_its_last_handle_closes() -> None:
    disk = disk_with("file", b"bytes")
    one, two = disk.open("file"), disk.open("file")
    disk.remove("file")
    disk.sync_dir("/")
    disk.close(one)
    assert disk.read_at(two, 0, 5) == b"bytes"
    assert (disk.used_bytes, disk.live_handles, disk.open_paths()) == (5, 1, ["file"])
    disk.close(two)
    disk.close(two)
    assert (disk.used_bytes, disk.live_handles) == (0, 0)
    with pytest.raises(ClosedFileError):
        disk.size(two)


def test_handles_and_locks_die_with_the_machine() -> None:
    disk = VirtualDisk()
    disk.lock("LOCK", LockHolder(pid=7, since=1.0))
    disk.create("file")
    with pytest.raises(LockedError, match="process 7"):
        disk.lock("LOCK", LockHolder(pid=8, since=2.0))
    assert disk.locked_paths() == ["/LOCK"]
    for reborn in (disk.clone(), disk.crash(Random(0))):
        assert reborn.live_handles == 0
        reborn.lock("LOCK", LockHolder(pid=8, since=2.0))
    assert disk.live_handles == 1


def test_rot_and_overwrites_change_both_medium_and_cache() -> None:
    disk = disk_with("file", b"bytes")
    disk.corrupt("file", 1, 0x20)
    disk.overwrite("file", 4, b"!!!")
    assert disk.read("file") == b"bYte!" == disk.durable("file")


def test_counters_go_on_across_crashes() -> None:
    disk = VirtualDisk()
    taken = {disk.take_token()}
    for _ in range(3):
        disk = disk.crash(Random(0)).clone()
        taken.add(disk.take_token())
    assert len(taken) == 4


def test_a_report_names_what_is_unsynced() -> None:
    disk = disk_with("file", b"x" * 600)
    write(disk, "file", b"y" * 600, 512)
    write(disk, "new", b"")
    root, file = disk.survivors()
    assert (root.path, root.changes) == ("/", 1)
    assert (file.path, file.sectors) == ("/file", (1, 2))
    assert (file.length_durable, file.length_visible) == (600, 1112)
    assert {unit.path for unit in disk.unsynced_units()} == {"/file", "/new"}

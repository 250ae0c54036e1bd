"""What a power cut may and may not leave of a `VirtualDisk` (FAULTS rows 1-9, 12-13)."""

import subprocess
import sys
from itertools import chain, combinations
from random import Random

import attrs
import pytest
from hypothesis import given, strategies as st

from io_backends import (
    SECTOR_BYTES,
    ClosedFileError,
    CrashPolicy,
    LockedError,
    NoSpaceError,
    NotFoundError,
    Unit,
    UnitKind,
    VirtualDisk,
)
from io_backends.disk import LockHolder

seeds = st.integers(0, 2**32)
policies = st.sampled_from(
    (
        CrashPolicy(),
        CrashPolicy(all_kept=0, none_kept=0, prefix=0),
        CrashPolicy(rename_atomic=False),
        CrashPolicy.keep_all(),
        CrashPolicy.drop_all(),
    )
)


@attrs.frozen
class Step:
    """One drawn change of a disk with a few files."""

    action: str
    name: str
    other: str
    offset: int
    data: bytes


ACTIONS = (
    *("write", "write", "write", "sync", "sync", "sync_dir", "truncate", "create"),
    *("rename", "remove", "link", "fail_sync", "allocate"),
)
steps = st.builds(
    Step,
    st.sampled_from(ACTIONS),
    st.sampled_from("abc"),
    st.sampled_from("abcd"),
    st.integers(0, 2000),
    st.builds(
        lambda byte, n: bytes([byte]) * n, st.integers(1, 255), st.integers(1, 1500)
    ),
)
histories = st.lists(steps, max_size=25)


def take_step(disk: VirtualDisk, step: Step) -> None:
    """Do the step if it makes sense here."""
    names = disk.list_dir("/")
    if step.action == "create" or not names:
        if step.name not in names:
            disk.close(disk.create(step.name))
    elif step.action == "sync_dir":
        disk.sync_dir("/")
    elif step.name in names:
        change_file(disk, step, names)


def change_file(disk: VirtualDisk, step: Step, names: list[str]) -> None:
    match step.action:
        case "rename":
            disk.rename(step.name, step.other)
        case "remove":
            disk.remove(step.name)
        case "link":
            if step.other not in names:
                disk.link(step.name, step.other)
        case _:
            change_bytes(disk, step)


def change_bytes(disk: VirtualDisk, step: Step) -> None:
    handle = disk.open(step.name, writable=True)
    match step.action:
        case "write":
            disk.write_at(handle, step.offset, step.data)
        case "sync":
            disk.sync(handle)
        case "truncate":
            disk.truncate(handle, step.offset)
        case "allocate":
            disk.allocate(handle, step.offset)
        case "fail_sync":
            disk.fail_sync(handle, drop_pages=step.offset % 2 == 0)
        case _:
            raise AssertionError(step)
    disk.close(handle)


def disk_after(history: list[Step]) -> VirtualDisk:
    disk = VirtualDisk()
    for step in history:
        take_step(disk, step)
    return disk


def disk_with(path: str, data: bytes) -> VirtualDisk:
    """Return a disk with one durable file."""
    disk = VirtualDisk()
    write(disk, path, data)
    disk.sync_everything()
    return disk


def write(disk: VirtualDisk, path: str, data: bytes, offset: int = 0) -> None:
    try:
        handle = disk.open(path, writable=True)
    except NotFoundError:
        handle = disk.create(path)
    disk.write_at(handle, offset, data)
    disk.close(handle)


def sync(disk: VirtualDisk, path: str) -> None:
    handle = disk.open(path)
    disk.sync(handle)
    disk.close(handle)


@given(histories, seeds, policies)
def test_what_was_synced_survives_every_crash(
    history: list[Step], seed: int, policy: CrashPolicy
) -> None:
    disk = disk_after(history)
    disk.sync_everything()
    assert disk.crash(Random(seed), policy).contents() == disk.contents()
    assert disk.unsynced_units() == ()
    assert disk.survivors() == ()


@given(histories, seeds, policies)
def test_a_second_crash_with_nothing_written_changes_nothing(
    history: list[Step], seed: int, policy: CrashPolicy
) -> None:
    once = disk_after(history).crash(Random(seed), policy)
    assert once.crash(Random(seed + 1)).contents() == once.contents()


@given(histories, seeds, policies)
def test_a_crash_leaves_the_crashed_disk_as_it_was(
    history: list[Step], seed: int, policy: CrashPolicy
) -> None:
    disk = disk_after(history)
    contents, units, state = disk.contents(), disk.unsynced_units(), disk.survivors()
    left = disk.crash(Random(seed), policy)
    for path in left.files():
        write(left, path, b"changed after the crash")
    killed = disk.clone()
    for path in killed.files():
        write(killed, path, b"changed after the kill")
    assert (disk.contents(), disk.unsynced_units()) == (contents, units)
    assert disk.survivors() == state


@given(histories, histories, seeds)
def test_a_killed_process_loses_nothing_visible_and_gains_nothing_durable(
    before: list[Step], after: list[Step], seed: int
) -> None:
    disk = disk_after(before)
    clone = disk.clone()
    assert clone.contents() == disk.contents()
    assert clone.unsynced_units() == disk.unsynced_units()
    for step in after:
        take_step(disk, step)
        take_step(clone, step)
    assert clone.crash(Random(seed)).contents() == disk.crash(Random(seed)).contents()


@given(histories, seeds, policies)
def test_every_byte_after_a_crash_was_there_at_some_time(
    history: list[Step], seed: int, policy: CrashPolicy
) -> None:
    disk = VirtualDisk()
    seen: set[int] = {0}
    longest = 0
    for step in history:
        take_step(disk, step)
        seen |= set().union(*disk.contents().values())
        longest = max([longest, *(len(data) for data in disk.contents().values())])
    policy = attrs.evolve(policy, garbage=0.0)
    for data in disk.crash(Random(seed), policy).contents().values():
        assert set(data) <= seen
        assert len(data) <= longest


writes = st.lists(
    st.tuples(
        st.integers(0, 1500),
        st.builds(
            lambda b, n: bytes([b]) * n, st.integers(1, 255), st.integers(1, 900)
        ),
    ),
    max_size=6,
)


@given(st.integers(0, 2000), writes, seeds)
def test_each_sector_is_as_it_was_after_some_write_and_the_length_between(
    size: int, changes: list[tuple[int, bytes]], seed: int
) -> None:
    disk = disk_with("file", b"s" * size)
    states = [disk.read("file")]
    for offset, data in changes:
        write(disk, "file", data, offset)
        states.append(disk.read("file"))
    left = disk.crash(Random(seed), CrashPolicy(tear=0, garbage=0)).read("file")
    assert size <= len(left) <= len(states[-1])
    for start in range(0, len(left), SECTOR_BYTES):
        sector = left[start : start + SECTOR_BYTES]
        versions = (state[start : start + SECTOR_BYTES] for state in states)
        assert sector in {
            version.ljust(512, b"\0")[: len(sector)] for version in versions
        }


@given(st.integers(0, 2000), writes, seeds)
def test_without_damage_a_random_outcome_is_one_of_the_enumerated(
    size: int, changes: list[tuple[int, bytes]], seed: int
) -> None:
    disk = disk_with("file", b"s" * size)
    for offset, data in changes[:1]:
        write(disk, "file", data, offset)
    left = disk.crash(Random(seed), CrashPolicy(tear=0, garbage=0)).read("file")
    units = disk.unsynced_units()
    subsets = chain.from_iterable(combinations(units, n) for n in range(len(units) + 1))
    outcomes = {disk.crash_keeping(subset).read("file") for subset in subsets}
    if len(left) in (size, len(disk.read("file"))):
        assert left in outcomes


@given(histories)
def test_the_extremes_keep_all_and_nothing(history: list[Step]) -> None:
    disk = disk_after(history)
    units = disk.unsynced_units()
    kept = disk.crash(Random(0), CrashPolicy.keep_all()).contents()
    dropped = disk.crash(Random(0), CrashPolicy.drop_all()).contents()
    assert disk.crash_keeping(units).contents() == kept
    assert disk.crash_keeping(()).contents() == dropped
    assert dropped == {path: disk.durable(path) for path in dropped}
    if not any(survivor.lost_sectors for survivor in disk.survivors()):
        assert kept == disk.contents()


@given(histories, seeds, policies)
def test_one_seed_gives_one_outcome(
    history: list[Step], seed: int, policy: CrashPolicy
) -> None:
    first = disk_after(history).crash(Random(seed), policy)
    second = disk_after(history).crash(Random(seed), policy)
    assert first.contents() == second.contents()


DETERMINISM_SCRIPT = """
from random import Random
from io_backends import VirtualDisk
disk = VirtualDisk()
for name in ("x", "y", "zz", "w"):
    handle = disk.create(name)
    disk.write_at(handle, 0, name.encode() * 3000)
disk.rename("w", "zz")
print([sorted(disk.crash(Random(seed)).contents().items()) for seed in range(20)])
"""


def test_the_outcome_does_not_depend_on_the_hash_seed() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", DETERMINISM_SCRIPT],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(outputs) == 1


@given(st.integers(1, 4000), st.integers(0, 4000), st.integers(1, 3000), seeds)
def test_garbage_hits_unsynced_sectors_only(
    size: int, offset: int, length: int, seed: int
) -> None:
    disk = disk_with("file", b"s" * size)
    write(disk, "file", b"n" * length, offset)
    policy = CrashPolicy(
        all_kept=0, none_kept=0, prefix=0, keep=0, drop=0, tear=0, garbage=1
    )
    data = disk.crash(Random(seed), policy).read("file")
    first = offset // SECTOR_BYTES * SECTOR_BYTES
    last = -(-(offset + length) // SECTOR_BYTES) * SECTOR_BYTES
    assert set(data[:first]) <= {ord("s"), 0}
    assert data[: min(first, size)] == b"s" * min(first, size)
    assert data[last:] == b"s" * len(data[last:])


def test_each_fate_of_a_sector_is_seen() -> None:
    old, new = b"o" * SECTOR_BYTES, b"n" * SECTOR_BYTES
    disk = disk_with("file", old)
    write(disk, "file", new)
    seen = {disk.crash(Random(seed)).read("file") for seed in range(300)}
    torn = {data for data in seen if set(data) == set(b"on")}
    assert {old, new} < seen
    assert any(data.startswith(b"n") for data in torn)
    assert any(data.endswith(b"n") for data in torn)
    assert all(data.count(b"no") + data.count(b"on") == 1 for data in torn)
    assert any(not set(data) <= set(b"on") for data in seen)


def test_a_lost_middle_sector_of_an_append_reads_as_zeros() -> None:
    disk = disk_with("file", b"")
    write(disk, "file", b"x" * 3 * SECTOR_BYTES)
    units = [unit for unit in disk.unsynced_units() if unit.index != 1]
    data = disk.crash_keeping(units).read("file")
    sector = b"x" * SECTOR_BYTES
    assert data == sector + bytes(SECTOR_BYTES) + sector


def test_lengths_are_old_new_or_between() -> None:
    disk = disk_with("file", b"x" * 1000)
    write(disk, "file", b"y" * 3000, 1000)
    sizes = {len(disk.crash(Random(seed)).read("file")) for seed in range(300)}
    assert {1000, 4000} < sizes
    assert all(1000 <= size <= 4000 for size in sizes)
    assert len(sizes) > 10


@given(st.integers(0, 3000), st.integers(0, 2999), seeds)
def test_a_truncation_is_kept_or_dropped(size: int, cut: int, seed: int) -> None:
    cut = min(size, cut)
    disk = disk_with("file", b"x" * size)
    handle = disk.open("file", writable=True)
    disk.truncate(handle, cut)
    policy = CrashPolicy(garbage=0)
    data = disk.crash(Random(seed), policy).read("file")
    assert data in (b"x" * size, b"x" * cut)


def test_bytes_cut_off_by_a_kept_truncation_never_come_back() -> None:
    disk = disk_with("file", b"old" * 1000)
    handle = disk.open("file", writable=True)
    disk.truncate(handle, 0)
    disk.write_at(handle, 0, b"new" * 1000)
    policy = CrashPolicy(cut_kept_chance=1.0, none_kept=0, prefix=0, garbage=0)
    for seed in range(100):
        assert b"old" not in disk.crash(Random(seed), policy).read("file")


def test_every_subset_of_units_is_its_own_outcome() -> None:
    disk = disk_with("file", b"o" * 4 * SECTOR_BYTES)
    write(disk, "file", b"n" * 4 * SECTOR_BYTES)
    units = disk.unsynced_units()
    assert [unit.kind for unit in units] == [UnitKind.SECTOR] * 4
    subsets = chain.from_iterable(combinations(units, n) for n in range(5))
    outcomes = {disk.crash_keeping(subset).read("file") for subset in subsets}
    assert len(outcomes) == 16


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_unsynced_name_is_kept_or_not_with_its_synced_bytes(is_kept: bool) -> None:
    """FAULTS row 6: a synced file can vanish with its name."""
    disk = VirtualDisk()
    write(disk, "file", b"bytes")
    sync(disk, "file")
    (unit,) = disk.unsynced_units()
    assert unit == Unit(UnitKind.NAME, 0, 0)
    left = disk.crash_keeping([unit] if is_kept else [])
    assert left.contents() == ({"/file": b"bytes"} if is_kept else {})


def test_a_removed_file_comes_back_until_the_folder_is_synced() -> None:
    """FAULTS row 7."""
    disk = disk_with("file", b"bytes")
    disk.remove("file")
    assert disk.crash_keeping(()).contents() == {"/file": b"bytes"}
    disk.sync_dir("/")
    assert disk.crash_keeping(()).contents() == {}


def test_names_are_kept_independently_of_their_order() -> None:
    """FAULTS row 8: an unlink can reach the disk before the rename that came first."""
    disk = disk_with("CURRENT", b"old")
    write(disk, "tmp", b"new")
    disk.sync_everything()
    disk.rename("tmp", "CURRENT")
    write(disk, "later", b"")
    seen = {tuple(disk.crash(Random(seed)).files()) for seed in range(100)}
    assert seen == {
        ("/CURRENT", "/tmp"),
        ("/CURRENT",),
        ("/CURRENT", "/later"),
        ("/CURRENT", "/later", "/tmp"),
    }


@given(seeds)
def test_an_atomic_rename_shows_the_old_or_the_new(seed: int) -> None:
    disk = disk_with("CURRENT", b"old")
    write(disk, "tmp", b"new")
    disk.sync_everything()
    disk.rename("tmp", "CURRENT")
    assert disk.crash(Random(seed)).contents() in (
        {"/CURRENT": b"old", "/tmp": b"new"},
        {"/CURRENT": b"new"},
    )


def test_a_rename_in_halves_shows_both_names_or_neither() -> None:
    """FAULTS row 9."""
    disk = disk_with("tmp", b"new")
    disk.rename("tmp", "CURRENT")
    policy = CrashPolicy(rename_atomic=False)
    seen = {tuple(disk.crash(Random(seed), policy).files()) for seed in range(100)}
    assert seen == {("/tmp",), ("/CURRENT",), ("/CURRENT", "/tmp"), ()}


@pytest.mark.parametrize("synced", ["/from", "/to"])
def test_syncing_either_folder_settles_an_atomic_rename(synced: str) -> None:
    disk = VirtualDisk()
    disk.make_dir("/from")
    disk.make_dir("/to")
    write(disk, "/from/file", b"bytes")
    disk.sync_everything()
    disk.rename("/from/file", "/to/file")
    disk.sync_dir(synced)
    assert disk.unsynced_units() == ()
    for seed in range(20):
        assert disk.crash(Random(seed)).contents() == {"/to/file": b"bytes"}
    halves = disk.unsynced_units(rename_atomic=False)
    assert len(halves) == 1


def test_a_dropped_folder_takes_its_files_with_it() -> None:
    disk = VirtualDisk()
    disk.make_dir("store")
    write(disk, "store/file", b"bytes")
    sync(disk, "store/file")
    disk.sync_dir("store")
    assert disk.crash_keeping(()).list_dir("/") == []
    disk.sync_dir("/")
    assert disk.crash_keeping(()).contents() == {"/store/file": b"bytes"}


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

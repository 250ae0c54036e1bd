"""What a power cut may and may not leave of a `VirtualDisk` (FAULTS rows 1-9)."""

import subprocess
import sys
from itertools import chain, combinations
from random import Random

import attrs
import pytest
from hypothesis import given, strategies as st

from io_backends import SECTOR_BYTES, CrashPolicy, Unit, UnitKind, VirtualDisk
from tests.io_backends.disks import (
    Step,
    disk_after,
    disk_with,
    histories,
    policies,
    seeds,
    sync,
    take_step,
    write,
)


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
    begin = min(offset, -(-size // SECTOR_BYTES) * SECTOR_BYTES)  # the gap is unsynced
    first = begin // SECTOR_BYTES * SECTOR_BYTES
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

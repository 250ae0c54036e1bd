"""Listening to a run changes nothing and misses nothing."""

from collections import Counter

import attrs
import pytest

from io_backends import VirtualDisk
from sim import draw, events, run
from sim.aftermath import compare_disks
from sim.events import OPEN, SORTS
from sim.record import Recorder

SEEDS = (0, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_is_the_same_when_somebody_listens(seed: int) -> None:
    script = draw(seed)

    assert run(script, Recorder()) == run(script)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_event_is_heard_once_and_in_order(seed: int) -> None:
    recorder = Recorder()
    result = run(draw(seed), recorder)
    heard = recorder.events
    counts = Counter(type(event) for event in heard)

    assert counts[events.IoBegun] == counts[events.IoEnded] == result.io_calls
    assert counts[events.OperationBegun] == counts[events.OperationEnded]
    assert counts[events.OperationBegun] <= result.operations
    assert counts[events.Dark] == counts[events.DiskAtCrash] == result.crashes
    assert counts[events.LifeBegun] == counts[events.LifeEnded]
    assert [e.at for e in heard] == sorted(e.at for e in heard)
    assert [e.life for e in heard] == sorted(e.life for e in heard)


def test_what_a_crash_cuts_off_stays_open() -> None:
    recorder = Recorder()
    run(draw(0), recorder)
    answers = [
        e.answer for e in recorder.events if isinstance(e, events.OperationEnded)
    ]

    assert OPEN in answers
    assert "done" in answers


def test_a_violation_is_heard_before_everything_unwinds() -> None:
    """Where it comes in the middle of a life, that is: one between two lives is the last word."""
    last: list[events.Event] = []
    for seed in range(10, 20):
        recorder = Recorder()
        result = run(attrs.evolve(draw(seed), canary=True), recorder)
        found = [e for e in recorder.events if isinstance(e, events.Violated)]
        assert [e.name for e in found] == [result.verdict] * (result.verdict != "ok")
        last += recorder.events[-1:] if found else []

    assert not all(isinstance(event, events.Violated) for event in last)


def test_bytes_of_a_crash_are_of_one_sort_each() -> None:
    recorder = Recorder()
    run(draw(2), recorder)
    disks = [e for e in recorder.events if isinstance(e, events.DiskAtCrash)]

    for file in [file for disk in disks for file in disk.files]:
        assert {sort for sort, _ in file.runs} <= set(SORTS)
        assert sum(size for _, size in file.runs) == file.written


def test_synced_and_lost_are_told_apart() -> None:
    disk = VirtualDisk()
    disk.make_dir("d")
    handle = disk.create("d/file")
    disk.write_at(handle, 0, b"s" * 512)
    disk.sync_everything()
    disk.write_at(handle, 512, b"u" * 100)
    disk.create("d/new")

    dropped = disk.crash_keeping(())
    fates = {fate.path: fate for fate in compare_disks(disk, dropped)}

    assert fates["/d/file"].runs == (("synced", 512), ("lost", 100))
    assert (fates["/d/file"].synced, fates["/d/file"].lost) == (512, 100)
    assert fates["/d/file"].fate == "100 bytes shorter"
    assert fates["/d/new"].fate == "gone: its name was never synced"


def test_a_kill_loses_nothing() -> None:
    disk = VirtualDisk()
    handle = disk.create("file")
    disk.write_at(handle, 0, b"x" * 700)

    (fate,) = compare_disks(disk, disk.clone())

    assert (fate.fate, fate.lost, fate.runs) == ("whole", 0, (("kept", 700),))


def test_a_removal_that_was_undone_is_told() -> None:
    disk = VirtualDisk()
    disk.create("file")
    disk.sync_everything()
    disk.remove("file")

    (fate,) = compare_disks(disk, disk.crash_keeping(()))

    assert fate.fate == "its removal was undone"

"""The search explains what some order gives, and nothing else."""

from random import Random

import attrs
import pytest

from sim import Ending, Latency, Life, Script, run
from sim.operations import Get
from sim.races import Event, is_linearizable
from sim.workload import draw_race

LAST = Life(ending=Ending(kind="close"))


def write(value: bytes, began: int, returned: int) -> Event:
    return Event("write", b"k", began, value, returned=returned)


def read(answer: bytes | None, began: int, returned: int) -> Event:
    return Event("read", b"k", began, answer=answer, returned=returned)


def test_a_read_that_overlaps_a_write_may_see_either() -> None:
    for answer in (None, b"new"):
        events = [write(b"new", 1, 4), read(answer, 2, 3)]
        assert is_linearizable(events, {})


def test_a_read_after_a_write_must_see_it() -> None:
    assert not is_linearizable([write(b"new", 1, 2), read(None, 3, 4)], {})


def test_two_reads_may_not_see_a_write_come_and_go() -> None:
    events = [write(b"new", 1, 8), read(b"new", 2, 3), read(None, 4, 5)]

    assert not is_linearizable(events, {})


def test_two_updates_may_not_see_the_same() -> None:
    events = [
        Event("update", b"k", 1, b"one", None, returned=4),
        Event("update", b"k", 2, b"two", None, returned=3),
    ]

    assert not is_linearizable(events, {})
    events[1].answer = b"one"
    assert is_linearizable(events, {})


def open_write(value: bytes, began: int) -> Event:
    return Event("write", b"k", began, value)


def test_a_write_that_a_crash_came_into_is_there_or_not() -> None:
    for after in (b"old", b"new"):
        events = [write(b"old", 1, 2), open_write(b"new", 3)]
        assert is_linearizable(events, {}, {b"k": after}, ["disk"])


def test_what_was_synced_is_in_what_a_crash_leaves() -> None:
    synced, lost = write(b"synced", 1, 2), write(b"lost", 3, 4)
    synced.level, lost.level = "disk", "memory"
    for after, is_allowed in ((b"synced", True), (b"lost", True), (None, False)):
        found = is_linearizable([synced, lost], {}, {b"k": after}, ["disk"])
        assert found == is_allowed


def test_a_crash_leaves_a_prefix() -> None:
    """The second write is there, so the first one is."""
    first = Event("write", b"a", 1, b"1", returned=2, level="memory")
    second = Event("write", b"b", 3, b"2", returned=4, level="memory")
    for left in ({}, {b"a": b"1"}, {b"a": b"1", b"b": b"2"}):
        after = {key: left.get(key) for key in (b"a", b"b")}
        assert is_linearizable([first, second], {}, after, ["disk"])
    assert not is_linearizable([first, second], {}, {b"a": None, b"b": b"2"})


def test_what_an_update_saw_before_the_crash_counts_although_it_is_open() -> None:
    update = Event("update", b"k", 3, b"two", b"none such")
    for is_answered in (True, False):
        update.is_answered = is_answered
        events = [write(b"one", 1, 2), update]
        found = is_linearizable(events, {}, {b"k": b"two"}, ["disk"])
        assert not found
        assert is_linearizable(events, {}, {b"k": b"one"}, ["disk"])


def test_races_are_cut_and_what_is_left_is_explained() -> None:
    race = draw_race(Random(1))
    for io in range(30):
        cut = Life(
            race=race, latency=Latency(0.001), ending=Ending(operations=1, io=io)
        )
        cut = attrs.evolve(cut, clients=((Get(b"a"),),))
        script = Script(seed=io, keys=((b"a",),), lives=(cut, LAST))
        result = run(script)
        assert result.verdict == "ok", result.detail
        if "a race is cut" in result.situations:
            return
    pytest.fail("no race was cut")

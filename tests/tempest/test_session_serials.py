"""How far sessions have come: serials by stage, against the writes that took them (O15)."""

import pytest
import trio
from hypothesis import given, strategies as st

import tempest
from tempest.session_serials import (
    SERIAL_MAX,
    SESSIONS_MAX,
    NextSerial,
    SessionSerials,
    apply_entries,
    forgotten_of,
    marks_of,
)
from tempest.version import SessionMark, Version


def taken(sessions: SessionSerials, name: bytes, sequence: int, visible: int) -> int:
    """Let a session's write have the next serial."""
    user = object()
    progress = sessions.open(name, user)
    serial = NextSerial(name, progress, user, None).take(sequence, visible)
    sessions.close(name)
    return serial


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=40))
def test_commit_points_are_those_of_the_writes_below_the_sync(
    steps: list[tuple[int, bool]],
) -> None:
    """O15: for every sync, each session's commit point is its last write at or below it."""
    sessions = SessionSerials({b"0": 5})
    writes: list[tuple[bytes, int]] = []
    for which, is_synced in steps:
        name = b"%d" % which
        sequence = len(writes) + 1
        serial = taken(sessions, name, sequence, sequence - 1)
        writes.append((name, serial))
        sessions.sealed({name: (sequence, serial)})
        assert SessionMark(name, serial) in sessions.serials()
        if is_synced:
            sessions.advance(sequence)
            for each, durable in dict(writes).items():
                user = object()
                assert sessions.open(each, user).durable == durable
                sessions.close(each)
    assert dict(writes) | {b"0": 5 + sum(n == b"0" for n, _ in writes)} == (
        sessions.visible(len(writes))
    )


def test_serials_are_those_below_the_tail_and_not_of_the_open_frame() -> None:
    sessions = SessionSerials({b"a": 1})
    taken(sessions, b"a", 10, 9)
    assert sessions.serials() == (SessionMark(b"a", 1),)

    sessions.sealed({b"a": (10, 2)})

    assert sessions.serials() == (SessionMark(b"a", 2),)


def test_a_serial_is_shown_no_earlier_than_its_write() -> None:
    sessions = SessionSerials({b"a": 1})
    taken(sessions, b"a", 10, 9)
    taken(sessions, b"a", 11, 9)

    assert sessions.visible(9) == {b"a": 1}
    assert sessions.visible(11) == {b"a": 3}


def test_what_a_forgotten_session_left_on_its_way_counts_for_no_other() -> None:
    sessions = SessionSerials()
    taken(sessions, b"a", 1, 0)
    sessions.sealed({b"a": (1, 1)})
    assert sessions.forget(b"a")
    assert sessions.serials() == (SessionMark(b"a", 1),), "it is not sealed yet"

    user = object()
    progress = sessions.open(b"a", user)
    sessions.advance(1)

    assert progress.durable == 0
    NextSerial(b"a", progress, user, 7).take(3, 2)
    sessions.sealed({b"a": (3, 7)})
    sessions.advance(2)
    assert progress.durable == 0
    sessions.advance(3)
    assert progress.durable == 7


def test_only_so_many_sessions_are_kept() -> None:
    sessions = SessionSerials({b"%d" % n: 1 for n in range(SESSIONS_MAX - 1)})
    sessions.open(b"last", object())

    with pytest.raises(tempest.InvalidError, match=f"{SESSIONS_MAX} sessions"):
        sessions.open(b"one more", object())

    sessions.close(b"last")  # it never wrote
    sessions.open(b"one more", object())
    assert not sessions.forget(b"unknown")


def test_one_user_at_a_time() -> None:
    sessions = SessionSerials({b"a": 1})
    first = object()
    progress = sessions.open(b"a", first)
    number = NextSerial(b"a", progress, first, None)
    with pytest.raises(trio.BusyResourceError):
        sessions.open(b"a", object())
    with pytest.raises(trio.BusyResourceError):
        sessions.forget(b"a")

    sessions.close(b"a")
    sessions.open(b"a", object())

    with pytest.raises(tempest.NotOpenError, match="session"):
        number.choose()


@pytest.mark.parametrize("wanted", [-1, 0, 4, 5, SERIAL_MAX + 1])
def test_a_serial_has_to_be_above_the_last(wanted: int) -> None:
    sessions = SessionSerials({b"a": 5})
    user = object()
    progress = sessions.open(b"a", user)

    with pytest.raises(tempest.InvalidError, match="not above 5"):
        NextSerial(b"a", progress, user, wanted).take(1, 0)

    assert progress.serial == 5
    assert NextSerial(b"a", progress, user, SERIAL_MAX).take(1, 0) == SERIAL_MAX


def test_edits_carry_the_newest_serials_and_what_is_forgotten() -> None:
    entries: dict[bytes, int | None] = {b"b": 2, b"a": 1, b"c": None, b"d": None}
    version = Version(sessions=(SessionMark(b"c", 9),))
    serials = {b"c": 9, b"b": 1}

    apply_entries(serials, entries)

    assert serials == {b"a": 1, b"b": 2}
    assert marks_of(entries) == (SessionMark(b"a", 1), SessionMark(b"b", 2))
    assert forgotten_of(entries, version) == (b"c",)

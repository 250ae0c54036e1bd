"""The search explains what some order gives, and nothing else."""

from sim.races import Event, is_linearizable


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

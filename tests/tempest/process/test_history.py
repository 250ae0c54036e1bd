"""The judge of the kills must itself be able to say no."""

import pytest

from tests.tempest.process.history import explain, fits, prefixes, promised
from tests.tempest.process.plan import DISK, MEMORY, OS, Manner, Write

RUN = [
    Write(Manner.BATCH, DISK, {b"a": b"1", b"b": b"1"}),
    Write(Manner.PUT, OS, {b"a": None}),
    Write(Manner.PUT, MEMORY, {b"b": b"3"}),
]


def test_each_prefix_is_known_by_its_content() -> None:
    assert prefixes({}, RUN, {}) == [0]
    assert prefixes({}, RUN, {b"a": b"1", b"b": b"1"}) == [1]
    assert prefixes({}, RUN, {b"b": b"1"}) == [2]
    assert prefixes({}, RUN, {b"b": b"3"}) == [3]


def test_half_a_batch_a_hole_and_a_deleted_key_are_no_prefix() -> None:
    assert prefixes({}, RUN, {b"a": b"1"}) == []
    assert prefixes({}, RUN, {b"a": b"1", b"b": b"3"}) == []
    assert prefixes({}, RUN, {b"a": b"1", b"b": b"3", b"c": b""}) == []


def test_a_promise_covers_what_came_before_it() -> None:
    assert promised(RUN) == promised(RUN[:2]) == 2
    assert promised(RUN[2:]) == promised([]) == 0


def test_less_than_was_promised_does_not_fit() -> None:
    assert fits({}, RUN, 2, {b"b": b"1"}) == 2
    with pytest.raises(AssertionError, match="no prefix of 2 to 3 writes"):
        fits({}, RUN, 2, {b"a": b"1", b"b": b"1"})


def test_the_difference_is_told() -> None:
    told = explain({}, RUN, 2, {b"a": b"1", b"b": b"1"})

    assert "b'a': nothing -> b'1', 1 bytes" in told
    assert "b'b'" not in told.partition("the last writes")[0]

"""Positions are ordered within their timeline, and their text gives them back."""

import pytest
from hypothesis import given, settings, strategies as st

import tempest
from tempest import Position

POSITIONS = st.builds(Position, st.integers(0, 99), st.integers(0, 2**63 - 1))


@given(POSITIONS)
def test_its_text_gives_it_back(position: Position) -> None:
    assert Position.parse(str(position)) == position


@given(POSITIONS, POSITIONS)
def test_they_are_ordered_by_timeline_then_address(
    one: Position, other: Position
) -> None:
    pairs = [(each.timeline, each.address) for each in (one, other)]
    assert (one < other) == (pairs[0] < pairs[1])


@settings(max_examples=50)
@given(st.text(max_size=12) | st.from_regex(r"\A[0-9]{1,22}:[0-9]{1,22}\Z"))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        position = Position.parse(text)
    except tempest.InvalidError:
        return
    assert str(position) == text


@pytest.mark.parametrize(
    "text",
    ["", ":", "1", "1:", ":1", "-1:2", "1:-2", "01:2", "1: 2", "1:2:3", "x:1", "²:1"],
)
def test_what_looks_like_one_is_refused(text: str) -> None:
    with pytest.raises(tempest.InvalidError, match="position"):
        Position.parse(text)

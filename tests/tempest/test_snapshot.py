"""Positions are held exactly as often as they were taken."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from tempest.snapshot import Positions


@given(st.lists(st.integers(0, 6) | st.none(), max_size=40), st.data())
def test_positions_are_those_taken_and_not_released(
    steps: list[int | None], data: st.DataObject
) -> None:
    """None releases one of those that are held."""
    positions, model = Positions(), Counter[int]()
    for step in steps:
        if step is not None:
            assert positions.take(step) == step
            model[step] += 1
        elif model.total():
            held = data.draw(st.sampled_from(sorted(model.elements())))
            positions.release(held)
            model[held] -= 1
        assert positions.taken == sorted(+model)


@given(st.sets(st.integers(0, 9)), st.integers(0, 9))
def test_the_visible_sequence_is_always_a_position(taken: set[int], more: int) -> None:
    """Nobody reads above what is visible."""
    positions = Positions()
    for sequence in taken:
        positions.take(sequence)
    visible = max(taken, default=0) + more

    assert positions.with_visible(visible) == sorted(taken | {visible})
    assert positions.taken == sorted(taken)


def test_a_position_that_was_not_taken_cannot_be_released() -> None:
    positions = Positions()
    positions.take(3)

    with pytest.raises(KeyError):
        positions.release(4)

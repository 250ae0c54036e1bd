"""The model against the plainest one there is: try every cut, replay, compare."""

import pytest
from hypothesis import given, strategies as st

from sim.model import Model, Sight
from sim.oracle import Violation

KEYS = (b"a", b"b", b"c")
Batch = dict[bytes, bool]
BATCHES = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.booleans(), min_size=1), max_size=8
)


def write_all(model: Model, batches: list[Batch]) -> list[dict[bytes, bytes]]:
    """Write all batches (False deletes); return the content after each prefix."""
    contents: list[dict[bytes, bytes]] = [{}]
    for number, batch in enumerate(batches):
        entries = {key: b"%d" % number if put else None for key, put in batch.items()}
        model.end(model.begin(0, entries), "os")
        content = dict(contents[-1])
        for key, value in entries.items():
            content.pop(key, None)
            if value is not None:
                content[key] = value
        contents.append(content)
    return contents


def explain(model: Model, content: dict[bytes, bytes], low: int = 0) -> list[int]:
    sight = Sight.between(
        [low], model.asked(), "acknowledged-survives", "prefix-no-hole"
    )
    for key in KEYS:
        model.observe(sight, key, content.get(key))
    return model.cuts(sight)


@given(BATCHES)
def test_every_prefix_is_explained(batches: list[Batch]) -> None:
    model = Model(dict.fromkeys(KEYS, 0), 1)
    contents = write_all(model, batches)
    for content in contents:
        (cut,) = explain(model, content)
        assert contents[cut] == content


@given(BATCHES, st.dictionaries(st.sampled_from(KEYS), st.integers(0, 8)))
def test_nothing_but_prefixes_is_explained(
    batches: list[Batch], found: dict[bytes, int]
) -> None:
    model = Model(dict.fromkeys(KEYS, 0), 1)
    contents = write_all(model, batches)
    content = {key: b"%d" % number for key, number in found.items()}
    if content in contents:
        explain(model, content)
    else:
        with pytest.raises(Violation):
            explain(model, content)


@given(BATCHES, st.integers(0, 8))
def test_less_than_what_was_acknowledged_is_not_explained(
    batches: list[Batch], low: int
) -> None:
    model = Model(dict.fromkeys(KEYS, 0), 1)
    contents = write_all(model, batches)
    for content in contents:
        if content in contents[low:]:
            explain(model, content, min(low, len(batches)))
        elif low <= len(batches):
            with pytest.raises(Violation):
                explain(model, content, low)


def test_a_later_write_of_another_client_pulls_the_earlier_one_in() -> None:
    model = Model({b"a": 0, b"b": 1}, 2)
    model.end(model.begin(0, {b"a": b"first"}), "memory")
    model.end(model.begin(1, {b"b": b"second"}), "memory")
    sight = Sight.between(
        [0, 0], model.asked(), "acknowledged-survives", "prefix-no-hole"
    )
    model.observe(sight, b"a", None)
    model.observe(sight, b"b", b"second")

    with pytest.raises(Violation, match="prefix-no-hole"):
        model.cuts(sight)


def test_writes_at_the_same_time_may_stand_in_either_order() -> None:
    model = Model({b"a": 0, b"b": 1}, 2)
    first, second = model.begin(0, {b"a": b"1"}), model.begin(1, {b"b": b"2"})
    model.end(first, "memory")
    model.end(second, "memory")
    sight = Sight.between(
        [0, 0], model.asked(), "acknowledged-survives", "prefix-no-hole"
    )
    model.observe(sight, b"a", None)
    model.observe(sight, b"b", b"2")

    assert model.cuts(sight) == [0, 1]


def test_an_open_write_is_there_or_not() -> None:
    model = Model({b"a": 0}, 1)
    model.end(model.begin(0, {b"a": b"old"}), "disk")
    model.begin(0, {b"a": b"open"})
    for value in (b"old", b"open"):
        sight = Sight.between(
            [1], model.asked(), "acknowledged-survives", "prefix-no-hole"
        )
        model.observe(sight, b"a", value)


def test_a_value_of_an_earlier_life_is_a_resurrection() -> None:
    model = Model({b"a": 0}, 1)
    model.end(model.begin(0, {b"a": b"old"}), "disk")
    model.end(model.begin(0, {b"a": None}), "disk")
    model.rebase({})

    with pytest.raises(Violation, match="no-resurrection"):
        model.observe(Sight.between([0], [0], "ring", "ring"), b"a", b"old")


def test_half_a_batch_is_named_so() -> None:
    model = Model({b"a": 0, b"b": 0}, 1)
    model.end(model.begin(0, {b"a": b"1", b"b": b"1"}), "disk")

    with pytest.raises(Violation, match="batch-atomic"):
        model.check_batches({b"a": b"1"}, model.owners)

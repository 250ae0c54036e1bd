"""Keys come out in order, each once, however they were added."""

from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from tempest import ordered_keys
from tempest.ordered_keys import CHUNK_KEYS_MAX, STEP_KEYS, OrderedKeys

KEYS = st.binary(max_size=2)
BATCHES = st.lists(st.lists(KEYS, max_size=20), max_size=6)


def fill(batches: list[list[bytes]]) -> tuple[OrderedKeys, list[bytes]]:
    """Add keys, some of them again, settling between batches."""
    held = dict[bytes, None]()
    ordered = OrderedKeys(held.keys())
    for batch in batches:
        held.update(dict.fromkeys(batch))
        settle(ordered)
    return ordered, sorted(held)


def settle(ordered: OrderedKeys) -> int:
    steps = 1
    while not ordered.settle():
        steps += 1
    return steps


def check(ordered: OrderedKeys, keys: list[bytes]) -> None:
    chunks = ordered._chunks
    assert [key for chunk in chunks for key in chunk] == keys
    assert all(0 < len(chunk) <= CHUNK_KEYS_MAX for chunk in chunks)
    assert ordered._lasts == [chunk[-1] for chunk in chunks]


def within(keys: list[bytes], start: bytes, stop: bytes | None) -> list[bytes]:
    return [key for key in keys if start <= key and (stop is None or key < stop)]


@given(BATCHES, KEYS, st.none() | KEYS, st.integers(1, 30))
def test_a_range_is_read_from_either_end(
    batches: list[list[bytes]], start: bytes, stop: bytes | None, count: int
) -> None:
    ordered, keys = fill(batches)
    wanted = within(keys, start, stop)

    check(ordered, keys)
    assert ordered.forward(start, stop, count) == wanted[:count]
    assert ordered.backward(start, stop, count) == wanted[-count:]


@settings(max_examples=12)
@given(
    st.lists(st.integers(1, 3 * CHUNK_KEYS_MAX), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
    st.data(),
)
def test_many_keys_stay_in_order_in_chunks_of_bounded_length(
    sizes: list[int], random: object, data: st.DataObject
) -> None:
    numbers = list(range(sum(sizes)))
    random.shuffle(numbers)  # type: ignore[attr-defined]
    held = dict[bytes, None]()
    ordered, added, keys = OrderedKeys(held.keys()), 0, list[bytes]()
    for size in sizes:
        for number in numbers[added : added + size]:
            held[b"%06d" % number] = None
        added += size
        settle(ordered)
        keys = [b"%06d" % number for number in sorted(numbers[:added])]
        check(ordered, keys)
    bound = st.integers(0, added).map(lambda number: b"%06d" % number)
    start, stop = data.draw(bound), data.draw(st.none() | bound)
    count = data.draw(st.integers(1, 2 * CHUNK_KEYS_MAX))
    wanted = within(keys, start, stop)
    assert ordered.forward(start, stop, count) == wanted[:count]
    assert ordered.backward(start, stop, count) == wanted[-count:]


def test_settling_is_cut_into_steps() -> None:
    held = {b"%08d" % number: None for number in range(2 * STEP_KEYS + 1)}
    ordered = OrderedKeys(held.keys())

    assert settle(ordered) == 3
    assert settle(ordered) == 1


def test_keys_that_are_not_settled_are_not_read() -> None:
    held = {b"a": None}
    ordered = OrderedKeys(held.keys())
    settle(ordered)
    held[b"b"] = None

    assert ordered.forward(b"", None, 9) == ordered.backward(b"", None, 9) == [b"a"]


def test_nothing_is_read_out_of_nothing() -> None:
    ordered = OrderedKeys(dict[bytes, None]().keys())

    assert ordered.settle()
    assert ordered.forward(b"", None, 9) == ordered.backward(b"", None, 9) == []


def test_ascending_keys_leave_full_chunks_behind() -> None:
    held = dict[bytes, None]()
    ordered = OrderedKeys(held.keys())
    for start in range(0, 20_000, 500):
        held |= {b"%06d" % number: None for number in range(start, start + 500)}
        settle(ordered)

    sizes = [len(chunk) for chunk in ordered._chunks]
    assert min(sizes[:-1]) >= CHUNK_KEYS_MAX // 2
    assert all(one[-1] < other[0] for one, other in pairwise(ordered._chunks))


def test_keys_that_come_while_others_are_sorted_in_are_settled_before_it_says_so() -> (
    None
):
    """A step that began before they came, and ended after, said that all were there."""
    held = {b"%08d" % number: None for number in range(STEP_KEYS + 1)}
    ordered = OrderedKeys(held.keys())
    assert not ordered.settle()
    held[b"late"] = None

    assert not ordered.settle()
    assert ordered.settle()
    assert ordered.backward(b"", None, 1) == [b"late"]


@given(
    st.lists(st.integers(0, 50), max_size=8),
    st.integers(1, 20),
)
def test_keys_are_taken_some_at_a_time_from_the_nearer_end(
    sizes: list[int], taken: int
) -> None:
    held = dict[bytes, None]()
    ordered = OrderedKeys(held.keys())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered_keys, "TAKEN_KEYS", taken)
        for size in sizes:
            for _ in range(size):
                held[b"%04d" % (len(held) * 7919 % 9973)] = None
            settle(ordered)
            check(ordered, sorted(held))

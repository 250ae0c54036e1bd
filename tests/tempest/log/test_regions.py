"""The log's watermarks: in order, and never back."""

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from tempest.log import Regions, Watermarks

NAMES = ["begin", "replay_from", "durable", "flushed", "read_only", "tail"]
ADDRESSES = st.lists(st.integers(0, 20), min_size=6, max_size=6)


def regions(addresses: list[int], head: int) -> Regions:
    return Regions(**dict(zip(NAMES, addresses, strict=True)), head=head)


@given(ADDRESSES, st.integers(0, 20))
def test_only_watermarks_in_order_are_taken(addresses: list[int], head: int) -> None:
    found = list(regions(addresses, head).problems())

    is_ordered = addresses == sorted(addresses) and head <= addresses[2]
    assert bool(found) != is_ordered


@given(ADDRESSES.map(sorted), st.data())
def test_no_watermark_moves_back(addresses: list[int], data: st.DataObject) -> None:
    """Invariant 5: watermarks are monotone. R30: a failed flush moved them all the same."""
    head = data.draw(st.integers(0, addresses[2]))
    watermarks = Watermarks()
    before = watermarks.note(regions(addresses, head))
    name = data.draw(st.sampled_from([*NAMES, "head"]))
    value = getattr(before, name)
    if value:
        with pytest.raises(AssertionError, match="watermarks"):
            watermarks.note(replace(before, **{name: value - 1}))


def test_the_same_again_is_no_move_back() -> None:
    watermarks = Watermarks()
    first = watermarks.note(regions([1, 2, 3, 4, 5, 6], 2))
    assert watermarks.note(first) == first
    assert watermarks.note(replace(first, tail=9)).tail == 9

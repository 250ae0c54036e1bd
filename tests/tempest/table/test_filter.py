"""The filter never denies a key that is there, and denies most that are not."""

from unittest.mock import patch

import pytest
from hypothesis import given, strategies as st
from xxhash import xxh3_64_intdigest

from tempest.lanes import lanes_of
from tempest.table.filter import MASKS, Filter, FilterBuilder

KEYS = st.lists(st.binary(max_size=8), max_size=50)


def filter_of(keys: list[bytes], bits_per_key: int = 10) -> Filter:
    bloom = FilterBuilder(len(keys), bits_per_key)
    bloom.add(list(map(xxh3_64_intdigest, keys)))
    return bloom.finish()


def bits_of(key: bytes, count: int) -> set[int]:
    """Return the bits that a key owns, by the letter of the module's docstring."""
    digest = xxh3_64_intdigest(key)
    bits = set()
    for word, x in (
        ((digest >> 38) % count, digest % 4096),
        ((digest >> 12) % 2**26 % count, digest >> 52),
    ):
        a, b = x % 64, x >> 6
        bits |= {word * 64 + bit for bit in (a, b, (a + 2 * b + 17) % 64)}
    return bits


@given(KEYS, st.integers(0, 20))
def test_a_key_that_was_added_is_never_denied(keys: list[bytes], bits: int) -> None:
    bloom = filter_of(keys, bits)
    assert all(map(bloom.may_contain, keys))
    assert all(map(Filter.decode(bloom.encode()).may_contain, keys))


@given(KEYS, st.binary(max_size=8))
def test_the_filter_is_what_its_grammar_says(keys: list[bytes], other: bytes) -> None:
    data = filter_of(keys).encode()
    count = len(data) // 8
    assert count == max(1, -(-len(keys) * 10 // 64))
    owned = set().union(*(bits_of(key, count) for key in keys))
    assert int.from_bytes(data, "little") == sum(1 << bit for bit in owned)
    assert Filter.decode(data).may_contain(other) == (bits_of(other, count) <= owned)


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(0, 5000), st.integers(1, 64))
def test_lanes_choose_what_the_grammar_says(
    digests: list[int], room: int, bits: int
) -> None:
    """The plain way beside the fast one: any digests, any number of words."""
    bloom = FilterBuilder(room, bits)
    for start in range(0, len(digests), 3):
        bloom.add(digests[start : start + 3])
    words = bloom.finish().words
    expected = [0] * len(words)
    for digest in digests:
        expected[(digest >> 38) % len(words)] |= MASKS[digest & 4095]
        expected[(digest >> 12 & 0x3FFFFFF) % len(words)] |= MASKS[digest >> 52]
    assert list(words) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 2**20 - 1, 2**20, 2**25 + 1, 2**31])
def test_lanes_divide_exactly(count: int) -> None:
    bloom = FilterBuilder(0, 1)
    bloom._shift = 26 + count.bit_length()
    bloom._inverse = -(-(1 << bloom._shift) // count)
    words = range(count)  # only its length counts
    around = {base + d for base in (0, count, 2**26) for d in (-2, -1, 0, 1)}
    multiples = {count * k + d for k in (3, 7, 2**26 // count) for d in (-1, 0)}
    numbers = [x for x in sorted(around | multiples) if 0 <= x < 2**26]
    with patch.object(bloom, "_words", words):
        found = bloom._words_of(lanes_of(numbers), len(numbers))
    assert list(found) == [x % count for x in numbers]


def test_the_bytes_of_a_filter_are_pinned() -> None:
    keys = [b"key-%d" % number for number in range(8)]
    assert filter_of(keys).encode().hex() == "000ed4e7950da226a480492488480201"


@pytest.mark.parametrize(("bits", "percent_max"), [(5, 15.0), (10, 1.3), (20, 0.2)])
def test_few_absent_keys_pass(bits: int, percent_max: float) -> None:
    bloom = filter_of([b"there-%d" % number for number in range(10_000)], bits)
    passed = sum(bloom.may_contain(b"absent-%d" % number) for number in range(20_000))
    assert passed / 200 <= percent_max


def test_a_filter_of_no_keys_denies_everything() -> None:
    """T27: no keys divided by zero where the filter was sized and probed."""
    bloom = filter_of([])
    assert not Filter.decode(bloom.encode()).may_contain(b"")
    assert not bloom.may_contain(b"a")


def test_no_bits_make_no_filter() -> None:
    bloom = filter_of([b"a"], 0)
    assert bloom.encode() == b""
    assert Filter.decode(b"").may_contain(b"anything")
    assert filter_of([], 0).may_contain(b"anything")
    assert Filter.decode(b"").encode() == b""


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_filter_or_a_value_error(data: bytes) -> None:
    if len(data) % 8:
        with pytest.raises(ValueError, match="multiple"):
            Filter.decode(data)
    else:
        assert Filter.decode(data).may_contain(b"a") in {True, False}

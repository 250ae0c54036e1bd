"""The read cache: bounded in bytes, second chance, never anything but what was put in."""

from hypothesis import given, strategies as st

from tempest.read_cache import VALUE_BYTES, ReadCache


def test_what_is_kept_is_found_and_counted() -> None:
    cache = ReadCache(10_000)
    assert cache.get(5) is None
    cache.keep(5, b"v" * 100)

    assert cache.get(5) == b"v" * 100
    assert (cache.hits, cache.misses) == (1, 1)
    assert cache.bytes_used == 100 + VALUE_BYTES


def test_what_was_asked_for_again_gets_a_second_chance() -> None:
    cache = ReadCache(3 * (100 + VALUE_BYTES))
    for address in (1, 2, 3):
        cache.keep(address, b"v" * 100)
    cache.get(1)

    for address in (4, 5):  # as a scan would
        cache.keep(address, b"v" * 100)

    assert cache.get(1) is not None
    assert [cache.get(address) is None for address in (2, 3)] == [True, True]


def test_a_value_larger_than_the_budget_pushes_nothing_out() -> None:
    cache = ReadCache(1000)
    cache.keep(1, b"small")
    cache.keep(2, bytes(1000))

    assert cache.get(1) == b"small"
    assert cache.get(2) is None


def test_a_budget_of_nothing_keeps_nothing() -> None:
    cache = ReadCache(0)
    cache.keep(1, b"")
    assert not len(cache)


def test_cleared_it_is_empty() -> None:
    cache = ReadCache(1000)
    cache.keep(1, b"v")
    cache.clear()
    assert cache.get(1) is None
    assert cache.bytes_used == 0


@given(
    st.integers(0, 2000),
    st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.integers(0, 500))),
)
def test_it_is_within_its_budget_and_answers_only_what_was_kept(
    bytes_max: int, steps: list[tuple[bool, int, int]]
) -> None:
    cache = ReadCache(bytes_max)
    for is_read, address, size in steps:
        if is_read:
            found = cache.get(address)
            assert found is None or set(found) <= {address}
        else:
            cache.keep(address, bytes([address]) * size)
        assert cache.bytes_used <= bytes_max
    assert cache.bytes_used == sum(
        len(kept.value) + VALUE_BYTES for kept in cache._values.values()
    )

"""Searching and clipping a block agree with looking at every entry."""

from hypothesis import given, strategies as st

from tempest.columns import make_columns
from tempest.table.block import clip, end_of_key, is_sorted, newest
from tests.tempest.table.support import VERSIONS, Version, newest_at, run_of

KEY = st.binary(max_size=3)


@given(VERSIONS, KEY, st.integers(0, 401))
def test_the_newest_version_at_a_position_is_found(
    versions: list[Version], key: bytes, at: int
) -> None:
    columns = run_of(versions)
    for wanted in (key, versions[0][0], versions[-1][0]):
        expected = newest_at(versions, wanted, at)
        found = newest(columns, wanted, at)
        if expected is None:
            assert found is None
        else:
            _, sequence, kind, value = expected
            assert found == (sequence, kind, b"" if kind else value)


@given(VERSIONS, KEY, st.none() | KEY)
def test_clipping_keeps_exactly_the_range(
    versions: list[Version], start: bytes, stop: bytes | None
) -> None:
    clipped = clip(run_of(versions), start, stop)
    expected = [v for v in versions if v[0] >= start and (stop is None or v[0] < stop)]
    assert clipped.keys == [key for key, _, _, _ in expected]
    assert clipped.sequences() == [sequence for _, sequence, _, _ in expected]


def test_a_run_inside_the_range_is_not_copied() -> None:
    columns = make_columns([b"a", b"b"], [b"", b""], [1, 2])
    assert clip(columns, b"a", b"c") is columns
    assert clip(columns, b"", None) is columns


@given(VERSIONS)
def test_sorted_means_keys_up_and_versions_down(versions: list[Version]) -> None:
    keys = [key for key, _, _, _ in versions]
    sequences = [sequence for _, sequence, _, _ in versions]
    assert is_sorted(keys, sequences)
    order = list(zip(keys, [-sequence for sequence in sequences], strict=True))
    assert is_sorted(keys[::-1], sequences[::-1]) == (order[::-1] == order)


def test_equal_sequences_of_one_key_are_not_sorted() -> None:
    assert not is_sorted([b"a", b"a"], [5, 5])
    assert not is_sorted([b"a", b"a"], [4, 5])
    assert is_sorted([b"a", b"a"], [5, 4])
    assert is_sorted([], [])


@given(VERSIONS, st.integers(0, 60))
def test_a_cut_moves_behind_the_versions_of_a_key(
    versions: list[Version], place: int
) -> None:
    keys = [key for key, _, _, _ in versions]
    place = min(place, len(keys))
    end = end_of_key(keys, place)
    assert end >= place
    assert end in {0, len(keys)} or keys[end - 1] != keys[end]
    assert len(set(keys[place:end])) <= 1

"""Which compaction is chosen to get rid of pointers to what was overwritten."""

import attrs
from hypothesis import given, strategies as st

from tempest.compaction import Choice, Reason, choose_stale
from tempest.compaction.policy import choice_problems
from tempest.table import TableMeta
from tests.tempest.compaction.world import LEVELS, make_meta

NOW = 1 << 30
Metas = list[list[TableMeta]]


def pointing(meta: TableMeta, size: int, *, entries: int = 10) -> TableMeta:
    """The table with pointers to so many bytes."""
    return attrs.evolve(
        meta, segments=(7,), segment_bytes=(size,), entries=entries, size=100
    )


def choose(levels: Metas, gain_min: float = 1.0, **limits: int) -> Choice | None:
    return choose_stale(
        levels,
        written=limits.get("written", NOW),
        oldest=limits.get("oldest", NOW),
        gain_min=gain_min,
        bytes_min=limits.get("bytes_min", 1),
    )


def levels_of(*levels: list[TableMeta]) -> Metas:
    return [*levels, *([] for _ in range(LEVELS - len(levels)))]


def test_what_may_hide_pointers_below_is_merged_with_them() -> None:
    below = pointing(make_meta(1, b"a", b"m"), 10_000)
    above = make_meta(2, b"b", b"c", sequence=9)

    choice = choose(levels_of([above], [below]))

    assert choice is not None
    assert choice.reason is Reason.STALE_POINTERS
    assert (choice.tables, choice.output_level) == ((above, below), 1)


def test_a_merge_has_to_promise_more_than_it_costs() -> None:
    below = pointing(make_meta(1, b"a", b"m"), 1000)
    above = attrs.evolve(make_meta(2, b"b", b"c", sequence=9), size=100)
    levels = levels_of([above], [below])

    assert choose(levels, 5.0) is not None, "1000 bytes for 200"
    assert choose(levels, 5.1) is None
    assert choose(levels, 1.0, bytes_min=1000) is not None
    assert choose(levels, 1.0, bytes_min=1001) is None


def test_few_entries_hide_few_values() -> None:
    below = pointing(make_meta(1, b"a", b"m"), 10_000, entries=100)
    one = attrs.evolve(make_meta(2, b"b", b"c", sequence=9), size=100, entries=1)

    assert choose(levels_of([one], [below])) is None, "100 bytes for 200"
    many = attrs.evolve(one, entries=2)
    assert choose(levels_of([many], [below])) is not None


def test_what_overlaps_nothing_is_left_alone() -> None:
    above = pointing(make_meta(2, b"n", b"z", sequence=9), 10_000)
    below = pointing(make_meta(1, b"a", b"m"), 10_000)

    assert choose(levels_of([above], [below])) is None
    assert choose(levels_of([], [below], [above])) is None


def test_tables_without_pointers_are_left_to_the_policy() -> None:
    assert choose(levels_of([make_meta(2, b"a", b"z", sequence=9)])) is None
    pair = make_meta(3, b"a", b"z", sequence=9), make_meta(2, b"a", b"z")
    assert choose(levels_of([pair[0]], [pair[1]])) is None


def test_what_is_newer_than_asked_for_is_left_alone() -> None:
    below = pointing(make_meta(1, b"a", b"m"), 10_000)
    above = make_meta(2, b"b", b"c", sequence=9)

    assert choose(levels_of([above], [below]), written=8) is None


def test_versions_that_a_closed_snapshot_saw_are_rewritten_away() -> None:
    kept = attrs.evolve(
        pointing(make_meta(1, b"a", b"m", sequence=5), 10_000), shadowed=5
    )

    assert choose(levels_of([], [kept]), oldest=4) is None
    choice = choose(levels_of([], [kept]), oldest=5)
    assert choice is not None
    assert (choice.tables, choice.output_level) == ((kept,), 1)


def test_the_best_bargain_comes_first() -> None:
    tables = [
        pointing(make_meta(1, b"a", b"c"), 10_000),
        pointing(make_meta(2, b"d", b"f"), 90_000),
    ]
    above = [make_meta(3, b"a", b"c", sequence=9), make_meta(4, b"d", b"f", sequence=9)]

    choice = choose(levels_of([], above, tables))

    assert choice is not None
    assert choice.tables == (above[1], tables[1])


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 8), st.integers(0, 9000)),
        min_size=1,
        max_size=12,
    )
)
def test_choosing_again_and_again_ends(spans: list[tuple[int, int, int]]) -> None:
    """Each choice is sound, and merges to fewer tables or moves them down."""
    level0 = [
        pointing(make_meta(n, b"%03d" % low, b"%03d" % (low + width), sequence=n), size)
        for n, (low, width, size) in enumerate(spans, 1)
    ]
    levels = levels_of(level0[::-1])
    number = 100
    for _ in range(LEVELS * len(spans)):
        choice = choose(levels, 0.1)
        if choice is None:
            return
        assert list(choice_problems(levels, choice)) == []
        number += 1
        merged = attrs.evolve(
            choice.tables[0],
            number=number,
            smallest=min(table.smallest for table in choice.tables),
            largest=max(table.largest for table in choice.tables),
            sequence_min=min(table.sequence_min for table in choice.tables),
            sequence_max=max(table.sequence_max for table in choice.tables),
            segment_bytes=(sum(sum(t.segment_bytes) for t in choice.tables) // 2,),
        )
        levels = [[t for t in level if t not in choice.tables] for level in levels]
        target = levels[choice.output_level]
        target.append(merged)
        target.sort(key=lambda table: table.smallest)
    raise AssertionError("it goes on for ever")

"""What the leveled policy chooses, case by case."""

from tempest.compaction.leveled import Leveled
from tempest.compaction.policy import Choice, LevelInput, Reason
from tempest.table import TableMeta
from tests.tempest.compaction.world import ALL, make_meta as table

POLICY = Leveled(level0_tables_max=3, level_bytes_base=6, level_growth=2)


def test_nothing_is_chosen_from_an_empty_store() -> None:
    empty: list[list[TableMeta]] = [[], [], []]

    assert POLICY.choose(empty, ALL) is None
    assert POLICY.choose_range(empty, b"", None, written=ALL, oldest=ALL) is None


def test_level0_takes_what_hangs_together_with_its_oldest_table() -> None:
    newest = table(4, b"c", b"d", sequence=4)
    apart = table(3, b"x", b"z", sequence=3)
    bridge = table(2, b"b", b"c", sequence=2)
    oldest = table(1, b"a", b"b", sequence=1)
    below, beside = table(5, b"d", b"e"), table(6, b"f", b"g")
    levels = [[newest, apart, bridge, oldest], [below, beside], []]

    assert POLICY.choose(levels, ALL) == Choice(
        Reason.LEVEL0_FULL,
        (LevelInput(0, (newest, bridge, oldest)), LevelInput(1, (below,))),
        1,
    )


def test_a_table_that_overlaps_nothing_just_moves() -> None:
    levels = [
        [
            table(number, b"%d" % number, b"%d" % number, sequence=number)
            for number in (3, 2, 1)
        ],
        [],
        [],
    ]

    choice = POLICY.choose(levels, ALL)

    assert choice == Choice(
        Reason.LEVEL0_FULL, (LevelInput(0, (levels[0][2],)),), 1, is_move=True
    )


def test_a_full_level_gives_the_table_that_costs_least() -> None:
    dear, cheap = table(1, b"a", b"c", size=4), table(2, b"d", b"f", size=4)
    levels = [[], [dear, cheap], [table(3, b"a", b"b", size=5), table(4, b"e", b"e")]]

    choice = POLICY.choose(levels, ALL)

    assert choice == Choice(
        Reason.LEVEL_FULL,
        (LevelInput(1, (cheap,)), LevelInput(2, (levels[2][1],))),
        2,
    )


def test_a_table_of_tombstones_is_merged_into_what_it_hides() -> None:
    dense = table(1, b"a", b"c", tombstones=5)
    hidden = table(2, b"b", b"b")

    assert POLICY.choose([[], [dense], [hidden], []], ALL) == Choice(
        Reason.TOMBSTONES, (LevelInput(1, (dense,)), LevelInput(2, (hidden,))), 2
    )
    assert POLICY.choose([[], [dense], [], [hidden]], ALL) == Choice(
        Reason.TOMBSTONES, (LevelInput(1, (dense,)),), 2, is_move=True
    )
    assert POLICY.choose([[], [dense], [], []], ALL) == Choice(
        Reason.TOMBSTONES, (LevelInput(1, (dense,)),), 1
    )


def test_tombstones_that_a_reader_still_needs_are_left_alone() -> None:
    dense = table(1, b"a", b"c", sequence=9, tombstones=10)

    assert POLICY.choose([[], [dense], []], 8) is None
    assert (
        POLICY.choose_range([[], [dense], []], b"", None, written=ALL, oldest=8) is None
    )


def test_a_table_of_versions_that_nobody_can_see_is_rewritten() -> None:
    """Only a closed snapshot could see them, and nothing else would ever drop them."""
    stale = table(1, b"a", b"c", sequence=9, shadowed=1)
    deeper = table(2, b"x", b"z")

    def choose(oldest: int, *below: TableMeta) -> Choice | None:
        levels = [[], [stale], [deeper, *below], []]
        return POLICY.choose_range(levels, b"", b"d", written=ALL, oldest=oldest)

    assert choose(8) is None
    assert choose(9) == Choice(Reason.MANUAL, (LevelInput(1, (stale,)),), 1)


def test_a_manual_compaction_leaves_later_writes_alone() -> None:
    late = table(2, b"a", b"c", sequence=9)
    early = table(1, b"a", b"c", sequence=3)

    choose = POLICY.choose_range
    assert choose([[late], [early], []], b"", None, written=8, oldest=ALL) is None
    assert choose([[late], [early], []], b"", None, written=9, oldest=ALL) == Choice(
        Reason.MANUAL, (LevelInput(0, (late,)), LevelInput(1, (early,))), 1
    )


def test_a_manual_compaction_moves_about_a_level_at_a_time() -> None:
    upper = [table(number, b"%d" % number, b"%d" % number, size=4) for number in (1, 2)]
    lower = [
        table(number, b"%d" % (number - 2), b"%d" % (number - 2)) for number in (3, 4)
    ]

    choice = POLICY.choose_range([[], upper, lower], b"", None, written=9, oldest=9)

    assert choice is not None
    assert choice.inputs == (LevelInput(1, (upper[0],)), LevelInput(2, (lower[0],)))

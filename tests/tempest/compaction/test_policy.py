"""A choice that would let a newer version sink below an older one is refused."""

from tempest.compaction.policy import Choice, LevelInput, Reason, choice_problems
from tempest.table import TableMeta
from tests.tempest.compaction.world import make_meta as table


def problems(levels: list[list[TableMeta]], choice: Choice) -> str:
    return "; ".join(choice_problems(levels, choice))


def test_a_choice_may_not_leave_an_older_table_above() -> None:
    """B3: a tombstone below the value that it hides would be dropped, and the value come back."""
    newer, older = table(2, b"a", b"c", sequence=2), table(1, b"b", b"d", sequence=1)
    level0_only = Choice(Reason.MANUAL, (LevelInput(0, (newer,)),), 1)

    assert "sink below tables [1]" in problems([[newer, older], []], level0_only)
    skipping = Choice(Reason.MANUAL, (LevelInput(0, (newer,)),), 2)
    assert "sink below tables [1]" in problems([[newer], [older], []], skipping)


def test_a_choice_may_not_overlap_what_stays_in_its_output_level() -> None:
    left, right = table(1, b"a", b"b"), table(2, b"y", b"z")
    between = table(3, b"m", b"m")
    choice = Choice(Reason.MANUAL, (LevelInput(1, (left, right)),), 2)

    assert "overlap tables [3]" in problems([[], [left, right], [between]], choice)


def test_a_choice_may_name_only_what_is_there() -> None:
    """S3: a choice made of levels that are gone is noticed."""
    gone = table(1, b"a", b"b")

    assert "not in level 1" in problems(
        [[], [], []], Choice(Reason.MANUAL, (LevelInput(1, (gone,)),), 2)
    )


def test_a_choice_may_not_go_up() -> None:
    low = table(1, b"a", b"b")

    assert "go up" in problems(
        [[], [], [low]], Choice(Reason.MANUAL, (LevelInput(2, (low,)),), 1)
    )

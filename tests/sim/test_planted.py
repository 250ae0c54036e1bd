"""Planting: text is replaced in the right place, in full view of everybody, and taken back."""

from collections.abc import Callable
from pathlib import Path

import pytest

import sim
from sim.planted import (
    PLANTED,
    Directed,
    Edit,
    Planted,
    PlantMovedError,
    edited,
    find,
    named,
    replaced,
    row_of,
    search,
    survey,
    survey_each,
)
from sim.script import parse
from tempest.upkeep import flushing

FLUSH = vars(flushing)["flush"]  # as it was imported there
PLACE = "tempest.snapshot:Positions.with_visible"


def code_of(place: str) -> object:
    """What is at a place now, down to its code."""
    found = find(place)
    for inner in ("fget", "__func__", "__wrapped__"):
        found = getattr(found, inner, found)
    return getattr(found, "__code__", found)


def test_the_public_page_has_a_row_of_each() -> None:
    page = Path(__file__).parents[2] / "docs" / "planted-bugs.md"
    lines = page.read_text().splitlines()
    rows = [line for line in lines if line.startswith("| `")]

    assert len(rows) == len(PLANTED)
    for row, bug in zip(rows, PLANTED, strict=True):
        assert row.startswith(row_of(bug)), bug.name
        assert "not caught" not in row


def test_every_name_is_there_once() -> None:
    names = [bug.name for bug in PLANTED]
    assert len(names) == len(dict.fromkeys(names)) >= 50


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_bug_is_planted_and_taken_out_again(bug: Planted) -> None:
    before = [code_of(place) for place in bug.places]
    with bug.plant():
        during = [code_of(place) for place in bug.places]
        assert all(one is not other for one, other in zip(before, during, strict=True))
    assert [code_of(place) for place in bug.places] == before


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_directed_script_is_a_value(bug: Planted) -> None:
    script = bug.draw(1)
    assert script == bug.draw(1) == parse(repr(script))
    assert script != bug.draw(2)


def test_an_edit_reaches_whoever_imported_the_function() -> None:
    edit = Edit("tempest.flush:flush", "refuse(flush_problems(job, result))", "pass")
    before = FLUSH.__code__
    with edited(edit):
        assert FLUSH.__code__ is not before
    assert FLUSH.__code__ is before


def test_two_edits_of_one_function_are_planted_together() -> None:
    first = Edit(PLACE, "return taken", "return [7]")
    second = Edit(PLACE, "return [*taken, visible]", "return [8]")
    with edited(first, second):
        assert find(PLACE)(type("It", (), {"taken": [5]}), 3) == [7]
        assert find(PLACE)(type("It", (), {"taken": []}), 3) == [8]
    assert find(PLACE)(type("It", (), {"taken": []}), 3) == [3]


def test_a_bug_goes_when_its_block_fails() -> None:
    edit = Edit(PLACE, "return taken", "return []")
    before = code_of(PLACE)
    with pytest.raises(ZeroDivisionError), edited(edit):
        raise ZeroDivisionError
    assert code_of(PLACE) is before


def test_a_place_is_replaced_and_put_back() -> None:
    def make(original: Callable[[], object]) -> str:
        return f"instead of {original.__name__}"

    with replaced("tempest.upkeep.flushing:flush", make):
        assert find("tempest.upkeep.flushing:flush") == "instead of flush"
    assert find("tempest.upkeep.flushing:flush") is FLUSH


@pytest.mark.parametrize(
    "place",
    ["tempest.nowhere:thing", "tempest.snapshot:Nobody.take", "tempest.snapshot:gone"],
)
def test_a_place_that_is_gone_is_named(place: str) -> None:
    with pytest.raises(PlantMovedError, match=place), edited(Edit(place, "a", "b")):
        pytest.fail("nothing can be planted there")
    with (
        pytest.raises(PlantMovedError, match=place),
        replaced(place, lambda original: original),
    ):
        pytest.fail("nothing can be replaced there")


@pytest.mark.parametrize("text", ["not there", "taken"])
def test_text_that_is_gone_or_there_twice_is_named_and_nothing_is_planted(
    text: str,
) -> None:
    before = code_of(PLACE)
    sound = Edit(PLACE, "return taken", "return []")
    with (
        pytest.raises(PlantMovedError, match=text),
        edited(sound, Edit(PLACE, text, "pass")),
    ):
        pytest.fail("nothing can be planted there")
    assert code_of(PLACE) is before


def test_what_is_no_function_is_named() -> None:
    place = "tempest.opening:RACES_MAX"
    with (
        pytest.raises(PlantMovedError, match="no function"),
        edited(Edit(place, "", "")),
    ):
        pytest.fail("nothing can be planted there")


def test_a_search_ends_without_a_bug() -> None:
    nothing = Planted.edit(
        "no-bug",
        "none",
        Edit(PLACE, "return taken", "return  taken"),
        draw=Directed(mix={"put": 1}, operations=1, lives=1),
    )
    assert search(nothing, 0, 3) is None
    found = survey(nothing, searches=2, seeds_max=2)
    assert (found.caught, found.oracle) == (False, "")


def test_surveys_of_several_bugs_run_side_by_side() -> None:
    bugs = [named("close-keeps-the-lock"), named("close-leaves-the-log-open")]
    found = list(survey_each(bugs, 2))
    assert sorted(one.name for one in found) == [bug.name for bug in bugs]
    assert {(one.caught, one.oracle) for one in found} == {(True, "leak")}


def test_a_survey_says_what_has_moved() -> None:
    moved = Planted.edit("moved", "none", Edit(PLACE, "nowhere", "here"))
    found = survey(moved)
    assert (found.caught, found.oracle) == (False, "moved")


def test_a_search_tells_the_seed_that_fails_again() -> None:
    bug = named("commit-acknowledges-before-sync")
    found = search(bug, 1000, 20)
    assert found is not None
    assert 1000 <= found.seed == 1000 + found.seeds - 1
    with bug.plant():
        assert sim.run(bug.draw(found.seed)).verdict == found.verdict
    assert sim.run(bug.draw(found.seed)).verdict == "ok"

"""Published bugs: every strawman fails, its mended twin and Tempest pass, and the page says so."""

from pathlib import Path

import pytest

from sim.corpus import CASES, Case, row_of, run_case, run_corpus, story_of
from sim.corpus.case import Seen
from sim.corpus.ledger import BrokenPromiseError, Ledger

PAGE = (Path(__file__).parents[2] / "docs" / "published-bugs.md").read_text()
AGAIN = "write docs/published-bugs.md again: print(sim.corpus.page())"
seen: Seen = {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_strawman_fails_and_tempest_passes(case: Case) -> None:
    result = run_case(case, seen)

    assert not result.strawman.is_ok, "the bug was not found"
    assert result.mended.is_ok, result.mended
    assert result.tempest.is_ok, result.tempest
    assert f"{row_of(case, result)} " in PAGE, AGAIN


def test_the_page_tells_every_story_in_order() -> None:
    stories = "\n".join(story_of(case) for case in CASES)

    assert PAGE.endswith(stories), AGAIN
    assert f"## {len(CASES)} cases\n" in PAGE, AGAIN
    assert PAGE.count("\n| [") == len(CASES), AGAIN


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.source and case.story.endswith(".") for case in CASES)


def test_a_case_has_the_same_result_again() -> None:
    cases = [case for case in CASES if case.name == "etcd-torn-creation"]

    first, second = list(run_corpus(cases)), list(run_corpus(cases))

    assert first == second
    assert first[0].holds


class TestLedger:
    """What a store may bring back."""

    @staticmethod
    def ledger() -> Ledger:
        ledger = Ledger()
        ledger.begin({b"a": b"1"})
        ledger.acknowledge(ledger.begin({b"b": b"2"}))
        ledger.begin({b"a": None, b"c": b"3"})
        return ledger

    @pytest.mark.parametrize(
        "state", [{b"a": b"1", b"b": b"2"}, {b"b": b"2", b"c": b"3"}]
    )
    def test_a_prefix_that_holds_all_that_was_promised(
        self, state: dict[bytes, bytes]
    ) -> None:
        ledger = self.ledger()

        ledger.judge(state)
        ledger.judge(state)

        assert ledger.promised == len(ledger.writes)

    @pytest.mark.parametrize(
        "state",
        [
            {},
            {b"a": b"1"},
            {b"b": b"2"},
            {b"a": b"1", b"b": b"2", b"c": b"3"},
            {b"a": b"1", b"b": b"x"},
        ],
        ids=["nothing", "loss", "hole", "half a batch", "another value"],
    )
    def test_anything_else_breaks_a_promise(self, state: dict[bytes, bytes]) -> None:
        with pytest.raises(BrokenPromiseError):
            self.ledger().judge(state)

    def test_an_outcome_that_was_seen_is_pinned(self) -> None:
        ledger = self.ledger()
        ledger.judge({b"b": b"2", b"c": b"3"})

        with pytest.raises(BrokenPromiseError):
            ledger.judge({b"a": b"1", b"b": b"2"})

    def test_a_write_that_failed_may_be_there_or_not(self) -> None:
        for state in ({b"b": b"2"}, {b"a": b"1", b"b": b"2"}):
            ledger = Ledger()
            ledger.begin({b"a": b"1"}).has_failed = True
            ledger.acknowledge(ledger.begin({b"b": b"2"}))

            ledger.judge(state)

"""The parts are measured on little data: what is checked are the answers, and that all is told."""

from pathlib import Path

import pytest

from benchmarks.parts import __main__ as parts, background, turns
from benchmarks.parts.turns import Cost, Way, medians


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("reads", "six tables and a memtable, rows"),
        ("snapshots", "one every hundred writes"),
        ("background", "compactions"),
        ("opening", "import tempest"),
        ("memory", "in blocks of the cache"),
    ],
)
def test_a_part_answers_rightly_and_is_told(
    part: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(turns, "ROUNDS", 1)
    monkeypatch.setattr(background, "ROUNDS", 1)

    parts.main([part, "--n", "500", "--folder", str(tmp_path)])

    printed = capsys.readouterr().out
    assert told in printed
    assert not list(tmp_path.iterdir()), "what was made is gone"


async def test_a_wrong_answer_is_no_figure() -> None:
    async def work() -> list[int]:
        return [1, 2]

    [cost] = await medians([Way("right", work, [1, 2])])
    assert cost.name == "right"
    with pytest.raises(AssertionError, match="wrong: a wrong answer"):
        await medians([Way("wrong", work, [1, 3])])


def test_what_others_take_is_told_in_multiples_of_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns.tell("a thing", [Cost("one", 2000.0), Cost("other", 5000.0)], "ms")

    lines = capsys.readouterr().out.split("\n")
    assert lines[2].split() == ["one", "2.00", "1.00"]
    assert lines[3].split() == ["other", "5.00", "2.50"]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parts.main(["reeds"])
    assert "no such part: reeds; there are reads" in capsys.readouterr().err

"""The commands: what they print, what they keep, how they end, what they say to a mistake."""

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from sim import parse
from sim.__main__ import main
from sim.commands.app import COMMANDS
from sim.kept import keep
from sim.runner import draw_lying, run_drawn
from sim.shrink import literal

Capture = pytest.CaptureFixture[str]
FIELDS = [
    *("seed", "verdict", "digest", "operations", "crashes", "io_calls"),
    *("virtual_seconds", "seconds", "faults"),
]


@pytest.fixture
def lie(tmp_path: Path) -> Path:
    """A file with a script that fails."""
    return keep(tmp_path, draw_lying(3), run_drawn(3, draw_lying)) / "script.txt"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], "Say which seeds"),
        (["run", "--seeds", "0-3"], "--seeds is A:B"),
        (["run", "--seeds", "7"], "say --seed 7"),
        (["run", "--seeds", "5:5"], "holds no seed"),
        (["run", "--seeds", "5:"], "needs --seconds or --until-failure"),
        (["run", "--count", "0"], "--count is at least 1"),
        (["run", "--seed", "1", "--count", "2"], "goes without"),
        (["run", "--seed", "1", "--report", "x"], "report 1 -o x"),
        (["run", "--count", "2", "--jobs", "0"], "--jobs is at least 1"),
        (["explore", "two puts", "--jobs", "0"], "--jobs is at least 1"),
        (["corpus", "--jobs", "-1"], "--jobs is at least 1"),
        (["soak", "--jobs", "0"], "--jobs is at least 1"),
        (["run", "--seed", "one"], "Invalid value"),
        (["replay"], "Name a seed"),
        (["replay", "1", "--script", "x"], "Name a seed"),
        (["replay", "--script", "/nowhere/at/all"], "No such file"),
        (["shrink", "--planted", "no-such-bug"], "no planted bug 'no-such-bug'"),
        (["planted", "no-such-bug"], "there are: "),
        (["explore", "no such program"], "there are: "),
        (["soak", "--hours", "0"], "needs some time"),
        (["dance"], "Available commands"),
    ],
)
def test_mistakes_are_sentences(
    arguments: list[str], sentence: str, capsys: Capture
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err


def test_a_file_that_holds_no_script_is_said(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "text"
    path.write_text("Script(lives=7 +)")

    assert main(["replay", "--script", str(path)]) == 2
    assert "holds no script" in capsys.readouterr().err


def test_a_seed_is_one_line_and_one_object(capsys: Capture) -> None:
    assert main(["run", "--seed", "3"]) == 0
    assert main(["run", "--seed", "3", "--json"]) == 0
    line, text = capsys.readouterr().out.splitlines()

    document = json.loads(text)
    assert list(document)[: len(FIELDS)] == FIELDS
    assert line == f"seed 3: ok {document['digest']}"


def test_a_count_begins_where_seeds_begin(capsys: Capture) -> None:
    assert main(["run", "--seeds", "7:", "--count", "2", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert [json.loads(line)["seed"] for line in lines] == [7, 8]


def test_a_sweep_ends_when_its_time_is_over(capsys: Capture) -> None:
    assert main(["run", "--seconds", "0"]) == 0
    assert "1 seeds, 0 failed" in capsys.readouterr().err


def test_a_sweep_leaves_a_page(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "sweep.html"

    assert main(["run", "--count", "2", "--report", str(path)]) == 0
    assert path.read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out == ""


def test_a_failing_script_says_how_to_see_it_again(lie: Path, capsys: Capture) -> None:
    assert main(["replay", "--script", str(lie)]) == 1
    out, err = capsys.readouterr()

    assert out.startswith("seed 3: refused-opening ")
    assert f"again: python -m sim replay --script {lie}" in err


def test_the_log_has_a_row_for_each_event(lie: Path, capsys: Capture) -> None:
    assert main(["replay", "--script", str(lie), "--log"]) == 1
    out = capsys.readouterr().out

    assert len(out.splitlines()) > 100
    assert "refused-opening" in out


def test_a_script_shrinks_to_a_test_and_a_file(
    lie: Path, tmp_path: Path, capsys: Capture
) -> None:
    small = tmp_path / "small"

    assert main(["shrink", "--script", str(lie), "-o", str(small)]) == 0
    out, err = capsys.readouterr()

    assert "def test_refused_opening_3() -> None:" in out
    assert "0 operations, 1 faults, 1 crashes" in err
    script = parse(small.read_text())
    assert literal(script) + "\n" == small.read_text()
    assert main(["replay", "--script", str(small)]) == 1


def test_what_does_not_fail_is_not_shrunk(capsys: Capture) -> None:
    assert main(["shrink", "3"]) == 1
    assert "does not fail" in capsys.readouterr().err


def test_a_run_is_a_page(tmp_path: Path) -> None:
    path = tmp_path / "run.html"

    assert main(["report", "3", "--output", str(path)]) == 0
    assert path.read_text().startswith("<!doctype html>")


def test_help_names_every_command(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    assert set(capsys.readouterr().out.split()) >= {name for name, _, _ in COMMANDS}


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_every_command_has_help(name: str, capsys: Capture) -> None:
    assert main([name, "--help"]) == 0
    assert "Usage: sim" in capsys.readouterr().out


def test_tempest_sim_is_the_same_program() -> None:
    found = [e for e in entry_points(group="tempest.commands") if e.name == "sim"]

    assert [entry.value for entry in found] == ["sim.commands.app:app"]


def test_a_planted_bug_is_an_object(capsys: Capture) -> None:
    assert main(["planted", "table-filter-denies", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    fields = ["name", "caught", "oracle", "median_seeds", "seconds"]
    assert list(document) == fields
    assert (document["name"], document["caught"]) == ("table-filter-denies", True)


def test_a_planted_bug_shrinks_to_what_it_needs(capsys: Capture) -> None:
    assert main(["shrink", "--planted", "table-filter-denies"]) == 0
    out, err = capsys.readouterr()

    assert "Get(key=" in out
    assert "0 faults, 0 crashes" in err


def test_what_a_planted_bug_shrank_to_is_loaded_with_it(
    tmp_path: Path, capsys: Capture
) -> None:
    path, bug = tmp_path / "small", ["--planted", "table-filter-denies"]
    assert main(["shrink", *bug, "-o", str(path)]) == 0

    assert main(["replay", "--script", str(path)]) == 0
    assert main(["replay", "--script", str(path), *bug]) == 1
    again = f"python -m sim replay --script {path} --planted table-filter-denies"
    assert again in capsys.readouterr().err

    page = tmp_path / "page.html"
    assert main(["report", "--script", str(path), *bug, "-o", str(page)]) == 0
    assert again in page.read_text()


def test_a_published_bug_is_an_object(capsys: Capture) -> None:
    assert main(["corpus", "leveldb-log-tail", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert (document["strawman"], document["tempest"]) == ("invariant", "ok")
    assert document["holds"]


def test_an_exploration_counts(capsys: Capture) -> None:
    assert main(["explore", "two puts", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert document["failures"] == []
    assert document["cuts"] > document["io_calls"] > 10

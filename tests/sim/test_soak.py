"""A soak counts, compares, keeps what fails, and what it kept can be loaded again."""

import json
from pathlib import Path

import attrs
import pytest

from sim import draw, parse
from sim.commands import main
from sim.kept import keep, load
from sim.runner import Timed, draw_lying, run_drawn, run_seed
from sim.soak import Soak, Tally, Task, reload
from sim.workers import Done


def test_what_fails_is_kept_shrunk_and_reported(tmp_path: Path) -> None:
    said: list[str] = []
    soak = Soak(
        folder=tmp_path,
        jobs=1,
        seconds=600.0,
        seeds_max=1,
        shrink_seconds=60.0,
        say=said.append,
        draw=draw_lying,
    )

    tally = soak.run()

    assert tally.seeds == 1
    seed, verdict = next(iter(tally.failures.items()))
    place = tmp_path / f"seed-{seed}"
    names = {"script.txt", "result.json", "shrunk.txt", "test_shrunk.py", "report.html"}
    assert {path.name for path in place.iterdir()} == names
    assert json.loads((place / "result.json").read_text())["verdict"] == verdict
    assert parse((place / "script.txt").read_text()) == draw_lying(seed)
    assert f"  again: python -m sim replay --script {place / 'script.txt'}" in said


def test_a_summary_tells_where_the_next_soak_begins(tmp_path: Path) -> None:
    first = Soak(folder=tmp_path, jobs=1, seconds=600.0, seeds_max=2).run()
    second = Soak(folder=tmp_path, jobs=1, seconds=600.0, seeds_max=1).run()

    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["next_seed"] == 1_000_003
    assert (first.seeds, second.seeds, summary["seeds"]) == (2, 1, 1)
    assert (first.failures, summary["failures"]) == ({}, {})
    assert first.again == 1  # seed 1,000,000 is one in twenty


def test_two_digests_of_one_seed_are_a_failure(tmp_path: Path) -> None:
    soak = Soak(folder=tmp_path, jobs=1, seconds=600.0, seeds_max=0)
    soak.take(Done(0, Task("run", 20), run_seed(20)))
    other = attrs.evolve(run_seed(20).result, digest="of another run")
    soak.take(Done(1, Task("again", 20), Timed(other, 0.0)))

    assert soak.tally.failures == {20: "another-digest"}
    assert [one.script for one in load(tmp_path)] == [draw(20)]


def test_a_seed_that_hangs_is_kept(tmp_path: Path) -> None:
    soak = Soak(folder=tmp_path, jobs=1, seconds=600.0)
    soak.take(Done(0, Task("run", 7), None, 120.0, "hung", "no end"))

    assert soak.tally.failures == {7: "hung"}
    assert [one.script for one in load(tmp_path)] == [draw(7)]


def test_kept_scripts_are_run_again(tmp_path: Path) -> None:
    bad = run_drawn(1, draw_lying)
    keep(tmp_path, draw_lying(1), bad)
    keep(tmp_path, attrs.evolve(draw(2), lives=()), run_seed(2))

    again = [(one.path.parent.name, one.verdict) for one in reload(tmp_path)]

    assert again == [("seed-1", bad.result.verdict), ("seed-2", "ok")]
    assert bad.result.verdict != "ok"
    assert next(one.script for one in load(tmp_path)) == draw_lying(1)


def test_an_empty_folder_is_well_and_no_folder_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["soak", "--load", str(tmp_path)]) == 0
    assert main(["soak", "--load", str(tmp_path / "none")]) == 2
    assert "is no folder of a soak" in capsys.readouterr().err


def test_a_tally_adds_up() -> None:
    tally = Tally()
    well, bad = run_seed(0), run_drawn(1, draw_lying)

    tally.take(well)
    tally.take(bad)
    summary = tally.summary(3600.0)

    assert summary["seeds"] == summary["seeds_per_hour"] == 2
    assert summary["crashes"] == well.result.crashes + bad.result.crashes
    assert summary["failures"] == {"1": bad.result.verdict}
    assert set(tally.never).isdisjoint(well.result.situations)
    assert "power cut" in tally.fault_seeds

"""Sweeps: seeds in order, lines as promised, and a canary that dies."""

import json

import pytest

from sim import canary, draw, forgetful_canary, sweep
from sim.__main__ import main
from sim.runner import draw_lying

FIELDS = [
    *("seed", "verdict", "digest", "operations", "crashes", "io_calls"),
    *("virtual_seconds", "seconds", "faults"),
]


def test_a_disk_that_lies_is_found_out() -> None:
    found = canary()

    assert found is not None
    assert found.verdict != "ok"


def test_a_disk_that_forgets_is_found_out_by_what_was_acknowledged() -> None:
    found = forgetful_canary()

    assert found is not None
    assert found.verdict == "acknowledged-survives"


def test_another_verdict_is_not_what_the_forgetful_canary_is_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sim.runner.draw_forgetful", draw_lying)
    found = [forgetful_canary([seed]) for seed in range(10)]

    assert any(one is None for one in found)


def test_a_sweep_compares_at_least_forty_option_sets() -> None:
    sets = [one for seed in range(100) for one in draw(seed).option_sets]

    assert len(dict.fromkeys(sets)) >= 40


def test_results_come_in_order_and_are_the_same_in_other_processes() -> None:
    here = [(timed.result.seed, timed.result.digest) for timed in sweep(range(4))]
    there = [(timed.result.seed, timed.result.digest) for timed in sweep(range(4), 2)]

    assert here == there
    assert [seed for seed, _ in here] == [0, 1, 2, 3]


def test_json_is_one_object_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--seeds", "0:3", "--json"]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]

    assert [line["seed"] for line in lines] == [0, 1, 2]
    assert all(list(line) == FIELDS for line in lines)
    assert all(line["operations"] >= 240 and line["crashes"] >= 4 for line in lines)
    assert "situations" in err


def test_a_single_seed_can_be_run_and_replayed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "--seed", "3"]) == 0
    assert main(["replay", "3"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second

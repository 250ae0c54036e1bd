"""Same seed, same digest: again and again, in any process, and by the recorded schedule."""

import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from sim import draw, run

ROOT = Path(__file__).parents[2]
PROGRAM = "from sim import draw, run; print([run(draw(s)).digest for s in (5, 3)])"


def test_twenty_repetitions_give_one_digest() -> None:
    """Each time after another seed."""
    digests = {(run(draw(seed)), run(draw(3)).digest)[1] for seed in range(20)}

    assert len(digests) == 1


def test_the_recorded_schedule_gives_the_same_digest() -> None:
    script = draw(11)
    first = run(script)
    again = attrs.evolve(script, schedule=first.schedule, is_schedule_drawn=False)

    assert run(again).digest == first.digest


def interpreters() -> list[str]:
    """Return this Python, and each other one that `.ci/every-python` made ready."""
    others = sorted(ROOT.glob(".pythons/*/stamp"))
    return [sys.executable, *(str(o.with_name("bin") / "python") for o in others)]


@pytest.mark.parametrize("python", interpreters())
@pytest.mark.parametrize("hash_seed", ["0", "1", "2"])
def test_every_process_gives_the_same_digest(hash_seed: str, python: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [python, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )

    assert ran.stdout.strip() == str([run(draw(seed)).digest for seed in (5, 3)])


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_a_hundred_seeds_violate_nothing(start: int) -> None:
    for seed in range(start, start + 20):
        result = run(draw(seed))
        assert result.verdict == "ok", f"seed {seed}: {result.verdict}: {result.detail}"

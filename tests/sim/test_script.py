"""A script is a value: it prints as Python, and any part of it can be taken away."""

import attrs
import pytest

from sim import draw, parse, run

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_script_prints_as_python_that_makes_it_again(seed: int) -> None:
    script = draw(seed)

    assert parse(repr(script)) == script


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_run_has_four_crashes_after_sixty_operations_each(seed: int) -> None:
    full = [
        life
        for life in draw(seed).lives
        if life.ending.kind != "close" and life.ending.operations >= 60
    ]

    assert len(full) >= 4
    assert all(sum(map(len, life.clients)) >= 60 for life in full)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_script_without_some_of_its_parts_still_runs(seed: int) -> None:
    script = draw(seed)
    lives = tuple(
        attrs.evolve(life, clients=tuple(ops[::3] for ops in life.clients), faults=())
        for life in script.lives[::2]
    )

    assert run(attrs.evolve(script, lives=lives)).verdict == "ok"

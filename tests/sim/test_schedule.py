"""The canary: fails first when a trio release changes what a seed decides."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio._core import _run

from sim import TrioInternalsMovedError, run_seeded, schedule

ROOT = Path(__file__).parents[2]
TASKS = 5
STEPS = 8


async def interleaving() -> tuple[int, ...]:
    """Five tasks that yield, wait and hand over a limiter, and the order they ran in."""
    order: list[int] = []
    limiter = trio.CapacityLimiter(2)

    async def task(number: int) -> None:
        for step in range(STEPS):
            order.append(number)
            async with limiter:
                await trio.lowlevel.checkpoint()
            if step == STEPS // 2:
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for number in range(TASKS):
            nursery.start_soon(task, number)
    return tuple(order)


def test_one_seed_gives_one_interleaving_in_twenty_runs() -> None:
    assert len({run_seeded(7, interleaving) for _ in range(20)}) == 1


def test_twenty_seeds_give_twenty_interleavings() -> None:
    assert len({run_seeded(seed, interleaving) for seed in range(20)}) == 20


@settings(max_examples=20, deadline=None)
@given(seed=st.integers())
def test_any_integer_is_a_seed(seed: int) -> None:
    assert run_seeded(seed, interleaving) == run_seeded(seed, interleaving)


def test_the_hash_seed_does_not_matter() -> None:
    """Fresh interpreters, without Hypothesis, which sets trio's flag when imported."""
    program = (
        "import runpy, sys\n"
        "from sim import run_seeded\n"
        "assert 'hypothesis' not in sys.modules\n"
        f"print([run_seeded(seed, {interleaving.__name__}) for seed in range(5)])\n"
    )
    source = (
        f"import trio\nTASKS, STEPS = {TASKS}, {STEPS}\n"
        + inspect.getsource(interleaving)
        + program
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", source],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
        ).stdout
        for hash_seed in ("0", "1", "2")
    }

    assert outputs == {f"{[run_seeded(s, interleaving) for s in range(5)]}\n".encode()}


def test_time_is_virtual() -> None:
    async def sleep_a_day() -> float:
        started = trio.current_time()
        await trio.sleep(86_400)
        return trio.current_time() - started

    assert run_seeded(0, sleep_a_day) == 86_400


def test_a_run_leaves_the_scheduler_as_it_was() -> None:
    flag, state = getattr(_run, schedule.FLAG), _run._r.getstate()

    run_seeded(3, interleaving)

    assert (getattr(_run, schedule.FLAG), _run._r.getstate()) == (flag, state)


def test_an_error_of_the_program_passes_through_and_leaves_the_scheduler() -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("mine")

    state = _run._r.getstate()
    with pytest.raises(KeyError, match="mine"):
        run_seeded(3, fail)

    assert _run._r.getstate() == state


@pytest.mark.parametrize("name", [schedule.FLAG, schedule.GENERATOR])
def test_a_trio_that_moved_its_private_names_is_refused_by_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(_run, name)

    with pytest.raises(TrioInternalsMovedError, match=name):
        run_seeded(0, interleaving)


@pytest.mark.parametrize("names", ["OF_RUNNER", "OF_TASK"])
def test_a_trio_whose_runs_look_different_is_refused_by_name(
    names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, names, ("not_there",))

    with pytest.raises(TrioInternalsMovedError, match="not_there"):
        schedule.run(interleaving, schedule.Schedule())

"""Virtual time moves only while nothing can run, and a run always ends."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
import trio

from sim import JumpClock, Schedule, StuckError, run_schedule


def test_time_jumps_to_deadlines_and_completions_in_order() -> None:
    clock = JumpClock()
    seen: list[tuple[str, float]] = []

    async def wait(
        name: str, wait: Callable[[float], Awaitable[None]], s: float
    ) -> None:
        await wait(s)
        seen.append((name, trio.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "late", trio.sleep, 3.0)
            nursery.start_soon(wait, "io", clock.delay, 2.0)
            nursery.start_soon(wait, "early", trio.sleep, 1.0)

    run_schedule(main, Schedule(), clock)

    assert seen == [("early", 1.0), ("io", 2.0), ("late", 3.0)]
    assert clock.completions == 1


def test_a_cancelled_completion_never_comes() -> None:
    clock = JumpClock()

    async def main() -> float:
        with trio.move_on_after(1.0):
            await clock.delay(50.0)
        return trio.current_time()

    assert run_schedule(main, Schedule(), clock) == 1.0
    assert clock.completions == 0


def test_a_deadlock_is_a_verdict_that_says_who_waits() -> None:
    async def waits_for_nobody() -> None:
        await trio.Event().wait()

    with pytest.raises(StuckError, match=r"deadlock at 0\.0.*test_clock\.py"):
        run_schedule(waits_for_nobody, Schedule())


def test_a_shield_does_not_keep_a_deadlock_alive() -> None:
    async def shielded() -> None:
        with trio.CancelScope(shield=True):
            try:
                await trio.Event().wait()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.Event().wait()

    with pytest.raises(StuckError, match="deadlock"):
        run_schedule(shielded, Schedule())


def test_a_deadlock_first_cancels_what_lets_itself_be_cancelled() -> None:
    """The first step is enough: what is shielded while it unwinds comes to its end."""
    steps: list[str] = []
    clock = JumpClock()

    async def waits() -> None:
        clock.lift_shields = lambda: steps.append("shields are lifted")
        try:
            await trio.Event().wait()
        finally:
            with trio.CancelScope(shield=True):
                await clock.delay(5.0)
            steps.append("unwound")

    with pytest.raises(StuckError, match="deadlock"):
        run_schedule(waits, Schedule(), clock)
    assert (steps[0], clock.current_time()) == ("unwound", 5.0)


def test_a_deadlock_then_lifts_shields_until_it_ends() -> None:
    """Those that were there, and those that unwinding puts up."""
    steps: list[str] = []

    async def shielded() -> None:
        with trio.CancelScope(shield=True):
            try:
                await trio.Event().wait()
            finally:
                steps.append("lifted")
                with trio.CancelScope(shield=True):
                    try:
                        await trio.Event().wait()
                    finally:
                        steps.append("lifted again")

    with pytest.raises(StuckError, match=r"deadlock at 0\.0.*test_clock\.py"):
        run_schedule(shielded, Schedule())
    assert steps == ["lifted", "lifted again"]


STUBBORN = """
import trio
from sim import Schedule, StuckError, run_schedule

async def stubborn():
    while True:
        try:
            with trio.CancelScope(shield=True):
                await trio.Event().wait()
        except trio.Cancelled:
            pass

async def sleeps():
    await trio.sleep(1.0)
    return trio.current_time()

try:
    run_schedule(stubborn, Schedule())
except StuckError as error:
    print(error)
print(run_schedule(sleeps, Schedule()))
"""


def test_a_deadlock_that_nothing_ends_is_given_up_with_its_verdict() -> None:
    """In a process of its own: what was given up is garbage that complains."""
    ended = subprocess.run(
        [sys.executable, "-c", STUBBORN],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    verdict, next_run = ended.stdout.splitlines()
    assert verdict.startswith("deadlock at 0.0")
    assert next_run == "1.0"


def test_a_run_without_end_is_stopped_at_the_horizon() -> None:
    async def for_ever() -> None:
        while True:  # noqa: ASYNC110 the point
            await trio.sleep(1.0)

    with pytest.raises(StuckError, match="no end in sight"):
        run_schedule(for_ever, Schedule(), JumpClock(horizon=100.0))


def test_work_without_end_is_stopped_after_so_many_steps() -> None:
    clock = JumpClock()
    schedule = Schedule(steps_max=1000, on_steps_max=lambda: clock.stop("endless work"))

    async def spins() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    with pytest.raises(StuckError, match="endless work"):
        run_schedule(spins, schedule, clock)


@pytest.mark.parametrize("seed", range(20))
def test_who_goes_on_at_once_takes_the_same_steps_as_who_gives_way(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shortcut of `Schedule.passes` shows nowhere but in the time that a run takes."""

    def observed() -> tuple[object, ...]:
        random, clock, steps = Random(seed), JumpClock(), list[int]()
        events: list[tuple[int, float]] = []
        decisions = Schedule(Random(seed), on_step=steps.append)

        async def work(number: int) -> None:
            for _ in range(20):
                delay = random.choice([clock.delay, clock.delay_shielded, trio.sleep])
                with trio.move_on_after(random.randrange(3)):
                    await delay(random.randrange(4))
                events.append((number, trio.current_time()))

        async def main() -> None:
            for tasks in (1, 3):
                async with trio.open_nursery() as nursery:
                    for number in range(tasks):
                        nursery.start_soon(work, number)

        run_schedule(main, decisions, clock)
        return (steps, events, decisions.decisions, clock.completions)

    quick = observed()
    monkeypatch.setattr(Schedule, "passes", lambda *_, **__: False)

    assert quick == observed()


def test_a_completion_that_is_to_come_is_known() -> None:
    """Seed 8356: a slow sync was under way, and a store that waited for it passed for quiet."""
    clock = JumpClock()
    seen: list[bool] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.delay, 8.0)
            await trio.sleep(2.0)
            seen.append(clock.is_awaited)
            await trio.sleep(7.0)
            seen.append(clock.is_awaited)

    run_schedule(main, Schedule(), clock)

    assert seen == [True, False]

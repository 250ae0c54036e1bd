"""A wake-up is not lost; a pulse is for those who wait."""

import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from tempest.wakeup import Pulse, Wakeup


async def test_a_wake_up_before_the_wait_is_not_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    wakeup = Wakeup()
    wakeup.set()
    wakeup.set()

    with trio.fail_after(1):
        await wakeup.wait()


async def test_raised_twice_it_wakes_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    wakeup = Wakeup()
    wakeup.set()
    wakeup.set()
    await wakeup.wait()

    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await wakeup.wait()


async def test_a_wait_that_is_cancelled_leaves_the_flag_as_it_was(
    autojump_clock: trio.testing.MockClock,
) -> None:
    wakeup = Wakeup()
    with trio.move_on_after(1) as scope:
        await wakeup.wait()
    assert scope.cancelled_caught
    wakeup.set()

    await wakeup.wait()


@given(st.lists(st.booleans(), max_size=20))
async def test_no_work_is_left_behind(steps: list[bool]) -> None:
    """Work is added before the flag is raised; True lets the worker run."""
    wakeup, todo, done = Wakeup(), list[int](), list[int]()

    async def work() -> None:
        while True:
            await wakeup.wait()
            done.extend(todo)
            todo.clear()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        for number, lets_run in enumerate(steps):
            todo.append(number)
            wakeup.set()
            if lets_run:
                await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert done == list(range(len(steps)))


async def test_a_pulse_wakes_everybody_who_waits_and_nobody_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pulse, woken = Pulse(), list[int]()

    async def wait(number: int) -> None:
        await pulse.wait()
        woken.append(number)

    pulse.fire()
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(wait, number)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == []
        pulse.fire()
        nursery.start_soon(wait, 3)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(woken) == [0, 1, 2]
        pulse.fire()

    assert len(woken) == 4

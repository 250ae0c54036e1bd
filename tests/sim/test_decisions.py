"""Schedules are lists of decisions: drawn, recorded, replayed, enumerated."""

from random import Random

import trio
from hypothesis import given, strategies as st
from trio._core import _run

from sim import Schedule, every_schedule, run_schedule

TASKS = 4


async def interleaving() -> tuple[int, ...]:
    order: list[int] = []

    async def task(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for number in range(TASKS):
            nursery.start_soon(task, number)
    return tuple(order)


@given(st.integers(0, 2**32))
def test_a_recorded_schedule_replays_exactly(seed: int) -> None:
    drawn = Schedule(Random(seed))
    first = run_schedule(interleaving, drawn)
    replayed = Schedule(given=drawn.decisions)

    assert run_schedule(interleaving, replayed) == first
    assert replayed.decisions == drawn.decisions


@given(st.lists(st.integers(0, 100), max_size=30))
def test_any_list_of_numbers_is_a_schedule(decisions: list[int]) -> None:
    """So that shrinking may cut and lower them at will."""
    order = run_schedule(interleaving, Schedule(given=decisions))

    assert sorted(order) == sorted(list(range(TASKS)) * 3)


def test_every_interleaving_of_three_tasks_is_enumerated_once() -> None:
    async def race() -> tuple[int, ...]:
        order: list[int] = []

        async def task(number: int) -> None:
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(task, number)
        return tuple(order)

    seen = [run_schedule(race, schedule) for schedule in every_schedule()]

    assert set(seen) == {
        (a, b, c)
        for a in range(3)
        for b in range(3)
        for c in range(3)
        if {a, b, c} == {0, 1, 2}
    }


def test_enumeration_can_be_bounded() -> None:
    count = 0
    for schedule in every_schedule(10):
        run_schedule(interleaving, schedule)
        count += 1

    assert count == 10


def test_steps_are_numbered_by_the_first_one_of_each_task() -> None:
    steps: list[int] = []
    run_schedule(interleaving, Schedule(Random(1), on_step=steps.append))

    first_seen = list(dict.fromkeys(steps))
    assert first_seen == list(range(len(first_seen)))


def test_trio_is_left_as_it_was() -> None:
    before = (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r)
    run_schedule(interleaving, Schedule())

    assert before == (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r)

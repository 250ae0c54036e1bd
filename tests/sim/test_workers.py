"""Processes that do jobs: answers in order, and a word for each job that has none."""

import os
import time
from collections.abc import Iterator

from sim.workers import Done, Workers


def double(number: int) -> int:
    return 2 * number


def misbehave(how: str) -> str:
    match how:
        case "hangs":
            time.sleep(600)
        case "dies":
            os._exit(3)
        case "raises":
            raise ValueError(how)
    return how


def test_answers_come_in_the_order_of_their_jobs() -> None:
    with Workers[int, int](2) as workers:
        answers = [done.answer for done in workers.each(double, range(40))]

    assert answers == [2 * number for number in range(40)]


def test_a_source_without_an_end_is_asked_for_little() -> None:
    asked: list[int] = []

    def numbers() -> Iterator[int]:
        number = 0
        while True:
            asked.append(number)
            yield number
            number += 1

    with Workers[int, int](1) as workers:
        for done in workers.each(double, numbers()):
            if done.argument == 5:
                break

    assert len(asked) < 30


def test_a_job_without_an_answer_says_why_and_the_next_one_has_one() -> None:
    jobs = ["well", "hangs", "dies", "raises", "well"]

    with Workers[str, str](2, seconds_max=1.0) as workers:
        ended = list(workers.each(misbehave, jobs))

    assert [done.ending for done in ended] == ["done", "hung", "died", "failed", "done"]
    assert [done.answer for done in ended] == ["well", None, None, None, "well"]
    assert "status 3" in ended[2].detail
    assert "ValueError: raises" in ended[3].detail


def test_a_limit_of_one_job_is_its_own() -> None:
    with Workers[str, str](1) as workers:
        workers.begin(misbehave, "hangs", seconds_max=0.1)
        ended: list[Done[str, str]] = []
        while not ended:
            ended = workers.wait()

        assert [done.ending for done in ended] == ["hung"]
        assert workers.is_idle

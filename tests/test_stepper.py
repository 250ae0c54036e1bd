"""The stepper runs one call at a time and lets nothing happen in between."""

import pytest
import trio

from tests.stepper import Stepper


def test_a_call_gives_back_what_it_returns_or_raises() -> None:
    stepper = Stepper()

    async def answer() -> int:
        await trio.sleep(1000)
        return 42

    async def fail() -> int:
        raise KeyError("mine")

    assert stepper.call(answer) == 42
    with pytest.raises(KeyError, match="mine"):
        stepper.call(fail)
    assert stepper.call(answer) == 42
    stepper.close()


def test_time_stands_still_between_calls() -> None:
    stepper = Stepper()

    async def now() -> float:
        return trio.current_time()

    async def sleep() -> None:
        await trio.sleep(5)

    start = stepper.call(now)
    assert stepper.call(now) == start
    stepper.call(sleep)
    assert stepper.call(now) == start + 5
    stepper.close()

"""Run trio so that a seed decides every scheduling choice.

trio shuffles runnable tasks with a generator of its own. Seeding that generator is not
enough: an internal flag must also be set, or tasks start from an unordered set. Both
names are private, this is the one file that touches them, and they are looked up by name
so that a trio release that moves them is refused in words.

Invariants
- Equal seeds give equal interleavings, on any machine and any `PYTHONHASHSEED`.
- Time is virtual: nothing waits for the wall clock.
- Generator and flag are put back, so that other runs in the process are not changed.
"""

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import trio
import trio.testing
from trio._core import _run

T = TypeVar("T")

FLAG = "_ALLOW_DETERMINISTIC_SCHEDULING"
GENERATOR = "_r"


class TrioInternalsMovedError(RuntimeError):
    """This trio release has no seedable scheduler where the known ones have it."""


def run_seeded(seed: int, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` under a virtual clock; equal seeds give equal interleavings."""
    generator = _scheduler_generator()
    flag, state = getattr(_run, FLAG), generator.getstate()
    setattr(_run, FLAG, True)
    generator.seed(seed)
    try:
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        generator.setstate(state)
        setattr(_run, FLAG, flag)


def _scheduler_generator() -> Random:
    generator = getattr(_run, GENERATOR, None)
    if not isinstance(generator, Random):
        raise _moved(GENERATOR)
    if not isinstance(getattr(_run, FLAG, None), bool):
        raise _moved(FLAG)
    return generator


def _moved(name: str) -> TrioInternalsMovedError:
    return TrioInternalsMovedError(
        f"trio {trio.__version__} has no usable trio._core._run.{name}: "
        f"find its new name and correct sim/schedule.py"
    )

"""Shrink what a planted bug makes fail: small with the bug, and well without it.

Invariants
- What is returned fails with the bug and is "ok" without it, so it is about the bug.
"""

from collections.abc import Callable

from sim.planted import Planted, search
from sim.script import Script
from sim.shrink.rounds import SECONDS, Shrunk, ignore, shrink
from sim.shrink.search import Search
from sim.stopwatch import Stopwatch
from sim.world import RunResult, run

SEEDS_MAX = 3
OnRun = Callable[[Search], None]


def shrink_with(
    bug: Planted, script: Script, seconds: float = SECONDS, on_run: OnRun = ignore
) -> Shrunk:
    """Shrink a script that fails while this bug is planted."""

    def play(smaller: Script) -> RunResult:
        with bug.plant():
            return run(smaller)

    verdict = play(script).verdict
    return shrink(
        script,
        lambda smaller: (
            play(smaller).verdict == verdict and run(smaller).verdict == "ok"
        ),
        seconds=seconds,
        play=play,
        on_run=on_run,
    )


def shrink_planted(
    bug: Planted, seconds: float = SECONDS, on_run: OnRun = ignore
) -> Shrunk | None:
    """Find seeds that show a bug, and shrink them until one is small; None: there is none.

    What some seeds need two crashes for, others show with one.
    """
    spent, start = 0.0, 0
    best: Shrunk | None = None
    for left in range(SEEDS_MAX, 0, -1):
        found = search(bug, start)
        if found is None:
            break
        start, watch = found.seed + 1, Stopwatch()
        share = (seconds - spent) / min(left, 2)
        shrunk = shrink_with(bug, bug.draw(found.seed), share, on_run)
        spent += watch.seconds
        if best is None or _size(shrunk) < _size(best):
            best = shrunk
        if best.is_small or spent > seconds:
            break
    return best


def _size(shrunk: Shrunk) -> tuple[bool, int, int, int]:
    small = shrunk.is_small
    return not small, shrunk.crashes, shrunk.operations, shrunk.faults

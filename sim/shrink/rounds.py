"""Make a failing script small: the same verdict, with as little as possible around it.

    shrink(script)                  the smallest script found in a minute
    as_pytest(shrink(script))       as a test to paste

First large strokes (no faults, no latency, one life), then smaller ones down to single decisions,
until a whole round changes nothing; then again with more patience for bad luck.

Invariants
- What is returned fails with the verdict of what was given.
- Out of time, the best so far is returned.
"""

from collections.abc import Callable

import attrs

from sim.script import Script
from sim.shrink import lives, surroundings, words
from sim.shrink.search import OutOfTimeError, Search
from sim.world import RunResult, run

SECONDS = 60.0
OPERATIONS_MAX = 25
FAULTS_MAX = 3
CRASHES_MAX = 1
DECISIONS_MAX = 64
STROKES = (  # by what they save
    (lives.LIVES, 32),
    (surroundings.SCHEDULE, 1),
    (surroundings.FAULTS, 2),
    (surroundings.ROTS, 1),
    (surroundings.OPTION_SETS, 1),
    (surroundings.FIELDS_OF_LIVES, 4),
    (lives.OPERATIONS, 16),
    (lives.LIVES, 32),
    (lives.JOINS, 4),
    (lives.CRASHES, 4),
    (lives.RACES, 1),
    (surroundings.OPTIONS, 4),
)
ASPECTS = (
    *(lives.LIVES, surroundings.SCHEDULE, lives.OPERATIONS, lives.RACES),
    *(lives.JOINS, lives.CRASHES, lives.CLIENTS),
    *(surroundings.FAULTS, surroundings.ROTS, surroundings.FIELDS_OF_LIVES),
    *(surroundings.ENDINGS, surroundings.OPTIONS, surroundings.OPTION_SETS),
)
WOBBLES = (0, 4, 16)
WOBBLES_FOR_CRASHES = 60


@attrs.frozen
class Shrunk:
    """A script made small: its verdict, what is in it, and what it took."""

    script: Script
    seed: int
    verdict: str
    detail: str
    operations: int
    faults: int
    crashes: int
    runs: int
    seconds: float

    @property
    def is_small(self) -> bool:
        """Whether it is as small as a person wants to read."""
        return (
            self.operations <= OPERATIONS_MAX
            and self.faults <= FAULTS_MAX
            and self.crashes <= CRASHES_MAX
        )


Play = Callable[[Script], RunResult]


def ignore(_: Search) -> None:
    """Do nothing about a run."""


def shrink(
    script: Script,
    is_failing: Callable[[Script], bool] | None = None,
    *,
    seconds: float = SECONDS,
    play: Play = run,
    on_run: Callable[[Search], None] = ignore,
) -> Shrunk:
    """Shrink a failing script. `play` runs one; `is_failing` (default: the verdict stays) decides.

    `on_run` is told of every run, before it.
    """
    verdict = play(script).verdict
    if verdict == "ok":
        raise ValueError("this script does not fail, so there is nothing to shrink")
    decide = is_failing or (lambda smaller: play(smaller).verdict == verdict)
    search = Search(script, decide, seconds, on_run)
    try:
        _cut_tail(search)
        for aspect, parts in STROKES:
            search.take_back(aspect, parts)
        for search.wobbles in WOBBLES:
            while _round(search):
                pass
        if measure(search.best)[2] > CRASHES_MAX and _drop_crashes(search):
            while _round(search):
                pass
        _record_schedule(search, play)
    except OutOfTimeError:
        pass
    return _measured(search, script.seed, play)


def measure(script: Script) -> tuple[int, int, int]:
    """Count the operations, faults and crashes that a script asks for."""
    operations = faults = crashes = 0
    for life in script.lives:
        operations += sum(map(len, life.clients)) + sum(map(len, life.race))
        faults += len(life.faults) + len(life.rots) + life.ending.late
        faults += (
            len(life.damages) + (life.clock_jump != 0.0) + (life.clock_pace != 1.0)
        )
        limits = (life.capacity_bytes, life.file_bytes_max, life.handles_max)
        faults += sum(limit is not None for limit in limits)
        crashes += life.ending.kind != "close"
        crashes += life.recover is not None and life.recover.io is not None
    return operations, faults, crashes


def _cut_tail(search: Search) -> None:
    """Drop the lives behind the one that fails: halve the place where that is."""
    low, high = 0, len(search.best.lives)
    while low + 1 < high:
        middle = (low + high) // 2
        kept = search.best.lives[:middle]
        if search.attempt(attrs.evolve(search.best, lives=kept)):
            high = middle
        else:
            low = middle


def _round(search: Search) -> bool:
    """Try every single decision once; say whether anything became smaller."""
    before = search.best
    for aspect in ASPECTS:
        search.take_back(aspect)
    _say_plainer(search)
    return search.best != before


def _drop_crashes(search: Search) -> bool:
    """Try to do with fewer crashes, with much patience for bad luck."""
    before, patience = search.best, search.wobbles
    search.wobbles = WOBBLES_FOR_CRASHES
    for aspect in (lives.CRASHES, lives.JOINS, lives.LIVES):
        search.take_back(aspect)
    search.wobbles = patience
    return search.best != before


def _say_plainer(search: Search) -> None:
    wobbles, search.wobbles = search.wobbles, 0
    search.attempt(words.without_idlers(search.best))
    if not search.attempt(words.short_keys(search.best)):
        search.attempt(words.short_keys(search.best, keep_sizes=True))
    while search.attempt_each(words.lower_numbers(search.best)):
        pass
    while search.attempt_each(
        words.put_in(search.best, *found)
        for found in words.plainer_operations(search.best)
    ):
        pass
    search.wobbles = wobbles


def _record_schedule(search: Search, play: Play) -> None:
    """Say the decisions of a drawn schedule, if few of them matter."""
    drawn = search.best
    if not drawn.is_schedule_drawn:
        return
    search.wobbles = 0
    decisions = play(drawn).schedule
    recorded = attrs.evolve(drawn, schedule=decisions, is_schedule_drawn=False)
    try:
        if search.attempt(recorded):
            while search.take_back(surroundings.SCHEDULE):
                pass
    finally:
        if len(search.best.schedule) > DECISIONS_MAX:
            search.best = drawn


def _measured(search: Search, seed: int, play: Play) -> Shrunk:
    result = play(search.best)
    operations, faults, crashes = measure(search.best)
    return Shrunk(
        search.best,
        seed,
        result.verdict,
        result.detail,
        operations,
        faults,
        crashes,
        search.runs,
        search.seconds,
    )

"""Look for a planted bug as a sweep would, and say what it took.

    search(bug, 0)      the first seed that shows it
    survey(bug)         five searches: by which oracle, in how many seeds, in what time

Invariants
- A bug is caught by a seed that is "ok" without it.
- Searches begin far apart, so no two try the same seed.
"""

from collections.abc import Iterator, Sequence
from statistics import median

import attrs

from sim.planted.bug import Planted, PlantMovedError
from sim.stopwatch import Stopwatch
from sim.workers import Workers
from sim.world import run

SEEDS_MAX = 10_000
SEARCHES = 5
APART = 1_000_000
SECONDS_MAX = 1800.0


@attrs.frozen
class Found:
    """Where a bug was caught: after how many seeds, and by what."""

    seed: int
    seeds: int
    verdict: str
    detail: str


@attrs.frozen(kw_only=True)
class Survey:
    """What it took to catch a bug. `oracle` is the one that found it most often."""

    name: str
    caught: bool
    oracle: str
    median_seeds: float
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints of a bug."""
        return attrs.asdict(self)


def search(bug: Planted, start: int, seeds_max: int = SEEDS_MAX) -> Found | None:
    """Try seeds from `start` on until one shows the bug."""
    for count, seed in enumerate(range(start, start + seeds_max), 1):
        script = bug.draw(seed)
        with bug.plant():
            result = run(script)
        if result.verdict != "ok" and run(script).verdict == "ok":
            return Found(seed, count, result.verdict, result.detail)
    return None


def survey(
    bug: Planted, searches: int = SEARCHES, seeds_max: int = SEEDS_MAX
) -> Survey:
    """Search several times; a bug is caught if every search finds it, else `oracle` is "".

    The oracle of one whose code has moved is "moved".
    """
    watch = Stopwatch()
    found: list[Found] = []
    for number in range(searches):
        try:
            one = search(bug, number * APART, seeds_max)
        except PlantMovedError:
            return _lost(bug.name, "moved", 0, watch.seconds)
        if one is None:
            return _lost(bug.name, "", seeds_max, watch.seconds)
        found.append(one)
    verdicts = [one.verdict for one in found]
    return Survey(
        name=bug.name,
        caught=True,
        oracle=max(verdicts, key=verdicts.count),
        median_seeds=median(one.seeds for one in found),
        seconds=watch.seconds,
    )


def survey_each(bugs: Sequence[Planted], jobs: int = 1) -> Iterator[Survey]:
    """Survey bugs of `sim.planted.PLANTED`, `jobs` at a time, in their order.

    Of one whose survey has no end, or fails, the oracle says how it ended.
    """
    with Workers[str, Survey](jobs, seconds_max=SECONDS_MAX) as workers:
        for done in workers.each(survey_named, [bug.name for bug in bugs]):
            yield done.answer or _lost(done.argument, done.ending, 0, done.seconds)


def survey_named(name: str) -> Survey:
    """Survey the bug of this name; workers call this."""
    from sim.planted import named  # noqa: PLC0415 - it collects what searches are given

    return survey(named(name))


def _lost(name: str, oracle: str, seeds: int, seconds: float) -> Survey:
    return Survey(
        name=name, caught=False, oracle=oracle, median_seeds=seeds, seconds=seconds
    )

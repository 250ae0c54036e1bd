"""Run many seeds, on one core or several, each one a world of its own.

Invariants
- What a seed gives does not depend on what ran before it, nor where.
- Results come in the order of the seeds.
- Every sweep runs two canaries first: a disk that lies about syncs has to be found out, and one
  that forgets, by what was acknowledged and is gone.
"""

from collections.abc import Callable, Iterable, Iterator

import attrs

from sim.draw import draw
from sim.faults import FaultTable, sum_places
from sim.script import Script
from sim.stopwatch import Stopwatch
from sim.workers import Done, Workers
from sim.world import RunResult, run

CANARY_SEEDS = range(40)
SECONDS_MAX = 300.0


@attrs.frozen
class Timed:
    """A result, and how long it took on the wall."""

    result: RunResult
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints of a seed."""
        result = self.result
        return {
            "seed": result.seed,
            "verdict": result.verdict,
            "digest": result.digest,
            "operations": result.operations,
            "crashes": result.crashes,
            "io_calls": result.io_calls,
            "virtual_seconds": round(result.virtual_seconds, 6),
            "seconds": round(self.seconds, 6),
            "faults": result.faults,
        }


def run_seed(seed: int) -> Timed:
    """Draw and run one seed."""
    return run_drawn(seed, draw)


def run_drawn(seed: int, draw: Callable[[int], Script]) -> Timed:
    """Run what a function draws from a seed."""
    watch = Stopwatch()
    result = attrs.evolve(run(draw(seed)), schedule=())
    return Timed(result, watch.seconds)


def draw_lying(seed: int) -> Script:
    """Draw a seed whose disk lies: syncs of the log do nothing."""
    return attrs.evolve(draw(seed), canary=True)


def draw_forgetful(seed: int) -> Script:
    """Draw a seed whose disk is after each crash as it was when the life before it began."""
    return attrs.evolve(draw(seed), forgets=True)


def sweep(seeds: Iterable[int], jobs: int = 1) -> Iterator[Timed]:
    """Run seeds, `jobs` at a time; close the iterator to stop."""
    if jobs <= 1:
        yield from map(run_seed, seeds)
        return
    workers: Workers[int, Timed] = Workers(jobs, seconds_max=SECONDS_MAX)
    with workers:
        for done in workers.each(run_seed, seeds):
            yield done.answer or lost(done)


def lost(done: Done[int, Timed]) -> Timed:
    """Return what stands for the result of a seed whose process gave none."""
    result = RunResult(
        seed=done.argument,
        verdict=done.ending,
        detail=done.detail,
        digest="",
        operations=0,
        crashes=0,
        io_calls=0,
        virtual_seconds=0.0,
        faults={},
        situations=(),
    )
    return Timed(result, done.seconds)


def canary(
    seeds: Iterable[int] = CANARY_SEEDS, draw: Callable[[int], Script] = draw_lying
) -> RunResult | None:
    """Run on a disk whose syncs of the log do nothing, until that is found; None if it is not."""
    for seed in seeds:
        result = run(draw(seed))
        if result.verdict != "ok":
            return result
    return None


def forgetful_canary(seeds: Iterable[int] = CANARY_SEEDS) -> RunResult | None:
    """Run on a disk that forgets; it has to be found out by what was acknowledged."""
    found = canary(seeds, draw_forgetful)
    is_it = found is not None and found.verdict == "acknowledged-survives"
    return found if is_it else None


def fault_table(results: Iterable[RunResult]) -> FaultTable:
    """Sum what fired and what it hit, over many runs."""
    return sum_places(result.fault_places for result in results)

"""Run many seeds, on one core or several, each one a world of its own.

Invariants
- What a seed gives does not depend on what ran before it, nor where.
- Results come in the order of the seeds.
- Every sweep runs the canary first: a disk that lies about syncs has to be found out.
"""

import multiprocessing
from collections.abc import Iterable, Iterator

import attrs

from sim.draw import draw
from sim.stopwatch import Stopwatch
from sim.world import RunResult, run

CANARY_SEEDS = range(40)
CHUNK_SEEDS = 4


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
    watch = Stopwatch()
    result = attrs.evolve(run(draw(seed)), schedule=())
    return Timed(result, watch.seconds)


def sweep(seeds: Iterable[int], jobs: int = 1) -> Iterator[Timed]:
    """Run seeds, `jobs` at a time; close the iterator to stop."""
    if jobs <= 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run_seed, seeds, CHUNK_SEEDS)


def canary(seeds: Iterable[int] = CANARY_SEEDS) -> RunResult | None:
    """Run on a disk whose syncs of the log do nothing, until that is found; None if it is not."""
    for seed in seeds:
        result = run(attrs.evolve(draw(seed), canary=True))
        if result.verdict != "ok":
            return result
    return None

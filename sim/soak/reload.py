"""Run again every script that was kept in a folder."""

from collections.abc import Iterator
from pathlib import Path

import attrs

from sim.kept import load
from sim.script import Script
from sim.workers import Workers
from sim.world import RunResult, run

SECONDS_MAX = 300.0


@attrs.frozen
class Again:
    """A script that was kept, and what becomes of it now."""

    path: Path
    verdict: str
    detail: str


def reload(folder: Path, jobs: int = 1) -> Iterator[Again]:
    """Run every script in a folder, in the order of their names."""
    kept = list(load(folder))
    with Workers[Script, RunResult](jobs, seconds_max=SECONDS_MAX) as workers:
        ended = workers.each(run, (one.script for one in kept))
        for one, done in zip(kept, ended, strict=True):
            if done.answer is None:
                yield Again(one.path, done.ending, done.detail)
            else:
                yield Again(one.path, done.answer.verdict, done.answer.detail)

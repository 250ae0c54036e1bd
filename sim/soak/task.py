"""What a worker of a soak is asked to do: run a seed, or make one that failed small.

Invariants
- A task depends on its seed and what draws it alone, so it may be done anywhere, and again.
"""

from collections.abc import Callable
from typing import Literal

import attrs

from sim.draw import draw
from sim.record import Recorder
from sim.report import write_report
from sim.runner import Timed, run_drawn
from sim.script import Script
from sim.shrink import Shrunk, shrink
from sim.world import run

Kind = Literal["run", "again", "shrink"]


@attrs.frozen
class Task:
    """Something to do about a seed; `draw` is a function of a module."""

    kind: Kind
    seed: int
    seconds: float = 0.0
    draw: Callable[[int], Script] = draw


@attrs.frozen
class Small:
    """A seed that failed, made small, and the page about that."""

    shrunk: Shrunk
    page: str


def do_task(task: Task) -> Timed | Small:
    """Do it; workers call this."""
    if task.kind != "shrink":
        return run_drawn(task.seed, task.draw)
    shrunk = shrink(task.draw(task.seed), seconds=task.seconds)
    recorder = Recorder()
    result = run(shrunk.script, recorder)
    return Small(shrunk, write_report(shrunk.script, result, recorder))

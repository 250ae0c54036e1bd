"""What every command prints with: results on stdout, progress on stderr.

Invariants
- A progress bar moves only on a terminal; elsewhere a line tells how it went, at the end.
"""

import json
import sys
from collections.abc import Sequence

import cyclopts
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from sim.runner import Timed


class UsageError(cyclopts.CycloptsError):
    """The command cannot be carried out as it was given; says what to do instead."""


def check_jobs(jobs: int) -> None:
    """Refuse to work in no process."""
    if jobs < 1:
        raise UsageError(f"--jobs is at least 1, not {jobs}.")


def check_name(kind: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not known."""
    if name not in known:
        there = ", ".join(known)
        raise UsageError(f"There is no {kind} {name!r}; there are: {there}.")


def print_json(document: object) -> None:
    """Print one JSON document on a line of its own."""
    print(json.dumps(document), flush=True)


def say(sentence: str) -> None:
    """Say something that is no result."""
    print(sentence, file=sys.stderr, flush=True)


def progress_bar(unit: str) -> Progress:
    """Make a progress bar on stderr; it stays silent where that is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def tell(timed: Timed, again: str, *, json: bool) -> None:
    """Print the result of a run; if it failed, also what to type to see it fail again."""
    result = timed.result
    if json:
        print_json(timed.as_json())
    else:
        print(f"seed {result.seed}: {result.verdict} {result.digest}", flush=True)
    if result.verdict != "ok":
        say(f"  {result.verdict}: {result.detail}")
        say(f"  again: {again}")

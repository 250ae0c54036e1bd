"""`replay`, `shrink` and `report`: one script, looked at."""

import sys
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from sim.commands.output import progress_bar, say, tell
from sim.commands.sources import choose_source
from sim.console import render
from sim.record import Recorder
from sim.report import write_report
from sim.runner import Timed
from sim.shrink import Search, as_pytest, literal, measure
from sim.stopwatch import Stopwatch


def replay(
    seed: int | None = None,
    /,
    *,
    script: Path | None = None,
    planted: str | None = None,
    log: bool = False,
    io: bool = False,
    json: bool = False,
) -> int:
    """Run a seed or script again, twice: as drawn, and by the schedule that was recorded.

    Args:
        seed: The seed to run.
        script: File that holds a script, as `run --keep`, `soak` and `shrink` write it.
        planted: Name of a bug to plant meanwhile; without a seed the first that shows it.
        log: Print every event as a row.
        io: Print every Io operation as well.
        json: Print an object.
    """
    source = choose_source(seed, script, planted)
    recorder = Recorder() if log or io else None
    watch = Stopwatch()
    first = source.play(source.script, recorder)
    timed = Timed(first, watch.seconds)
    if recorder is not None:
        for line in render(recorder, io=io, colour=sys.stdout.isatty()):
            print(line)
    recorded = attrs.evolve(
        source.script, schedule=first.schedule, is_schedule_drawn=False
    )
    second = source.play(recorded)
    tell(timed, f"python -m sim replay {source.words}", json=json)
    if first.digest != second.digest:
        say(
            "the recorded schedule gives another digest: something is not decided by it"
        )
        return 1
    return int(first.verdict != "ok")


def shrink(
    seed: int | None = None,
    /,
    *,
    script: Path | None = None,
    planted: str | None = None,
    seconds: float = 60.0,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
) -> int:
    """Make a failing script small, and print it as a test to paste.

    Args:
        seed: The seed that fails.
        script: File that holds the script that fails.
        planted: Name of a bug to plant meanwhile; without a seed the first that shows it.
        seconds: How long to try.
        output: File that takes the small script, for `replay --script`.
    """
    source = choose_source(seed, script, planted)
    first = source.play(source.script)
    if first.verdict == "ok":
        say(f"{source.words} does not fail, so there is nothing to shrink")
        return 1
    say(f"{first.verdict}: {first.detail}")
    with progress_bar("seconds") as bar:
        task = bar.add_task("", total=round(seconds))

        def show(search: Search) -> None:
            operations, faults, crashes = measure(search.best)
            text = f"{operations} operations, {faults} faults, {crashes} crashes"
            bar.update(task, completed=round(search.seconds), description=text)

        shrunk = source.shrink(seconds, show)
    if output is not None:
        output.write_text(literal(shrunk.script) + "\n", encoding="utf-8")
    print(as_pytest(shrunk), end="")
    say(
        f"{shrunk.operations} operations, {shrunk.faults} faults, {shrunk.crashes} crashes, "
        f"after {shrunk.runs} runs in {shrunk.seconds:.1f} s"
    )
    return 0


def report(
    seed: int | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    script: Path | None = None,
    planted: str | None = None,
) -> int:
    """Write what happens in a run as one HTML page; the page of a sweep is `run --report`.

    Args:
        seed: The seed to run.
        output: File that takes the page.
        script: File that holds the script to run.
        planted: Name of a bug to plant meanwhile; without a seed the first that shows it.
    """
    source = choose_source(seed, script, planted)
    recorder = Recorder()
    result = source.play(source.script, recorder)
    again = "" if source.bug is None else f"python -m sim replay {source.words}"
    page = write_report(source.script, result, recorder, again=again)
    output.write_text(page, encoding="utf-8")
    say(f"{source.words}: {result.verdict}; the page is in {output}")
    return 0

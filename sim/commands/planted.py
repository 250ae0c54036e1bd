"""`planted`: bugs planted in the engine, and what it takes to find each."""

from collections.abc import Iterator

from sim.commands.output import check_jobs, print_json, progress_bar, say
from sim.commands.sources import bug_named
from sim.planted import PLANTED, Planted, Survey, as_page, named, survey_each
from sim.shrink import Shrunk
from sim.shrink.planted import shrink_planted
from sim.stopwatch import Stopwatch
from sim.workers import Workers

SECONDS_MAX = 1800.0


def planted(
    *names: str,
    json: bool = False,
    page: bool = False,
    jobs: int = 1,
    show: bool = False,
    shrink: bool = False,
) -> int:
    """Plant one bug after the other, and search until it is found; five times each.

    Args:
        names: Bugs to plant; all of them if left out.
        json: Print one object a bug.
        page: Print docs/planted-bugs.md.
        jobs: Processes to run in.
        show: Only list the bugs, and the rule that each breaks.
        shrink: Find each bug once, and make what shows it small.
    """
    check_jobs(jobs)
    bugs = [bug_named(name) for name in names] or list(PLANTED)
    if show:
        for bug in bugs:
            print(f"{bug.name:40} {bug.rule}")
        return 0
    if shrink:
        return _shrink(bugs, jobs)
    surveys = _survey(bugs, jobs)
    if page:
        found = list(surveys)
        print(as_page(zip(bugs, found, strict=True)), end="")
        return int(not all(survey.caught for survey in found))
    caught = 0
    width = max((len(bug.name) for bug in bugs), default=0)
    for survey in surveys:
        caught += survey.caught
        if json:
            print_json(survey.as_json())
        else:
            print(f"{survey.name:{width}} {_row(survey)}", flush=True)
    return int(caught < len(bugs))


def _survey(bugs: list[Planted], jobs: int) -> Iterator[Survey]:
    """Yield what it took to find each; say at the end what was not found."""
    watch, missed = Stopwatch(), list[str]()
    with progress_bar("bugs") as bar:
        task = bar.add_task("", total=len(bugs))
        for survey in survey_each(bugs, jobs):
            bar.update(task, advance=1, description=survey.name)
            if not survey.caught:
                missed.append(survey.name)
            yield survey
    caught = len(bugs) - len(missed)
    say(f"{caught} of {len(bugs)} planted bugs caught, in {watch.seconds:.0f} s")
    for name in missed:
        say(f"  again: python -m sim planted {name}")


def _row(survey: Survey) -> str:
    oracle = survey.oracle if survey.caught else "not caught"
    return f"{oracle:22} {survey.median_seeds:8.0f} seeds {survey.seconds:8.1f} s"


def _shrink(bugs: list[Planted], jobs: int) -> int:
    width = max((len(bug.name) for bug in bugs), default=0)
    small = shown = 0
    with (
        progress_bar("bugs") as bar,
        Workers[str, Shrunk | None](jobs, seconds_max=SECONDS_MAX) as workers,
    ):
        task = bar.add_task("", total=len(bugs))
        for done in workers.each(shrink_named, [bug.name for bug in bugs]):
            bar.update(task, advance=1, description=done.argument)
            text = done.detail or "not found"
            if done.answer is not None:
                shown += 1
                small += done.answer.is_small
                text = _size(done.answer)
            print(f"{done.argument:{width}} {text}", flush=True)
    say(f"{small} of {len(bugs)} are small")
    return int(shown < len(bugs))


def shrink_named(name: str) -> Shrunk | None:
    """Shrink what the bug of this name makes fail; workers call this."""
    return shrink_planted(named(name))


def _size(shrunk: Shrunk) -> str:
    return (
        f"{shrunk.verdict:22} {shrunk.operations:3} operations {shrunk.faults} faults "
        f"{shrunk.crashes} crashes {shrunk.runs:5} runs {shrunk.seconds:6.1f} s"
        + ("" if shrunk.is_small else "  large")
    )

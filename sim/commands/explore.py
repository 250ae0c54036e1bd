"""`explore`: everything that can happen to small programs, once each."""

from sim.commands.output import check_jobs, check_name, print_json, progress_bar, say
from sim.explore import Exploration, explore as explore_program
from sim.explore.workloads import WORKLOADS
from sim.workers import Workers

SECONDS_MAX = 3600.0


def explore(
    *names: str, nested: bool = False, json: bool = False, jobs: int = 1
) -> int:
    """Crash small programs at every Io operation, fail every one, cancel them everywhere.

    Args:
        names: Programs to explore; all of them if left out.
        nested: Cut the power also in the check after each cut.
        json: Print one object a program.
        jobs: Processes to run in.
    """
    check_jobs(jobs)
    known = [program.name for program in WORKLOADS]
    for name in names:
        check_name("program", name, known)
    chosen = [(name, nested) for name in known if not names or name in names]
    failed = 0
    with (
        progress_bar("programs") as bar,
        Workers[tuple[str, bool], Exploration](
            jobs, seconds_max=SECONDS_MAX
        ) as workers,
    ):
        task = bar.add_task("", total=len(chosen))
        for done in workers.each(explore_named, chosen):
            name, found = done.argument[0], done.answer
            bar.update(task, advance=1, description=name)
            failed += found is None or bool(found.failures)
            if found is None:
                say(f"{name}: {done.ending}: {done.detail}")
            elif json:
                print_json(found.as_json())
            else:
                print(found.table(), flush=True)
            if found is None or found.failures:
                option = " --nested" if nested else ""
                say(f"  again: python -m sim explore {name!r}{option}")
    return int(failed > 0)


def explore_named(asked: tuple[str, bool]) -> Exploration:
    """Explore the program of this name; workers call this."""
    name, is_nested = asked
    program = next(program for program in WORKLOADS if program.name == name)
    return explore_program(program, nested=is_nested)

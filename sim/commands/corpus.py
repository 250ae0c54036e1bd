"""`corpus`: published bugs of others, each on an engine that has it and on Tempest."""

from sim.commands.output import check_jobs, check_name, print_json, progress_bar, say
from sim.corpus import CASES, CaseResult, run_case
from sim.workers import Workers

SECONDS_MAX = 1800.0


def corpus(*names: str, json: bool = False, jobs: int = 1) -> int:
    """Run published bugs: an engine that has the bug must fail, Tempest must not.

    Args:
        names: Cases to run; all of them if left out.
        json: Print one object a case.
        jobs: Processes to run in.
    """
    check_jobs(jobs)
    known = [case.name for case in CASES]
    for name in names:
        check_name("case", name, known)
    chosen = [name for name in known if not names or name in names]
    width = max(map(len, chosen), default=0)
    failed = list[str]()
    with (
        progress_bar("cases") as bar,
        Workers[str, CaseResult](jobs, seconds_max=SECONDS_MAX) as workers,
    ):
        task = bar.add_task("", total=len(chosen))
        for done in workers.each(run_named, chosen):
            name, result = done.argument, done.answer
            bar.update(task, advance=1, description=name)
            if result is None:
                say(f"{name}: {done.ending}: {done.detail}")
            elif json:
                print_json(_as_json(result))
            else:
                print(f"{name:{width}}  {_row(result)}", flush=True)
            if result is None or not result.holds:
                failed.append(name)
    say(f"{len(chosen) - len(failed)} of {len(chosen)} cases hold")
    for name in failed:
        say(f"  again: python -m sim corpus {name}")
    return int(bool(failed))


def run_named(name: str) -> CaseResult:
    """Run the case of this name; workers call this."""
    return run_case(next(case for case in CASES if case.name == name))


def _row(result: CaseResult) -> str:
    looks = (result.strawman, result.mended, result.tempest)
    verdicts = "  ".join(f"{look.verdict:22}" for look in looks)
    return f"{verdicts}  {result.states:7} states" + ("" if result.holds else "  !")


def _as_json(result: CaseResult) -> dict[str, object]:
    return {
        "name": result.name,
        "holds": result.holds,
        "strawman": result.strawman.verdict,
        "mended": result.mended.verdict,
        "tempest": result.tempest.verdict,
        "states": result.states,
    }

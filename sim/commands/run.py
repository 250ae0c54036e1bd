"""`run`: one seed, or many, on as many cores as asked for."""

from pathlib import Path

from sim.commands.output import UsageError, check_jobs, progress_bar, say, tell
from sim.commands.seeds import Chosen, choose
from sim.draw import draw
from sim.kept import keep as keep_script
from sim.marks import SITUATIONS, never_seen
from sim.report import write_sweep_report
from sim.runner import Timed, canary, forgetful_canary, run_seed, sweep
from sim.stopwatch import Stopwatch


def run(  # noqa: PLR0913 - options of a command
    *,
    seed: int | None = None,
    seeds: str | None = None,
    count: int | None = None,
    seconds: float | None = None,
    until_failure: bool = False,
    jobs: int = 1,
    json: bool = False,
    keep: Path | None = None,
    report: Path | None = None,
) -> int:
    """Run seeds: the real engine, each seed a world of its own.

    A sweep first runs two canaries, disks that lie, which have to be found out.

    Args:
        seed: Run this seed alone.
        seeds: Run A:B, from A up to B, without B; A: goes on for ever.
        count: Run so many seeds, from 0 or from the A of --seeds on.
        seconds: Stop after so many seconds.
        until_failure: Stop at the first failure.
        jobs: Processes to run in.
        json: Print one object a seed.
        keep: Folder that takes the script of each seed that fails.
        report: File that takes a report of the sweep, as one HTML page.
    """
    check_jobs(jobs)
    if seed is not None:
        if seeds is not None or count is not None:
            raise UsageError("--seed goes without --seeds and --count.")
        if report is not None:
            raise UsageError(f"The page of one seed is: report {seed} -o {report}.")
        return _run_one(seed, json=json, keep=keep)
    chosen = choose(seeds, count, is_endless=until_failure or seconds is not None)
    if not is_canary_found():
        return 1
    going = Sweep(json=json, keep=keep, report=report)
    try:
        going.run(chosen, jobs, seconds=seconds, until_failure=until_failure)
    finally:
        going.sum_up()
    return int(going.failed > 0)


def _run_one(seed: int, *, json: bool, keep: Path | None) -> int:
    going = Sweep(json=json, keep=keep)
    timed = run_seed(seed)
    going.take(timed)
    if going.failed:
        return 1
    if not json:
        tell(timed, "", json=False)
    return 0


def is_canary_found() -> bool:
    """Run the canaries, and say what became of them."""
    for name, look in (("canary", canary), ("forgetful canary", forgetful_canary)):
        found = look()
        if found is None:
            say(f"the {name} lives: this sweep would find nothing")
            return False
        say(f"{name}: {found.verdict} at seed {found.seed}")
    return True


class Sweep:
    """What has become of a sweep so far."""

    def __init__(
        self, *, json: bool, keep: Path | None, report: Path | None = None
    ) -> None:
        self._json, self._keep, self._report = json, keep, report
        self.watch = Stopwatch()
        self.done = self.failed = 0
        self._situations: dict[str, None] = {}
        self._results: list[Timed] = []

    def run(
        self, chosen: Chosen, jobs: int, *, seconds: float | None, until_failure: bool
    ) -> None:
        """Run the seeds, until they end or something else does."""
        with progress_bar("seeds") as bar:
            task = bar.add_task("", total=chosen.total)
            for timed in sweep(chosen.seeds, jobs):
                self.take(timed)
                text = f"{self.failed} failed, {self._rate():.1f} a second"
                bar.update(task, completed=self.done, description=text)
                if until_failure and self.failed:
                    break
                if seconds is not None and self.watch.seconds > seconds:
                    break

    def take(self, timed: Timed) -> None:
        """Take the result of one seed; say and keep what failed."""
        self.done += 1
        self._situations |= dict.fromkeys(timed.result.situations)
        if self._report is not None:
            self._results.append(timed)
        if timed.result.verdict == "ok":
            if self._json:
                tell(timed, "", json=True)
            return
        self.failed += 1
        seed = timed.result.seed
        tell(timed, f"python -m sim run --seed {seed}", json=self._json)
        if self._keep is not None:
            say(f"  kept: {keep_script(self._keep, draw(seed), timed)}")

    def sum_up(self) -> None:
        """Say on stderr how it went, and what never happened."""
        say(
            f"{self.done} seeds, {self.failed} failed, {self._rate():.1f} a second, "
            f"{self.watch.seconds:.0f} s"
        )
        if self._report is not None:
            results = [timed.result for timed in self._results]
            page = write_sweep_report(results, seconds=self.watch.seconds)
            self._report.write_text(page, encoding="utf-8")
            say(f"the page of the sweep is in {self._report}")
        never = never_seen([tuple(self._situations)])
        seen = len(SITUATIONS) - len(never)
        say(
            f"situations: {seen} of {len(SITUATIONS)}; never: {', '.join(never) or 'none'}"
        )

    def _rate(self) -> float:
        return self.done / max(self.watch.seconds, 1e-9)

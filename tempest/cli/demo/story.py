"""The demo as it is told: progress on stderr, what was found on stdout."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.text import Text

from tempest import Statistics
from tempest.cli.demo.check import Verdict
from tempest.cli.demo.outcome import Life, Outcome
from tempest.cli.demo.plan import Plan
from tempest.cli.demo.scans import PrefixScan
from tempest.cli.output import bytes_text, progress_bar, seconds_text

FAULTS_SHOWN_MAX = 20


class Story:
    """Tells what happens while it happens; with `quiet`, only the progress."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(quiet=quiet, highlight=False)
        self._progress = progress_bar(MofNCompleteColumn())
        self._task = self._progress.add_task("files acknowledged", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, plan: Plan, kills: int, seed: int) -> None:
        self._progress.update(self._task, total=len(plan.files))
        size = bytes_text(plan.bytes_total)
        self._say(f"{len(plan.files)} files, {size}, from {plan.tree}")
        self._say(
            f"A child process loads them and is killed {kills} times (--seed {seed}).\n"
        )

    def loaded(self, count: int) -> None:
        self._progress.update(self._task, completed=count)

    def life(self, number: int, life: Life) -> None:
        twice = ", and its successor while it recovered" if life.killed_twice else ""
        acknowledged = life.verdict.acknowledged
        self._say(
            f"SIGKILL {number} after {acknowledged} acknowledged writes{twice}", "bold"
        )
        recovery = life.recovery
        self._say(
            f"  reopened in {seconds_text(life.reopen_seconds)}: replayed "
            f"{recovery.entries} writes in {recovery.frames} frames, "
            f"{bytes_text(recovery.bytes)}; {recovery.rewritten_frames} frames made safe, "
            f"{bytes_text(recovery.torn_bytes)} torn, "
            f"{recovery.orphans_removed} orphans removed"
        )
        self._judge(life.verdict)

    def end(self, outcome: Outcome) -> None:
        self._progress.stop()
        self._say("Load finished", "bold")
        self._judge(outcome.final)
        self._say("\nPrefix scans", "bold")
        for scan in outcome.scans:
            self._say(f"  {scan_text(scan)}")
        self._shape(outcome.statistics)
        self._close(outcome)

    def _shape(self, shape: Statistics) -> None:
        self._say("\nThe store", "bold")
        for level in shape.levels:
            self._say(
                f"  level {level.level}   {level.tables:>4} tables  "
                f"{level.entries:>6} entries  {bytes_text(level.bytes):>10}"
            )
        self._say(
            f"  log       {shape.log_segments:>4} segments  {bytes_text(shape.log_bytes)}, "
            f"of which {shape.memtable_entries} writes in memory are not in tables yet\n"
        )

    def kept(self, folder: Path) -> None:
        self._say(f"The store is in {folder / 'store'}.")

    def _close(self, outcome: Outcome) -> None:
        took = seconds_text(outcome.seconds)
        if outcome.sound:
            self._say(
                f"Nothing acknowledged was lost and nothing else appeared: {outcome.files} "
                f"files, {bytes_text(outcome.bytes)}, {len(outcome.lives)} kills, {took}. "
                "Every byte on disk verifies.",
                "bold green",
            )
            return
        faults = outcome.faults()
        self._say(f"FAILED after {took}: {len(faults)} faults", "bold red")
        for fault in faults[:FAULTS_SHOWN_MAX]:
            self._say(f"  {fault}", "red")

    def _judge(self, verdict: Verdict) -> None:
        self._say(f"  {verdict_text(verdict)}", "green" if verdict.sound else "red")

    def _say(self, text: str, style: str = "") -> None:
        with self._quiet_bar():
            self._console.print(Text(text, style=style), soft_wrap=True)

    @contextmanager
    def _quiet_bar(self) -> Iterator[None]:
        """Take the bar away while stdout, which may be the same terminal, is written."""
        running = self._progress.live.is_started
        self._progress.stop()
        yield
        if running:
            self._progress.start()


def verdict_text(verdict: Verdict) -> str:
    """Say in one line what a check found."""
    if verdict.sound:
        flight = (
            f", and {verdict.in_flight_kept} of the {verdict.in_flight} in flight"
            if verdict.in_flight
            else ""
        )
        return f"all {verdict.acknowledged} are there{flight}; nothing else"
    return f"{len(verdict.faults)} faults, the first: {verdict.faults[0]}"


def scan_text(scan: PrefixScan) -> str:
    """Say in one line what a scan gave."""
    verdict = "complete, in order" if scan.complete else "NOT the folder's files"
    return (
        f"{scan.prefix:<16} {scan.rows:>5} rows {bytes_text(scan.bytes):>10} "
        f"{seconds_text(scan.seconds):>8}  {verdict}"
    )

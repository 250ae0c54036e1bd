"""Fresh seeds until the time is over: compare some digests, keep and shrink what fails.

    FOLDER/summary.json     counts, faults, situations that never came; where the next soak begins
    FOLDER/seed-7/...       a seed that failed; see `sim.kept`

Invariants
- No seed is run by two soaks of one folder: the next one goes on where the last one ended.
- A worker that does not come back is replaced, and its seed is kept with the verdict "hung".
- However it ends, the summary tells of everything that ended before.
"""

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path

import attrs

from sim.draw import draw
from sim.kept import SCRIPT, keep, keep_small
from sim.runner import Timed, lost
from sim.script import Script
from sim.soak.tally import Tally
from sim.soak.task import Kind, Small, Task, do_task
from sim.stopwatch import Stopwatch
from sim.workers import Done, Workers

SUMMARY = "summary.json"
FIRST_SEED = 1_000_000  # above what is swept by hand
AGAIN_EVERY = 20
URGENT_MAX = 3  # of each verdict: one bug fails many seeds
HASTE = 6
SUMMARY_SECONDS = 30.0


def _silent(_: str) -> None:
    pass


@attrs.define(kw_only=True)
class Soak:
    """One soak: `seconds` long, of `seeds_max` seeds at most, in `jobs` processes."""

    folder: Path
    jobs: int
    seconds: float
    seeds_max: int | None = None
    seed_seconds_max: float = 120.0
    shrink_seconds: float = 60.0
    say: Callable[[str], None] = _silent
    draw: Callable[[int], Script] = draw
    tally: Tally = attrs.field(factory=Tally)
    _given: int = attrs.field(init=False, default=0)
    _turn: int = attrs.field(init=False, default=0)
    _next: int = attrs.field(init=False, default=FIRST_SEED)
    _urgent: deque[Task] = attrs.field(init=False, factory=deque)
    _waiting: deque[Task] = attrs.field(init=False, factory=deque)
    _digests: dict[int, str] = attrs.field(init=False, factory=dict)
    _watch: Stopwatch = attrs.field(init=False, factory=Stopwatch)

    def run(self) -> Tally:
        """Run until the time is over; on an interrupt, until now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._next = self._first_seed()
        written = 0.0
        try:
            with Workers[Task, Timed | Small](self.jobs) as workers:
                self._watch = Stopwatch()
                self._give(workers)
                while not workers.is_idle:
                    for done in workers.wait():
                        self.take(done)
                    self._give(workers)
                    if self._watch.seconds - written > SUMMARY_SECONDS:
                        written = self._watch.seconds
                        self._write_summary()
        finally:
            self._write_summary()
        return self.tally

    def _first_seed(self) -> int:
        try:
            summary = json.loads((self.folder / SUMMARY).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return FIRST_SEED
        return int(summary["next_seed"])

    def _give(self, workers: "Workers[Task, Timed | Small]") -> None:
        while workers.has_room and (task := self._choose()) is not None:
            limit = self.seed_seconds_max + task.seconds
            workers.begin(do_task, task, seconds_max=limit)

    def _choose(self) -> Task | None:
        """Choose what to do next; every other time a fresh seed, so that those go on."""
        if self._urgent:
            return self._urgent.popleft()
        if self._watch.seconds > self.seconds:
            return None
        self._turn += 1
        is_exhausted = self.seeds_max is not None and self._given >= self.seeds_max
        if self._waiting and (is_exhausted or self._turn % 2):
            return self._waiting.popleft()
        if is_exhausted:
            return None
        self._next += 1
        self._given += 1
        return self._task("run", self._next - 1)

    def _task(self, kind: Kind, seed: int, seconds: float = 0.0) -> Task:
        return Task(kind, seed, seconds, self.draw)

    def take(self, done: Done[Task, Timed | Small]) -> None:
        """Take what became of a task."""
        task, answer = done.argument, done.answer
        if isinstance(answer, Small):
            keep_small(self.folder / f"seed-{task.seed}", answer.shrunk, answer.page)
            count = answer.shrunk.operations
            self.say(f"seed {task.seed} shrunk to {count} operations")
        elif task.kind == "shrink":
            self.say(f"seed {task.seed} could not be shrunk: {done.ending}")
        elif task.kind == "again":
            self._compare(task.seed, answer or lost(_of_seed(done)))
        else:
            self._take_run(answer or lost(_of_seed(done)))

    def _take_run(self, timed: Timed) -> None:
        self.tally.take(timed)
        seed, verdict = timed.result.seed, timed.result.verdict
        if seed % AGAIN_EVERY == 0:
            self._digests[seed] = timed.result.digest
            self._waiting.append(self._task("again", seed))
        if verdict == "ok":
            return
        self._keep(timed)
        if not timed.result.digest:  # its process is gone: so would be the next
            return
        if self.tally.verdicts[verdict] <= URGENT_MAX:
            self._urgent.append(self._task("shrink", seed, self.shrink_seconds))
        else:
            self._waiting.append(
                self._task("shrink", seed, self.shrink_seconds / HASTE)
            )

    def _compare(self, seed: int, timed: Timed) -> None:
        """Hold a second run of a seed against the first."""
        self.tally.again += 1
        before, after = self._digests.pop(seed), timed.result.digest
        if before == after:
            return
        detail = f"the first run gave {before!r}, the second {after!r}"
        result = attrs.evolve(timed.result, verdict="another-digest", detail=detail)
        self.tally.failures[seed] = result.verdict
        self._keep(Timed(result, timed.seconds))

    def _keep(self, timed: Timed) -> None:
        result = timed.result
        place = keep(self.folder, self.draw(result.seed), timed)
        self.say(f"seed {result.seed}: {result.verdict}: {result.detail}")
        self.say(f"  again: python -m sim replay --script {place / SCRIPT}")

    def summary(self) -> dict[str, object]:
        """Return what came of it so far, as plain values."""
        counts = self.tally.summary(self._watch.seconds)
        not_shrunk = sum(task.kind == "shrink" for task in self._waiting)
        return {"next_seed": self._next, **counts, "not_shrunk": not_shrunk}

    def _write_summary(self) -> None:
        summary = self.summary()
        text = json.dumps(summary, indent=2) + "\n"
        (self.folder / SUMMARY).write_text(text, encoding="utf-8")
        self.say(
            f"{self.tally.seeds} seeds, {len(self.tally.failures)} failed, "
            f"{summary['seeds_per_hour']} an hour"
        )


def _of_seed(done: Done[Task, Timed | Small]) -> Done[int, Timed]:
    return Done(
        done.number, done.argument.seed, None, done.seconds, done.ending, done.detail
    )

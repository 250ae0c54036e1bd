"""The background work of a store: every kind of upkeep in one object, run as one task for each.

Where to find it: `_plan`, `_publish`, `_change`, `_append` in `upkeep/publishing.py`; `flush_all`,
`_flush` in `upkeep/flushing.py`; `compact_range`, `_compact` in `upkeep/compacting.py`; `collect`
in `upkeep/collecting.py`; `retire_segments`, `sweep` in `upkeep/removing.py`; when an automatic
checkpoint is due in `upkeep/automatic.py`, how it is taken in `checkpoint/automatic.py`.

A task sleeps until it is woken, looks whether its work is due, and does it inside a turn of the
coordinator. `_retrying` is the one loop: a failure is counted, shown and tried again, the next
time after twice as long. Failures of what writers wait for are trouble of the store, and may turn
it read-only; all others are warnings.

Invariants
- Manual and automatic work take the same turns.
- A failure ends no task, and work that is due and held back is counted.
"""

import math
from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from io_backends import IoError
from journal import JournalError
from tempest.committer import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from tempest.coordinator import NEVER_PAUSED, Work
from tempest.errors import InvalidError, NotOpenError, TempestError
from tempest.throttle import SMOOTH_FROM
from tempest.upkeep import CheckpointTriggers, Collecting, Counters, Removing

__all__ = ["Counters", "Maintenance", "Task"]

PATIENT_SECONDS_MAX = 60.0  # between tries of work that no writer waits for
LITTLE_BYTES = 1 << 20  # of memtables, flushed in some 20 ms
AWAITED = frozenset({Work.FLUSH, Work.COMPACTION})  # what writers wait for


class Step(Protocol):
    """Does a piece of work inside a turn; says whether to look at once whether there is more."""

    async def __call__(self, *, automatic: bool) -> bool: ...


@attrs.frozen
class Task:
    """Automatic work of one kind: `is_due` looks, without IO, whether there is any."""

    is_due: Callable[[], bool]
    step: Step


@attrs.define(eq=False)
class Maintenance(Collecting, Removing):
    """The background work of one store."""

    triggers: CheckpointTriggers = attrs.field(init=False)
    _tasks: dict[Work, Task] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        memtables, manifest = self.committer.memtables, self.committer.manifest
        self.triggers = CheckpointTriggers(self.committer)
        self.coordinator.is_urgent = self._is_urgent
        self.adopt(Work.FLUSH, lambda: bool(memtables.waiting), self._flush_oldest)
        self.adopt(
            Work.COMPACTION, lambda: self._choose() is not None, self._compact_chosen
        )
        self.adopt(Work.COLLECTION, self.is_collection_due, self.collect_chosen)
        self.adopt(Work.SWEEP, lambda: manifest.has_dropped, self._sweep_obsolete)
        self.adopt(Work.LOG, self._is_log_due, self._retire)

    async def leave_few_segments(self) -> None:
        """Spare the next opening what many earlier ones have left in the log, if that is little.

        Programs that are short-lived never come to it otherwise: the flush goes without a worker,
        which takes longer to start than they last. It is left to the tasks: whoever closes can
        give up waiting for them.
        """
        memtables = self.committer.memtables
        if self.coordinator.is_paused or memtables.held_bytes > LITTLE_BYTES:
            return
        if self._are_many_earlier():
            self.flushes_here = True
            self.wake(Work.LOG)
        while self._are_many_earlier():
            await self.shape_changed.wait()

    async def compact_range(self, start: bytes, stop: bytes | None) -> None:
        """Merge what is in a range, and remove what nobody needs any more."""
        await super().compact_range(start, stop)
        await self.reclaim()

    @property
    def works(self) -> tuple[Work, ...]:
        """The kinds of work that have a task."""
        return tuple(self._tasks)

    def adopt(self, work: Work, is_due: Callable[[], bool], step: Step) -> None:
        """Have a task for this kind of work; called before the tasks are started."""
        assert work not in self._tasks, f"there is a task for {work.value}"
        self._tasks[work] = Task(is_due, step)

    def adopt_checkpoints(self, step: Step) -> None:
        """Take an automatic checkpoint with `step` whenever the options make one due."""

        async def checkpoint(*, automatic: bool) -> bool:
            await step(automatic=automatic)
            self.triggers.restart()
            return False

        self.adopt(Work.CHECKPOINT, lambda: self.triggers.is_due, checkpoint)
        if self.triggers.is_enabled:
            self.committer.on_growth = self.note_growth

    def note_growth(self) -> None:
        """Look whether what was written makes a checkpoint due."""
        if self.triggers.is_due:
            self.wake(Work.CHECKPOINT)

    def note_durable(self) -> None:
        """Look for what more durable log makes possible."""
        super().note_durable()
        if self.triggers.is_enabled:
            self.note_growth()
        if self.coordinator.is_paused:
            self.coordinator.look_again()
            self.wake(Work.COMPACTION)  # it may have become urgent

    async def run(self, work: Work) -> None:
        """Do work of this kind whenever it is due. Runs until cancelled, or the store closes."""
        if work is Work.CHECKPOINT:
            self.triggers.restart()
        await self._retrying(work, self._tasks[work])

    async def run_now(self, work: Work) -> None:
        """Do everything of this kind that there is to do, also while paused.

        CHECKPOINT takes one, which retention counts as automatic. Raises `InvalidError` for work
        that nothing here can do, and what the work itself raises.
        """
        task = self._tasks.get(work)
        if task is None:
            raise InvalidError(f"no automatic work is of the kind {work.name}")
        if work is Work.FLUSH:
            await self.flush_all()
            return
        while await task.step(automatic=False):
            await trio.lowlevel.checkpoint()

    def resume(self) -> None:
        """Let automatic work begin again, and look for all of it."""
        self.coordinator.resume()
        self.wake(*self._tasks)

    def _is_urgent(self, work: Work) -> bool:
        """Say whether writers wait for this work, or soon will."""
        if work is Work.COMPACTION:
            return self.throttle.pressure > SMOOTH_FROM
        return work in NEVER_PAUSED

    async def _retrying(self, work: Work, task: Task) -> None:
        health, source = self.committer.health, work.value
        delay = RETRY_SECONDS_MIN
        while True:
            try:
                again = (
                    task.is_due()
                    and not self.coordinator.holds_back(work)
                    and await task.step(automatic=True)
                )
            except NotOpenError:
                return
            except (IoError, JournalError, TempestError) as error:
                self._note_failure(work, error, delay)
                await trio.sleep(delay)
                most = RETRY_SECONDS_MAX if work in AWAITED else PATIENT_SECONDS_MAX
                delay = min(2 * delay, most)
                continue
            health.recovered(source)
            delay = RETRY_SECONDS_MIN
            if not again:
                await self._woken(work)

    def _note_failure(self, work: Work, error: Exception, delay: float) -> None:
        health = self.committer.health
        if work in AWAITED:
            health.trouble(work.value, error)
        else:
            health.warn(work.value, error)
        self.coordinator.note_retry(work, delay)
        self.shape_changed.fire()

    async def _woken(self, work: Work) -> None:
        seconds = self.triggers.seconds_left if work is Work.CHECKPOINT else math.inf
        with trio.move_on_after(seconds):
            await self._work[work].wait()

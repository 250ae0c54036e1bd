"""Who may work on a store at the same time: turns, handed out in the order they are asked for.

Manual and automatic work ask the same coordinator. Work that chooses from what other work
publishes excludes it; everything else runs side by side:

    FLUSH                   excludes itself: memtables become tables oldest first
    COMPACTION, COLLECTION  exclude themselves and each other: both choose among the tables
    CHECKPOINT, RETENTION   exclude themselves and each other: both choose among the checkpoints
    LOG, SWEEP, BACKUP      exclude themselves

So a flush waits for nothing but the flush before it, and whoever holds another turn may wait for
flushes. A pause holds back automatic work that is not urgent: flush always is, and compaction is
while writers are slowed down for it.

Invariants
- `EXCLUDES` is symmetric, and no two turns that exclude each other are held at once.
- A turn is never handed out before an earlier request that excludes it, unless a pause holds
  that one back: nothing starves.
- Whatever ends a turn (success, failure, cancellation) gives it back and is counted.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

import attrs
import trio

from tempest.errors import NotOpenError
from tempest.translate import reason
from tempest.wakeup import Pulse


class Work(Enum):
    """What a store does besides reading and writing."""

    FLUSH = "flush"
    COMPACTION = "compaction"
    COLLECTION = "collection"
    CHECKPOINT = "checkpoint"
    RETENTION = "retention"
    LOG = "log upkeep"
    SWEEP = "sweep"
    BACKUP = "backup"


TABLES = frozenset({Work.COMPACTION, Work.COLLECTION})
CHECKPOINTS = frozenset({Work.CHECKPOINT, Work.RETENTION})
EXCLUDES: dict[Work, frozenset[Work]] = {
    Work.FLUSH: frozenset({Work.FLUSH}),
    Work.COMPACTION: TABLES,
    Work.COLLECTION: TABLES,
    Work.CHECKPOINT: CHECKPOINTS,
    Work.RETENTION: CHECKPOINTS,
    Work.LOG: frozenset({Work.LOG}),
    Work.SWEEP: frozenset({Work.SWEEP}),
    Work.BACKUP: frozenset({Work.BACKUP}),
}
NEVER_PAUSED = frozenset({Work.FLUSH})


def _is_never_paused(work: Work) -> bool:
    return work in NEVER_PAUSED


@attrs.frozen(kw_only=True)
class WorkStatistics:
    """What became of one kind of work since the store was opened.

    Attributes:
        runs: turns that ended well, manual ones included.
        failures: turns that ended in an error.
        cancelled: turns that were given up before they ended.
        held_back: pauses in which automatic work was due and did not start.
        busy_seconds: time spent inside turns, on trio's (monotonic) clock.
        running: turns held now; never more than one.
        waiting: requests that wait for a turn now.
        last_error: what the newest failure said; None if there was none since the last run
            that ended well.
        retry_seconds: time from now until a failed automatic run is tried again, or None.
    """

    runs: int = 0
    failures: int = 0
    cancelled: int = 0
    held_back: int = 0
    busy_seconds: float = 0.0
    running: int = 0
    waiting: int = 0
    last_error: str | None = None
    retry_seconds: float | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether the newest run that ended did not fail."""
        return self.last_error is None


@attrs.define
class _Tally:
    """The counts behind `WorkStatistics`."""

    runs: int = 0
    failures: int = 0
    cancelled: int = 0
    held_back: int = 0
    busy_seconds: float = 0.0
    last_error: str | None = None
    retry_at: float | None = None


@attrs.define(eq=False)
class _Turn:
    """A request for a turn, and the turn itself once it was handed out."""

    work: Work
    automatic: bool
    task: trio.lowlevel.Task
    started: float = 0.0
    is_refused: bool = False
    decided: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def excludes(self, other: "_Turn") -> bool:
        return other.work in EXCLUDES[self.work]


class Coordinator:
    """Hands out turns to the work of one store."""

    def __init__(self, is_urgent: Callable[[Work], bool] = _is_never_paused) -> None:
        """Let a pause hold back what is not urgent."""
        self.is_urgent = is_urgent
        self.changed = Pulse()  # a turn began or ended, or a pause did
        self._waiting: list[_Turn] = []
        self._running: list[_Turn] = []
        self._tallies = {work: _Tally() for work in Work}
        self._held_back: set[Work] = set()  # in the present pause
        self._is_paused = self._is_stopping = False

    @property
    def running(self) -> tuple[Work, ...]:
        """What holds a turn now, in the order in which the turns began."""
        return tuple(turn.work for turn in self._running)

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def is_stopping(self) -> bool:
        """Whether no turn begins any more; long work looks here between its steps."""
        return self._is_stopping

    @asynccontextmanager
    async def turn(self, work: Work, *, automatic: bool = False) -> AsyncIterator[None]:
        """Hold a turn for the block; it begins once nothing that it excludes runs.

        Raises `NotOpenError` if the store closes before it began, or does not wait for its end.
        Cancelled while it waits, it leaves the queue. The holder must not ask for another turn
        that its own excludes.
        """
        turn = await self._take(work, automatic)
        tally = self._tallies[work]
        try:
            with turn.scope:
                yield
            if not turn.scope.cancelled_caught:
                tally.runs += 1
                tally.last_error = tally.retry_at = None
        except Exception as error:
            self.note_failure(work, error)
            raise
        except BaseException:
            tally.cancelled += 1
            raise
        finally:
            tally.busy_seconds += trio.current_time() - turn.started
            self._running.remove(turn)
            self._hand_out()
        if turn.scope.cancelled_caught:
            tally.cancelled += 1
            raise NotOpenError

    def pause(self) -> None:
        """Let no automatic work begin that is not urgent. What runs goes on. Idempotent."""
        self._is_paused = True
        self.changed.fire()

    def resume(self) -> None:
        """Let automatic work begin again. Idempotent."""
        self._is_paused = False
        self._held_back.clear()
        self.look_again()

    def look_again(self) -> None:
        """Begin what may begin now, because something has become urgent."""
        self._hand_out()

    def holds_back(self, work: Work) -> bool:
        """Say whether a pause holds automatic work of this kind back, and count it once."""
        if not self._is_paused or self.is_urgent(work):
            return False
        if work not in self._held_back:
            self._held_back.add(work)
            self._tallies[work].held_back += 1
        return True

    def note_failure(self, work: Work, error: Exception) -> None:
        """Count a failure of work that holds, or would have asked for, a turn."""
        tally = self._tallies[work]
        tally.failures += 1
        tally.last_error = reason(error)

    def note_retry(self, work: Work, seconds: float) -> None:
        """Show when failed automatic work is tried again."""
        self._tallies[work].retry_at = trio.current_time() + seconds

    def stop(self) -> None:
        """Let no turn begin any more: who waits for one gets `NotOpenError`. Idempotent."""
        self._is_stopping = True
        for turn in self._waiting:
            turn.is_refused = True
            turn.decided.set()
        self._waiting.clear()
        self.changed.fire()

    def cancel(self) -> None:
        """Cancel every turn that is held, in whatever task: its holder gets `NotOpenError`."""
        for turn in self._running:
            turn.scope.cancel()

    async def wait_idle(self) -> None:
        """Wait until no turn is held."""
        while self._running:
            await self.changed.wait()

    def statistics(self) -> dict[Work, WorkStatistics]:
        """Return what became of each kind of work."""
        return {work: self._describe(work) for work in Work}

    def _describe(self, work: Work) -> WorkStatistics:
        tally, now = self._tallies[work], trio.current_time()
        mine = [turn for turn in self._running if turn.work is work]
        return WorkStatistics(
            runs=tally.runs,
            failures=tally.failures,
            cancelled=tally.cancelled,
            held_back=tally.held_back,
            busy_seconds=tally.busy_seconds + sum(now - turn.started for turn in mine),
            running=len(mine),
            waiting=sum(turn.work is work for turn in self._waiting),
            last_error=tally.last_error,
            retry_seconds=(
                None if tally.retry_at is None else max(0.0, tally.retry_at - now)
            ),
        )

    async def _take(self, work: Work, automatic: bool) -> _Turn:  # noqa: FBT001 - private, and named at its one call
        await trio.lowlevel.checkpoint_if_cancelled()
        turn = _Turn(work, automatic, trio.lowlevel.current_task())
        for held in self._running:
            assert held.task is not turn.task or not held.excludes(turn), (
                f"{work.value} inside {held.work.value} would wait for itself"
            )
        if self._is_stopping:
            raise NotOpenError
        self._waiting.append(turn)
        self._hand_out()
        if not turn.decided.is_set():
            try:
                await turn.decided.wait()
            except BaseException:
                # Decided all the same, if that happened after the cancellation had begun.
                for turns in (self._waiting, self._running):
                    if turn in turns:
                        turns.remove(turn)
                self._hand_out()
                raise
        if turn.is_refused:
            raise NotOpenError
        return turn

    def _hand_out(self) -> None:
        """Begin every turn that nothing before it excludes, in the order of the requests."""
        before = [*self._running]
        for turn in [*self._waiting]:
            if turn.automatic and self.holds_back(turn.work):
                continue
            if not any(other.excludes(turn) for other in before):
                self._waiting.remove(turn)
                self._running.append(turn)
                turn.started = trio.current_time()
                turn.decided.set()
            before.append(turn)
        self.changed.fire()

"""A clock that never waits: it jumps to whatever happens next, and knows when nothing ever will.

trio asks a clock how long to sleep only when no task can run. That is where this one pops the
heap of completions (`delay`), or jumps to the next deadline. A task that waits while nobody else
can do anything before is not put to sleep at all: the schedule is asked (`passes`), and says so.
If there is neither completion nor deadline, the run is stuck: that is the verdict, the root scope
is cancelled, then every shield is lifted, and if even that sets nothing going it is given up.

Invariants
- Time starts at 0.0, never goes back, and moves only while no other task can run.
- Completions of one moment are released together; the schedule orders them.
- A run ends: by itself, or with a verdict.
"""

from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

LIFTS_MAX = 200


class StuckError(Exception):
    """A run could not go on; the message is the verdict."""


def _nothing() -> None:
    pass


class Passes(Protocol):
    """Whether the current task may go on at `moment` without giving way."""

    def __call__(self, moment: float, *, shielded: bool) -> bool: ...


def _never(moment: float, *, shielded: bool) -> bool:
    return False


def _go_on(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class JumpClock(trio.abc.Clock):
    """Virtual time. `horizon` is the moment after which a run counts as stuck.

    `lift_shields` is called when a run is stuck although its root scope was cancelled. `passes`
    says whether a task that waits for a moment may go on at once.
    """

    def __init__(self, horizon: float = inf) -> None:
        self.horizon = horizon
        self.verdict: str | None = None
        self.root: trio.CancelScope | None = None
        self.lift_shields: Callable[[], None] = _nothing
        self.describe: Callable[[], str] = str
        self.passes: Passes = _never
        self.completions = 0
        self._now = 0.0
        self._heap: list[tuple[float, int, trio.lowlevel.Task]] = []
        self._cancelled: set[int] = set()  # ties of those in the heap that gave up
        self._ties = count()
        self._lifts = 0

    def start_clock(self) -> None:
        """Begin at 0."""

    def current_time(self) -> float:
        return self._now

    @property
    def is_awaited(self) -> bool:
        """Whether a completion is still to come."""
        return len(self._heap) > len(self._cancelled)

    async def delay(self, seconds: float) -> None:
        """Wait for a completion `seconds` from now; 0 only gives way."""
        if self._jumps(seconds, shielded=False):
            return
        if seconds <= 0.0:
            await trio.lowlevel.checkpoint()
            return
        tie = self._push(seconds)

        def give_up(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            self._cancelled.add(tie)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    async def delay_shielded(self, seconds: float) -> None:
        """Do the same, deaf to cancellation, at a fifth of the price of a shielded scope."""
        if self._jumps(seconds, shielded=True):
            return
        if seconds <= 0.0:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._push(seconds)
        await trio.lowlevel.wait_task_rescheduled(_go_on)

    def _jumps(self, seconds: float, *, shielded: bool) -> bool:
        """Be there at once if nothing else can happen before."""
        moment = self._now + seconds if seconds > 0.0 else self._now
        if (
            (self._heap and self._heap[0][0] <= moment)
            or moment > self.horizon
            or not self.passes(moment, shielded=shielded)
        ):
            return False
        self._now = moment
        self.completions += seconds > 0.0
        return True

    def _push(self, seconds: float) -> int:
        tie = next(self._ties)
        task = trio.lowlevel.current_task()
        heappush(self._heap, (self._now + seconds, tie, task))
        return tie

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move to what happens next. trio calls this only when no task can run."""
        heap, cancelled = self._heap, self._cancelled
        while heap and heap[0][1] in cancelled:
            cancelled.remove(heappop(heap)[1])
        moment = max(deadline, self._now)
        if heap and heap[0][0] < moment:
            moment = heap[0][0]
        if moment > self.horizon or moment == inf:
            what = "deadlock" if moment == inf else "no end in sight"
            self._unwind(what)
            return 0.0
        self._now = moment
        while heap and heap[0][0] <= moment:
            _, tie, task = heappop(heap)
            if tie in cancelled:
                cancelled.remove(tie)
            else:
                self.completions += 1
                trio.lowlevel.reschedule(task)
        return 0.0

    def stop(self, verdict: str) -> None:
        """End the run with this verdict: cancel its root scope."""
        self.verdict = self.verdict or verdict
        if self.root is not None:
            self.root.cancel()

    def _unwind(self, verdict: str) -> None:
        """Get a stuck run to end."""
        self.horizon = inf  # unwinding may take time of its own
        if self.root is not None and not self.root.cancel_called:
            self.stop(f"{verdict} at {self._now:.6f} s: {self.describe()}")
        elif self._lifts < LIFTS_MAX:
            self._lifts += 1
            self.lift_shields()
        else:
            raise StuckError(self.verdict or verdict)

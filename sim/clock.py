"""A clock that never waits: it jumps to whatever happens next, and knows when nothing ever will.

trio asks a clock how long to sleep only when no task can run. That is where this one pops the
heap of completions (`delay`), or jumps to the next deadline. If there is neither, the run is
stuck: that is the verdict, the root scope is cancelled, then every shield is lifted, and if even
that sets nothing going the run is given up.

Invariants
- Time starts at 0.0, never goes back, and moves only while no task can run.
- Completions of one moment are released together; the schedule orders them.
- A run ends: by itself, or with a verdict.
"""

from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Callable

LIFTS_MAX = 200


class StuckError(Exception):
    """A run could not go on; the message is the verdict."""


@attrs.define(eq=False)
class _Completion:
    """A task that waits for a moment; None once it was cancelled."""

    task: trio.lowlevel.Task | None


def _nothing() -> None:
    pass


class JumpClock(trio.abc.Clock):
    """Virtual time. `horizon` is the moment after which a run counts as stuck.

    `lift_shields` is called when a run is stuck although its root scope was cancelled.
    """

    def __init__(self, horizon: float = inf) -> None:
        self.horizon = horizon
        self.verdict: str | None = None
        self.root: trio.CancelScope | None = None
        self.lift_shields: Callable[[], None] = _nothing
        self.describe: Callable[[], str] = str
        self.completions = 0
        self._now = 0.0
        self._heap: list[tuple[float, int, _Completion]] = []
        self._ties = count()
        self._lifts = 0

    def start_clock(self) -> None:
        """Begin at 0."""

    def current_time(self) -> float:
        return self._now

    async def delay(self, seconds: float) -> None:
        """Wait for a completion `seconds` from now; 0 only gives way."""
        if seconds <= 0.0:
            await trio.lowlevel.checkpoint()
            return
        completion = _Completion(trio.lowlevel.current_task())
        heappush(self._heap, (self._now + seconds, next(self._ties), completion))

        def give_up(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            completion.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move to what happens next. trio calls this only when no task can run."""
        heap = self._heap
        while heap and heap[0][2].task is None:
            heappop(heap)
        moment = min(heap[0][0] if heap else inf, max(deadline, self._now))
        if moment > self.horizon or moment == inf:
            what = "deadlock" if moment == inf else "no end in sight"
            self._unwind(what)
            return 0.0
        self._now = moment
        while heap and heap[0][0] <= moment:
            task = heappop(heap)[2].task
            if task is not None:
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

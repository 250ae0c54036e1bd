"""Which sequence readers may see: durable before visible, in log order.

A write that promised OS or DISK level is a *blocker* from the moment it enters the open frame
until its level is reached. Readers see everything before the first blocker. Whoever waits for a
write waits for the visible sequence to reach it.

Invariants
- `visible` never moves backwards and never passes a blocker.
- Waiters are woken in sequence order; a cancelled waiter changes nothing but itself.
"""

from collections import deque
from collections.abc import Callable

import attrs
import outcome
import trio
from msgspec import Struct


@attrs.define(eq=False)
class _Waiter:
    sequence: int
    task: trio.lowlevel.Task | None


class _Blocker(Struct, frozen=True, gc=False):
    first: int
    last: int
    synced: bool  # needs a sync, else only the operating system


class Visibility:
    """The newest sequence given out, the newest one visible, and who waits between them."""

    def __init__(self, sequence: int) -> None:
        self.last = sequence
        self.visible = sequence
        self.flushed = sequence
        self.durable = sequence
        self.blockers: deque[_Blocker] = deque()
        self._waiters: deque[_Waiter] = deque()

    @property
    def is_current(self) -> bool:
        """Whether a write that blocks nothing would be visible at once."""
        return not self.blockers

    @property
    def wants_sync(self) -> bool:
        """Whether some write waits for a sync."""
        return any(blocker.synced for blocker in self.blockers)

    def block(self, first: int, last: int, *, synced: bool) -> None:
        """Hide the sequences first..last until they are flushed (or synced)."""
        self.blockers.append(_Blocker(first, last, synced))

    def advance(self) -> None:
        """Move `visible` as far as the watermarks allow, and wake who waited for that."""
        blockers = self.blockers
        while blockers:
            first = blockers[0]
            reached = self.durable if first.synced else self.flushed
            if reached < first.last:
                break
            blockers.popleft()
        self.visible = blockers[0].first - 1 if blockers else self.last
        while self._waiters and self._waiters[0].sequence <= self.visible:
            task = self._waiters.popleft().task
            if task is not None:
                trio.lowlevel.reschedule(task)

    async def wait(self, sequence: int) -> None:
        """Wait until `sequence` is visible. Cancellation gives up only the wait."""
        if self.visible >= sequence:
            return
        waiter = _Waiter(sequence, trio.lowlevel.current_task())
        if not self._waiters or self._waiters[-1].sequence <= sequence:
            self._waiters.append(waiter)
        else:
            self._insert(waiter)

        def give_up(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            waiter.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    def fail(self, error: Callable[[], Exception]) -> None:
        """Wake everybody who waits with an error of their own."""
        waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            if waiter.task is not None:
                trio.lowlevel.reschedule(waiter.task, outcome.Error(error()))

    def _insert(self, waiter: _Waiter) -> None:
        """Put a late waiter for an early sequence in its place."""
        waiters = sorted([*self._waiters, waiter], key=lambda each: each.sequence)
        self._waiters = deque(waiters)

"""Which sequence readers may see: durable before visible, in log order.

A write that promised OS or DISK level is a *blocker* from the moment it enters the open frame
until its level is reached. Readers see everything before the first blocker. Whoever waits for a
write waits for the visible sequence to reach it.

Blockers of one kind that follow each other are kept as one: a watermark only ever stops where a
frame ends, and a write is in one frame as a whole, so what is reached of them can be cut off.

Invariants
- `visible` never moves backwards and never passes a blocker.
- Waiters are woken in sequence order; a cancelled waiter changes nothing but itself.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

import outcome
import trio
from msgspec import Struct
from trio.lowlevel import current_task, reschedule, wait_task_rescheduled


class _Woken:
    """What a task is woken with, one for all: 0.3 us less a waiter than an outcome of trio's each.

    That one can be taken only once.
    """

    def unwrap(self) -> None:
        pass


WOKEN = cast("outcome.Outcome[object]", _Woken())


class _Waiter(Struct):
    sequence: int
    task: trio.lowlevel.Task | None

    def give_up(self, _: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class _Blocker(Struct, gc=False):
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
        self.woken = 0  # how many the last step forward has woken
        self.blockers: deque[_Blocker] = deque()
        self._waiters: deque[_Waiter] = deque()

    @property
    def is_current(self) -> bool:
        """Whether a write that blocks nothing would be visible at once."""
        return not self.blockers

    @property
    def wants_sync(self) -> bool:
        """Whether some write waits for a sync."""
        for blocker in self.blockers:  # noqa: SIM110 - a generator takes as long as five of them
            if blocker.synced:
                return True
        return False

    def block(self, first: int, last: int, *, synced: bool) -> None:
        """Hide the sequences first..last until they are flushed (or synced)."""
        blockers = self.blockers
        if blockers:
            newest = blockers[-1]
            if newest.last + 1 == first and newest.synced is synced:
                newest.last = last
                return
        blockers.append(_Blocker(first, last, synced))

    def advance(self) -> None:
        """Move `visible` as far as the watermarks allow, and wake who waited for that."""
        blockers = self.blockers
        while blockers:
            first = blockers[0]
            reached = self.durable if first.synced else self.flushed
            if reached < first.last:
                first.first = max(first.first, reached + 1)
                break
            blockers.popleft()
        self.visible = visible = blockers[0].first - 1 if blockers else self.last
        waiters = self._waiters
        self.woken = len(waiters)
        while waiters and waiters[0].sequence <= visible:
            task = waiters.popleft().task
            if task is not None:
                reschedule(task, WOKEN)
        self.woken -= len(waiters)

    async def wait(self, sequence: int) -> None:
        """Wait until `sequence` is visible. Cancellation gives up only the wait."""
        if self.visible < sequence:
            await self.reach(sequence)

    def reach(self, sequence: int) -> Awaitable[object]:
        """Return what waits until `sequence` is visible, which it is not yet; await it at once.

        No coroutine of ours: what every writer goes through that waits, asleep and awake.
        """
        waiter, waiters = _Waiter(sequence, current_task()), self._waiters
        if not waiters or waiters[-1].sequence <= sequence:
            waiters.append(waiter)
        else:
            self._insert(waiter)
        return wait_task_rescheduled(waiter.give_up)  # noqa: ASYNC105 - the caller does

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

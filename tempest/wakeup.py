"""Two ways to tell tasks that something has changed.

Invariants
- A `Wakeup` raised before the wait is not lost, and raised twice wakes once: one task sleeps on it.
- A `Pulse` wakes everybody who waits at that moment, and they look again: nothing is remembered.
"""

import trio


class Wakeup:
    """Wakes one background task."""

    def __init__(self) -> None:
        self._is_set = False
        self._task: trio.lowlevel.Task | None = None

    def set(self) -> None:
        """Wake the task, now or at its next `wait`."""
        self._is_set = True
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    async def wait(self) -> None:
        """Sleep until `set`, and lower the flag. Does not give way if it is raised already."""
        if self._is_set:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            assert self._task is None, "one task sleeps here"
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._give_up)
        self._is_set = False

    def _give_up(self, _: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Pulse:
    """Wakes everybody who waits for something to change."""

    def __init__(self) -> None:
        self._waiting = False  # maybe somebody does
        self._event = trio.Event()

    def fire(self) -> None:
        """Wake all who wait now."""
        if self._waiting:
            event, self._event, self._waiting = self._event, trio.Event(), False
            event.set()

    async def wait(self) -> None:
        """Sleep until the next `fire`."""
        self._waiting = True
        await self._event.wait()

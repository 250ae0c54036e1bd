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
        self._event = trio.Event()

    def set(self) -> None:
        """Wake the task, now or at its next `wait`."""
        if not self._is_set:
            self._is_set = True
            self._event.set()

    async def wait(self) -> None:
        """Sleep until `set`, and lower the flag."""
        await self._event.wait()
        self._is_set = False
        self._event = trio.Event()


class Pulse:
    """Wakes everybody who waits for something to change."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def fire(self) -> None:
        """Wake all who wait now."""
        if self._event.statistics().tasks_waiting:
            event, self._event = self._event, trio.Event()
            event.set()

    async def wait(self) -> None:
        """Sleep until the next `fire`."""
        await self._event.wait()

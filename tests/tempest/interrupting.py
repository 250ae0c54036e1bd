"""Cancel an operation at its n-th step: at every place where it waits, and before it begins.

A step is one stretch of a task between two yields to trio. `Interruption(n)` cancels its scope
while the task is suspended for the n-th time (0: before it runs at all), so counting n up until
the operation ends by itself visits every checkpoint of it.
"""

from collections.abc import Awaitable, Callable

import attrs
import trio


@attrs.define(eq=False, slots=False)
class Interruption(trio.abc.Instrument):
    """Runs one operation and cancels it at its `at`-th yield."""

    at: int
    yields: int = 0
    is_delivered: bool = False
    _task: trio.lowlevel.Task | None = None
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def run(self, operation: Callable[[], Awaitable[object]]) -> bool:
        """Run the operation; say whether it came to its end all the same."""
        self._task = trio.lowlevel.current_task()
        trio.lowlevel.add_instrument(self)
        is_finished = False
        try:
            with self._scope:
                if self.at == 0:
                    self._cancel()
                await operation()
                is_finished = True
        finally:
            trio.lowlevel.remove_instrument(self)
        return is_finished

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self.yields += 1
            if self.yields == self.at:
                self._cancel()

    def _cancel(self) -> None:
        self.is_delivered = True
        self._scope.cancel()

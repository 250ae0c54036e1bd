"""Drive one long-lived trio run from synchronous code, one call at a time.

Hypothesis' state machines are synchronous and a store lives in an `async with` block. So the run
has a thread of its own, which stands still between calls: virtual time and background tasks move
only inside `call`, and what happens is the same for the same calls.

Invariants
- Exactly one of the two threads runs at any moment.
- `close` ends the run and raises what it ended with.
"""

import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import attrs
import outcome

from sim import run_seeded

T = TypeVar("T")
SECONDS_MAX = 60.0


@attrs.frozen
class _Step(Generic[T]):
    """A call on its way into the run, and the place for its outcome."""

    operation: Callable[[], Awaitable[T]]
    done: "queue.SimpleQueue[outcome.Outcome[T]]" = attrs.field(
        factory=queue.SimpleQueue
    )

    async def run(self) -> None:
        self.done.put(await outcome.acapture(self.operation))


class Stepper:
    """A seeded trio run that goes on from call to call."""

    def __init__(self, seed: int = 0) -> None:
        self._steps: queue.SimpleQueue[Callable[[], Awaitable[None]] | None] = (
            queue.SimpleQueue()
        )
        self._end: outcome.Outcome[None] | None = None
        self._thread = threading.Thread(target=self._run, args=(seed,), daemon=True)
        self._thread.start()

    def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Let the run go on until the operation is over; return or raise its outcome."""
        step = _Step(operation)
        self._steps.put(step.run)
        return step.done.get(timeout=SECONDS_MAX).unwrap()

    def close(self) -> None:
        """Cancel what is left, end the run and raise what it ended with."""
        self._steps.put(None)
        self._thread.join(SECONDS_MAX)
        assert self._end is not None, "the run does not end"
        self._end.unwrap()

    def _run(self, seed: int) -> None:
        self._end = outcome.capture(run_seeded, seed, self._main)

    async def _main(self) -> None:
        while (
            step := self._steps.get()
        ) is not None:  # stops the whole loop on purpose
            await step()

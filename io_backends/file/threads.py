"""Run blocking calls in threads, so that neither the event loop nor a cancelled caller is stuck.

`trio.to_thread` either makes a cancelled caller wait for its thread for ever or leaves the thread
behind at once. A write should be waited for, yet a device that never answers must not keep a
store from closing. So a cancelled caller waits for a while, and then leaves.

Invariants
- A call that has started runs to its end, whether or not somebody still waits for it.
- A limiter's token is held until the thread is through, so stuck calls never pile up threads.
- Cancellation before the start means that nothing happens.
- A result that nobody waits for any more is handed to `discard`.
"""

import contextlib
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

if TYPE_CHECKING:
    from outcome import Outcome

T = TypeVar("T")


def _keep(_: object) -> None:
    """Discard a result that owns nothing."""


def _go_on() -> None:
    """Nobody is to be told."""


async def run_in_thread(
    function: Callable[[], T],
    limiter: trio.CapacityLimiter,
    *,
    patience_seconds: float,
    discard: Callable[[T], None] = _keep,
    returned: Callable[[], None] = _go_on,
) -> T:
    """Return `function()`, run in a thread.

    A caller that is cancelled meanwhile gets the result if it comes within `patience_seconds`.
    `returned` is called on the loop whenever a token went back to the limiter.
    """
    call = _Call(discard)

    def give_back() -> None:
        limiter.release_on_behalf_of(call)
        returned()

    def finish(outcome: "Outcome[T]") -> None:
        give_back()
        call.finish(outcome)

    await limiter.acquire_on_behalf_of(call)
    try:
        _start(function, finish, call.discard)
    except BaseException:
        give_back()
        raise
    return await call.result(patience_seconds)


class _Call(Generic[T]):
    """One call in a thread: the two ends of waiting for it, both on the loop."""

    def __init__(self, discard: Callable[[T], None]) -> None:
        self._discard = discard
        self._done = trio.Event()
        # At most one; taken out when used, so that no cycle keeps an error alive.
        self._outcomes: list[Outcome[T]] = []
        self._abandoned = False

    def finish(self, outcome: "Outcome[T]") -> None:
        self._outcomes.append(outcome)
        self._done.set()
        if self._abandoned:
            self.discard(self._outcomes.pop())

    async def result(self, patience_seconds: float) -> T:
        try:
            await self._done.wait()
        except (trio.Cancelled, KeyboardInterrupt) as interruption:
            with trio.move_on_after(patience_seconds, shield=True):
                await self._done.wait()
            if not self._outcomes:
                self._abandoned = True
                raise
            if isinstance(interruption, KeyboardInterrupt):
                self.discard(self._outcomes.pop())
                raise
        return self._outcomes.pop().unwrap()

    def discard(self, outcome: "Outcome[T]") -> None:
        """Let go of a result that nobody waits for."""
        with contextlib.suppress(Exception):
            self._discard(outcome.unwrap())


async def hand_to_thread(function: Callable[[], None]) -> None:
    """Run `function` without fail, in a thread; cancellation only gives up the wait."""
    done = trio.Event()
    try:
        _start(function, lambda _: done.set(), _keep)
    except OSError:
        function()
        return
    await done.wait()


def _start(
    function: Callable[[], T],
    finish: "Callable[[Outcome[T]], None]",
    lost: "Callable[[Outcome[T]], None]",
) -> None:
    """Start a thread that runs `function`; its outcome goes to `finish`, on the loop.

    If the loop has ended by then, it goes to `lost`, in the thread.
    """
    token = trio.lowlevel.current_trio_token()

    def deliver(outcome: "Outcome[T]") -> None:
        try:
            token.run_sync_soon(finish, outcome)
        except trio.RunFinishedError:
            lost(outcome)

    try:
        trio.lowlevel.start_thread_soon(function, deliver)
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error

"""Threads that are kept between blocking calls, for what is called again and again: syncs, reads.

A hop through `run_in_thread` costs some 80 us beside the call: a thread out of trio's cache, a task
that takes results, an event. Here a call is handed over by a lock, and its end rings an eventfd
that the caller waits for himself: some 50 us less a sync, wall and processor (two cores, 3.11).

Invariants
- A thread is in `idle`, or at a call, or on its way out; whoever takes it out of `idle` has it.
- A call that has started runs to its end, whether or not somebody still waits for it.
- A limiter's token is held until the call is through, so stuck calls never pile up threads.
- The thread of a call that was left ends with it, and nobody else waits behind a stuck one.
"""

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable

import outcome
import trio

IDLE_SECONDS_MAX = 1.0


class KeptThreads:
    """The threads that wait for calls; each ends when it had none for a while."""

    def __init__(self) -> None:
        self._idle: list[_KeptThread] = []

    def take(self) -> "_KeptThread | None":
        """Return a thread that waits for a call, maybe a new one; None if there is no bell for it.

        `OSError` if no thread can be started.
        """
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            bell = _make_bell()
        except OSError:
            return None
        return _KeptThread(bell, self._idle)


class _KeptThread:
    """One thread, and what it and the loop tell each other."""

    def __init__(self, bell: int, idle: "list[_KeptThread]") -> None:
        self._bell = bell
        self._idle = idle
        self._mutex = threading.Lock()  # between the end of a call and its caller
        self._handed = threading.Lock()  # released when there is a call
        self._handed.acquire()
        self._function: Callable[[], None] | None = None
        self._outcomes: list[outcome.Outcome[None]] = []  # at most one
        self._left: Callable[[], None] | None = None
        try:
            trio.lowlevel.start_thread_soon(self._serve, lambda _: None)
        except RuntimeError as error:
            os.close(bell)
            raise OSError(errno.EAGAIN, str(error)) from error

    async def run(
        self,
        function: Callable[[], None],
        give_back: Callable[[], None],
        patience_seconds: float,
    ) -> None:
        """Run `function` in the thread, and call `give_back` on the loop when that is through.

        A caller that is cancelled meanwhile gets the result if it comes within `patience_seconds`.
        """
        token = trio.lowlevel.current_trio_token()
        self._function = function
        self._handed.release()
        try:
            await trio.lowlevel.wait_readable(self._bell)
        except BaseException as interruption:
            # Whatever came: the thread is let go before anything is raised.
            try:
                if isinstance(interruption, trio.Cancelled | KeyboardInterrupt):
                    with trio.move_on_after(patience_seconds, shield=True):
                        await trio.lowlevel.wait_readable(self._bell)
            finally:
                result = self._end_or_leave(give_back, token)
            if result is None or not isinstance(interruption, trio.Cancelled):
                raise
        else:
            result = self._end(give_back)
        try:
            result.unwrap()
        finally:
            del result  # no cycle keeps an error alive

    def _end(self, give_back: Callable[[], None]) -> "outcome.Outcome[None]":
        """Take the end of a call, and let the thread wait for the next."""
        _quieten(self._bell)
        result = self._outcomes.pop()
        self._idle.append(self)
        give_back()
        return result

    def _end_or_leave(
        self, give_back: Callable[[], None], token: trio.lowlevel.TrioToken
    ) -> "outcome.Outcome[None] | None":
        """Take the end of a call, or leave the thread alone with it: None."""
        with self._mutex:
            if not self._outcomes:
                self._left = lambda: token.run_sync_soon(give_back)
                return None
        return self._end(give_back)

    def _serve(self) -> None:
        """Make calls until there are none, or one was left."""
        while True:
            if self._handed.acquire(timeout=IDLE_SECONDS_MAX):
                if self._call() is not None:
                    break
            else:
                try:
                    self._idle.remove(self)
                except ValueError:
                    continue  # a call is about to come, or its end to be taken
                break
        os.close(self._bell)
        if self._left is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._left()

    def _call(self) -> Callable[[], None] | None:
        function, self._function = self._function, None
        assert function is not None, "a thread is woken for a call"
        result = outcome.capture(function)
        del function
        with self._mutex:
            if self._left is None:
                self._outcomes.append(result)
                _ring(self._bell)  # inside: who finds the end has the ring, too
        return self._left


if sys.platform == "linux":

    def _make_bell() -> int:
        return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def _ring(bell: int) -> None:
        os.eventfd_write(bell, 1)

    def _quieten(bell: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(bell)

else:

    def _make_bell() -> int:
        raise OSError(errno.ENOSYS, "there are no eventfds here")

    def _ring(bell: int) -> None:
        raise AssertionError(f"{bell} is no bell")

    def _quieten(bell: int) -> None:
        raise AssertionError(f"{bell} is no bell")

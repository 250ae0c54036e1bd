"""How the backend makes one blocking call on behalf of one operation.

Each call is a cancellation point, refuses in a forked child, runs in a thread (a sync in the kernel,
where that can; in a worker process, where nothing else waits, all run on the calling thread), and
has its errors translated.

Invariants
- Reads, changes of bytes and changes of names have limiters of their own: a device that is stuck
  syncing does not keep anybody from reading.
- Cancellation leaves a read at once, and a change only when it has been stuck for
  `patience_seconds`; a change that was left so still runs to its end.
- While a change of a name is in flight, `when_names_are_settled` holds its actions back.
"""

import errno
from collections.abc import Callable
from typing import TypeVar

import trio

from io_backends.errors import DeviceError
from io_backends.file import fork
from io_backends.file.kept import KeptThreads
from io_backends.file.kernel_syncs import Begun, KernelSyncs
from io_backends.file.threads import hand_to_thread, run_in_thread
from io_backends.file.translate import translated, translating

T = TypeVar("T")


class Calls:
    """Makes blocking calls; shared by a backend and its files and locks."""

    def __init__(
        self, *, reads_max: int, changes_max: int, patience_seconds: float, direct: bool
    ) -> None:
        self.origin = fork.origin()
        self.direct = direct
        self._patience_seconds = patience_seconds
        self._reads = trio.CapacityLimiter(reads_max)
        self._changes = trio.CapacityLimiter(changes_max)
        self._names = trio.CapacityLimiter(changes_max)
        self._kept = KeptThreads()
        self._kernel = KernelSyncs(changes_max)
        self._waiting: list[Callable[[], None]] = []

    async def read(
        self,
        operation: str,
        path: str,
        function: Callable[[], T],
        discard: Callable[[T], None] = lambda _: None,
    ) -> T:
        """Return `function()`, which changes nothing."""
        await self._enter(operation, path)
        with translating(operation, path):
            if self.direct:
                return function()
            return await run_in_thread(
                function, self._reads, patience_seconds=0, discard=discard
            )

    async def read_bytes(
        self, operation: str, path: str, function: Callable[[], bytes]
    ) -> bytes:
        """Return `function()`, which reads what the system's cache does not have."""
        got: list[bytes] = []
        await self._enter(operation, path)
        with translating(operation, path):
            if self.direct:
                return function()
            await self._run_kept(lambda: got.append(function()), self._reads, 0)
        return got.pop()

    async def change(
        self, operation: str, path: str, function: Callable[[], None]
    ) -> None:
        """Run `function`, which changes or syncs a file's bytes."""
        await self._enter(operation, path)
        try:  # every sync comes by here: `translating` would take 2 us
            if self.direct:
                function()
            else:
                await self._run_kept(function, self._changes, self._patience_seconds)
        except OSError as error:
            raise translated(error, operation, path) from error
        except ValueError as error:
            raise DeviceError(operation, path, errno.EINVAL, str(error)) from error

    async def sync(self, path: str, number: int, function: Callable[[], None]) -> None:
        """Sync the file with this descriptor, which is open now; `function` does so in a thread."""
        if not self.direct:
            await self._enter("sync", path)
            try:
                if await self._kernel.sync(number, self._patience_seconds):
                    return
            except OSError as error:
                raise translated(error, "sync", path) from error
        await self.change("sync", path, function)

    def begin_sync(self, number: int) -> Begun | None:
        """Begin to sync this descriptor's file, where that takes no thread."""
        return None if self.direct else self._kernel.begin(number)

    async def end_sync(self, path: str, begun: Begun) -> None:
        """Wait for the end of a sync."""
        try:
            await self._kernel.end(begun, self._patience_seconds)
        except OSError as error:
            raise translated(error, "sync", path) from error

    def let_go_of_syncs(self) -> None:
        """Leave to other backends what the kernel has for syncs."""
        self._kernel.let_go()

    def leave_sync(self, begun: Begun) -> None:
        """Ask for the end of a sync no more."""
        self._kernel.leave(begun)

    async def _run_kept(
        self,
        function: Callable[[], None],
        limiter: trio.CapacityLimiter,
        patience_seconds: float,
    ) -> None:
        """Run `function` in a thread that is kept, where there are such."""
        call = object()
        try:
            # Else a turn of the loop would go by before the call begins.
            limiter.acquire_on_behalf_of_nowait(call)
        except trio.WouldBlock:
            await limiter.acquire_on_behalf_of(call)

        def give_back() -> None:
            limiter.release_on_behalf_of(call)

        try:
            thread = self._kept.take()
        except BaseException:
            give_back()
            raise
        if thread is not None:
            await thread.run(function, give_back, patience_seconds)
        else:
            give_back()
            await run_in_thread(function, limiter, patience_seconds=patience_seconds)

    async def change_name(
        self,
        operation: str,
        path: str,
        function: Callable[[], T],
        discard: Callable[[T], None] = lambda _: None,
    ) -> T:
        """Return `function()`, which changes or syncs names in a folder."""
        await self._enter(operation, path)
        with translating(operation, path):
            if self.direct:
                return function()
            return await run_in_thread(
                function,
                self._names,
                patience_seconds=self._patience_seconds,
                discard=discard,
                returned=self._settle,
            )

    async def let_go(self, function: Callable[[], None]) -> None:
        """Run `function`, which closes something, even when cancelled or short of threads."""
        if self.direct:
            function()
        else:
            await hand_to_thread(function)

    def when_names_are_settled(self, action: Callable[[], None]) -> None:
        """Do `action` when no change of a name is in flight: mostly at once."""
        self._waiting.append(action)
        self._settle()

    def _settle(self) -> None:
        while self._waiting and not self._names.borrowed_tokens:
            self._waiting.pop()()

    async def _enter(self, operation: str, path: str) -> None:
        self.origin.check(operation, path)
        await trio.lowlevel.checkpoint_if_cancelled()

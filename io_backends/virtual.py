"""`VirtualIo`: an `Io` over a `VirtualDisk`, without threads, clocks or chance.

`pace.py` says when an operation takes effect between its call and its return.

Invariants
- After `power_off` nothing reaches the disk and every operation raises `PowerLostError`, those in
  flight when their wait ends. Closing and releasing stay silent, so that `finally` blocks unwind.
- Locks exclude each other between all `VirtualIo` on the same disk object, and die with it.
- Each call is one effect on the disk, in one synchronous step.
"""

from collections.abc import Awaitable, Callable
from random import Random

import trio

from io_backends.disk import LockHolder, VirtualDisk
from io_backends.faults import OpKind
from io_backends.handles import Handle
from io_backends.inline import run_inline
from io_backends.pace import Delay, Latency, Pace, shielded
from io_backends.protocol import File, Io, Lock, Stat

_EPOCH_SECONDS = 1_700_000_000.0


class VirtualIo:
    """One simulated process's view of a disk.

    `delay_shielded` is a `delay` that no cancellation ends; default: it, under a shield.
    `latency` is seconds, or a function of the kind of operation and its length in bytes.
    `cached` says whether `read_at_nowait` of (path, offset, length) can answer; default: always.
    `tokens` is where `token()` draws from; default: a counter kept on the disk. `wall_clock`
    defaults to a fixed epoch plus trio's time. `pid` names this process in `LockedError`.
    """

    def __init__(  # noqa: PLR0913 all but the disk have defaults
        self,
        disk: VirtualDisk,
        *,
        delay: Delay = trio.sleep,
        delay_shielded: Delay | None = None,
        latency: Latency | float = 0.0,
        cached: Callable[[str, int, int], bool] | None = None,
        tokens: Random | None = None,
        wall_clock: Callable[[], float] | None = None,
    ) -> None:
        self.disk = disk
        self.pid = disk.take_pid()
        self._pace = Pace(delay, delay_shielded or shielded(delay), latency)
        self._cached = cached
        self._tokens = tokens
        self._wall_clock = wall_clock

    @property
    def is_powered(self) -> bool:
        return self._pace.is_powered

    def power_off(self) -> None:
        """Lose power: from now on this `Io` changes nothing and answers nothing."""
        self._pace.is_powered = False

    async def open(self, path: str, *, writable: bool = False) -> File:
        handle = await self._pace.answer(
            OpKind.OPEN, path, lambda: self.disk.open(path, writable=writable)
        )
        return self._file(handle)

    async def create_exclusive(self, path: str) -> File:
        handle = await self._pace.change(
            OpKind.CREATE, path, lambda: self.disk.create(path)
        )
        return self._file(handle)

    async def rename(self, source: str, target: str) -> None:
        await self._pace.change(
            OpKind.RENAME, source, lambda: self.disk.rename(source, target)
        )

    async def remove(self, path: str) -> None:
        await self._pace.change(OpKind.REMOVE, path, lambda: self.disk.remove(path))

    async def list(self, path: str) -> list[str]:
        return await self._pace.answer(
            OpKind.LIST, path, lambda: self.disk.list_dir(path)
        )

    async def make_dir(self, path: str) -> None:
        await self._pace.change(OpKind.MAKE_DIR, path, lambda: self.disk.make_dir(path))

    async def link(self, source: str, target: str) -> None:
        await self._pace.change(
            OpKind.LINK, source, lambda: self.disk.link(source, target)
        )

    async def sync_dir(self, path: str) -> None:
        await self._pace.settle(
            OpKind.SYNC_DIR,
            path,
            lambda: self.disk.dir_mark(path),
            lambda mark: self.disk.sync_dir(path, mark),
        )

    async def lock(self, path: str) -> Lock:
        holder = LockHolder(self.pid, self.wall_time())
        key = await self._pace.change(
            OpKind.LOCK, path, lambda: self.disk.lock(path, holder)
        )
        return VirtualLock(self.disk, key, holder)

    async def stat(self, path: str) -> Stat:
        return await self._pace.answer(OpKind.STAT, path, lambda: self.disk.stat(path))

    async def free_space(self, path: str) -> int:
        await self._pace.answer(OpKind.FREE_SPACE, path, lambda: self.disk.stat(path))
        return self.disk.free_bytes

    def wall_time(self) -> float:
        if self._wall_clock is not None:
            return self._wall_clock()
        return _EPOCH_SECONDS + trio.current_time()

    def token(self) -> bytes:
        if self._tokens is not None:
            return self._tokens.randbytes(16)
        return self.disk.take_token()

    async def run_job(
        self, function: Callable[[Io, bytes], Awaitable[bytes]], argument: bytes
    ) -> bytes:
        await self._pace.begin(OpKind.RUN_JOB, "")
        return await run_inline(self, function, argument)

    async def aclose(self) -> None:
        """Nothing to end: no process was started."""
        await trio.lowlevel.checkpoint_if_cancelled()

    def _file(self, handle: Handle) -> "VirtualFile":
        return VirtualFile(self.disk, handle, self._pace, self._cached)


class VirtualFile:
    """An open file of a `VirtualIo`."""

    def __init__(
        self,
        disk: VirtualDisk,
        handle: Handle,
        pace: Pace,
        cached: Callable[[str, int, int], bool] | None,
    ) -> None:
        self._disk = disk
        self._handle = handle
        self._pace = pace
        self._cached = cached
        self.path = handle.path

    async def read_at(self, offset: int, length: int) -> bytes:
        return await self._pace.answer(
            OpKind.READ,
            self.path,
            lambda: self._disk.read_at(self._handle, offset, length),
            length,
        )

    def read_at_nowait(self, offset: int, length: int) -> bytes:
        self._pace.check_power(OpKind.READ_NOWAIT, self.path)
        data = self._disk.read_at(self._handle, offset, length)
        if self._cached is not None and not self._cached(self.path, offset, length):
            raise trio.WouldBlock
        return data

    async def write_at(self, offset: int, data: bytes) -> None:
        await self._pace.change(
            OpKind.WRITE,
            self.path,
            lambda: self._disk.write_at(self._handle, offset, data),
            len(data),
        )

    def write_at_nowait(self, offset: int, data: bytes) -> None:
        self._pace.check_power(OpKind.WRITE_NOWAIT, self.path)
        self._disk.write_at(self._handle, offset, data)

    def hasten_sync(self) -> None:
        """Nothing: at a power cut any of what is not synced may be there as it is."""

    async def sync(self) -> None:
        await self._pace.settle(
            OpKind.SYNC,
            self.path,
            lambda: self._disk.sync_mark(self._handle),
            lambda mark: self._disk.sync(self._handle, mark),
        )

    async def truncate(self, length: int) -> None:
        await self._pace.change(
            OpKind.TRUNCATE,
            self.path,
            lambda: self._disk.truncate(self._handle, length),
        )

    async def allocate(self, length: int) -> None:
        await self._pace.change(
            OpKind.ALLOCATE,
            self.path,
            lambda: self._disk.allocate(self._handle, length),
        )

    async def size(self) -> int:
        return await self._pace.answer(
            OpKind.SIZE, self.path, lambda: self._disk.size(self._handle)
        )

    async def aclose(self) -> None:
        self._disk.close(self._handle)
        await trio.lowlevel.checkpoint_if_cancelled()

    def fail_sync(self, *, drop_pages: bool, synced_share: float = 0.0) -> None:
        """Do what a failing sync does; how `FaultyIo` makes a sync fail."""
        if self._pace.is_powered:
            self._disk.fail_sync(
                self._handle, drop_pages=drop_pages, synced_share=synced_share
            )


class VirtualLock:
    """A lock held by a `VirtualIo`."""

    def __init__(self, disk: VirtualDisk, key: int, holder: LockHolder) -> None:
        self._disk = disk
        self._key = key
        self._holder = holder

    def release(self) -> None:
        self._disk.unlock(self._key, self._holder)

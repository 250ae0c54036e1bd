"""Do the same to a real disk and to a `VirtualDisk`, up to the cut.

What has returned is pending on the virtual disk, and at the cut what is under way as well; a sync
makes durable, once it has returned, what was there when it began. So whatever the real disk may
hold after a cut has to be something that the virtual one allows.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

from io_backends import File, FileIo, Io, IoError, Lock, Stat, VirtualDisk
from io_backends.handles import Handle

Change = Callable[[], object]
T = TypeVar("T")


class MirrorIo:
    """The real filesystem, and a `VirtualDisk` that is told of everything.

    `found` is what both hold in the beginning, all of it durable. `disturb` is called before
    every change; `cut` takes the power from the real disk.
    """

    def __init__(
        self,
        found: Mapping[str, bytes | None],
        *,
        cut: Callable[[], None],
        disturb: Callable[[], None],
    ) -> None:
        self.real = FileIo()
        self.disk = disk_holding(found)
        self.is_dark = False
        self.disturb = disturb
        self._cut = cut
        self._under_way: dict[object, Change] = {}

    def power_off(self) -> None:
        """Cut the power; what is under way may have happened, and what returns now is unheard."""
        self._cut()
        for change in self._under_way.values():
            with suppress(IoError):
                change()
        self.is_dark = True

    async def change(self, mirrored: Change, real: Awaitable[T]) -> T:
        """Change both disks. Of a change that is cancelled nobody knows whether it happens."""
        self.disturb()
        token = object()
        self._under_way[token] = mirrored
        try:
            result = await real
        except IoError:
            del self._under_way[token]
            raise
        del self._under_way[token]
        if not self.is_dark:
            mirrored()
        return result

    async def open(self, path: str, *, writable: bool = False) -> File:
        real = await self.real.open(path, writable=writable)
        handle = None if path.endswith("lock") else self.disk.open(path, writable=True)
        return MirrorFile(self, real, handle)

    async def create_exclusive(self, path: str) -> File:
        made: list[Handle] = []
        real = await self.change(
            lambda: made.append(self.disk.create(path)),
            self.real.create_exclusive(path),
        )
        return MirrorFile(self, real, made[0])

    async def rename(self, source: str, target: str) -> None:
        await self.change(
            lambda: self.disk.rename(source, target), self.real.rename(source, target)
        )

    async def remove(self, path: str) -> None:
        await self.change(lambda: self.disk.remove(path), self.real.remove(path))

    async def link(self, source: str, target: str) -> None:
        await self.change(
            lambda: self.disk.link(source, target), self.real.link(source, target)
        )

    async def make_dir(self, path: str) -> None:
        await self.change(lambda: self.disk.make_dir(path), self.real.make_dir(path))

    async def sync_dir(self, path: str) -> None:
        self.disturb()
        mark = self.disk.dir_mark(path)
        await self.real.sync_dir(path)
        if not self.is_dark:
            self.disk.sync_dir(path, mark)

    async def list(self, path: str) -> list[str]:
        return await self.real.list(path)

    async def lock(self, path: str) -> Lock:
        return await self.real.lock(path)

    async def stat(self, path: str) -> Stat:
        return await self.real.stat(path)

    async def free_space(self, path: str) -> int:
        return await self.real.free_space(path)

    def wall_time(self) -> float:
        return self.real.wall_time()

    def token(self) -> bytes:
        return self.real.token()

    async def run_job(
        self, function: Callable[[Io, bytes], Awaitable[bytes]], argument: bytes
    ) -> bytes:
        raise NotImplementedError("jobs run inline above")

    async def aclose(self) -> None:
        await self.real.aclose()


def disk_holding(found: Mapping[str, bytes | None]) -> VirtualDisk:
    """Return a disk that holds these files, durably; None is a folder."""
    disk = VirtualDisk()
    for path, content in sorted(found.items()):
        if content is None:
            disk.make_dir(path)
        else:
            handle = disk.create(path)
            disk.write_at(handle, 0, content)
            disk.close(handle)
    disk.sync_everything()
    return disk


class MirrorFile:
    """A file that was opened on both disks; of the lock the virtual one knows nothing."""

    def __init__(self, io: MirrorIo, real: File, handle: Handle | None) -> None:
        self._io, self._real, self._handle = io, real, handle

    @property
    def path(self) -> str:
        return self._real.path

    async def read_at(self, offset: int, length: int) -> bytes:
        return await self._real.read_at(offset, length)

    def read_at_nowait(self, offset: int, length: int) -> bytes:
        return self._real.read_at_nowait(offset, length)

    async def write_at(self, offset: int, data: bytes) -> None:
        await self._io.change(
            lambda: self._write(offset, data), self._real.write_at(offset, data)
        )

    def write_at_nowait(self, offset: int, data: bytes) -> None:
        self._io.disturb()
        self._real.write_at_nowait(offset, data)
        self._write(offset, data)

    async def truncate(self, length: int) -> None:
        disk, handle = self._io.disk, self._handle
        if handle is not None:
            mirrored = partial(disk.truncate, handle, length)
            await self._io.change(mirrored, self._real.truncate(length))

    async def allocate(self, length: int) -> None:
        disk, handle = self._io.disk, self._handle
        if handle is not None:
            mirrored = partial(disk.allocate, handle, length)
            await self._io.change(mirrored, self._real.allocate(length))

    def hasten_sync(self) -> None:
        self._real.hasten_sync()

    async def sync(self) -> None:
        self._io.disturb()
        if self._handle is None:
            await self._real.sync()
            return
        mark = self._io.disk.sync_mark(self._handle)
        await self._real.sync()
        if not self._io.is_dark:
            self._io.disk.sync(self._handle, mark)

    async def size(self) -> int:
        return await self._real.size()

    async def aclose(self) -> None:
        if self._handle is not None:
            self._io.disk.close(self._handle)
        await self._real.aclose()

    def _write(self, offset: int, data: bytes) -> None:
        if self._handle is not None:
            self._io.disk.write_at(self._handle, offset, data)

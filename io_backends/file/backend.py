"""`FileIo`: the `Io` over the real filesystem.

Invariants
- Nothing but the `IoError` family leaves it (and `trio.Cancelled`, `trio.WouldBlock`, `TypeError`).
- Blocking calls are made by `Calls`, which keeps them off the event loop.
- A descriptor that was opened is either handed to the caller or closed.
"""

import os
import secrets
import stat
import sys
import time

from io_backends.errors import (
    NotAFolderError,
    UnsupportedPlatformError,
)
from io_backends.file.calls import Calls
from io_backends.file.handle import FileHandle
from io_backends.file.lock import FileLock, give_up_lock, take_lock
from io_backends.file.messages import job_name
from io_backends.file.system import sync_folder
from io_backends.file.workers import Workers
from io_backends.inline import run_inline
from io_backends.jobs import Job
from io_backends.protocol import Stat


class FileIo:
    """Names, files, locks, time and worker processes of this machine.

    Args:
        reads_max: How many blocking reads may be under way at once, each in a thread.
        changes_max: The same for writes and syncs, and once more for changes of names.
        jobs_max: How many worker processes there may be. None is started before the first job.
        patience_seconds: How long a cancelled caller still waits for a change that is stuck.
        direct: Make blocking calls and run jobs on the calling thread: for worker processes,
            where nothing else is waiting.
    """

    def __init__(
        self,
        *,
        reads_max: int = 16,
        changes_max: int = 8,
        jobs_max: int = 2,
        patience_seconds: float = 5.0,
        direct: bool = False,
    ) -> None:
        if sys.platform not in ("linux", "darwin"):
            detail = "the real filesystem is supported on Linux and macOS"
            raise UnsupportedPlatformError("use", sys.platform, detail=detail)
        self._calls = Calls(
            reads_max=reads_max,
            changes_max=changes_max,
            patience_seconds=patience_seconds,
            direct=direct,
        )
        self._workers = Workers(jobs_max, patience_seconds)
        self._direct = direct

    async def open(self, path: str, *, writable: bool = False) -> FileHandle:
        flags = os.O_RDWR if writable else os.O_RDONLY
        number = await self._calls.read(
            "open", path, lambda: _open_regular(path, flags), os.close
        )
        return FileHandle(number, path, self._calls)

    async def create_exclusive(self, path: str) -> FileHandle:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        number = await self._calls.change_name(
            "create_exclusive", path, lambda: os.open(path, flags, 0o644), os.close
        )
        return FileHandle(number, path, self._calls)

    async def rename(self, source: str, target: str) -> None:
        await self._calls.change_name(
            "rename", source, lambda: os.rename(source, target)
        )

    async def remove(self, path: str) -> None:
        await self._calls.change_name("remove", path, lambda: os.unlink(path))

    async def list(self, path: str) -> list[str]:
        return await self._calls.read("list", path, lambda: sorted(os.listdir(path)))

    async def make_dir(self, path: str) -> None:
        await self._calls.change_name("make_dir", path, lambda: os.mkdir(path))

    async def link(self, source: str, target: str) -> None:
        await self._calls.change_name("link", source, lambda: os.link(source, target))

    async def sync_dir(self, path: str) -> None:
        await self._calls.change_name("sync_dir", path, lambda: sync_folder(path))

    async def lock(self, path: str) -> FileLock:
        descriptor = await self._calls.change_name(
            "lock", path, lambda: take_lock(path), give_up_lock
        )
        return FileLock(descriptor, self._calls)

    async def stat(self, path: str) -> Stat:
        found = await self._calls.read("stat", path, lambda: os.stat(path))
        is_dir = stat.S_ISDIR(found.st_mode)
        return Stat(size=0 if is_dir else found.st_size, is_dir=is_dir)

    async def free_space(self, path: str) -> int:
        space = await self._calls.read("free_space", path, lambda: os.statvfs(path))
        return space.f_bavail * space.f_frsize

    def wall_time(self) -> float:
        self._calls.origin.check("wall_time", "")
        return time.time()

    def token(self) -> bytes:
        self._calls.origin.check("token", "")
        return secrets.token_bytes(16)

    async def run_job(self, function: Job, argument: bytes) -> bytes:
        name = job_name(function)
        self._calls.origin.check("run_job", name)
        if self._direct:
            return await run_inline(self, function, argument)
        return await self._workers.run(function, argument)

    async def aclose(self) -> None:
        self._calls.origin.check("aclose", "")
        self._calls.let_go_of_syncs()
        await self._workers.aclose()


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file; a pipe must not hang us, nor a folder pass for a file."""
    number = os.open(path, flags | os.O_NONBLOCK)
    try:
        is_regular = stat.S_ISREG(os.fstat(number).st_mode)
    except BaseException:
        os.close(number)
        raise
    if is_regular:
        return number
    os.close(number)
    raise NotAFolderError("open", path, detail="not a regular file")

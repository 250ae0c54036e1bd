"""Where bytes live: `Io` names and opens files, `File` reads and writes them by offset.

This is the durability contract. A backend promises this, and nothing more:

- `write_at` is visible to later reads at once, durable never. A killed process keeps every byte
  whose `write_at` returned. A power cut before `sync` returns may keep any subset of the unsynced
  sectors (512 bytes), in any order, whole, torn or garbage; the file's length may be the old one,
  the new one, or between.
- A new, renamed or removed *name* is durable only after `sync_dir` of its folder; until then a
  power cut may keep either.
- A `sync` that failed says nothing about what is on disk, and a later successful `sync` proves
  nothing about those bytes; nor does what a read of that file shows in this boot. That file is
  finished with.
- `rename` replaces atomically: a crash shows the old or the new file under the name, never a
  mixture.
- Reads and writes are whole or an error; listings are sorted.
- Every `async` method is a cancellation point before it starts. Once started, an operation that
  changes something runs to its end: cancellation never tears it.

Paths are strings with `/` between parts, relative or absolute; a backend never changes the
current folder.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs


@attrs.frozen
class Stat:
    """What `Io.stat` tells: size in bytes (0 for a folder) and whether it is a folder."""

    size: int
    is_dir: bool


class Lock(Protocol):
    """An exclusive lock that is held until `release` or until the process ends."""

    def release(self) -> None:
        """Let go. Never blocks, never raises, idempotent."""
        ...


class File(Protocol):
    """An open file, read and written by offset. Offsets and lengths are bytes."""

    @property
    def path(self) -> str: ...

    async def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes; `EndOfFileError` if the file has fewer."""
        ...

    def read_at_nowait(self, offset: int, length: int) -> bytes:
        """Answer from the page cache, or raise `trio.WouldBlock`. Never waits for a device."""
        ...

    async def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data`, growing the file if needed. Visible at once, durable never."""
        ...

    def write_at_nowait(self, offset: int, data: bytes) -> None:
        """Copy a small write into the page cache, or raise `trio.WouldBlock` and write nothing."""
        ...

    def hasten_sync(self) -> None:
        """Begin with a sync that will be asked for at once, where that costs no wait.

        Promises nothing and never raises: only `sync` makes durable, and tells what went wrong.
        """
        ...

    async def sync(self) -> None:
        """Make every byte whose write returned before this call durable, and the length."""
        ...

    async def truncate(self, length: int) -> None:
        """Set the length; new bytes read as zero. Not durable before `sync`."""
        ...

    async def allocate(self, length: int) -> None:
        """Reserve space up to `length` and grow the file to it with zeros; never shrinks."""
        ...

    async def size(self) -> int: ...

    async def aclose(self) -> None:
        """Let go of the file. Idempotent; closes also when cancelled; does not sync."""
        ...


class Io(Protocol):
    """Names, folders, locks, time, and where CPU-heavy work runs."""

    async def open(self, path: str, *, writable: bool = False) -> File:
        """Open an existing file. `NotFoundError`, `AccessError`, `NotAFolderError` for a folder."""
        ...

    async def create_exclusive(self, path: str) -> File:
        """Create a new, empty, writable file. `ExistsError` if the name is taken."""
        ...

    async def rename(self, source: str, target: str) -> None: ...

    async def remove(self, path: str) -> None:
        """Remove a file's name. Open handles keep reading it."""
        ...

    async def list(self, path: str) -> list[str]:
        """Return the names in a folder, sorted. `NotFoundError`, `NotAFolderError`."""
        ...

    async def make_dir(self, path: str) -> None:
        """Create one folder; its parent must exist. `ExistsError` if the name is taken."""
        ...

    async def link(self, source: str, target: str) -> None:
        """Give a file a second name (hard link). `ExistsError` if the name is taken."""
        ...

    async def sync_dir(self, path: str) -> None:
        """Make every name created, renamed or removed in this folder before the call durable."""
        ...

    async def lock(self, path: str) -> Lock:
        """Take the exclusive lock kept in file `path` (made if absent), or `LockedError` at once."""
        ...

    async def stat(self, path: str) -> Stat: ...

    async def free_space(self, path: str) -> int:
        """Bytes that can still be written below folder `path`."""
        ...

    def wall_time(self) -> float:
        """Seconds since the epoch; may jump. Monotonic time is `trio.current_time()`."""
        ...

    def token(self) -> bytes:
        """16 bytes that no other call of any process ever returned."""
        ...

    async def run_job(
        self, function: Callable[["Io", bytes], Awaitable[bytes]], argument: bytes
    ) -> bytes:
        """Run `await function(io, argument)` where CPU-heavy work may run, on the same files.

        `function` is a module-level coroutine function; argument and result are bytes. A failure
        inside is `JobError` with its text. Cancellation stops the job (its worker, if it has one)
        and leaves what it wrote.
        """
        ...

    async def aclose(self) -> None:
        """End what the backend itself started (worker processes). Idempotent; files stay open."""
        ...

"""The shape that decorators of an `Io` share: every operation is numbered and passes one gate.

A decorator implements `around` and `around_nowait`; this module knows the operations. Jobs run
inline against the decorator itself, also over a backend that has worker processes, so that the
operations of a job pass the gate too.

Invariants
- Operations are numbered from 0 in the order of their start, nowait twins and jobs included.
- A decorated file has every method of `File`; closing passes no gate and is never refused.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, runtime_checkable

import trio

from io_backends.faults import Op, OpKind
from io_backends.inline import run_inline
from io_backends.protocol import File, Io, Lock, Stat

T = TypeVar("T")
Spoil = Callable[[bool, float], None]


@runtime_checkable
class CanLosePower(Protocol):
    """An `Io` whose power can be cut."""

    def power_off(self) -> None: ...


@runtime_checkable
class CanFailSync(Protocol):
    """A `File` that can do what a failing sync does to its pages."""

    def fail_sync(self, *, drop_pages: bool, synced_share: float = 0.0) -> None: ...


@runtime_checkable
class CanRelease(Protocol):
    """A lock."""

    def release(self) -> None: ...


class InterceptingIo(ABC):
    """An `Io` over another one, with a gate around each operation."""

    def __init__(self, inner: Io) -> None:
        self.inner = inner
        self.op_count = 0
        self._open_files: dict[InterceptingFile, None] = {}

    @abstractmethod
    async def around(
        self,
        op: Op,
        run: Callable[[], Awaitable[T]],
        *,
        half: Callable[[], Awaitable[None]] | None = None,
        spoil: Spoil | None = None,
    ) -> T:
        """Run the operation, or not. `half` does half of a write, `spoil` breaks a sync."""

    @abstractmethod
    def around_nowait(
        self, op: Op, run: Callable[[], T], *, half: Callable[[], None] | None = None
    ) -> T:
        """Do the same to a nowait twin."""

    def note_write(  # noqa: B027 a hook that most decorators leave empty
        self, path: str, offset: int, data: bytes
    ) -> None:
        """Hear of bytes that are about to be written."""

    def place_of_write(self, path: str, offset: int) -> int:
        """Return where the bytes of a write go: where they belong."""
        return offset

    @property
    def open_handles(self) -> list[str]:
        """Paths of the files opened through this decorator and not closed."""
        return [file.path for file in self._open_files]

    def power_off(self) -> None:
        """Cut the power of what is below, if it can be cut."""
        if isinstance(self.inner, CanLosePower):
            self.inner.power_off()

    def next_op(
        self,
        kind: OpKind,
        path: str,
        offset: int = 0,
        length: int = 0,
        target: str = "",
    ) -> Op:
        op = Op(self.op_count, kind, path, offset, length, target)
        self.op_count += 1
        return op

    def forget(self, file: "InterceptingFile") -> None:
        self._open_files.pop(file, None)

    async def open(self, path: str, *, writable: bool = False) -> File:
        op = self.next_op(OpKind.OPEN, path)
        return await self.around(op, lambda: self._opened(path, writable=writable))

    async def create_exclusive(self, path: str) -> File:
        op = self.next_op(OpKind.CREATE, path)
        return await self.around(op, lambda: self._created(path))

    async def rename(self, source: str, target: str) -> None:
        op = self.next_op(OpKind.RENAME, source, target=target)
        await self.around(op, lambda: self.inner.rename(source, target))

    async def remove(self, path: str) -> None:
        op = self.next_op(OpKind.REMOVE, path)
        await self.around(op, lambda: self.inner.remove(path))

    async def list(self, path: str) -> list[str]:
        op = self.next_op(OpKind.LIST, path)
        return await self.around(op, lambda: self.inner.list(path))

    async def make_dir(self, path: str) -> None:
        op = self.next_op(OpKind.MAKE_DIR, path)
        await self.around(op, lambda: self.inner.make_dir(path))

    async def link(self, source: str, target: str) -> None:
        op = self.next_op(OpKind.LINK, source, target=target)
        await self.around(op, lambda: self.inner.link(source, target))

    async def sync_dir(self, path: str) -> None:
        op = self.next_op(OpKind.SYNC_DIR, path)
        await self.around(op, lambda: self.inner.sync_dir(path))

    async def lock(self, path: str) -> Lock:
        op = self.next_op(OpKind.LOCK, path)
        return await self.around(op, lambda: self.inner.lock(path))

    async def stat(self, path: str) -> Stat:
        op = self.next_op(OpKind.STAT, path)
        return await self.around(op, lambda: self.inner.stat(path))

    async def free_space(self, path: str) -> int:
        op = self.next_op(OpKind.FREE_SPACE, path)
        return await self.around(op, lambda: self.inner.free_space(path))

    def wall_time(self) -> float:
        return self.inner.wall_time()

    def token(self) -> bytes:
        return self.inner.token()

    async def run_job(
        self, function: Callable[[Io, bytes], Awaitable[bytes]], argument: bytes
    ) -> bytes:
        op = self.next_op(OpKind.RUN_JOB, "", length=len(argument))
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self.around(op, lambda: run_inline(self, function, argument))

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def _opened(self, path: str, *, writable: bool) -> File:
        return self._wrapped(await self.inner.open(path, writable=writable))

    async def _created(self, path: str) -> File:
        return self._wrapped(await self.inner.create_exclusive(path))

    def _wrapped(self, inner: File) -> File:
        file = InterceptingFile(self, inner)
        self._open_files[file] = None
        return file


class InterceptingFile:
    """A file opened through an `InterceptingIo`."""

    def __init__(self, io: InterceptingIo, inner: File) -> None:
        self._io = io
        self._inner = inner
        self.path = inner.path

    async def read_at(self, offset: int, length: int) -> bytes:
        op = self._io.next_op(OpKind.READ, self.path, offset, length)
        return await self._io.around(op, lambda: self._inner.read_at(offset, length))

    def read_at_nowait(self, offset: int, length: int) -> bytes:
        op = self._io.next_op(OpKind.READ_NOWAIT, self.path, offset, length)
        return self._io.around_nowait(
            op, lambda: self._inner.read_at_nowait(offset, length)
        )

    async def write_at(self, offset: int, data: bytes) -> None:
        op = self._io.next_op(OpKind.WRITE, self.path, offset, len(data))
        await self._io.around(
            op,
            lambda: self._write(offset, data),
            half=lambda: self._write(offset, data[: len(data) // 2]),
        )

    def write_at_nowait(self, offset: int, data: bytes) -> None:
        op = self._io.next_op(OpKind.WRITE_NOWAIT, self.path, offset, len(data))
        self._io.around_nowait(
            op,
            lambda: self._write_nowait(offset, data),
            half=lambda: self._write_nowait(offset, data[: len(data) // 2]),
        )

    def hasten_sync(self) -> None:
        self._inner.hasten_sync()

    async def sync(self) -> None:
        op = self._io.next_op(OpKind.SYNC, self.path)
        await self._io.around(op, self._inner.sync, spoil=self._spoil)

    async def truncate(self, length: int) -> None:
        op = self._io.next_op(OpKind.TRUNCATE, self.path, 0, length)
        await self._io.around(op, lambda: self._inner.truncate(length))

    async def allocate(self, length: int) -> None:
        op = self._io.next_op(OpKind.ALLOCATE, self.path, 0, length)
        await self._io.around(op, lambda: self._inner.allocate(length))

    async def size(self) -> int:
        op = self._io.next_op(OpKind.SIZE, self.path)
        return await self._io.around(op, self._inner.size)

    async def aclose(self) -> None:
        self._io.forget(self)
        await self._inner.aclose()

    def fail_sync(self, *, drop_pages: bool, synced_share: float = 0.0) -> None:
        """Pass on what a decorator above wants a failing sync to do."""
        if isinstance(self._inner, CanFailSync):
            self._inner.fail_sync(drop_pages=drop_pages, synced_share=synced_share)

    def _spoil(self, drop_pages: bool, synced_share: float) -> None:  # noqa: FBT001 - a `Spoil`
        self.fail_sync(drop_pages=drop_pages, synced_share=synced_share)

    async def _write(self, offset: int, data: bytes) -> None:
        self._io.note_write(self.path, offset, data)
        await self._inner.write_at(self._io.place_of_write(self.path, offset), data)

    def _write_nowait(self, offset: int, data: bytes) -> None:
        self._io.note_write(self.path, offset, data)
        self._inner.write_at_nowait(self._io.place_of_write(self.path, offset), data)

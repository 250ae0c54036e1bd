"""An open file: read and written by offset, on the loop where that cannot wait, else in a thread.

Invariants
- Nothing runs on a descriptor after `aclose`, and nothing that still runs loses its own.
- A read on the loop answers from the page cache or not at all.
- A write on the loop is small and goes to the page cache.

A shared mapping would copy 120 bytes three times faster than `pwrite`, and was measured and left
out: a device error, a full copy-on-write filesystem or a truncation by somebody else would reach
the process as SIGBUS, not as an error, however the space was reserved before.
"""

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from io_backends.errors import ClosedFileError, EndOfFileError, IoError
from io_backends.file import fork
from io_backends.file.calls import Calls
from io_backends.file.descriptor import Descriptor
from io_backends.file.system import (
    READ_NOWAIT_FLAG,
    read_all,
    reserve,
    sync_file,
    write_all,
)
from io_backends.file.translate import translated

if TYPE_CHECKING:
    from io_backends.file.kernel_syncs import Begun

# Copying this much into the page cache takes about 50 us, half a thread hop.
WRITE_NOWAIT_BYTES_MAX = 256 * 1024
# The kernel's own worker prepares a sync on the processor of whoever asks: 8 MiB keep that from
# the loop for 1.4 ms. A thread of ours goes where there is room.
SYNC_BESIDE_BYTES_MAX = 1024 * 1024
READ_HERE_BYTES_MAX = (
    256 * 1024
)  # more takes longer than a millisecond from the page cache, too

# How kernels and filesystems say that they do not know READ_NOWAIT_FLAG.
_CANNOT_ASK = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class FileHandle:
    """A `File` over a descriptor that it owns."""

    def __init__(self, number: int, path: str, calls: Calls) -> None:
        self._number = number
        self._descriptor = Descriptor(number, path)
        self._path = path
        self._calls = calls
        self._origin = calls.origin
        self._closed = False
        self._begun: Begun | None = (
            None  # a sync under way that nobody has asked for yet
        )
        self._is_covered = False  # by that: nothing was changed since
        self._size_synced = 0
        self._answers_nowait = READ_NOWAIT_FLAG != 0

    @property
    def path(self) -> str:
        return self._path

    async def read_at(self, offset: int, length: int) -> bytes:
        await trio.lowlevel.checkpoint_if_cancelled()
        if length <= READ_HERE_BYTES_MAX:
            try:
                return self.read_at_nowait(offset, length)
            except trio.WouldBlock:
                pass

        def read() -> bytes:
            with self._descriptor as number:
                return read_all(number, offset, length)

        data = await self._calls.read_bytes("read_at", self._path, read)
        if len(data) < length:
            raise self._end_of_file(offset, length)
        return data

    def read_at_nowait(self, offset: int, length: int) -> bytes:
        if self._closed or self._origin.forked:
            raise self._refusal("read_at")
        if not self._answers_nowait:
            raise trio.WouldBlock
        buffer = bytearray(length)
        try:
            count = os.preadv(self._number, (buffer,), offset, READ_NOWAIT_FLAG)
        except BlockingIOError:
            raise trio.WouldBlock from None
        except OSError as error:
            if error.errno not in _CANNOT_ASK:
                raise translated(error, "read_at", self._path) from error
            self._answers_nowait = False
            raise trio.WouldBlock from None
        if count < length:
            if offset + length > self._size("read_at"):
                raise self._end_of_file(offset, length)
            raise trio.WouldBlock
        return bytes(buffer)

    async def write_at(self, offset: int, data: bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if len(data) <= WRITE_NOWAIT_BYTES_MAX:
            self.write_at_nowait(offset, data)
            return

        def write() -> None:
            with self._descriptor as number:
                write_all(number, offset, data)

        self._check("write_at")
        await self._change("write_at", write)

    def write_at_nowait(self, offset: int, data: bytes) -> None:
        if self._closed or self._origin.forked:
            raise self._refusal("write_at")
        self._is_covered = False
        size = len(data)
        if size > WRITE_NOWAIT_BYTES_MAX:
            raise trio.WouldBlock
        try:
            if os.pwrite(self._number, data, offset) < size:
                write_all(self._number, offset, data)
        except OSError as error:
            raise translated(error, "write_at", self._path) from error

    def hasten_sync(self) -> None:
        if not self._closed and not self._origin.forked and self._begun is None:
            self._begun = self._calls.begin_sync(self._number)
            self._is_covered = True

    async def sync(self) -> None:
        def sync() -> None:
            with self._descriptor as number:
                sync_file(number)

        self._check("sync")
        if self._begun is not None:
            await trio.lowlevel.checkpoint_if_cancelled()
            begun, self._begun = self._begun, None
            is_covered = self._is_covered
            # Waited for in any case: what it met, the next sync may not meet again.
            await self._calls.end_sync(self._path, begun)
            if is_covered:
                return
        size = self._size("sync")
        grown, self._size_synced = size - self._size_synced, size
        if grown > SYNC_BESIDE_BYTES_MAX:
            await self._calls.change("sync", self._path, sync)
        else:
            await self._calls.sync(self._path, self._number, sync)

    async def truncate(self, length: int) -> None:
        def truncate() -> None:
            with self._descriptor as number:
                os.ftruncate(number, length)

        self._check("truncate")
        await self._change("truncate", truncate)

    async def allocate(self, length: int) -> None:
        def allocate() -> None:
            with self._descriptor as number:
                if length > 0:
                    reserve(number, length)

        self._check("allocate")
        await self._change("allocate", allocate)

    async def size(self) -> int:
        self._check("size")
        await trio.lowlevel.checkpoint_if_cancelled()
        return self._size("size")

    async def aclose(self) -> None:
        self._origin.check("aclose", self._path)
        if self._closed:
            await trio.lowlevel.checkpoint_if_cancelled()
            return
        self._closed = True
        begun, self._begun = self._begun, None
        if begun is not None:
            self._calls.leave_sync(begun)
        await self._calls.let_go(self._descriptor.close)

    async def _change(self, operation: str, function: Callable[[], None]) -> None:
        try:
            await self._calls.change(operation, self._path, function)
        finally:
            self._is_covered = False  # also if the sync began while this was on its way

    def _size(self, operation: str) -> int:
        try:
            return os.fstat(self._number).st_size
        except OSError as error:
            raise translated(error, operation, self._path) from error

    def _check(self, operation: str) -> None:
        if self._closed or self._origin.forked:
            raise self._refusal(operation)

    def _refusal(self, operation: str) -> IoError:
        if self._origin.forked:
            return fork.refusal(operation, self._path)
        return ClosedFileError(operation, self._path)

    def _end_of_file(self, offset: int, length: int) -> EndOfFileError:
        asked = f"bytes {offset} to {offset + length} were asked for"
        return EndOfFileError("read_at", self._path, detail=asked)

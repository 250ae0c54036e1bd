"""The system calls whose plain form is not what a store needs, on each supported platform.

Invariants
- A read or write is whole or an error; a write that takes nothing is an error, not a loop.
- What `sync_*` returned from is durable as far as the platform can be told to make it so.
- A failed sync is never repeated: the second answer would be about nothing.
"""

import errno
import os
import sys

if sys.platform != "win32":
    import fcntl

# What a read that must not wait asks of the kernel; 0 where the platform cannot be asked.
READ_NOWAIT_FLAG: int = getattr(os, "RWF_NOWAIT", 0)


def read_all(descriptor: int, offset: int, length: int) -> bytes:
    """Return `length` bytes, or fewer where the file ends."""
    data = os.pread(descriptor, length, offset)
    if len(data) == length or not data:
        return data
    parts = [data]
    missing = length - len(data)
    while missing and data:
        data = os.pread(descriptor, missing, offset + length - missing)
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def write_all(descriptor: int, offset: int, data: bytes) -> None:
    """Write all of `data` at `offset`."""
    written = os.pwrite(descriptor, data, offset)
    if written == len(data):
        return
    view = memoryview(data)
    while view:
        if written == 0:
            raise OSError(errno.EIO, "the write took no bytes")
        offset += written
        view = view[written:]
        if view:
            written = os.pwrite(descriptor, view, offset)


def sync_file(descriptor: int) -> None:
    """Make the file's bytes and its length durable, also a length that was set."""
    if sys.platform == "darwin":
        # Plain fsync stops at the drive's cache there. No fallback: a promise kept by half
        # would look like one kept.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def sync_folder(path: str) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if sys.platform == "darwin":
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reserve(descriptor: int, length: int) -> None:
    """Reserve space up to `length` and grow the file to it; never shrink it.

    macOS has no such call in Python: the file grows there, and a full disk shows at the write.
    """
    if sys.platform != "darwin":
        os.posix_fallocate(descriptor, 0, length)
    elif os.fstat(descriptor).st_size < length:
        os.ftruncate(descriptor, length)

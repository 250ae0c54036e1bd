"""The exclusive process lock: `flock` on a descriptor that stays open, with the holder's name in it.

    content := JSON object {"pid": int, "host": str, "since": float}     (UTF-8, may be anything)

Invariants
- The kernel's lock decides, never the content: what a dead holder left is simply overwritten.
- The file is never unlinked: two openers could then lock two files of one name.
- A forked child neither holds nor releases the lock.
- A lock outlives every change of a name that has started: one that arrives late must not meet
  another holder's files.
"""

import contextlib
import errno
import json
import math
import os
import socket
import sys
import time

from io_backends.errors import LockedError
from io_backends.file import fork
from io_backends.file.calls import Calls

if sys.platform != "win32":
    import fcntl

_CONTENT_BYTES_MAX = 4096


class FileLock:
    """A held lock, over the descriptor that `take_lock` returned."""

    def __init__(self, descriptor: int, calls: Calls) -> None:
        self._descriptor: int | None = descriptor
        self._calls = calls

    def release(self) -> None:
        """Let go at once, or when the last change of a name in flight has returned."""
        self._calls.when_names_are_settled(self._let_go)

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and not self._calls.origin.forked:
            give_up_lock(descriptor)


def take_lock(path: str) -> int:
    """Return an open, locked, guarded descriptor of the lock file, or raise `LockedError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    fork.guard(descriptor)
    # The lock stands without a name: on a full disk a store must still open.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _own_content(), 0)
    return descriptor


def give_up_lock(descriptor: int) -> None:
    """Unlock and close what `take_lock` returned."""
    fork.unguard(descriptor)
    # Unlocking is not left to close: a copy of the descriptor may live in a foreign fork.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _lock(descriptor: int, path: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        content = os.pread(descriptor, _CONTENT_BYTES_MAX, 0)
        raise _locked_error(path, content) from None


def _own_content() -> bytes:
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    return json.dumps(holder).encode()


def _locked_error(path: str, content: bytes) -> LockedError:
    pid, host, since = _holder(content)
    return LockedError("lock", path, errno.EWOULDBLOCK, pid=pid, host=host, since=since)


def _holder(content: bytes) -> tuple[int | None, str | None, float | None]:
    """Read a holder's name; `None` for each part that is not there."""
    try:
        holder: object = json.loads(content)
    except (ValueError, RecursionError):
        return None, None, None
    if not isinstance(holder, dict):
        return None, None, None
    pid: object = holder.get("pid")
    host: object = holder.get("host")
    since: object = holder.get("since")
    return (
        pid if type(pid) is int and pid > 0 else None,
        host if isinstance(host, str) else None,
        since if isinstance(since, float) and math.isfinite(since) else None,
    )

"""A file descriptor that is closed when its last user is through, and never under one.

Threads may still be reading when the file is closed. Were the number closed under them, the next
file opened would get it, and a read would answer, or a write would land, in the wrong file.

Invariants
- The number stays this file's until `close` was called and no `with` block is inside.
- After `close` nobody enters any more.
"""

import os
import threading
from types import TracebackType

from io_backends.errors import ClosedFileError


class Descriptor:
    """Owns `number`. Enter it (from any thread) to use it; close it once."""

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self._path = path
        self._mutex = threading.Lock()
        self._users = 1  # the owner, until it closes
        self._closed = False

    def __enter__(self) -> int:
        with self._mutex:
            if self._closed:
                raise ClosedFileError("use", self._path)
            self._users += 1
        return self.number

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def close(self) -> None:
        """Let no more users in. The last one out closes the number. Idempotent."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
        self._leave()

    def _leave(self) -> None:
        with self._mutex:
            self._users -= 1
            last = self._users == 0
        if last:
            os.close(self.number)

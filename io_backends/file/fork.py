"""Notice that this process is a forked copy, and keep the copy away from what it must not hold.

Invariants
- An `Origin` reads `forked` in every forked child of the process that made it, and nowhere else.
- A guarded descriptor is open in its own process only. In a forked child its number leads to
  the null device: a lock or a pipe must not outlive its process in the hands of a copy, and a
  number that objects of the copy still know must not become somebody else's file.
"""

import contextlib
import os
import sys

from io_backends.errors import ForkedError


class Origin:
    """The process that made an object. Checking it costs one attribute."""

    __slots__ = ("forked",)

    def __init__(self) -> None:
        self.forked = False

    def check(self, operation: str, path: str) -> None:
        """Raise `ForkedError` in a forked child."""
        if self.forked:
            raise refusal(operation, path)


class _Here:
    """What this process tells its forked children."""

    def __init__(self) -> None:
        self.origin = Origin()
        self.guarded: set[int] = set()

    def forked(self) -> None:
        self.origin.forked = True
        self.origin = Origin()
        guarded, self.guarded = sorted(self.guarded), set()
        # A child that cannot open the null device keeps its copies: nothing else breaks.
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in guarded:
                os.dup2(null, descriptor, inheritable=False)
            os.close(null)


_HERE = _Here()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_HERE.forked)


def refusal(operation: str, path: str) -> ForkedError:
    """Return what an operation in a forked child raises."""
    return ForkedError(operation, path, detail="make a new backend in this process")


def origin() -> Origin:
    """Return the running process, to be remembered by what it makes."""
    return _HERE.origin


def guard(descriptor: int) -> None:
    """Take an open descriptor away from children that are forked from now on."""
    _HERE.guarded.add(descriptor)


def unguard(descriptor: int) -> None:
    """Forget a descriptor; call it before closing."""
    _HERE.guarded.discard(descriptor)

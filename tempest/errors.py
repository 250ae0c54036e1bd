"""What a store tells its caller when it cannot do what was asked.

Nothing but `TempestError` leaves a store (and plain `trio.WouldBlock`, `trio.Cancelled` and
`TypeError`). Each class is named for what the caller does next, and each prints as a sentence
that ends in that next step.

Invariants
- Errors of the layers below are translated by `tempest.translate` and kept as the cause.
- `trio.WouldBlock` says "not without waiting", never "failed".
"""

from datetime import UTC, datetime

import attrs
import trio


class TempestError(Exception):
    """Anything that a store raises on purpose."""


@attrs.frozen(eq=False, str=False)
class InvalidError(TempestError, ValueError):
    """An argument is out of bounds; nothing was done."""

    detail: str
    next_step: str = "Correct the argument and call again"

    def __str__(self) -> str:
        return f"{self.detail}. {self.next_step}."


@attrs.frozen(eq=False, str=False)
class NotOpenError(TempestError, trio.ClosedResourceError):
    """The store, scan or snapshot is closed."""

    thing: str = "store"

    def __str__(self) -> str:
        return (
            f"The {self.thing} is closed. Open it with 'async with' and use it inside."
        )


@attrs.frozen(eq=False, str=False)
class NotAStoreError(TempestError):
    """The path does not hold a store, and may not be made one."""

    path: str
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.path!r} is not a store: {self.detail}. Name the folder of a store, or an "
            "absent or empty folder to create one; nothing was changed."
        )


@attrs.frozen(eq=False, str=False)
class ReadOnlyError(TempestError):
    """The store was opened read-only."""

    operation: str

    def __str__(self) -> str:
        return (
            f"{self.operation} needs a writable store and this one was opened read-only. "
            "Open it again without read_only=True."
        )


@attrs.frozen(eq=False, str=False)
class LockedError(TempestError):
    """Another process (or another opener in this one) has the store open for writing."""

    path: str
    pid: int | None = None
    host: str | None = None
    since: float | None = None

    def __str__(self) -> str:
        pid = "an unknown process" if self.pid is None else f"process {self.pid}"
        host = "" if self.host is None else f" on {self.host}"
        since = "" if self.since is None else f" since {_utc(self.since)}"
        return (
            f"The store in {self.path!r} is held by {pid}{host}{since}. "
            "Close it there first, or open it here with read_only=True."
        )


@attrs.frozen(eq=False, str=False)
class StorageError(TempestError):
    """The filesystem refused an operation; what was acknowledged is kept."""

    path: str
    operation: str
    errno: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        number = "" if self.errno is None else f" (errno {self.errno})"
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.operation} of {self.path!r} failed{number}{detail}. {self._next_step()}."

    def _next_step(self) -> str:
        return "Look at the device and the permissions of the folder, then try again"


class NoSpaceError(StorageError):
    """No space is left on the device."""

    def _next_step(self) -> str:
        return "Free some space on the device; the store goes on by itself"


@attrs.frozen(eq=False, str=False)
class CorruptionError(TempestError):
    """Bytes on disk are not what was written there. Nothing was changed."""

    path: str
    offset: int
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.path!r} is damaged at offset {self.offset}: {self.detail}. "
            "Nothing was changed; run 'tempest verify' to see what is whole, and restore the "
            "file from a backup."
        )


@attrs.frozen(eq=False, str=False)
class BackgroundError(TempestError):
    """Background work failed for good; the store serves reads only. The cause is attached."""

    detail: str

    def __str__(self) -> str:
        return (
            f"The store is read-only because {self.detail}. "
            "Mend the cause; the store goes on by itself, or open it again."
        )


@attrs.frozen(eq=False, str=False)
class OutcomeUnknownError(TempestError):
    """A write was taken in but it cannot be said whether it will survive a restart."""

    detail: str

    def __str__(self) -> str:
        return (
            f"The outcome of the write is unknown: {self.detail}. "
            "Read the key after the store has recovered before writing it again."
        )


@attrs.frozen(eq=False, str=False)
class ConflictError(TempestError):
    """A transaction read what another one changed; nothing of it was applied."""

    detail: str

    def __str__(self) -> str:
        return f"The transaction conflicts with another: {self.detail}. Run it again."


@attrs.frozen(eq=False, str=False)
class ThrottledError(TempestError, trio.WouldBlock):
    """Writers are slowed down, and this call may not wait."""

    detail: str

    def __str__(self) -> str:
        return f"The write has to wait: {self.detail}. Await store.wait_writable() and retry."


@attrs.frozen(eq=False, str=False)
class UnsupportedFormatError(TempestError):
    """The bytes are whole but need a newer Tempest or an optional part that is not installed."""

    path: str
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.path!r} cannot be read here: {self.detail}. "
            "Open it with the version or the extra that wrote it; nothing was changed."
        )


@attrs.frozen(eq=False, str=False)
class CheckpointError(TempestError):
    """A checkpoint could not be made, found or restored."""

    detail: str
    next_step: str = (
        "List what is there with store.checkpoints() or `tempest checkpoint list`"
    )

    def __str__(self) -> str:
        return f"{self.detail}. {self.next_step}."


@attrs.frozen(eq=False, str=False)
class BackupError(TempestError):
    """The folder is not one that this backup can be made in, or restored from or to."""

    path: str
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.path!r} cannot be used: {self.detail}. Name an absent or empty folder, or "
            "a backup of the same store; nothing in it was changed."
        )


@attrs.frozen(eq=False, str=False)
class PositionLostError(TempestError):
    """A position in the log lies below what is kept."""

    detail: str

    def __str__(self) -> str:
        return f"{self.detail}. Start again from a snapshot."


def _utc(seconds: float) -> str:
    """Render wall time as ISO 8601 in UTC; no clock is asked."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.isoformat(timespec="seconds")

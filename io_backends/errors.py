"""What can go wrong with bytes, as few classes named for what the caller does next.

A backend raises nothing but these (and `trio.Cancelled`, `trio.WouldBlock`, `TypeError`).
Each carries the operation, the path and, where the platform gave one, its errno, and prints
as one sentence.

Invariants
- Foreign errors (`OSError`) are translated once, inside the backend that met them.
- `NotFoundError` means "no such name", never "could not be read".
"""

import attrs


@attrs.frozen(eq=False, str=False)
class IoError(Exception):
    """An operation on a file or folder failed; its outcome is unknown unless a subclass says."""

    operation: str
    path: str
    errno: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        number = "" if self.errno is None else f" (errno {self.errno})"
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.operation} of {self.path!r} {self._what()}{detail}{number}"

    def _what(self) -> str:
        return "failed"


class NotFoundError(IoError):
    """No file or folder has this name."""

    def _what(self) -> str:
        return "found nothing under that name"


class ExistsError(IoError):
    """The name is taken."""

    def _what(self) -> str:
        return "found that the name is already taken"


class NotAFolderError(IoError):
    """A folder was asked for and a file stands there, or the other way round."""

    def _what(self) -> str:
        return "found the wrong kind of thing under that name"


class NoSpaceError(IoError):
    """The device or quota is full (ENOSPC, EDQUOT, EFBIG)."""

    def _what(self) -> str:
        return "found no space left"


class AccessError(IoError):
    """The operating system refused for lack of permission (EACCES, EPERM)."""

    def _what(self) -> str:
        return "was not permitted"


class ReadOnlyDeviceError(IoError):
    """The filesystem is mounted read-only (EROFS)."""

    def _what(self) -> str:
        return "met a filesystem that is mounted read-only"


class TooManyFilesError(IoError):
    """The process or the system ran out of file descriptors (EMFILE, ENFILE)."""

    def _what(self) -> str:
        return "ran out of file descriptors"


class EndOfFileError(IoError):
    """A read asked for bytes at or beyond the end of the file."""

    def _what(self) -> str:
        return "reached the end of the file"


class DeviceError(IoError):
    """The device or filesystem reported a failure (EIO and whatever has no better name)."""

    def _what(self) -> str:
        return "failed on the device"


class ClosedFileError(IoError):
    """The file, lock or backend was closed before this call."""

    def _what(self) -> str:
        return "was asked of something already closed"


class ForkedError(IoError):
    """The backend was made by another process: it may not be used after a fork."""

    def _what(self) -> str:
        return "was asked in a forked child"


class UnsupportedPlatformError(IoError):
    """The backend does not run on this platform; `path` names it."""

    def _what(self) -> str:
        return "is not supported"


class JobError(IoError):
    """A job handed to `run_job` raised, or its worker process died; nothing is known of it."""

    def __str__(self) -> str:
        # The detail is another error's sentence, which says its own errno.
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.operation} of {self.path!r} {self._what()}{detail}"

    def _what(self) -> str:
        return "did not complete its job"


class PowerLostError(IoError):
    """The simulated power is out: nothing works until a new backend is made over the disk."""

    def _what(self) -> str:
        return "met a power cut"


@attrs.frozen(eq=False, str=False)
class LockedError(IoError):
    """Another opener holds the lock; `pid`, `host` and `since` (seconds, wall time) name it.

    They are `None` where the holder left nothing readable.
    """

    pid: int | None = None
    host: str | None = None
    since: float | None = None

    def _what(self) -> str:
        holder = (
            "a process that left no name" if self.pid is None else f"process {self.pid}"
        )
        host = "" if self.host is None else f" on {self.host}"
        since = (
            ""
            if self.since is None
            else f" since {self.since:.0f} (seconds, wall time)"
        )
        return f"found it held by {holder}{host}{since}"

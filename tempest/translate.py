"""Give errors of the layers below their names in this one.

Invariants
- Foreign errors are translated once, where they leave the engine, and kept as the cause.
- What is already a `TempestError` is left alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from io_backends import (
    IoError,
    LockedError as IoLockedError,
    NoSpaceError as IoNoSpaceError,
)
from journal import (
    CorruptJournalError,
    JournalError,
    JournalOutcomeUnknownError,
    UnsupportedJournalError,
)
from tempest.errors import (
    BackgroundError,
    CorruptionError,
    LockedError,
    NoSpaceError,
    OutcomeUnknownError,
    StorageError,
    TempestError,
    UnsupportedFormatError,
)


def translate(error: BaseException) -> TempestError:
    """Return the error of this layer that stands for one of a layer below."""
    if isinstance(error, TempestError):
        return error
    if isinstance(error, IoError):
        return _translate_io(error)
    if isinstance(error, JournalError):
        return _translate_journal(error)
    return BackgroundError(f"of something unforeseen ({error!r})")


def _translate_io(error: IoError) -> TempestError:
    if isinstance(error, IoLockedError):
        return LockedError(error.path, error.pid, error.host, error.since)
    kind: Callable[[str, str, int | None, str], StorageError] = StorageError
    if isinstance(error, IoNoSpaceError):
        kind = NoSpaceError
    return kind(error.path, error.operation, error.errno, str(error))


def _translate_journal(error: JournalError) -> TempestError:
    if isinstance(error, CorruptJournalError):
        detail = f"expected {error.expected}, found {error.found}"
        return CorruptionError(error.path, error.offset, detail)
    if isinstance(error, UnsupportedJournalError):
        return UnsupportedFormatError(error.path, error.detail)
    if isinstance(error, JournalOutcomeUnknownError):
        return OutcomeUnknownError(reason(error))
    return BackgroundError(f"the manifest did not take an edit ({reason(error)})")


def reason(error: BaseException) -> str:
    """Return an error as part of a sentence about its consequence."""
    if isinstance(error, JournalError) and isinstance(error.__cause__, IoError):
        return str(
            error.__cause__
        )  # what the disk said, not what the journal does next
    if isinstance(error, BackgroundError):
        return error.detail
    if isinstance(error, (IoError, JournalError, TempestError)):
        return str(error).rstrip(".")
    return repr(error)


@contextmanager
def translated() -> Iterator[None]:
    """Let nothing of the layers below through: raise its translation from it."""
    try:
        yield
    except (IoError, JournalError) as error:
        raise translate(error) from error

"""Turn what the operating system says into the `IoError` family, once.

Invariants
- Every `OSError` maps to exactly one class; what has no better name is `DeviceError`.
- The errno and the platform's own words are kept, and the `OSError` is the cause.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from io_backends.errors import (
    AccessError,
    DeviceError,
    ExistsError,
    IoError,
    NoSpaceError,
    NotAFolderError,
    NotFoundError,
    ReadOnlyDeviceError,
    TooManyFilesError,
)

_CLASSES: dict[int, type[IoError]] = {
    errno.ENOENT: NotFoundError,
    errno.EEXIST: ExistsError,
    errno.ENOTDIR: NotAFolderError,
    errno.EISDIR: NotAFolderError,
    errno.ENOSPC: NoSpaceError,
    errno.EDQUOT: NoSpaceError,
    errno.EFBIG: NoSpaceError,
    errno.EACCES: AccessError,
    errno.EPERM: AccessError,
    errno.EROFS: ReadOnlyDeviceError,
    errno.EMFILE: TooManyFilesError,
    errno.ENFILE: TooManyFilesError,
}


def translated(error: OSError, operation: str, path: str) -> IoError:
    """Return the error to raise in place of `error`."""
    number = error.errno
    kind = DeviceError if number is None else _CLASSES.get(number, DeviceError)
    return kind(operation, path, number, error.strerror or str(error))


@contextmanager
def translating(operation: str, path: str) -> Iterator[None]:
    """Translate what the platform raises inside the block."""
    try:
        yield
    except OSError as error:
        raise translated(error, operation, path) from error
    except ValueError as error:
        # A path that no system call takes: a null character, a lone surrogate.
        raise DeviceError(operation, path, errno.EINVAL, str(error)) from error

"""Run a job where the caller stands: what `run_job` means without worker processes."""

from collections.abc import Awaitable, Callable

from io_backends.errors import IoError, JobError, PowerLostError
from io_backends.protocol import Io


async def run_inline(
    io: Io, function: Callable[[Io, bytes], Awaitable[bytes]], argument: bytes
) -> bytes:
    """Await the job on `io`; a failure inside is `JobError`, as it would be from a worker."""
    try:
        return await function(io, argument)
    except PowerLostError:
        raise
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        detail = f"{type(error).__name__}: {error}"
        number = error.errno if isinstance(error, IoError) else None
        raise JobError("run_job", name, number, detail) from error

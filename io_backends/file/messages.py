"""What a worker process and its parent say to each other. No IO happens here.

    message := length:u32 body:u8[length]                     (little-endian)
    request := needs_door:u8 name_length:u16 name:utf-8 argument        name := module ":" function
    reply   := 0:u8 result  |  1:u8 failure
    failure := JSON {"type", "text", "io": null | {"type", "operation", "path", "errno", "detail"}}

Invariants
- No length is believed beyond `BODY_BYTES_MAX`.
- A failure is words, never an object: nothing that a worker says is executed or unpickled.
"""

import json
import struct
from typing import Final

from io_backends import errors
from io_backends.errors import DeviceError, IoError, JobError
from io_backends.jobs import Job

BODY_BYTES_MAX: Final = 256 * 1024 * 1024
LENGTH: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<?H")  # needs_door, name_length
_RESULT, _FAILURE = b"\0", b"\1"


def job_name(function: Job) -> str:
    """Return the name under which another process finds `function`, or raise `TypeError`."""
    module: object = getattr(function, "__module__", None)
    name: object = getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError(f"a job is a module-level coroutine function, not {function!r}")
    if module == "__main__" or not name.isidentifier():
        raise TypeError(
            f"a job is found by its name in an importable module, not {module}:{name}"
        )
    return f"{module}:{name}"


def encode_request(name: str, argument: bytes, *, needs_door: bool = True) -> bytes:
    """Return the message that asks for a job; `JobError` if the argument is too long."""
    encoded = name.encode()
    body = _HEAD.pack(needs_door, len(encoded)) + encoded + argument
    if len(body) > BODY_BYTES_MAX:
        detail = f"its argument has {len(argument)} bytes, {BODY_BYTES_MAX} at most"
        raise JobError("run_job", name, detail=detail)
    return LENGTH.pack(len(body)) + body


def decode_request(body: bytes) -> tuple[str, bytes, bool]:
    """Return name, argument and whether the job needs the front door of its package."""
    needs_door, length = _HEAD.unpack_from(body)
    end = _HEAD.size + length
    return body[_HEAD.size : end].decode(), body[end:], needs_door


def encode_result(result: bytes) -> bytes:
    """Return the message that brings a result."""
    if len(result) >= BODY_BYTES_MAX:
        return encode_failure(ValueError(f"a result of {len(result)} bytes"))
    return LENGTH.pack(len(result) + 1) + _RESULT + result


def encode_failure(error: BaseException) -> bytes:
    """Return the message that says what a job raised."""
    io = None
    if isinstance(error, IoError):
        io = {
            "type": type(error).__name__,
            "operation": error.operation,
            "path": error.path,
            "errno": error.errno,
            "detail": error.detail,
        }
    failure = {"type": type(error).__qualname__, "text": str(error), "io": io}
    body = _FAILURE + json.dumps(failure).encode()
    return LENGTH.pack(len(body)) + body


def decode_reply(name: str, body: bytes) -> bytes:
    """Return the result, or raise `JobError` from what the job raised."""
    if body[:1] == _RESULT:
        return body[1:]
    failure: object = json.loads(body[1:])
    raise _job_error(name, failure)


def _job_error(name: str, failure: object) -> JobError:
    assert isinstance(failure, dict)
    detail = f"{failure['type']}: {failure['text']}"
    cause = _io_error(failure["io"])
    number = None if cause is None else cause.errno
    error = JobError("run_job", name, number, detail)
    error.__cause__ = cause
    return error


def _io_error(said: object) -> IoError | None:
    """Rebuild an error of the family, so that the caller can ask for its class."""
    if not isinstance(said, dict):
        return None
    kind: object = getattr(errors, said["type"], None)
    if not (isinstance(kind, type) and issubclass(kind, IoError)):
        kind = DeviceError
    return kind(said["operation"], said["path"], said["errno"], said["detail"])

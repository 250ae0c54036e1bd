"""The inside of a worker process: takes jobs from one pipe, puts replies into another.

Invariants
- The process ends with its parent, however that ended: a thread that waits for the parent's end of
  the pipe ends it, in the middle of a job if need be.
- It takes no lock, and never imports the parent's `__main__`.
- Whoever needs the front door of a package finds it open, whatever ran before.
- What a job prints goes nowhere; the pipes carry messages only.
"""

import importlib
import importlib.util
import inspect
import os
import queue
import signal
import sys
import threading
from types import ModuleType

import trio

from io_backends.file.backend import FileIo
from io_backends.file.messages import (
    LENGTH,
    decode_request,
    encode_failure,
    encode_result,
)

_closed: dict[str, ModuleType] = {}  # packages whose `__init__` has not run


def main() -> None:
    """Serve until the parent hangs up. Does not return."""
    # An interrupt from the keyboard goes to the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = _take_pipes()
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, inbox), daemon=True).start()
    io = FileIo(direct=True)
    while True:
        _send(replies, serve(io, inbox.get()))


def serve(io: FileIo, request: bytes) -> bytes:
    """Run one job to its end and return the message that tells how it went."""
    try:
        return encode_result(_run(io, request))
    except BaseException as error:  # noqa: BLE001  the parent hears of everything
        return encode_failure(error)


def _run(io: FileIo, request: bytes) -> bytes:
    name, argument, needs_door = decode_request(request)
    module, _, function_name = name.partition(":")
    if needs_door:
        _open_doors()
    else:
        _keep_closed(module.partition(".")[0])
    function: object = getattr(importlib.import_module(module), function_name)
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} is not a coroutine function")
    result: object = trio.run(function, io, argument)
    if not isinstance(result, bytes):
        raise TypeError(f"{name} returned {type(result).__name__}, not bytes")
    return result


def _keep_closed(package: str) -> None:
    """Let modules of a package be imported without what its `__init__` imports."""
    if package not in sys.modules:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations is not None:
            module = importlib.util.module_from_spec(spec)
            _closed[package] = sys.modules[package] = module


def _open_doors() -> None:
    """Run what was left out, for a job that may ask for it."""
    while _closed:
        _, module = _closed.popitem()
        if module.__spec__ is not None and module.__spec__.loader is not None:
            module.__spec__.loader.exec_module(module)


def _take_pipes() -> tuple[int, int]:
    """Keep the pipes to ourselves and point standard input and output at nothing."""
    pipes = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return pipes


def _receive(requests: int, inbox: "queue.SimpleQueue[bytes]") -> None:
    while True:
        (length,) = LENGTH.unpack(_read(requests, LENGTH.size))
        inbox.put(_read(requests, length))


def _read(requests: int, length: int) -> bytes:
    """Return exactly `length` bytes. At the end of the pipe, end the process."""
    data = bytearray()
    while len(data) < length:
        part = os.read(requests, min(length - len(data), 1 << 20))
        if not part:
            os._exit(0)
        data += part
    return bytes(data)


def _send(replies: int, message: bytes) -> None:
    view = memoryview(message)
    try:
        while view:
            view = view[os.write(replies, view) :]
    except BrokenPipeError:
        os._exit(0)

"""Jobs that the worker tests send; a module of its own, so that a worker imports nothing else."""

import os
import signal
import sys

import trio

from io_backends import worker_job
from io_backends.errors import NoSpaceError
from io_backends.protocol import Io


async def reverse(_io: Io, argument: bytes) -> bytes:
    return argument[::-1]


async def tell_pid(_io: Io, _argument: bytes) -> bytes:
    return str(os.getpid()).encode()


@worker_job(is_patient=True)
async def tell_pid_patiently(_io: Io, _argument: bytes) -> bytes:
    return str(os.getpid()).encode()


@worker_job()
async def tell_door_of_tempest(_io: Io, _argument: bytes) -> bytes:
    return b"open" if hasattr(sys.modules["tempest"], "Options") else b"closed"


async def use_tempest(_io: Io, _argument: bytes) -> bytes:
    import tempest  # noqa: PLC0415 - here, so that the other jobs do without

    return tempest.Options.__name__.encode()


async def chatter(_io: Io, _argument: bytes) -> bytes:
    os.write(1, b"straight to standard output")
    return os.read(0, 10) + b"quiet"


async def copy_file(io: Io, argument: bytes) -> bytes:
    source, target = argument.decode().split("\n")
    original = await io.open(source)
    data = await original.read_at(0, await original.size())
    await original.aclose()
    copy = await io.create_exclusive(target)
    await copy.write_at(0, data)
    await copy.sync()
    await copy.aclose()
    return str(len(data)).encode()


async def nest(io: Io, argument: bytes) -> bytes:
    return await io.run_job(reverse, argument)


async def nest_fail(io: Io, argument: bytes) -> bytes:
    return await io.run_job(fail, argument)


async def fail(_io: Io, argument: bytes) -> bytes:
    raise ValueError(argument.decode())


async def fill_disk(_io: Io, _argument: bytes) -> bytes:
    raise NoSpaceError("write_at", "table-1\udcff", 28, "No space left on device")


async def exit_early(_io: Io, _argument: bytes) -> bytes:
    raise SystemExit(3)


async def kill_itself(_io: Io, _argument: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b"unreachable"


async def interrupt_itself(_io: Io, _argument: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGINT)
    return b"still here"


async def return_text(_io: Io, _argument: bytes) -> str:
    return "not bytes"


async def hang(io: Io, argument: bytes) -> bytes:
    """Leave a file that names this process, then never return."""
    here = await io.create_exclusive(argument.decode() + ".new")
    await here.write_at(0, str(os.getpid()).encode())
    await here.aclose()
    await io.rename(argument.decode() + ".new", argument.decode())
    await trio.sleep_forever()


def not_async(_io: Io, argument: bytes) -> bytes:
    return argument

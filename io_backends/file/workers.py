"""A few worker processes that run jobs, started when first needed and ended with the backend.

Not `multiprocessing`: that runs an unguarded `__main__` a second time, and its processes outlive a
parent that was killed. These hang on a pipe from their parent and end with it.

Invariants
- At most `jobs_max` processes exist, and each runs one job at a time.
- Patient jobs have a process of their own, of lower priority, if there may be two.
- A process whose job was cancelled, or that broke off, is killed and waited for; it is never used
  again.
- After `aclose` no process is left, nor its entry in the process table.
"""

import sys
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import trio

from io_backends.errors import ClosedFileError, JobError
from io_backends.file import fork
from io_backends.file.messages import (
    BODY_BYTES_MAX,
    LENGTH,
    decode_reply,
    encode_request,
    job_name,
)
from io_backends.file.translate import translating
from io_backends.jobs import Job, traits_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Compaction, which is most of the work, takes turns of 4 ms from the program where both share a
# processor: the worst ten thousandth of all puts were that. The flush, which writers wait for
# soonest, stays where the program is: at 5 too, a busy machine left it behind for seconds.
NICE_PATIENT = 5

_BOOTSTRAP = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    os.nice(int(sys.argv[1]))
except OSError:
    pass
sys.path[:] = sys.argv[2:]
from io_backends.file.worker_main import main
main()
"""


class Workers:
    """The pool. Jobs beyond `jobs_max` wait for their turn."""

    def __init__(self, jobs_max: int, patience_seconds: float) -> None:
        self._jobs_max = jobs_max
        self._turns = trio.CapacityLimiter(jobs_max)
        self._patience_seconds = patience_seconds
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._starting = 0
        self._closed = False

    async def run(self, function: Job, argument: bytes) -> bytes:
        """Return what `function` returns in a worker."""
        name = job_name(function)
        if self._closed:
            raise ClosedFileError("run_job", name)
        traits = traits_of(function)
        request = encode_request(name, argument, needs_door=traits.needs_door)
        is_patient = traits.is_patient and self._jobs_max > 1
        async with self._turns, self._borrow(name, is_patient=is_patient) as worker:
            reply = await worker.ask(request)
        return decode_reply(name, reply)

    async def aclose(self) -> None:
        """Kill every worker and wait until none is left. Idempotent."""
        self._closed = True
        self._idle.clear()
        for worker in self._workers:
            worker.process.kill()
        for worker in list(self._workers):
            await self._end(worker)

    @asynccontextmanager
    async def _borrow(self, name: str, *, is_patient: bool) -> "AsyncIterator[_Worker]":
        """Lend a worker; it comes back only if nothing went wrong."""
        worker = await self._take(name, is_patient=is_patient)
        try:
            yield worker
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            await self._end(worker)
            detail = f"its worker process {worker.ending()}"
            raise JobError("run_job", name, detail=detail) from error
        except BaseException:
            await self._end(worker)
            raise
        self._idle.append(worker)

    async def _take(self, name: str, *, is_patient: bool) -> "_Worker":
        while (idle := self._pick(is_patient=is_patient)) is not None:
            if idle.process.poll() is None:
                return idle
            await self._end(idle)
        self._starting += 1
        try:
            worker = await _start(name, is_patient=is_patient)
            self._workers.add(worker)
        finally:
            self._starting -= 1
        if self._closed:
            await self._end(worker)
            raise ClosedFileError("run_job", name)
        return worker

    def _pick(self, *, is_patient: bool) -> "_Worker | None":
        """Take an idle worker of this kind out, or any if no other may be started."""
        fitting = [each for each in self._idle if each.is_patient is is_patient]
        if not fitting and len(self._workers) + self._starting < self._jobs_max:
            return None
        worker = next(reversed(fitting or self._idle), None)
        if worker is not None:
            self._idle.remove(worker)
        return worker

    async def _end(self, worker: "_Worker") -> None:
        # A process that hangs in the kernel cannot be killed; it will not be waited for forever.
        with trio.move_on_after(self._patience_seconds, shield=True):
            await worker.aclose()
        self._workers.discard(worker)


class _Worker:
    """One process, and the pipes to it."""

    def __init__(
        self,
        process: trio.Process,
        requests: trio.lowlevel.FdStream,
        replies: trio.lowlevel.FdStream,
        *,
        is_patient: bool,
    ) -> None:
        self.process = process
        self.is_patient = is_patient
        self._requests = requests
        self._replies = replies
        # Else a forked copy of us would keep the worker waiting when we are gone.
        fork.guard(requests.fileno())
        fork.guard(replies.fileno())

    async def ask(self, request: bytes) -> bytes:
        """Return the reply's body; `trio.BrokenResourceError` if the process is gone."""
        await self._requests.send_all(request)
        (length,) = LENGTH.unpack(await self._receive(LENGTH.size))
        if not 0 < length <= BODY_BYTES_MAX:
            raise trio.BrokenResourceError(f"a reply of {length} bytes")
        return await self._receive(length)

    def ending(self) -> str:
        """Say how the process ended."""
        status = self.process.returncode
        if status is None:
            return "was left"
        return f"was killed by signal {-status}" if status < 0 else f"exited ({status})"

    async def aclose(self) -> None:
        """Kill the process, close the pipes, wait for its end. Idempotent."""
        self.process.kill()
        for pipe in (self._requests, self._replies):
            fork.unguard(pipe.fileno())
            pipe.close()
        await self.process.wait()

    async def _receive(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            part = await self._replies.receive_some(min(length - len(data), 1 << 20))
            if not part:
                raise trio.BrokenResourceError("the pipe from the worker ended")
            data += part
        return bytes(data)


async def _start(name: str, *, is_patient: bool) -> _Worker:
    if not sys.executable:
        detail = "this program knows no Python interpreter to run it with"
        raise JobError("run_job", name, detail=detail)
    nice = str(NICE_PATIENT if is_patient else 0)
    with translating("run_job", name):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", _BOOTSTRAP, nice, *sys.path],
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )
    assert isinstance(process.stdin, trio.lowlevel.FdStream)
    assert isinstance(process.stdout, trio.lowlevel.FdStream)
    return _Worker(process, process.stdin, process.stdout, is_patient=is_patient)

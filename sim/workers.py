"""Processes that do one job after another, and are replaced when one does not come back.

    with Workers(2, seconds_max=300) as workers:
        for done in workers.each(run_seed, seeds): ...

Invariants
- A job ends as a `Done`: with its answer, or with what became of it instead.
- Workers do not hear interrupts: whoever started them ends them.
- A source of jobs is asked for no more than there are workers, and a few that wait for their turn.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import TracebackType
from typing import Generic, Literal, TypeVar

import attrs

from sim.stopwatch import Stopwatch

A = TypeVar("A")
R = TypeVar("R")

AHEAD = 64
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 5.0


@attrs.frozen
class Done(Generic[A, R]):
    """What became of a job: an answer, or an ending that has none."""

    number: int
    argument: A
    answer: R | None
    seconds: float = 0.0
    ending: Literal["done", "failed", "hung", "died"] = "done"
    detail: str = ""


@attrs.frozen
class Job(Generic[A, R]):
    """A function of a module, to be called with one argument."""

    number: int
    function: Callable[[A], R]
    argument: A
    seconds_max: float | None = None

    def do(self) -> Done[A, R]:
        """Call the function."""
        watch = Stopwatch()
        try:
            answer = self.function(self.argument)
        except Exception:  # noqa: BLE001 - the parent decides what it means
            return self.lost("failed", watch.seconds, traceback.format_exc())
        return Done(self.number, self.argument, answer, watch.seconds)

    def lost(
        self,
        ending: Literal["failed", "hung", "died"],
        seconds: float,
        detail: str,
    ) -> Done[A, R]:
        """Return what becomes of the job if it has no answer."""
        return Done(self.number, self.argument, None, seconds, ending, detail)


class Worker(Generic[A, R]):
    """One process, and the job that it is at."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        with _interrupts_held():  # a process begins with the mask of its parent
            self._process.start()
        theirs.close()
        self.job: Job[A, R] | None = None
        self._watch = Stopwatch()

    @property
    def seconds(self) -> float:
        """How long it has been at its job."""
        return self._watch.seconds

    def greet(self) -> None:
        """Wait until the process is there: what it takes to start is no job's fault."""
        self.connection.recv()

    def begin(self, job: Job[A, R]) -> None:
        """Give it a job."""
        self.job, self._watch = job, Stopwatch()
        self.connection.send(job)

    def take(self) -> Done[A, R] | None:
        """Take the answer that is there; None if its process is gone."""
        self.job = None
        try:
            done = self.connection.recv()
        except (EOFError, OSError):
            return None
        assert isinstance(done, Done)
        return done

    def end(self) -> int | None:
        """End the process, whatever it is at; return the status that it ended with."""
        self._process.join(0.0)
        self._process.kill()
        self._process.join(PATIENCE_SECONDS)
        self.connection.close()
        return self._process.exitcode


class Workers(Generic[A, R]):
    """Some processes, each at one job or at none, none at a job for more than `seconds_max`."""

    def __init__(self, count: int, *, seconds_max: float | None = None) -> None:
        self._count = count
        self._seconds_max = seconds_max
        self._number = 0
        self._all: list[Worker[A, R]] = []

    def __enter__(self) -> "Workers[A, R]":
        self._all = [Worker() for _ in range(self._count)]
        for worker in self._all:
            worker.greet()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        for worker in self._all:
            worker.end()

    @property
    def is_idle(self) -> bool:
        return all(worker.job is None for worker in self._all)

    @property
    def has_room(self) -> bool:
        return any(worker.job is None for worker in self._all)

    def begin(
        self,
        function: Callable[[A], R],
        argument: A,
        *,
        seconds_max: float | None = None,
    ) -> int:
        """Give a job to a worker that has none; return the job's number, counted from 0."""
        free = next(worker for worker in self._all if worker.job is None)
        number = self._number
        self._number += 1
        limit = self._seconds_max if seconds_max is None else seconds_max
        free.begin(Job(number, function, argument, limit))
        return number

    def wait(self) -> list[Done[A, R]]:
        """Wait, but not for long; return the jobs that have ended."""
        busy = [worker for worker in self._all if worker.job is not None]
        ready = wait([worker.connection for worker in busy], LOOK_SECONDS)
        ended: list[Done[A, R]] = []
        for worker in busy:
            job = worker.job
            assert job is not None, "it is busy"
            if worker.connection in ready:
                ended.append(worker.take() or self._replace(worker, job, "died"))
            elif job.seconds_max is not None and worker.seconds > job.seconds_max:
                ended.append(self._replace(worker, job, "hung"))
        return ended

    def each(
        self, function: Callable[[A], R], arguments: Iterable[A]
    ) -> Iterator[Done[A, R]]:
        """Call a function with each argument; give what became of each, in their order."""
        left = iter(arguments)
        is_more = True
        early: dict[int, Done[A, R]] = {}
        turn = self._number
        while is_more or early or not self.is_idle:
            while (
                is_more and self.has_room and self._number < turn + AHEAD * self._count
            ):
                for argument in left:
                    self.begin(function, argument)
                    break
                else:
                    is_more = False
            early |= {done.number: done for done in self.wait()}
            while turn in early:
                yield early.pop(turn)
                turn += 1

    def _replace(
        self, worker: Worker[A, R], job: Job[A, R], ending: Literal["hung", "died"]
    ) -> Done[A, R]:
        seconds = worker.seconds
        detail = f"no end after {seconds:.0f} s on the wall"
        status = worker.end()
        successor: Worker[A, R] = Worker()
        successor.greet()
        self._all[self._all.index(worker)] = successor
        if ending == "died":
            detail = f"its process ended with status {status}"
        return job.lost(ending, seconds, detail)


def serve(connection: "multiprocessing.connection.Connection[object, object]") -> None:
    """Do jobs for as long as there are any; this is what a process runs."""
    connection.send(None)
    try:
        while isinstance(job := connection.recv(), Job):
            connection.send(job.do())
    except (EOFError, BrokenPipeError):
        pass


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold interrupts back for a moment; none is lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

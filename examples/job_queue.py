"""A durable job queue built on the store: what was enqueued is done once, whatever crashes.

    async with open_queue("jobs") as queue:
        number = await queue.enqueue(b"wash the dishes")
        job = await queue.claim()              # nobody else gets it
        await queue.complete(job.number)

Three kinds of keys hold everything: `waiting/00000007`, `taken/00000007` and `done/00000007`. A
job is under exactly one of them at any moment, because it moves in one batch. Jobs that were taken
when the program ended are waiting again when it starts.

`TwoWritesQueue` and `HastyQueue` have a crash bug each; `examples/test_job_queue.py` finds them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

import tempest
from io_backends import FileIo, Io
from tempest import Durability, Store

STATES = (b"waiting", b"taken", b"done")


@attrs.frozen
class Job:
    """What is to be done."""

    number: int
    payload: bytes


class JobQueue:
    """Jobs in an open store."""

    durability = Durability.DISK

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number_next = 1

    async def recover(self) -> None:
        """Find the next number; let jobs that nobody works on any more wait again."""
        for state in STATES:
            for job in await self._jobs(state):
                self._number_next = max(self._number_next, job.number + 1)
        for job in await self._jobs(b"taken"):
            await self._move(job, b"taken", b"waiting")

    async def enqueue(self, payload: bytes) -> int:
        """Take in a job; once this returns, the job survives a power cut."""
        number, self._number_next = self._number_next, self._number_next + 1
        await self._store.put(
            _key(b"waiting", number), payload, durability=self.durability
        )
        return number

    async def claim(self) -> Job | None:
        """Take the oldest job that waits; None if there is none."""
        for job in await self._jobs(b"waiting"):
            await self._move(job, b"waiting", b"taken")
            return job
        return None

    async def complete(self, number: int) -> None:
        """Note that a job was done; once this returns, it is never done again."""
        payload = await self._store.get(_key(b"taken", number))
        if payload is None:
            raise LookupError(f"job {number} was not taken")
        await self._move(Job(number, payload), b"taken", b"done")

    async def states(self) -> dict[int, str]:
        """Return where every job is."""
        found: dict[int, str] = {}
        for state in STATES:
            for job in await self._jobs(state):
                assert job.number not in found, f"job {job.number} is in two places"
                found[job.number] = state.decode()
        return found

    async def _jobs(self, state: bytes) -> list[Job]:
        async with self._store.scan(prefix=state + b"/") as rows:
            return [
                Job(int(key.rpartition(b"/")[2]), payload)
                async for key, payload in rows
            ]

    async def _move(self, job: Job, source: bytes, target: bytes) -> None:
        async with self._store.batch(durability=self.durability) as batch:
            batch.delete(_key(source, job.number))
            batch.put(_key(target, job.number), job.payload)


class TwoWritesQueue(JobQueue):
    """Wrong: moves a job by two writes, so that a crash between them loses it."""

    async def _move(self, job: Job, source: bytes, target: bytes) -> None:
        await self._store.delete(_key(source, job.number), durability=self.durability)
        await self._store.put(
            _key(target, job.number), job.payload, durability=self.durability
        )


class HastyQueue(JobQueue):
    """Wrong: says that a job was taken in when only the operating system has it."""

    durability = Durability.OS


@asynccontextmanager
async def open_queue(
    folder: str, *, io: Io | None = None, kind: type[JobQueue] = JobQueue
) -> AsyncIterator[JobQueue]:
    """Open the queue kept in a folder."""
    async with tempest.open_store(folder, io=FileIo() if io is None else io) as store:
        queue = kind(store)
        await queue.recover()
        yield queue


def _key(state: bytes, number: int) -> bytes:
    return b"%s/%08d" % (state, number)

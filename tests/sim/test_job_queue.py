"""The worked example: a sound job queue passes, and both of its bugs are found."""

import pytest

import sim
from examples.job_queue import HastyQueue, JobQueue, TwoWritesQueue, open_queue
from sim import CrashFailure, CrashWorld

Promises = dict[int, str]


def crash(kind: type[JobQueue], seeds: int) -> None:
    @sim.crash_test(memory=dict[int, str], seeds=seeds)
    async def use(world: CrashWorld[Promises]) -> None:
        async with open_queue("jobs", io=world.io, kind=kind) as queue:
            states = await queue.states()
            for number, promised in world.memory.items():
                assert number in states, f"job {number} is lost"
                assert promised in ("waiting", states[number]), f"{number} again"
            for _ in range(2):
                world.memory[await queue.enqueue(b"wash the dishes")] = "waiting"
            while (job := await queue.claim()) is not None:
                await queue.complete(job.number)
                world.memory[job.number] = "done"

    use()


def test_the_queue_keeps_every_job() -> None:
    crash(JobQueue, 25)


@pytest.mark.parametrize("kind", [TwoWritesQueue, HastyQueue])
def test_a_queue_with_a_crash_bug_loses_a_job(kind: type[JobQueue]) -> None:
    with pytest.raises(CrashFailure, match=r"job \d+ is lost"):
        crash(kind, 25)


async def test_the_queue_works_without_any_crash() -> None:
    from io_backends import VirtualDisk, VirtualIo  # noqa: PLC0415 - only here

    disk = VirtualDisk()
    async with open_queue("jobs", io=VirtualIo(disk)) as queue:
        numbers = [await queue.enqueue(payload) for payload in (b"a", b"b", b"c")]
        job = await queue.claim()
        assert job is not None
        assert job.payload == b"a"
        await queue.complete(job.number)
        with pytest.raises(LookupError):
            await queue.complete(job.number)
        assert await queue.claim() is not None
    async with open_queue("jobs", io=VirtualIo(disk)) as queue:
        assert list((await queue.states()).values()) == ["waiting", "waiting", "done"]
        assert await queue.enqueue(b"d") == numbers[-1] + 1

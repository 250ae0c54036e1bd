"""The worked example: a sound job queue passes, and both of its bugs are found."""

import re
from functools import partial

import pytest

from examples import test_job_queue as example
from examples.job_queue import HastyQueue, JobQueue, TwoWritesQueue, open_queue
from io_backends import VirtualDisk, VirtualIo
from sim import CrashFailure


def test_the_queue_keeps_every_job() -> None:
    example.test_no_job_is_lost_or_done_again()


@pytest.mark.parametrize("kind", [TwoWritesQueue, HastyQueue])
def test_a_queue_with_a_crash_bug_loses_a_job(
    kind: type[JobQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "open_queue", partial(open_queue, kind=kind))

    with pytest.raises(CrashFailure) as caught:
        example.test_no_job_is_lost_or_done_again()
    # What a cut takes is a job, or that one was done; made small, it may be the other.
    told = str(caught.value)
    assert re.match(r"seed \d+: .* \d+ is (lost|done again)", told), told
    assert re.search(r"made small: .* \d+ is (lost|done again)", told), told


async def test_the_queue_works_without_any_crash() -> None:
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

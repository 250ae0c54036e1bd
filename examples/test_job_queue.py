"""The job queue keeps its promises through every crash; run with `pytest examples`."""

import sim
from examples.job_queue import open_queue

pytest_plugins = ("sim.pytest_plugin",)


@sim.crash_test(memory=dict[int, str], seeds=50)
async def test_no_job_is_lost_or_done_again(
    world: sim.CrashWorld[dict[int, str]],
) -> None:
    """Work through all jobs, add two more; whatever crashes, each is done once."""
    async with open_queue("jobs", io=world.io) as queue:
        states = await queue.states()
        for number, promised in world.memory.items():
            assert number in states, f"job {number} is lost"
            assert promised in ("waiting", states[number]), f"{number} is done again"
        for _ in range(2):
            world.memory[await queue.enqueue(b"wash the dishes")] = "waiting"
        while (job := await queue.claim()) is not None:
            await queue.complete(job.number)
            world.memory[job.number] = "done"

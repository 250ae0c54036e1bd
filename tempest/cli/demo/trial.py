"""The demo's course: kill and check several times, finish the load, look around.

The seed decides after how many acknowledgements each kill comes, and after which one the
next loader is killed as well, while it opens the store and recovers it. How far a loader
has come within a write by then is up to the machine.
"""

from pathlib import Path
from random import Random

import attrs
import trio

import tempest
from io_backends import FileIo
from tempest.check import verify_store
from tempest.cli.demo.acks import Acks, AckWriter
from tempest.cli.demo.check import check_store
from tempest.cli.demo.loader import start_loader
from tempest.cli.demo.outcome import Life, Outcome
from tempest.cli.demo.plan import Plan, write_plan
from tempest.cli.demo.scans import scan_prefixes
from tempest.cli.demo.story import Story

LOADED_SHARE_MAX = 0.9
DELAY_SECONDS_MAX = 0.01
OPENING_SECONDS_MAX = 0.05


@attrs.frozen
class Trial:
    """What is tried: where, on which files, how often killed, decided by which seed."""

    folder: Path
    plan: Plan
    kills: int
    seed: int

    @property
    def store(self) -> str:
        return str(self.folder / "store")


async def run_trial(trial: Trial, story: Story) -> Outcome:
    """Run the whole demo."""
    started = trio.current_time()
    acks_path = trial.folder / "acknowledged"
    AckWriter(acks_path).close()
    acks = Acks(acks_path)
    write_plan(trial.plan, trial.folder / "plan")
    story.begin(trial.plan, trial.kills, trial.seed)

    random = Random(trial.seed)
    moments = choose_moments(random, len(trial.plan.files), trial.kills)
    twice = random.randrange(trial.kills)
    lives: list[Life] = []
    for number, moment in enumerate(moments):
        killed = await _kill_while_writing(trial, acks, story, moment, random)
        if not killed:
            break
        if number == twice:
            await _kill_while_opening(trial, acks, story, random)
        lives.append(await _reopen(trial, acks, twice=number == twice))
        story.life(number + 1, lives[-1])
    await _finish(trial, acks, story)
    outcome = await _look_around(trial, acks, tuple(lives), started)
    story.end(outcome)
    return outcome


def choose_moments(random: Random, files: int, kills: int) -> list[int]:
    """Return, in order, the acknowledgements after which the loader is killed."""
    last = max(1, int(files * LOADED_SHARE_MAX))
    return sorted(random.randint(1, last) for _ in range(kills))


async def _kill_while_writing(
    trial: Trial, acks: Acks, story: Story, moment: int, random: Random
) -> bool:
    async with start_loader(trial.folder, acks) as loader:
        goal = max(moment, len(acks.acknowledged) + 1)
        if not await loader.watch(
            lambda acks: len(acks.acknowledged) >= goal, story.loaded
        ):
            return False
        await trio.sleep(random.uniform(0, DELAY_SECONDS_MAX))
        return await loader.kill()


async def _kill_while_opening(
    trial: Trial, acks: Acks, story: Story, random: Random
) -> None:
    openings = acks.openings
    async with start_loader(trial.folder, acks) as loader:
        if await loader.watch(lambda acks: acks.openings > openings, story.loaded):
            await trio.sleep(random.uniform(0, OPENING_SECONDS_MAX))


async def _reopen(trial: Trial, acks: Acks, *, twice: bool) -> Life:
    started = trio.current_time()
    async with tempest.open_store(trial.store, create=False) as store:
        seconds = trio.current_time() - started
        return Life(
            killed_twice=twice,
            reopen_seconds=seconds,
            recovery=store.statistics().recovery,
            verdict=await check_store(store, trial.plan, acks),
        )


async def _finish(trial: Trial, acks: Acks, story: Story) -> None:
    async with start_loader(trial.folder, acks) as loader:
        await loader.watch(lambda _: False, story.loaded)


async def _look_around(
    trial: Trial, acks: Acks, lives: tuple[Life, ...], started: float
) -> Outcome:
    async with tempest.open_store(trial.store, create=False) as store:
        final = await check_store(store, trial.plan, acks)
        scans = await scan_prefixes(store, trial.plan)
        statistics = store.statistics()
    io = FileIo()
    try:
        report = await verify_store(io, trial.store)
    finally:
        await io.aclose()
    return Outcome(
        seed=trial.seed,
        files=len(trial.plan.files),
        bytes=trial.plan.bytes_total,
        seconds=trio.current_time() - started,
        lives=lives,
        final=final,
        scans=scans,
        statistics=statistics,
        whole=report.whole,
    )

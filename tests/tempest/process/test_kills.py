"""A real process is killed with SIGKILL at random moments, again and again on one store.

After each kill the store holds the content after a prefix of the victim's writes: at least up
to the last one that was acknowledged at OS or DISK level (or covered by a `sync`), at most up to
the one in flight; batches are all or nothing, deleted keys stay deleted, no byte is wrong. That
is seen by recovering a copy, so that the next victim has to recover the store itself, and may be
killed over it; what it finds is what the copy held. `make test` kills 20 times, `make test-slow`
200 times.
"""

import shutil
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import attrs
import pytest
import trio

import tempest
from io_backends import FileIo
from tempest.check import FileStatus, VerifyReport, verify_store
from tests.tempest.process.history import Content, fits, promised
from tests.tempest.process.killer import Victim, start_victim
from tests.tempest.process.plan import KEYS, writes
from tests.tempest.process.victim import content_of, digest_of

OPENING_SHARE = 0.3
OPENING_SECONDS_MAX = 0.1
WRITES_MAX = 150
DELAY_SECONDS_MAX = 0.02


@attrs.define
class Tally:
    """What the kills have met, to see that the moments are spread."""

    kills: int = 0
    while_opening: int = 0
    with_torn_files: int = 0
    with_unnamed_files: int = 0  # of a flush, a compaction or a new segment
    with_lost_memory_writes: int = 0
    with_writes_in_flight_kept: int = 0
    writes: int = 0


@attrs.define
class Trial:
    """One store and the victims that die on it; `content` is what it must hold."""

    folder: Path
    seed: int
    content: Content = attrs.field(factory=dict)
    exists: bool = False
    tally: Tally = attrs.field(factory=Tally)

    @property
    def store(self) -> str:
        return str(self.folder / "store")

    async def run(self, kills: int) -> None:
        random = Random(f"moments {self.seed}")
        for life in range(kills):
            async with start_victim(self.folder, self.seed, life) as victim:
                await victim.go()
                await wait_for_the_moment(victim, random)
                await victim.kill()
            await self._judge(life, victim.acks.acknowledged)
        await self._finish()

    async def _judge(self, life: int, noted: dict[int, int]) -> None:
        """Compare what is left with what may be left, and go on from there."""
        done = max(len(noted) - 1, 0)
        run = list(islice(writes(self.seed, life), done + 1))
        if not await self._is_there(must_be=self.exists or 0 in noted):
            self.tally.kills += 1
            return
        marked = await self._read_what_is_marked()
        if 0 in noted:
            assert noted[0] == digest_of(self.content), "it opened with something else"
            fits(self.content, run, 0, marked)
        found = await self._recover_a_copy()
        least = promised(run[:done])
        kept = fits(self.content, run, least, found)
        self.content = found
        self.tally.kills += 1
        self.tally.writes += kept
        self.tally.while_opening += 0 not in noted
        self.tally.with_lost_memory_writes += kept < done
        self.tally.with_writes_in_flight_kept += kept > done

    async def _is_there(self, *, must_be: bool) -> bool:
        """Say whether a kill has left a store, or came before it was made."""
        try:
            report = await verify(self.store)
        except tempest.NotAStoreError:
            assert not must_be
            return False
        torn = [file for file in report.files if file.status is FileStatus.TORN]
        self.tally.with_torn_files += bool(torn)
        self.tally.with_unnamed_files += bool(unnamed(report))
        self.exists = True
        return True

    async def _read_what_is_marked(self) -> Content:
        """Read the store without recovering it: up to the last mark that says synced."""
        async with tempest.open_store(self.store, read_only=True) as store:
            return await content_of(store)

    async def _recover_a_copy(self) -> Content:
        copy = self.folder / "copy"
        shutil.copytree(self.store, copy)
        async with tempest.open_store(copy) as store:
            content = await content_of(store)
            values = await store.get_many(KEYS)
        shutil.rmtree(copy)
        assert values == [content.get(key) for key in KEYS]
        return content

    async def _finish(self) -> None:
        """Open the store for good: it holds the same, and in the end no file is left over."""
        async with tempest.open_store(self.store) as store:
            assert await content_of(store) == self.content
            await store.compact()
        async with tempest.open_store(self.store) as store:
            assert await content_of(store) == self.content
        assert unnamed(await verify(self.store)) == []


async def wait_for_the_moment(victim: Victim, random: Random) -> None:
    """Wait for a moment while the victim opens the store, or after some of its writes."""
    if random.random() < OPENING_SHARE:
        await victim.watch(lambda acks: acks.openings > 0)
        await trio.sleep(random.uniform(0, OPENING_SECONDS_MAX))
    else:
        count = random.randint(1, WRITES_MAX)
        await victim.watch(lambda acks: len(acks.acknowledged) > count)
        await trio.sleep(random.uniform(0, DELAY_SECONDS_MAX))


async def verify(store: str) -> VerifyReport:
    """Read every byte; a kill damages nothing."""
    io = FileIo()
    try:
        report = await verify_store(io, store)
    finally:
        await io.aclose()
    assert report.whole, report
    return report


def unnamed(report: VerifyReport) -> list[str]:
    """List the tables and segments that are no part of the store: work that was broken off."""
    return [
        file.path
        for file in report.files
        if file.status is FileStatus.UNNAMED and file.kind == "file"
        if not Path(file.path).name.startswith("manifest")
    ]


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_killed_process_loses_nothing_that_was_promised(
    tmp_path: Path, seed: int
) -> None:
    trial = Trial(tmp_path, seed)

    await trial.run(kills=10)

    assert trial.tally.kills == 10
    print(trial.tally)  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(11, 15), range(15, 19)], ids=str)
async def test_a_process_killed_all_the_time_loses_nothing_that_was_promised(
    tmp_path: Path, seeds: range
) -> None:
    """The moments are spread: over a hundred kills, since a busy machine moves them all."""
    total = Counter[str]()
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        trial = Trial(folder, seed)
        await trial.run(kills=25)
        total.update(attrs.asdict(trial.tally))
        print(trial.tally)  # noqa: T201

    assert total["while_opening"], "no kill fell into an opening"
    assert total["with_unnamed_files"], "no kill fell into a flush or compaction"
    assert total["with_lost_memory_writes"], "no kill took a write of MEMORY level"

"""A real process is killed with SIGKILL at random moments, again and again on one store.

After each kill the store holds the content after a prefix of the victim's writes: at least up
to the last one that was acknowledged at OS or DISK level (or covered by a `sync`), at most up to
the one in flight; batches are all or nothing, deleted keys stay deleted, no byte is wrong. What
a victim finds when it opens the store is what was found after the kill before. `make test` kills
20 times, `make test-slow` 200 times.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from random import Random

import attrs
import pytest
import trio

import tempest
from io_backends import FileIo
from tempest.check import FileStatus, verify_store
from tests.tempest.process.killer import Victim, start_victim
from tests.tempest.process.plan import KEYS, Write, writes
from tests.tempest.process.victim import content_of, digest_of

OPENING_SHARE = 0.3
OPENING_SECONDS_MAX = 0.1
WRITES_MAX = 200
DELAY_SECONDS_MAX = 0.02

Content = Mapping[bytes, bytes]


@attrs.define
class Tally:
    """What the kills have met, to see that the moments are spread."""

    kills: int = 0
    while_opening: int = 0
    with_unnamed_files: int = 0
    with_lost_memory_writes: int = 0
    with_unacknowledged_writes: int = 0
    writes: int = 0


@attrs.define
class Trial:
    """One store and the victims that die on it; `content` is what it must hold."""

    folder: Path
    seed: int
    content: Content = attrs.field(factory=dict)
    tally: Tally = attrs.field(factory=Tally)

    @property
    def store(self) -> str:
        return str(self.folder / "store")

    async def run(self, kills: int) -> None:
        random = Random(f"moments {self.seed}")
        for life in range(kills):
            async with start_victim(self.folder, self.seed, life) as victim:
                await victim.go()
                await self._kill(victim, random)
            await self._check(victim, life)
        await self._finish()

    async def _kill(self, victim: Victim, random: Random) -> None:
        if random.random() < OPENING_SHARE:
            await victim.watch(lambda acks: acks.openings > 0)
            await trio.sleep(random.uniform(0, OPENING_SECONDS_MAX))
        else:
            count = random.randint(1, WRITES_MAX)
            await victim.watch(lambda acks: len(acks.acknowledged) >= count)
            await trio.sleep(random.uniform(0, DELAY_SECONDS_MAX))
        await victim.kill()

    async def _check(self, victim: Victim, life: int) -> None:
        """Compare what is left with what may be; go on from there."""
        noted = victim.acks.acknowledged
        if 0 in noted:
            assert noted[0] == digest_of(self.content), "recovery made something else"
        done = max(len(noted) - 1, 0)
        self.tally.kills += 1
        self.tally.while_opening += 0 not in noted
        if self.tally.while_opening and not Path(self.store).exists():
            return  # killed before it was made
        await self._check_files()
        found = await self._read()
        if found is None:
            return
        run = list(islice(writes(self.seed, life), done + 1))
        kept = longest_prefix(self.content, run, found)
        promised = [n for n, w in enumerate(run[:done], 1) if w.is_promised]
        least = promised[-1] if promised else 0
        assert kept is not None, explain(self.content, run, least, found)
        assert least <= kept, f"{kept} of {least} promised writes are left"
        self.tally.writes += kept
        self.tally.with_lost_memory_writes += kept < done
        self.tally.with_unacknowledged_writes += kept > done
        self.content = found

    async def _check_files(self) -> None:
        """A kill tears nothing that was promised, and damages nothing."""

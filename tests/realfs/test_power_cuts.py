"""The power of a real ext4 is cut: what it leaves, the virtual disk allows; and the store recovers.

Not part of `make test`: `make realfs` runs it, as root, and it skips with a reason elsewhere.
Each cut strikes a drawn operation. Before some operations the kernel is asked to write something
back by itself, so that more is seen than "all or nothing".
"""

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

import attrs
import pytest
import trio

import tempest
from io_backends import FaultPlan, FaultyIo, IoError, PowerCut
from tests.realfs.ext4 import MODES, Ext4, missing, mounted
from tests.realfs.mirror import MirrorIo
from tests.realfs.scripts import perform
from tests.tempest.crash.workloads import WORKLOADS
from tests.tempest.crash.world import STORE, TINY, History, Workload, World, read_all

pytestmark = pytest.mark.realfs
RAW_CUTS = 100  # in each mode
STORE_CUTS = 100
OPTIONS = attrs.evolve(TINY, compaction_inline=True)
Main = Callable[[FaultyIo], Awaitable[None]]


@pytest.fixture(params=MODES)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ext4]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    memory = Path("/dev/shm")
    place = memory / f"realfs-{os.getpid()}" if memory.is_dir() else tmp_path
    place.mkdir(exist_ok=True)
    with mounted(place, request.param) as ext4:
        yield ext4
    (place / "disk").rmdir()
    if place != tmp_path:
        place.rmdir()


def run(disk: Ext4, random: Random, at: int, main: Main) -> tuple[MirrorIo, int]:
    """Run until the power goes at operation `at`, or cut it at the end."""
    share = random.choice((0.0, 0.1, 0.5))

    def disturb() -> None:
        if random.random() < share:
            disk.nudge(random)

    async def life() -> tuple[MirrorIo, int]:
        plan = FaultPlan((PowerCut(at=at, when=random.choice(("before", "after"))),))
        mirror = MirrorIo(disk.found(), cut=disk.cut, disturb=disturb)
        io = FaultyIo(mirror, plan)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_dark, io, scope)
                try:
                    await main(io)
                except* (IoError, tempest.TempestError):
                    assert io.power_lost.is_set()
                nursery.cancel_scope.cancel()
        io.power_off()
        with trio.CancelScope(shield=True):
            await io.aclose()
        return mirror, io.op_count

    os.chdir(disk.folder)
    try:
        return trio.run(life)
    finally:
        os.chdir("/")


async def cancel_when_dark(io: FaultyIo, scope: trio.CancelScope) -> None:
    await io.power_lost.wait()
    scope.cancel()


def check_allowed(disk: Ext4, mirror: MirrorIo, story: str) -> str:
    """Check what the real disk holds; return how it compares with what was visible."""
    found = disk.found()
    reason = mirror.disk.explain(found, garbage="writeback" in disk.mode)
    assert reason is None, f"{story}: {reason}"
    visible = {path.lstrip("/"): data for path, data in mirror.disk.contents().items()}
    files = {path: data for path, data in found.items() if data is not None}
    if files == visible:
        return "all kept"
    return "none left" if not files else "some lost"


def test_what_ext4_leaves_is_allowed(disk: Ext4) -> None:
    seen: Counter[str] = Counter()
    for number in range(RAW_CUTS):
        random = Random(number)
        steps = random.randrange(4, 30)

        async def main(
            io: FaultyIo, random: Random = random, steps: int = steps
        ) -> None:
            await perform(io, random, steps)

        mirror, _ = run(disk, random, random.randrange(steps + 4), main)
        disk.remount()
        seen[check_allowed(disk, mirror, f"{disk.mode}, script {number}")] += 1
        disk.clear()
    print(f"\n{disk.mode}: {disk.cuts} cuts of drawn scripts: {dict(seen)}")  # noqa: T201 - the figures are what is asked for


def test_the_store_recovers_from_every_cut(disk: Ext4) -> None:
    seen: Counter[str] = Counter()
    lengths: dict[str, int] = {}
    for number in range(STORE_CUTS):
        random = Random(number)
        workload = WORKLOADS[number % len(WORKLOADS)]
        operations = lengths.get(workload.__name__, 0)
        at = random.randrange(operations) if operations else 10**6
        history, mirror, count = live(disk, random, workload, at)
        lengths.setdefault(workload.__name__, count)
        story = f"{disk.mode}, {workload.__name__} cut at {at}, draw {number}"
        disk.remount()
        seen[check_allowed(disk, mirror, story)] += 1
        recover(disk, history, random, story)
        disk.clear()
    print(f"\n{disk.mode}: {disk.cuts} cuts of a store: {dict(seen)}")  # noqa: T201 - the same


def live(
    disk: Ext4, random: Random, workload: Workload, at: int
) -> tuple[History, MirrorIo, int]:
    worlds: list[World] = []

    async def main(io: FaultyIo) -> None:
        worlds.append(World(io, OPTIONS))
        await workload(worlds[0])

    mirror, count = run(disk, random, at, main)
    return worlds[0].history, mirror, count


def recover(disk: Ext4, history: History, random: Random, story: str) -> None:
    """Open the store, in the dark again now and then; its content is a prefix, and stays so."""
    contents: list[dict[bytes, bytes]] = []

    async def main(io: FaultyIo) -> None:
        try:
            async with tempest.open_store(
                STORE, io=io, options=OPTIONS, create=False
            ) as store:
                content = await read_all(store)
        except tempest.NotAStoreError:
            content = {}
        contents.append(content)

    for at in (random.randrange(1, 30), 10**6, 10**6):
        run(disk, random, at, main)
        disk.remount()
    for content in contents:
        assert history.prefix_of(content) is not None, f"{story}: {content}"
    assert all(content == contents[-1] for content in contents), story

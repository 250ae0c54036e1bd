"""The power is cut, or an operation fails, at every step of a backup, of the next one, of a restore.

At every moment the backup's folder holds the older backup or the newer one, whole, or, the first
time, no store; the next backup into it works, and so does opening it for writing.
"""

from collections.abc import Awaitable, Callable
from random import Random

import attrs
import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, Io, OpKind, VirtualDisk, VirtualIo
from sim import run_seeded
from tests.tempest.crash.test_power_cuts import POLICIES
from tests.tempest.crash.world import NO_FAULTS, STORE, power_cut

BACKUP = "backup"
RESTORED = "restored"
OPTIONS = tempest.Options(
    compaction_inline=True,
    memtable_bytes_max=4096,
    block_bytes=128,
    level0_tables_max=100,
    segment_bytes_max=2048,
    separated_value_bytes_min=100,
    resume_seconds_max=5.0,
    close_seconds_max=20.0,
)
NO_LINKS = FailOp(kinds=(OpKind.LINK,), times=None, error="EIO")
Content = dict[bytes, bytes]
Step = Callable[["Story"], Awaitable[None]]


@attrs.define
class Story:
    """A store, and what its folder and that of the backup may hold after a crash."""

    io: FaultyIo
    backups: list[Content | None] = attrs.field(factory=lambda: [None])
    restored: list[Content | None] = attrs.field(factory=lambda: [None])


async def read_all(io: Io, folder: str, *, read_only: bool = True) -> Content | None:
    """What a folder holds; None if it is no store."""
    try:
        async with tempest.open_store(
            folder, io=io, options=OPTIONS, read_only=read_only, create=False
        ) as store:
            content = await content_of(store)
            if not read_only:
                await store.put(b"mine", b"written to")
            return content
    except tempest.NotAStoreError:
        return None


async def content_of(store: tempest.Store) -> Content:
    async with store.scan() as rows:
        return {key: value async for key, value in rows}


async def write(store: tempest.Store, first: int) -> None:
    for number in range(first, first + 3):
        await store.put(b"small %d" % (number % 4), b"%d" % number)
    await store.put(b"large", b"%d;" % first * 60)
    await store.flush()
    await store.put(b"last", b"%d" % first)


async def back_up(story: Story, store: tempest.Store) -> None:
    """From here on the new backup may be there; when it has returned, it must be."""
    content = await content_of(store)
    story.backups.append(content)
    await store.backup(BACKUP)
    story.backups[:] = [content]


async def first_backup(story: Story) -> None:
    async with tempest.open_store(STORE, io=story.io, options=OPTIONS) as store:
        await write(store, 0)
        await back_up(story, store)


async def next_backup(story: Story) -> None:
    async with tempest.open_store(STORE, io=story.io, options=OPTIONS) as store:
        await write(store, 0)
        await back_up(story, store)
        await write(store, 10)
        await store.compact()
        await back_up(story, store)


async def restoring(story: Story) -> None:
    async with tempest.open_store(STORE, io=story.io, options=OPTIONS) as store:
        await write(store, 0)
        await back_up(story, store)
    story.restored = [None, *story.backups]
    await tempest.restore_backup(BACKUP, RESTORED, io=story.io)
    story.restored = [*story.backups]


STEPS: tuple[Step, ...] = (first_backup, next_backup, restoring)
every_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)


@attrs.define
class Run:
    """What is left: the disk, what it may hold, the operations that there were, what was raised."""

    disk: VirtualDisk
    story: Story
    operations: int
    errors: list[tempest.TempestError]


def run(step: Step, plan: FaultPlan = NO_FAULTS) -> Run:
    disk = VirtualDisk()
    story = Story(FaultyIo(VirtualIo(disk), plan))
    errors: list[tempest.TempestError] = []

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_dark, story.io, scope)
                try:
                    await step(story)
                except tempest.TempestError as error:
                    errors.append(error)
                nursery.cancel_scope.cancel()

    run_seeded(0, main)
    return Run(disk, story, story.io.op_count, errors)


async def _cancel_when_dark(io: FaultyIo, scope: trio.CancelScope) -> None:
    await io.power_lost.wait()
    scope.cancel()


def check(name: str, disk: VirtualDisk, story: Story) -> None:
    """Look at every folder, then go on: a backup upon what is there, and a write to it."""

    async def main() -> None:
        io = VirtualIo(disk)
        found = await read_all(io, BACKUP)
        assert found in story.backups, f"{name}: {found} is none of {story.backups}"
        restored = await read_all(io, RESTORED)
        assert restored in story.restored, f"{name}: restored {restored}"
        if found is not None:
            report = await tempest.verify_store(io, BACKUP)
            assert report.whole, f"{name}: {report}"
        if restored is not None:
            assert await read_all(io, RESTORED, read_only=False) == restored, name
        await go_on(name, io)

    run_seeded(0, main)


async def go_on(name: str, io: VirtualIo) -> None:
    try:
        async with tempest.open_store(
            STORE, io=io, options=OPTIONS, create=False
        ) as store:
            await store.put(b"after", b"the crash")
            content = await content_of(store)
            await store.backup(BACKUP)
    except tempest.NotAStoreError:
        return
    assert await read_all(io, BACKUP) == content, name
    named = await tempest.verify_store(io, BACKUP)
    assert not [f for f in named.files if f.status is tempest.FileStatus.UNNAMED], name
    assert await read_all(io, BACKUP, read_only=False) == content, name


def check_opening(name: str, disk: VirtualDisk, story: Story) -> None:
    """Instead of a next backup, somebody opens the folder for writing, and the power goes again."""

    async def main(disk: VirtualDisk, plan: FaultPlan) -> int:
        io = FaultyIo(VirtualIo(disk), plan)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_dark, io, scope)
                try:
                    await read_all(io, BACKUP, read_only=False)
                except tempest.TempestError:
                    assert io.power_lost.is_set(), name
                nursery.cancel_scope.cancel()
        return io.op_count

    async def read(disk: VirtualDisk) -> None:
        found = await read_all(VirtualIo(disk), BACKUP, read_only=False)
        if found is not None:
            found.pop(b"mine", None)
        assert found in story.backups, f"{name}: {found}"

    operations = run_seeded(0, lambda: main(disk.clone(), NO_FAULTS))
    at = Random(name).randrange(max(1, operations))
    cut = disk.clone()
    run_seeded(0, lambda: main(cut, power_cut(at)))
    run_seeded(0, lambda: read(cut.crash(Random(at))))


def sweep(step: Step, outcomes: int, *faults: FailOp, stride: int = 1) -> None:
    """Cut the power at every `stride`-th operation; look at so many outcomes of each."""
    operations = run(step, FaultPlan(faults)).operations
    for at in range(operations):
        for turn, when in enumerate(("before", "during")):
            if (at + turn) % stride:
                continue
            plan = FaultPlan((*faults, *power_cut(at, when).faults))
            cut = run(step, plan)
            for seed in range(outcomes):
                policy = POLICIES[(seed + at) % len(POLICIES)]
                disk = cut.disk.crash(Random(seed), policy)
                name = f"{step.__name__} cut {when} operation {at}, outcome {seed}"
                check_opening(name, disk.clone(), cut.story)
                check(name, disk, cut.story)


@every_step
def test_without_faults_every_step_ends(step: Step) -> None:
    finished = run(step)

    assert not finished.errors
    check(step.__name__, finished.disk.clone(), finished.story)


@every_step
def test_a_power_cut_anywhere_leaves_the_older_backup_or_the_newer(step: Step) -> None:
    """R28, H13: nothing half made is ever taken for a backup, and what was left goes."""
    sweep(step, 1, stride=7)


def test_a_power_cut_while_files_are_copied_leaves_the_older_or_the_newer() -> None:
    sweep(next_backup, 1, NO_LINKS, stride=11)


@pytest.mark.slow
@every_step
def test_a_power_cut_anywhere_in_many_outcomes(step: Step) -> None:
    sweep(step, 6)
    sweep(step, 3, NO_LINKS)


@every_step
@pytest.mark.parametrize("effect", ["none", "done"])
def test_an_operation_that_fails_leaves_the_older_backup_or_the_newer(
    step: Step, effect: str
) -> None:
    operations = run(step).operations
    for at in range(0, operations, 3):
        error = "ENOSPC" if at % 2 else "EIO"
        fault = FailOp(at=at, times=1, error=error, effect=effect)  # type: ignore[arg-type]
        failed = run(step, FaultPlan((fault,)))
        check(f"{step.__name__} with {fault}", failed.disk.clone(), failed.story)

"""A backup that is cancelled, or whose store closes or fails, leaves the older one and the store."""

import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import BackupProgress, BackupStage
from tests.tempest.backup.support import (
    BACKUP,
    OPTIONS,
    STORE,
    Sight,
    data_files,
    fill,
    look,
    sight_of,
)


@pytest.mark.parametrize("stage", list(BackupStage))
async def test_cancelled_at_any_stage_it_leaves_the_older_or_the_newer(
    stage: BackupStage,
) -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        await store.backup(BACKUP)
        sights: list[Sight] = [await look(io, BACKUP)]
        await fill(store, 100)
        sights.append(await sight_of(store))
        with trio.CancelScope() as scope:

            def cancel(progress: BackupProgress) -> None:
                if progress.stage is stage:
                    scope.cancel()

            await store.backup(BACKUP, on_progress=cancel)
        assert await look(io, BACKUP) in sights
        await store.put(b"after", b"goes on")
        await store.backup(BACKUP)
        assert await look(io, BACKUP) == await sight_of(store)
    assert (await tempest.verify_store(io, BACKUP)).whole


async def test_cancelled_before_the_log_has_rolled_nothing_stays_pinned() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        for _ in range(3):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(store.backup, BACKUP)
                    await trio.lowlevel.checkpoint()
                    scope.cancel()
        for number in range(12):
            await store.delete(b"large %03d" % number)
        before = await data_files(io, STORE)
        await store.compact()
        await store.collect(1.0)
        await trio.testing.wait_all_tasks_blocked()

        assert len(await data_files(io, STORE)) < len(before)


async def test_a_store_that_is_closed_ends_its_backup() -> None:
    io = VirtualIo(VirtualDisk())
    ended: list[type[Exception]] = []
    async with (
        trio.open_nursery() as nursery,
        tempest.open_store(STORE, io=io, options=OPTIONS) as store,
    ):
        await fill(store)
        before = await sight_of(store)
        begun = trio.Event()

        async def back_up() -> None:
            try:
                await store.backup(BACKUP, on_progress=lambda _: begun.set())
            except tempest.TempestError as error:
                ended.append(type(error))

        nursery.start_soon(back_up)
        await begun.wait()
    assert await look(io, STORE) == before
    if ended:
        assert ended == [tempest.NotOpenError]
        assert await data_files(io, BACKUP) == []
    else:
        assert await look(io, BACKUP) == before


@pytest.mark.parametrize("kind", [OpKind.SYNC, OpKind.WRITE, OpKind.CREATE])
async def test_a_log_that_has_to_move_is_rolled_all_the_same(kind: OpKind) -> None:
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        before = await sight_of(store)
        io.plan = FaultPlan(
            (FailOp(path=f"*{STORE}/log-*", kinds=(kind,), times=1, error="EIO"),)
        )
        io.log = io.plan.new_log()
        await store.put(b"unsynced", b"1", durability=tempest.Durability.MEMORY)
        await store.backup(BACKUP)
        assert len(io.log.hits) == 1

    content = (await look(VirtualIo(disk), BACKUP)).content
    assert content == before.content | {b"unsynced": b"1"}

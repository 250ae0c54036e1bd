"""A backup is what the store was, opens by itself, and is brought up to date with little."""

import pytest
import trio

import tempest
from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from tempest import BackupProgress, BackupStage, Durability
from tests.tempest.backup.support import (
    BACKUP,
    OPTIONS,
    STORE,
    data_files,
    fill,
    look,
    sight_of,
)


async def test_a_backup_opens_by_itself_and_is_the_store() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        await store.put(b"unsynced", b"too", durability=Durability.MEMORY)
        before = await sight_of(store)
        report = await store.backup(BACKUP)
        await store.put(b"later", b"not in it")

    assert before.sessions == {"importer": 1}
    assert await look(io, BACKUP) == before
    assert await look(io, BACKUP, read_only=False) == before
    assert report.is_verified
    assert not report.is_incremental
    assert report.files == report.files_linked == len(await data_files(io, BACKUP)) - 1


async def test_a_backup_shares_no_fate_with_the_store() -> None:
    """What either of them writes or removes, the other one keeps."""
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        before = await sight_of(store)
        await store.backup(BACKUP)
        for number in range(12):
            await store.delete(b"key %03d" % number)
        await store.compact()
        async with tempest.open_store(BACKUP, io=io, options=OPTIONS) as other:
            await other.put(b"key 000", b"mine")
            await other.compact()
        after = await sight_of(store)

    assert (await look(io, BACKUP)).content == before.content | {b"key 000": b"mine"}
    assert await look(io, STORE) == after


async def test_the_next_backup_brings_only_what_is_new() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        first = await store.backup(BACKUP)
        await fill(store, 100, 3)
        second = await store.backup(BACKUP)
        before = await sight_of(store)
        third = await store.backup(BACKUP)
    after_reopening = await _backup_again(io)

    assert await look(io, BACKUP) == before
    assert second.is_incremental
    assert second.files_kept > 0
    assert second.files_linked == second.files - second.files_kept > 0
    assert first.files_kept == 0
    assert third.files_linked == third.files_copied == 0
    assert after_reopening.files_kept == third.files


async def _backup_again(io: VirtualIo) -> tempest.BackupReport:
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        return await store.backup(BACKUP)


async def test_what_only_the_older_backup_needed_goes() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        await store.backup(BACKUP)
        before = await data_files(io, BACKUP)
        await store.compact()
        report = await store.backup(BACKUP)
        sight = await sight_of(store)
    after = await data_files(io, BACKUP)

    assert set(before) - set(after)
    assert len(after) == report.files
    assert (await tempest.verify_store(io, BACKUP)).whole
    assert await look(io, BACKUP) == sight


async def test_files_are_copied_where_they_cannot_be_linked() -> None:
    io = FaultyIo(
        VirtualIo(VirtualDisk()),
        FaultPlan((FailOp(kinds=(OpKind.LINK,), times=None, error="EIO"),)),
    )
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        report = await store.backup(BACKUP)
        before = await sight_of(store)

    assert report.files_linked == 0
    assert report.files_copied == report.files > 0
    assert report.bytes_copied > 0
    assert await look(io, BACKUP) == before


async def test_a_file_has_its_bytes_and_its_name_before_the_backup_is_published() -> (
    None
):
    """H13: a new name is synced before anything relies on it."""
    io = TracingIo(VirtualIo(VirtualDisk()))
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        start = len(io.ops)
        await store.backup(BACKUP)
        ops = [traced.op for traced in io.ops[start:]]

    kinds = [(op.kind, op.path) for op in ops]
    published = next(
        at
        for at, op in enumerate(ops)
        if op.kind is OpKind.RENAME and BACKUP in op.path
    )
    last_link = max(at for at, op in enumerate(ops) if op.kind is OpKind.LINK)
    synced = [at for at, kind in enumerate(kinds) if kind == (OpKind.SYNC_DIR, BACKUP)]
    assert any(last_link < at < published for at in synced)
    assert any(at > published for at in synced)
    assert (OpKind.SYNC_DIR, ".") in kinds[:last_link]


async def test_progress_is_told_and_may_end_the_backup() -> None:
    io = VirtualIo(VirtualDisk())
    seen: list[BackupProgress] = []

    class EnoughError(Exception):
        pass

    def stop(progress: BackupProgress) -> None:
        if progress.stage is BackupStage.VERIFYING:
            raise EnoughError

    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        with pytest.raises(EnoughError):
            await store.backup(BACKUP, on_progress=stop)
        assert await data_files(io, BACKUP) == []
        report = await store.backup(BACKUP, on_progress=seen.append)

    for stage in (BackupStage.FILES, BackupStage.VERIFYING):
        told = [progress for progress in seen if progress.stage is stage]
        assert [p.files for p in told] == sorted(p.files for p in told)
        assert told[-1].files == told[-1].files_total == report.files
        assert told[-1].bytes == told[-1].bytes_total
    assert seen[-1].stage is BackupStage.PUBLISHING


async def test_without_verify_nothing_is_read_that_can_be_linked() -> None:
    io = TracingIo(VirtualIo(VirtualDisk()))
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        start = len(io.ops)
        report = await store.backup(BACKUP, verify=False)
        ops = [traced.op for traced in io.ops[start:]]

    assert not report.is_verified
    assert not [op for op in ops if op.kind is OpKind.READ and "/table-" in op.path]


async def test_writers_go_on_and_none_of_their_later_writes_is_half_in_it() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)

        async def write() -> None:
            for number in range(200):
                async with store.batch() as batch:
                    batch.put(b"left", b"%d" % number)
                    batch.put(b"right", b"%d" % number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await store.get(b"left")
            await store.backup(BACKUP)
        assert await store.get(b"left") == b"199"

    content = (await look(io, BACKUP)).content
    assert content.get(b"left") == content.get(b"right")


async def test_two_backups_of_one_store_come_one_after_the_other() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(store.backup, BACKUP)
        before = await sight_of(store)

    assert await look(io, BACKUP) == before


async def test_an_empty_store_is_backed_up_too() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await store.backup(BACKUP)

    assert (await look(io, BACKUP)).content == {}


async def test_no_space_is_told_and_leaves_no_store() -> None:
    disk = VirtualDisk()
    plan = FaultPlan((FailOp(kinds=(OpKind.LINK,), times=1, error="ENOSPC"),))
    io = FaultyIo(VirtualIo(disk), plan)
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        with pytest.raises(tempest.NoSpaceError):
            await store.backup(BACKUP)
        assert store.health().state is tempest.HealthState.HEALTHY
        assert await data_files(VirtualIo(disk), BACKUP) == []
        await store.backup(BACKUP)

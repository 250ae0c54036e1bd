"""What `inspect_store` says is what opening then reports, and nothing is changed by asking."""

import pytest

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointKind, Durability, RecoveryReport
from tests.tempest.backup.support import BACKUP, OPTIONS, STORE, fill

SAME = (
    *("replay_from", "frames", "entries", "bytes", "torn_bytes", "rewritten_frames"),
    "index_checkpoint",
)


async def make(disk: VirtualDisk) -> VirtualDisk:
    """Return the disk of a store whose process was killed."""
    io = VirtualIo(disk)
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        await store.checkpoint(CheckpointKind.INDEX)
        await store.checkpoint(cookie=b"mine")
        await store.backup(BACKUP)
        await store.put(b"synced", b"1")
        await store.put(b"handed over", b"2", durability=Durability.OS)
        return disk.clone()


async def recovery_of(disk: VirtualDisk, folder: str) -> RecoveryReport:
    async with tempest.open_store(
        folder, io=VirtualIo(disk.clone()), options=OPTIONS
    ) as store:
        return store.statistics().recovery


@pytest.mark.parametrize("folder", [STORE, BACKUP])
async def test_it_says_what_opening_then_reports(folder: str) -> None:
    disk = await make(VirtualDisk())
    before = disk.contents()
    found = await tempest.inspect_store(folder, io=VirtualIo(disk))
    assert disk.contents() == before
    report = await recovery_of(disk, folder)

    assert found.problem is None
    assert found.log is not None
    told = {name: getattr(found.log, name) for name in SAME}
    token = report.index_checkpoint
    wanted = {name: getattr(report, name) for name in SAME}
    assert told == wanted | {"index_checkpoint": token and token.decode()}
    assert found.log.is_clean == report.clean
    assert sum(level.tables for level in found.levels) == report.tables
    assert found.is_backup == (folder == BACKUP)
    assert [session.name for session in found.sessions] == ["importer"]
    assert [info.cookie for info in found.checkpoints] == [b"", b"mine"]


async def test_it_replays_the_log_that_recovery_replays() -> None:
    disk = await make(VirtualDisk())
    found = await tempest.inspect_store(STORE, io=VirtualIo(disk))

    assert found.log is not None
    assert found.log.entries == 2
    assert found.log.rewritten_frames > 0
    assert not found.log.is_clean


async def test_damage_is_said_before_opening_meets_it() -> None:
    disk = await make(VirtualDisk())
    io = VirtualIo(disk)
    names = [name for name in await io.list(STORE) if name.startswith("table-")]
    await io.remove(f"{STORE}/{names[-1]}")
    found = await tempest.inspect_store(STORE, io=io)

    assert found.log is None
    assert found.problem is not None
    assert names[-1] in found.problem


async def test_what_is_no_store_is_said_so() -> None:
    io = VirtualIo(VirtualDisk())
    with pytest.raises(tempest.NotAStoreError):
        await tempest.inspect_store("nowhere", io=io)
    with pytest.raises(TypeError):
        await tempest.inspect_store(b"store", io=io)  # type: ignore[arg-type]

"""A backup carries the checkpoints, and what is recovered depends on what is logged only."""

import pytest

import tempest
from io_backends import Io, VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointStyle
from tempest.columns import Kind
from tempest.pointers import decode_pointer
from tempest.recovery import load_manifest
from tempest.table import BlockCache, Table
from tempest.version import Version
from tests.tempest.backup.support import (
    BACKUP,
    OPTIONS,
    STORE,
    Sight,
    fill,
    look,
    sight_of,
)

KINDS = [
    (CheckpointKind.FULL, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.FULL, CheckpointStyle.SNAPSHOT),
    (CheckpointKind.LOG, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INDEX, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INCREMENTAL, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INCREMENTAL, CheckpointStyle.SNAPSHOT),
]


async def take_all(io: Io) -> dict[bytes, Sight]:
    """Make a store with a checkpoint of each kind, backed up twice on the way."""
    sights: dict[bytes, Sight] = {}
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        for at, (kind, style) in enumerate(KINDS):
            await fill(store, 10 * at, 3)
            sight = await sight_of(store)
            token = await store.checkpoint(kind, style, b"cookie %d" % at)
            if kind is not CheckpointKind.INDEX:
                sights[token] = sight
            if at == 2:
                await store.backup(BACKUP)
        await store.put(b"last", b"not in any")
        await store.compact()
        await store.backup(BACKUP)
    return sights


async def look_at(io: Io, folder: str, token: bytes) -> Sight:
    async with tempest.open_store(
        folder, io=io, options=OPTIONS, read_only=True, checkpoint=token
    ) as store:
        return await sight_of(store)


async def test_every_checkpoint_is_in_the_backup() -> None:
    io = VirtualIo(VirtualDisk())
    sights = await take_all(io)
    infos = await tempest.list_checkpoints(BACKUP, io=io)

    assert infos == await tempest.list_checkpoints(STORE, io=io)
    assert [(info.kind, info.style) for info in infos] == KINDS
    for token, sight in sights.items():
        assert await look_at(io, BACKUP, token) == sight
    assert (await tempest.verify_store(io, BACKUP)).whole


async def test_going_back_in_a_backup_loses_no_other_checkpoint() -> None:
    """F5: whoever goes back to an older one can still go on to a newer one."""
    io = VirtualIo(VirtualDisk())
    sights = await take_all(io)
    await tempest.restore_backup(BACKUP, "new", io=io)
    tokens = [info.token for info in await tempest.list_checkpoints("new", io=io)]
    for token in (*sights, *reversed(sights)):
        await tempest.restore_checkpoint("new", token, io=io, options=OPTIONS)
        assert await look(io, "new") == sights[token]
        infos = await tempest.list_checkpoints("new", io=io)
        assert [info.token for info in infos] == tokens


async def test_a_restored_backup_is_a_history_of_its_own() -> None:
    io = VirtualIo(VirtualDisk())
    await take_all(io)
    loaded, copied = await load_manifest(io, STORE), await load_manifest(io, BACKUP)
    assert loaded is not None
    assert copied is not None

    assert copied.state.timeline == loaded.state.timeline + 1
    assert not any(map(copied.state.is_abandoned, copied.state.checkpoints))


async def test_what_is_recovered_does_not_hang_on_the_order_of_files() -> None:
    """F3: copied file by file, in any order, a backup is what it was: the numbers decide."""
    io = VirtualIo(VirtualDisk())
    sights = await take_all(io)
    before = await look(io, BACKUP)
    await io.make_dir("copy")
    for name in reversed(await io.list(BACKUP)):
        file = await io.open(f"{BACKUP}/{name}")
        data = await file.read_at(0, await file.size())
        await file.aclose()
        copy = await io.create_exclusive(f"copy/{name}")
        await copy.write_at(0, data)
        await copy.aclose()

    assert await look(io, "copy") == before
    assert await tempest.list_checkpoints("copy", io=io) == (
        await tempest.list_checkpoints(BACKUP, io=io)
    )
    newest = max(sights)
    assert await look_at(io, "copy", newest) == sights[newest]


async def test_every_field_says_what_is_there() -> None:
    """R4: what the manifest says of a file, a backup's too, is what the file is."""
    io = VirtualIo(VirtualDisk())
    await take_all(io)
    for folder in (STORE, BACKUP):
        loaded = await load_manifest(io, folder)
        assert loaded is not None
        version = loaded.state
        await check_tables_say(io, folder, version)
        for meta in version.checkpoints:
            assert meta.committed_wall_us >= meta.started_wall_us > 0
            apart = meta.committed_wall_us - meta.started_wall_us
            assert abs(meta.duration_us - apart) <= 10  # floats in between
            assert meta.replay_from <= meta.address <= version.log_end
            assert meta.sequence <= (version.life + 1) << 40
            if not meta.is_recovery_point:
                continue
            at = version.at_checkpoint(meta)
            assert at.sequence_max <= meta.sequence
            assert {s.number for s in at.all_segments} >= {
                number for table in at.tables for number in table.segments
            }


async def check_tables_say(io: Io, folder: str, version: Version) -> None:
    for table in version.tables:
        path = f"{folder}/table-{table.number:012}"
        assert (await io.stat(path)).size == table.size
        assert table.entries >= table.tombstones + table.shadowed
        assert sum(table.segment_bytes) == await pointed_bytes(io, folder, table.number)


async def pointed_bytes(io: Io, folder: str, number: int) -> int:
    """Return how many bytes the pointers of a table lead to, read from its blocks."""
    loaded = await load_manifest(io, folder)
    assert loaded is not None
    meta = next(t for t in loaded.state.tables if t.number == number)
    path = f"{folder}/table-{number:012}"
    table = await Table.open(io, path, loaded.header.store_id, meta, BlockCache(0))
    total = 0
    try:
        for at in range(table.block_count):
            block = await table.block(at)
            for index, value in enumerate(block.values):
                if block.kind(index) == Kind.POINTER:
                    total += decode_pointer(value).length
    finally:
        await table.aclose()
    return total


@pytest.mark.parametrize("style", CheckpointStyle)
async def test_an_incremental_checkpoint_goes_on_in_a_restored_backup(
    style: CheckpointStyle,
) -> None:
    io = VirtualIo(VirtualDisk())
    await take_all(io)
    await tempest.restore_backup(BACKUP, "new", io=io)
    async with tempest.open_store("new", io=io, options=OPTIONS) as store:
        await fill(store, 200, 3)
        sight = await sight_of(store)
        token = await store.checkpoint(CheckpointKind.INCREMENTAL, style)

    assert await look_at(io, "new", token) == sight

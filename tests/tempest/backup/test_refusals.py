"""What a backup is not made in, what is not restored, and what damage does to both."""

import pytest

import tempest
from io_backends import Io, VirtualDisk, VirtualIo
from tests.tempest.backup.support import (
    BACKUP,
    OPTIONS,
    STORE,
    data_files,
    fill,
    look,
    sight_of,
)


async def make_store(io: Io, folder: str = STORE) -> None:
    async with tempest.open_store(folder, io=io, options=OPTIONS) as store:
        await fill(store)


async def back_up(
    io: Io, folder: str = BACKUP, store: str = STORE
) -> tempest.BackupReport:
    async with tempest.open_store(store, io=io, options=OPTIONS) as opened:
        return await opened.backup(folder)


async def refuse(io: VirtualIo, folder: str, why: str) -> None:
    """Expect a refusal that changes nothing in the folder."""
    before = {path: io.disk.read(path) for path in io.disk.files() if folder in path}
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        with pytest.raises(tempest.BackupError, match=why):
            await store.backup(folder)
        assert store.health().state is tempest.HealthState.HEALTHY
    after = {path: io.disk.read(path) for path in io.disk.files() if folder in path}
    assert after == before


async def write(io: Io, path: str, data: bytes) -> None:
    file = await io.create_exclusive(path)
    await file.write_at(0, data)
    await file.sync()
    await file.aclose()


async def test_another_store_is_refused() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await make_store(io, "other")
    await refuse(io, "other", "holds another store")
    await back_up(io, BACKUP, "other")
    await refuse(io, BACKUP, "holds another store")


async def test_a_backup_that_was_written_to_is_refused() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io)
    async with tempest.open_store(BACKUP, io=io, options=OPTIONS):
        pass

    await refuse(io, BACKUP, "written to since")


async def test_reading_a_backup_does_not_spoil_it() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io)
    await look(io, BACKUP)

    assert (await back_up(io)).is_incremental


async def test_the_folder_of_the_store_itself_is_refused() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        with pytest.raises(tempest.BackupError):
            await store.backup(STORE)


async def test_other_files_are_refused_and_left_alone() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await io.make_dir("photos")
    await write(io, "photos/holiday", b"sea")
    await io.make_dir("tables")
    await write(io, "tables/table-000000000001", b"TEMPEST\0" + bytes(56))

    await refuse(io, "photos", "'holiday' among them")
    await refuse(io, "photos/holiday", "not a folder")
    await refuse(io, "nowhere/backup", "does not exist")


async def test_a_folder_that_is_in_use_is_refused() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io)
    lock = await io.lock(f"{BACKUP}/lock")
    try:
        await refuse(io, BACKUP, "in use")
    finally:
        lock.release()


async def test_a_backup_that_is_newer_than_the_store_is_refused() -> None:
    """The store was brought back from an older backup, and goes another way than the newer."""
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io, "older")
    for _ in range(3):
        async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
            await fill(store, 100)
    await back_up(io)
    await remove_store(io)
    await tempest.restore_backup("older", STORE, io=io)

    await refuse(io, BACKUP, "never in, or is newer")


async def test_a_backup_of_another_way_is_refused_by_its_bytes() -> None:
    """Numbers, lives and addresses are alike: only the bytes of the log differ."""
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io, "older")
    for value in (b"one way", b"another"):
        async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
            await store.put(b"key", value)
            if value == b"one way":
                await store.backup(BACKUP)
        if value == b"one way":
            await remove_store(io)
            await tempest.restore_backup("older", STORE, io=io)

    await refuse(io, BACKUP, "different ways|never in")


async def remove_store(io: VirtualIo) -> None:
    for name in await io.list(STORE):
        await io.remove(f"{STORE}/{name}")


async def test_a_store_that_was_restored_from_a_backup_continues_it() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io)
    await remove_store(io)
    await tempest.restore_backup(BACKUP, STORE, io=io)
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await store.put(b"key", b"after the disaster")
        report = await store.backup(BACKUP)
        sight = await sight_of(store)

    assert report.is_incremental
    assert report.files_kept > 0
    assert await look(io, BACKUP) == sight


@pytest.mark.parametrize("kind", ["table-", "log-"])
async def test_a_damaged_store_never_replaces_a_whole_backup(kind: str) -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io)
    before = await look(io, BACKUP)
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        names = set(await data_files(io, STORE))
        await fill(store, 100)
        await store.flush()
        new = sorted(set(await data_files(io, STORE)) - names)
        victim = next(name for name in new if name.startswith(kind))
        await spoil(io, f"{STORE}/{victim}")
        with pytest.raises(tempest.CorruptionError, match=victim):
            await store.backup(BACKUP)

    assert await look(io, BACKUP) == before
    assert (await tempest.verify_store(io, BACKUP)).whole


async def spoil(io: Io, path: str) -> None:
    """Turn a byte in the middle of what the file holds."""
    file = await io.open(path, writable=True)
    data = bytearray(await file.read_at(0, await file.size()))
    place = max(at for at in range(len(data) // 2) if data[at])
    await file.write_at(place, bytes([data[place] ^ 0x55]))
    await file.aclose()


async def test_a_damaged_backup_is_not_restored_in_part() -> None:
    """F4: what cannot be read is an error that names it, never a silently older state."""
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io)
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store, 100)
        await store.backup(BACKUP)
    for name in await data_files(io, BACKUP):
        await spoil(io, f"{BACKUP}/{name}")
        with pytest.raises(tempest.CorruptionError, match=name):
            await tempest.restore_backup(BACKUP, "new", io=io)
        assert await data_files(io, "new") == []
        await spoil(io, f"{BACKUP}/{name}")
    newest = max(name for name in await io.list(BACKUP) if "manifest" in name)
    await spoil(io, f"{BACKUP}/{newest}")
    with pytest.raises(tempest.CorruptionError, match=newest):
        await tempest.restore_backup(BACKUP, "new", io=io)

    assert not [name for name in await io.list("new") if "manifest" in name]


async def test_only_a_backup_is_restored_and_only_into_nothing() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    await back_up(io)
    with pytest.raises(tempest.BackupError, match="it is a store"):
        await tempest.restore_backup(STORE, "new", io=io)
    with pytest.raises(tempest.NotAStoreError):
        await tempest.restore_backup("nowhere", "new", io=io)
    with pytest.raises(tempest.BackupError, match="it is a store"):
        await tempest.restore_backup(BACKUP, STORE, io=io)
    await tempest.restore_backup(BACKUP, "new", io=io)
    with pytest.raises(tempest.BackupError, match="holds a store already"):
        await tempest.restore_backup(BACKUP, "new", io=io)
    with pytest.raises(TypeError):
        await tempest.restore_backup(b"backup", "new", io=io)  # type: ignore[arg-type]

    assert await look(io, "new") == await look(io, BACKUP)


async def test_a_read_only_store_is_not_backed_up() -> None:
    io = VirtualIo(VirtualDisk())
    await make_store(io)
    async with tempest.open_store(STORE, io=io, read_only=True) as store:
        with pytest.raises(tempest.ReadOnlyError):
            await store.backup(BACKUP)
        with pytest.raises(TypeError):
            await store.backup(b"folder")  # type: ignore[arg-type]
    with pytest.raises(tempest.NotOpenError):
        await store.backup(BACKUP)

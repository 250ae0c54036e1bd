"""How a backup says that it is one, and what that changes for the files beside it."""

import re
from pathlib import Path

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest.cli.app import make_app
from tempest.cli.checkpoint import checkpoint
from tempest.evidence import BACKUP as BACKUP_BIT, is_backup
from tempest.recovery import load_manifest
from tests.tempest.backup.support import BACKUP, OPTIONS, STORE, data_files, fill, look

ROOT = Path(__file__).parents[3]


async def two_backups(io: VirtualIo) -> None:
    """Leave an older backup in `BACKUP`, and a newer one in `newer`."""
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        await store.backup(BACKUP)
    for _ in range(3):
        async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
            await fill(store, 100)
            await store.backup("newer")


async def leave_over(io: VirtualIo) -> list[str]:
    """Leave every file of the newer backup beside the older, as a crash would."""
    present = await data_files(io, BACKUP)
    left = [n for n in await data_files(io, "newer") if n not in present]
    for name in left:
        await io.link(f"newer/{name}", f"{BACKUP}/{name}")
    return left


async def unnamed(io: VirtualIo) -> list[str]:
    """Files in the backup that nobody names. Numbers of those that went are given out again."""
    report = await tempest.verify_store(io, BACKUP)
    return [f.path for f in report.files if f.status is tempest.FileStatus.UNNAMED]


async def test_only_a_backup_says_that_it_is_one() -> None:
    io = VirtualIo(VirtualDisk())
    await two_backups(io)
    for folder, bit in ((STORE, 0), (BACKUP, BACKUP_BIT)):
        loaded = await load_manifest(io, folder)
        assert loaded is not None
        assert loaded.header.compatible == bit
        assert is_backup(loaded.header) == bool(bit)
    async with tempest.open_store(BACKUP, io=io, options=OPTIONS):
        pass
    opened = await load_manifest(io, BACKUP)
    assert opened is not None
    assert not is_backup(opened.header)


async def test_what_an_unfinished_backup_left_is_no_evidence_and_goes() -> None:
    """R28: files that nobody names are neither taken for damage nor kept for ever."""
    io = VirtualIo(VirtualDisk())
    await two_backups(io)
    before = await look(io, BACKUP)
    assert await leave_over(io)
    assert await look(io, BACKUP) == before
    assert (await tempest.verify_store(io, BACKUP)).whole
    assert await look(io, BACKUP, read_only=False) == before
    assert await unnamed(io) == []


async def test_what_an_unfinished_backup_left_is_brought_anew() -> None:
    """R28: bytes that nobody vouched for do not become part of the next backup."""
    io = VirtualIo(VirtualDisk())
    await two_backups(io)
    for name in await leave_over(io):
        await io.remove(f"{BACKUP}/{name}")
        file = await io.create_exclusive(f"{BACKUP}/{name}")
        await file.write_at(0, b"half a file")
        await file.aclose()
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await store.backup(BACKUP)

    assert await look(io, BACKUP) == await look(io, STORE)
    assert (await tempest.verify_store(io, BACKUP)).whole


async def test_restoring_a_checkpoint_in_a_backup_sweeps_first() -> None:
    io = VirtualIo(VirtualDisk())
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store)
        token = await store.checkpoint()
        await store.backup(BACKUP)
    for _ in range(3):
        async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
            await fill(store, 100)
            await store.backup("newer")
    assert await leave_over(io)
    before = await look(io, BACKUP)
    await tempest.restore_checkpoint(BACKUP, token, io=io, options=OPTIONS)

    assert await look(io, BACKUP) == before
    assert await unnamed(io) == []


def test_the_commands_that_the_pages_name_are_there() -> None:
    """O14: what is written of the program is held against the program."""
    names = {str(name) for name in make_app() if not str(name).startswith("-")}
    below = {str(name) for name in checkpoint if not str(name).startswith("-")}
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    said = [
        words
        for page in pages
        for words in re.findall(r"`tempest ([a-z ]+)", page.read_text())
    ]

    assert said
    for words in said:
        first, _, second = words.strip().partition(" ")
        assert first in names, words
        if first == "checkpoint" and second:
            assert second.split()[0] in below, words
    assert {"create", "list", "info", "validate", "restore", "prune"} <= below

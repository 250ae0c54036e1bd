"""The golden store with checkpoints opens and reads back right, by the store and by the pages."""

from pathlib import Path

import attrs
import pytest

import tempest
from examples.read_checkpoint import Reader
from io_backends import VirtualDisk, VirtualIo
from sim import run_seeded
from tempest.check import FileStatus, verify_store
from tempest.recovery import load_manifest
from tests.golden.checkpointed_store import (
    COOKIES,
    OPTIONS,
    SESSION,
    Made,
    read_files,
    write_store,
)
from tests.golden.tiny_store import FOLDER, make_disk
from tests.tempest.backup.support import read_all


@pytest.fixture(scope="module")
def made() -> Made:
    """What is written today, and what has to be in what was written then."""
    return run_seeded(0, write_store)


async def golden_io() -> VirtualIo:
    io = VirtualIo(VirtualDisk())
    await make_disk(io, read_files())
    return io


async def test_it_reads_back_right_and_can_be_written_to(made: Made) -> None:
    io = await golden_io()
    async with tempest.open_store(FOLDER, io=io, options=OPTIONS) as store:
        assert await read_all(store) == made.content
        assert await store.sessions() == {SESSION: 3}
        assert [info.cookie for info in await store.checkpoints()] == list(COOKIES)
        for info in await store.checkpoints():
            assert (await store.validate_checkpoint(info.token)).is_valid
        await store.put(b"today", b"written")
        await store.compact()
        assert await read_all(store) == made.content | {b"today": b"written"}


@pytest.mark.parametrize("cookie", COOKIES)
async def test_its_checkpoints_read_back_right(cookie: bytes, made: Made) -> None:
    io = await golden_io()
    infos = await tempest.list_checkpoints(FOLDER, io=io)
    token = next(info.token for info in infos if info.cookie == cookie)
    async with tempest.open_store(
        FOLDER, io=io, read_only=True, checkpoint=token
    ) as store:
        assert await read_all(store) == made.checkpoints[cookie]
    await tempest.restore_checkpoint(FOLDER, token, io=io, options=OPTIONS)
    async with tempest.open_store(FOLDER, io=io, options=OPTIONS) as store:
        assert await read_all(store) == made.checkpoints[cookie]


async def test_the_pages_are_enough_to_read_it(made: Made, tmp_path: Path) -> None:
    """O18: what the pages say is checked against a store that is kept."""
    for name, data in read_files().items():
        (tmp_path / name).write_bytes(data)
    reader = Reader(tmp_path)

    found = [dict(reader.entries(token)) for token in reader.checkpoints]
    assert found == [made.checkpoints[cookie] for cookie in COOKIES]


async def test_it_is_whole_and_holds_one_of_everything() -> None:
    io = await golden_io()
    report = await verify_store(io, FOLDER)
    loaded = await load_manifest(io, FOLDER)
    assert loaded is not None
    version = loaded.state

    assert report.whole
    assert not [file for file in report.files if file.status is FileStatus.UNNAMED]
    fields = attrs.asdict(version, recurse=False)
    for name in ("value_segments", "checkpoints", "segments"):
        assert fields[name], name
    assert any(meta.base for meta in version.checkpoints)
    assert any(table.segment_bytes for table in version.tables)

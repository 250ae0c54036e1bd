"""Validating reads back what restoring would need: damage anywhere in it is found and named."""

from random import Random

import pytest

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointStyle
from tests.tempest.checkpoint.shelves import (
    FULL,
    INDEX,
    INLINE,
    LOG,
    POINTS,
    content_at,
    with_base,
)
from tests.tempest.shelf import STORE, changed, fill, open_on

VALUES = changed(INLINE, {"separated_value_bytes_min": 200})


async def files_of(disk: VirtualDisk, token: bytes) -> list[str]:
    """The files that a checkpoint names, as the manifest has it."""
    async with open_on(disk, INLINE, read_only=True) as store:
        version = store._reading.reader.manifest.current
        meta = version.checkpoint(token)
        assert meta is not None
        at = version.at_checkpoint(meta)
        tables = [f"/{STORE}/table-{table.number:012}" for table in at.tables]
        return tables + [f"/{STORE}/log-{s.number:012}" for s in meta.segments]


@pytest.mark.parametrize(("kind", "style"), POINTS)
async def test_o5_o10_a_file_that_is_gone_or_damaged_makes_it_invalid(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    """MISTAKES O5, O10: oxifaster took a missing checksum for a good one, and a checkpoint for
    existing because two files did."""
    disk = VirtualDisk()
    async with with_base(disk, VALUES) as store:
        await fill(store, 5, size=500, start=300)
        token = await store.checkpoint(kind, style)
    io = VirtualIo(disk)
    assert (await tempest.validate_checkpoint(STORE, token, io=io)).is_valid
    for path in await files_of(disk, token):
        gone = disk.clone()
        await VirtualIo(gone).remove(path)
        report = await tempest.validate_checkpoint(STORE, token, io=VirtualIo(gone))
        assert not report.is_valid
        assert any(path.endswith(p.path.lstrip("/")) for p in report.problems), report
        with pytest.raises(tempest.CheckpointError, match="not whole"):
            await tempest.restore_checkpoint(STORE, token, io=VirtualIo(gone))


@pytest.mark.parametrize(("kind", "style"), POINTS)
async def test_a_flipped_bit_is_found_or_does_not_matter(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    random = Random(int(kind) * 10 + int(style))
    disk = VirtualDisk()
    async with with_base(disk, VALUES) as store:
        await fill(store, 5, size=500, start=300)
        token = await store.checkpoint(kind, style)
    expected = await content_at(disk, token, VALUES)
    found = 0
    for path in await files_of(disk, token):
        for _ in range(12):
            hurt = disk.clone()
            hurt.corrupt(path, random.randrange(len(disk.read(path))), 0x10)
            report = await tempest.validate_checkpoint(STORE, token, io=VirtualIo(hurt))
            if report.is_valid:
                assert await content_at(hurt, token, VALUES) == expected
            found += not report.is_valid
    assert found > 0


async def test_f2_no_byte_of_its_record_can_change_unnoticed() -> None:
    """MISTAKES F2: FASTER's XOR checksum left out the cookie and two more fields."""
    disk = VirtualDisk()
    cookie = b"a cookie that is easily found"
    async with with_base(disk) as store:
        await store.checkpoint(LOG, cookie=cookie)
    (path,) = [p for p in disk.files() if "manifest-" in p and not p.endswith(".old")]
    place = disk.read(path).index(cookie)
    for offset in range(place - 60, place + len(cookie)):
        hurt = disk.clone()
        hurt.corrupt(path, offset)
        with pytest.raises(tempest.CorruptionError):
            await tempest.list_checkpoints(STORE, io=VirtualIo(hurt))


async def test_an_index_checkpoint_has_nothing_to_be_read_back() -> None:
    async with with_base(VirtualDisk()) as store:
        report = await store.validate_checkpoint(await store.checkpoint(INDEX))
        assert report.is_valid
        assert report.bytes == 0


async def test_validating_beside_a_drop_reads_files_that_stay_meanwhile() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        token = await store.checkpoint(FULL)
        shelf = store._reading.shelf
        version = shelf.versions.pin()
        await store.drop_checkpoint(token)
        await store.compact()
        await store.sync()
        meta = version.checkpoint(token)
        assert meta is not None
        assert all(
            f"/{STORE}/table-{table.number:012}" in disk.files()
            for table in version.at_checkpoint(meta).tables
        )
        shelf.versions.unpin(version)

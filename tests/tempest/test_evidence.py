"""A manifest that lost its end is told from one that was torn by what else is in the folder.

It was found that a manifest cut short opened as an older store, and that the files of the newer
one were then swept away as left over.
"""

from collections.abc import Iterator

import attrs
import pytest

from io_backends import File, NotFoundError, VirtualDisk, VirtualIo
from journal import Journal, Loaded
from sim import run_seeded
from tempest import CorruptionError
from tempest.evidence import check_nothing_is_lost
from tempest.header import FileHeader, FileKind, encode_header
from tempest.log import segment_name
from tempest.table import table_name
from tempest.version import Version
from tests.tempest.damage import (
    CLOSED,
    KILLED,
    OPTIONS,
    UNSYNCED,
    Sample,
    examine,
    is_prefix,
    replaced,
    verify,
)
from tests.tempest.shelf import STORE, content_of, open_on

SECTOR = 512
GONE = 10_000


def load(disk: VirtualDisk) -> Loaded[Version]:
    async def main() -> Loaded[Version]:
        loaded = await Journal.load(VirtualIo(disk), STORE, "manifest", Version)
        assert loaded is not None
        return loaded

    return run_seeded(0, main)


def cuts(sample: Sample) -> Iterator[tuple[int, VirtualDisk]]:
    """The sample with its manifest cut at every frame: they fill whole sectors."""
    whole = sample.disk.read(sample.manifest)
    for end in range(SECTOR, len(whole), SECTOR):
        yield end, replaced(sample.disk, sample.manifest, whole[:end])


@pytest.mark.parametrize(
    ("sample", "least"),
    [(CLOSED, 60), (KILLED, 60), (UNSYNCED, 58)],
    ids=["closed", "killed", "unsynced"],
)
def test_a_manifest_that_lost_edits_never_loses_what_was_synced(
    sample: Sample, least: int
) -> None:
    refused = 0
    for end, disk in cuts(sample):
        verdict = examine(disk)
        if verdict.content is not None:
            assert is_prefix(verdict.content, sample.content, least), end
            continue
        refused += 1
        assert isinstance(verdict.error, CorruptionError)
        assert not verdict.was_open
        assert not verify(disk).whole
    assert refused > 5


def with_table(header: FileHeader) -> VirtualDisk:
    """The closed sample with one more file, named as a table of the header's number."""
    disk = CLOSED.disk.clone()

    async def main() -> None:
        file = await VirtualIo(disk).create_exclusive(
            f"{STORE}/{table_name(header.number)}"
        )
        await file.write_at(0, encode_header(header))
        await file.aclose()

    run_seeded(0, main)
    return disk


@pytest.fixture(scope="module")
def left_over() -> FileHeader:
    """The header of a table that a job of this life could have been writing."""
    loaded = load(CLOSED.disk)
    number = loaded.state.number_ceiling - 1
    assert number not in loaded.state.numbers
    return FileHeader(FileKind.TABLE, loaded.header.store_id, loaded.state.life, number)


def test_what_an_unfinished_job_left_is_swept_away(left_over: FileHeader) -> None:
    disk = with_table(left_over)
    name = f"/{STORE}/{table_name(left_over.number)}"

    assert examine(disk).content == CLOSED.content
    assert name in disk.files()
    run_seeded(0, lambda: reopen(disk))
    assert name not in disk.files()


class Swept(VirtualIo):
    """A disk on which somebody removes a file once its header was read."""

    looks = 0

    async def open(self, path: str, *, writable: bool = False) -> File:
        if path.endswith(segment_name(GONE)):
            self.looks += 1
            if self.looks > 1:
                raise NotFoundError("open", path)
        return await super().open(path, writable=writable)


def test_a_segment_that_is_swept_while_it_is_looked_at_proves_nothing() -> None:
    """Seed 29357: a reader found a left-over segment, the writer removed it, and no reader opened."""
    disk = CLOSED.disk.clone()
    io = Swept(disk)

    async def main() -> None:
        loaded = await Journal.load(io, STORE, "manifest", Version)
        assert loaded is not None
        version = attrs.evolve(loaded.state, number_ceiling=GONE + 1)
        header = FileHeader(FileKind.LOG, loaded.header.store_id, version.life, GONE)
        file = await io.create_exclusive(f"{STORE}/{segment_name(GONE)}")
        await file.write_at(0, encode_header(header))
        await file.aclose()
        await check_nothing_is_lost(io, STORE, attrs.evolve(loaded, state=version))

    run_seeded(0, main)
    assert io.looks == 2


async def reopen(disk: VirtualDisk) -> None:
    async with open_on(disk, OPTIONS) as store:
        assert store.statistics().recovery.orphans_removed == 1
        assert await content_of(store) == CLOSED.content


def test_a_number_that_was_never_reserved_is_evidence(left_over: FileHeader) -> None:
    error = examine(with_table(attrs.evolve(left_over, number=10_000))).error

    assert isinstance(error, CorruptionError)
    assert error.path == CLOSED.manifest.removeprefix("/")
    assert error.offset == len(CLOSED.disk.read(CLOSED.manifest))
    assert table_name(10_000) in str(error)


def test_a_life_that_has_not_begun_is_evidence(left_over: FileHeader) -> None:
    newer = attrs.evolve(left_over, life=left_over.life + 1)

    assert isinstance(examine(with_table(newer)).error, CorruptionError)


def test_a_file_of_another_store_is_no_evidence(left_over: FileHeader) -> None:
    foreign = attrs.evolve(left_over, number=10_000, store_id=b"another store...")

    assert examine(with_table(foreign)).content == CLOSED.content

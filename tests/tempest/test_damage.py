"""Damage to each kind of file: a documented error that names file and offset, or nothing lost.

Files are emptied, cut short and hit by flipped bits at many places. Whatever is done to them, the
store opens with all it held, or refuses with exactly one of three errors and changes nothing.
Only what no mark vouches for may pass for the torn end of a file: the newest writes since the
last sync, and the manifest's newest edit.
"""

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

import tempest
from io_backends import VirtualDisk, VirtualIo
from journal import segment as journal_segment
from sim import run_seeded
from tempest import CorruptionError, HealthState, NotAStoreError, UnsupportedFormatError
from tempest.check import FileStatus
from tempest.header import HEADER_SIZE, decode_header, encode_header
from tests.tempest.damage import (
    CLOSED,
    KILLED,
    OPTIONS,
    UNSYNCED,
    Sample,
    Verdict,
    examine,
    is_prefix,
    replaced,
    verify,
    without,
)
from tests.tempest.shelf import STORE, content_of, fill, open_on

SAMPLES = {"closed": CLOSED, "killed": KILLED, "unsynced": UNSYNCED}
KINDS = ("manifest", "table", "closed_segment", "open_segment")
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
every_kind = pytest.mark.parametrize("kind", KINDS)
PLACES = 40  # of each file


def path_of(sample: Sample, kind: str) -> str:
    path: str = getattr(sample, kind)
    return path


def places(sample: Sample, kind: str) -> Iterator[int]:
    """Offsets spread over a file: its first bytes, its last ones, and some between."""
    size = len(sample.disk.read(path_of(sample, kind)))
    yield from sorted({*range(8), *range(0, size, size // PLACES), size - 1})


def check_verdict(story: str, sample: Sample, kind: str, verdict: Verdict) -> None:
    error = verdict.error
    if error is None:
        assert verdict.content is not None
        least = least_rows(sample, kind)
        assert is_prefix(verdict.content, sample.content, least), story
        return
    assert isinstance(error, CorruptionError), story
    assert error.path == path_of(sample, kind).removeprefix("/"), story
    assert 0 <= error.offset <= len(sample.disk.read(path_of(sample, kind))), story


def least_rows(sample: Sample, kind: str) -> int:
    """How many rows must be there if damage to a file of this kind goes unnoticed."""
    if sample is CLOSED or kind in ("table", "closed_segment"):
        return 60
    if (
        kind == "open_segment"
    ):  # cut short, it may have lost all marks, and it held these
        return sample.rows_below_open_segment
    return 58 if sample is UNSYNCED else 60


def test_the_samples_hold_what_they_are_for() -> None:
    for sample in SAMPLES.values():
        assert len(sample.content) == 60
        assert examine(sample.disk).content == sample.content
        assert verify(sample.disk).whole
        assert sample.open_segment != sample.closed_segment


@every_sample
@every_kind
def test_a_flipped_bit_is_found_or_harmless(sample: Sample, kind: str) -> None:
    for number, place in enumerate(places(sample, kind)):
        disk = sample.disk.clone()
        disk.corrupt(path_of(sample, kind), place, 1 << number % 8)
        check_verdict(f"bit flipped at {place}", sample, kind, examine(disk))


@every_sample
@every_kind
def test_a_truncated_file_is_found_or_a_torn_tail(sample: Sample, kind: str) -> None:
    path = path_of(sample, kind)
    whole = sample.disk.read(path)
    for place in places(sample, kind):
        disk = replaced(sample.disk, path, whole[:place])
        verdict = examine(disk)
        check_verdict(f"cut off at {place}", sample, kind, verdict)
        if kind == "table":
            assert not verdict.was_open, "a table of another size is not even opened"


@every_sample
@every_kind
def test_an_empty_file_is_damage(sample: Sample, kind: str) -> None:
    path = path_of(sample, kind)
    verdict = examine(replaced(sample.disk, path, b""))

    assert isinstance(verdict.error, CorruptionError)
    assert not verdict.was_open
    assert (verdict.error.path, verdict.error.offset) == (path.removeprefix("/"), 0)


@every_sample
@pytest.mark.parametrize("kind", ["table", "closed_segment", "open_segment"])
def test_a_missing_file_is_damage(sample: Sample, kind: str) -> None:
    path = path_of(sample, kind)
    verdict = examine(without(sample.disk, path))

    assert isinstance(verdict.error, CorruptionError)
    assert not verdict.was_open
    assert verdict.error.path == path.removeprefix("/")
    assert "no such file" in str(verdict.error)


@every_sample
def test_data_without_a_manifest_is_not_a_store_and_is_not_made_one(
    sample: Sample,
) -> None:
    """O11: metadata that is gone was taken for a new store, over the data."""
    verdict = examine(without(sample.disk, sample.manifest))

    assert isinstance(verdict.error, NotAStoreError)
    assert "no manifest" in str(verdict.error)


def test_a_lone_older_manifest_is_never_taken_in_its_stead() -> None:
    disk = CLOSED.disk.clone()
    run_seeded(0, lambda: reopen(disk))
    newest = max(p for p in disk.files() if "manifest-" in p and p[-1].isdigit())
    assert any(path.endswith(".old") for path in disk.files())

    assert examine(without(disk, newest)).error is not None


async def reopen(disk: VirtualDisk) -> None:
    async with open_on(disk, OPTIONS):
        pass


@every_sample
@pytest.mark.parametrize("data", [b"", b"garbage", bytes(5000)])
def test_a_damaged_lock_file_is_harmless(sample: Sample, data: bytes) -> None:
    verdict = examine(replaced(sample.disk, sample.lock, data))

    assert verdict.content == sample.content


def test_a_missing_lock_file_is_harmless() -> None:
    assert examine(without(CLOSED.disk, CLOSED.lock)).content == CLOSED.content


def test_files_of_other_stores_are_refused() -> None:
    """A whole file in the wrong place is damage: its checksums say where it belongs."""
    other = CLOSED.named("log-")[3]
    for kind in ("table", "closed_segment", "open_segment"):
        path = path_of(CLOSED, kind)
        verdict = examine(replaced(CLOSED.disk, path, CLOSED.disk.read(other)))
        assert isinstance(verdict.error, CorruptionError), kind
        assert verdict.error.path == path.removeprefix("/")


# Newer formats.


def newer_data_file(data: bytes, **changes: int) -> bytes:
    values: dict[str, Any] = dict(changes)
    header = attrs.evolve(decode_header(data[:HEADER_SIZE], "file"), **values)
    return encode_header(header) + data[HEADER_SIZE:]


def newer_manifest(data: bytes, **changes: int) -> bytes:
    header, frame = journal_segment.decode_header("file", data)
    values: dict[str, Any] = dict(changes)
    encoded = journal_segment.encode_header(attrs.evolve(header, **values))
    assert len(encoded) == frame.end
    return encoded + data[frame.end :]


Newer = Callable[..., bytes]
NEWER: dict[str, Newer] = {
    "manifest": newer_manifest,
    "table": newer_data_file,
    "closed_segment": newer_data_file,
    "open_segment": newer_data_file,
}


@every_kind
@pytest.mark.parametrize("changes", [{"format": 2}, {"incompatible": 8}])
def test_a_newer_format_is_refused_by_name(kind: str, changes: dict[str, int]) -> None:
    path = path_of(CLOSED, kind)
    data = NEWER[kind](CLOSED.disk.read(path), **changes)
    verdict = examine(replaced(CLOSED.disk, path, data))

    assert isinstance(verdict.error, UnsupportedFormatError)
    assert verdict.error.path == path.removeprefix("/")
    assert "version" in str(verdict.error)


@every_kind
def test_an_unknown_compatible_feature_is_ignored(kind: str) -> None:
    path = path_of(CLOSED, kind)
    data = NEWER[kind](CLOSED.disk.read(path), compatible=8)

    assert examine(replaced(CLOSED.disk, path, data)).content == CLOSED.content


# Damage that is met while the store is open, and by `verify`.


async def test_damage_in_a_table_is_never_a_missing_key_and_stops_writes() -> None:
    disk = CLOSED.disk.clone()
    disk.corrupt(CLOSED.table, 100)
    table = disk.read(CLOSED.table)
    async with open_on(disk, OPTIONS) as store:
        damaged, logged = min(CLOSED.content), max(CLOSED.content)
        for read in (store.get(damaged), store.get(damaged), content_of(store)):
            with pytest.raises(CorruptionError, match="table") as caught:
                await read
            assert caught.value.offset == HEADER_SIZE
        assert store.health().state is HealthState.READ_ONLY
        assert "table" in (store.health().cause or "")
        assert await store.get(logged) == CLOSED.content[logged]
        with pytest.raises(tempest.BackgroundError) as refused:
            await store.put(b"new", b"v")
        assert isinstance(refused.value.__cause__, CorruptionError)
    assert disk.read(CLOSED.table) == table
    assert disk.open_paths() == disk.locked_paths() == []


async def test_damage_met_by_compaction_stops_writes_and_keeps_the_table() -> None:
    disk = CLOSED.disk.clone()
    disk.corrupt(CLOSED.table, 100)
    async with open_on(disk, OPTIONS) as store:
        await fill(store, 30)
        with pytest.raises(CorruptionError, match="table"):
            await store.compact()
        assert store.health().state is HealthState.READ_ONLY
        assert CLOSED.table in disk.files()
        assert await store.get(max(CLOSED.content)) is not None


@every_sample
@every_kind
def test_verify_reports_damage_and_reads_on(sample: Sample, kind: str) -> None:
    path = path_of(sample, kind)
    disk = sample.disk.clone()
    disk.corrupt(path, 30)
    before = disk.contents()
    report = verify(disk)

    (found,) = [file for file in report.files if f"/{file.path}" == path]
    assert found.status is FileStatus.DAMAGED
    assert "offset" in found.detail
    assert not report.whole
    assert {f"/{file.path}" for file in report.files} == set(disk.files())
    assert disk.contents() == before


@every_sample
def test_verify_finds_every_flipped_bit_of_a_table(sample: Sample) -> None:
    for place in range(0, len(sample.disk.read(sample.table)), 11):
        disk = sample.disk.clone()
        disk.corrupt(sample.table, place)
        assert not verify(disk).whole, place


def test_verify_reports_what_is_missing_and_what_does_not_belong() -> None:
    disk = without(CLOSED.disk, CLOSED.table)
    run_seeded(0, lambda: VirtualIo(disk).make_dir(f"{STORE}/other"))
    report = verify(disk)

    statuses = {f"/{file.path}": file.status for file in report.files}
    assert statuses[CLOSED.table] is FileStatus.MISSING
    assert statuses[f"/{STORE}/other"] is FileStatus.UNNAMED
    assert not report.whole

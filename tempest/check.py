"""Read every byte of a store that is not open for writing, and say what is whole.

Invariants
- Nothing is changed, and one damaged file does not keep the others from being read.
- Every file in the folder is reported: what the manifest names, what it does not, what is missing.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial

import attrs
import trio

from io_backends import Io, IoError
from journal import JournalError, Loaded
from tempest.errors import CorruptionError, TempestError
from tempest.evidence import check_nothing_is_lost
from tempest.log import SegmentMeta, SegmentReader, open_segment, segment_name
from tempest.options import MIB
from tempest.recovery import LOCK_NAME, load_manifest, prepare_folder
from tempest.replay import Replay
from tempest.table import (
    BlockCache,
    Table,
    TableMeta,
    check_table,
    pointers_of,
    table_name,
)
from tempest.translate import translate, translated
from tempest.values import Values
from tempest.version import Version


class FileStatus(Enum):
    """What was found of a file."""

    WHOLE = "whole"
    TORN = "torn tail"  # a power cut or kill left an unfinished end: not damage
    DAMAGED = "damaged"
    MISSING = "missing"
    KEPT = "kept for repair"  # the generation of the manifest before this one
    UNNAMED = "not part of the store"


SEGMENTS_OPEN_MAX = 16
BAD = (FileStatus.DAMAGED, FileStatus.MISSING)
Check = Callable[[], Awaitable[tuple[FileStatus, str]]]


@attrs.frozen
class FileReport:
    """One file: its kind, its size in bytes, and for a damaged one what and where."""

    path: str
    kind: str
    bytes: int
    status: FileStatus
    detail: str = ""


@attrs.frozen
class VerifyReport:
    """Every file of a store, and whether all that matters is whole."""

    files: tuple[FileReport, ...]

    @property
    def whole(self) -> bool:
        return all(file.status not in BAD for file in self.files)


async def verify_store(io: Io, path: str) -> VerifyReport:
    """Read manifest, tables and log; report each file. The store must not be written to.

    Raises `NotAStoreError` if there is nothing to verify; damage is reported, not raised.
    """
    with translated():
        await prepare_folder(io, path, create=False)
        return await _Verification(io, path).run()


async def verify_files(
    io: Io,
    folder: str,
    version: Version,
    store_id: bytes,
    on_file: Callable[[FileReport], None],
) -> None:
    """Read every file that a version names, those of its checkpoints among them."""
    await _Verification(io, folder, on_file).check_version(version, store_id)


def named_tables(version: Version) -> list[TableMeta]:
    """Return every table that a version names: its own, then those only checkpoints need."""
    tables = {table.number: table for table in version.tables}
    for checkpoint in version.checkpoints:
        placed = [placed.table for placed in checkpoint.added]
        for table in (*(t for level in checkpoint.levels for t in level), *placed):
            tables.setdefault(table.number, table)
    return list(tables.values())


def named_segments(version: Version) -> list[SegmentMeta]:
    """Return every segment that a version names, as far as anything in it needs it."""
    segments = {segment.number: segment for segment in version.all_segments}
    for checkpoint in version.checkpoints:
        for segment in checkpoint.segments:
            known = segments.setdefault(segment.number, segment)
            if known.end is not None and (segment.end or 0) > known.end:
                segments[segment.number] = segment
    return list(segments.values())


class _Verification:
    """One pass over a folder."""

    def __init__(
        self,
        io: Io,
        folder: str,
        on_file: Callable[[FileReport], None] | None = None,
    ) -> None:
        self._io = io
        self._folder = folder
        self._files: list[FileReport] = []
        self._damaged: dict[str, CorruptionError] = {}  # segments, by their pointers
        self._on_file = on_file or self._files.append

    async def run(self) -> VerifyReport:
        names = await self._io.list(self._folder)
        manifests = [name for name in names if name.startswith("manifest-")]
        newest = max((n for n in manifests if "." not in n), default="manifest")
        loaded: Loaded[Version] | None = None

        async def load() -> tuple[FileStatus, str]:
            nonlocal loaded
            loaded = await load_manifest(self._io, self._folder)
            if loaded is None:
                return _torn(0)
            await check_nothing_is_lost(self._io, self._folder, loaded)
            return _torn(loaded.torn_bytes)

        await self._report(newest, "manifest", load)
        if loaded is not None:
            await self.check_version(loaded.state, loaded.header.store_id)
        seen = {file.path for file in self._files}
        for name in names:
            if f"{self._folder}/{name}" in seen:
                continue
            if name == LOCK_NAME:
                await self._report(name, "lock", _status(FileStatus.WHOLE))
            elif name in manifests and name.endswith(".old"):
                await self._report(name, "manifest", _status(FileStatus.KEPT))
            else:
                await self._report(name, "file", _status(FileStatus.UNNAMED))
        return VerifyReport(tuple(self._files))

    async def check_version(self, version: Version, store_id: bytes) -> None:
        """Report every file that the version names."""
        for meta in named_tables(version):
            await self._report(
                table_name(meta.number),
                "table",
                partial(self._table, meta, version, store_id),
            )
        for segment in named_segments(version):
            alone = attrs.evolve(version, segments=(segment,))
            check = partial(self._segment, alone, store_id)
            if segment.end is not None:
                check = partial(self._closed_segment, segment, segment.end, store_id)
            await self._report(segment_name(segment.number), "log", check)

    async def _table(
        self, meta: TableMeta, version: Version, store_id: bytes
    ) -> tuple[FileStatus, str]:
        path = f"{self._folder}/{table_name(meta.number)}"
        table = await Table.open(self._io, path, store_id, meta, BlockCache(0))
        try:
            await check_table(table)
            await self._read_values(table, version, store_id)
        finally:
            await table.aclose()
        return FileStatus.WHOLE, ""

    async def _read_values(
        self, table: Table, version: Version, store_id: bytes
    ) -> None:
        """Read what the table points to; a value that does not verify damages its segment."""
        values = Values(self._io, self._folder, store_id, 0, SEGMENTS_OPEN_MAX)
        named = attrs.evolve(
            version, segments=tuple(named_segments(version)), value_segments=()
        )
        try:
            for index in range(table.block_count if table.meta.segments else 0):
                for pointer in pointers_of(await table.block(index)):
                    try:
                        await values.read(pointer, named)
                    except CorruptionError as error:
                        self._damaged.setdefault(error.path, error)
        finally:
            await values.aclose()

    async def _segment(
        self, version: Version, store_id: bytes
    ) -> tuple[FileStatus, str]:
        replay = Replay(self._io, self._folder, store_id, memtable_bytes_max=MIB)
        replayed = await replay.run(version, read_only=True)
        return _torn(replayed.torn_bytes)

    async def _closed_segment(
        self, meta: SegmentMeta, end: int, store_id: bytes
    ) -> tuple[FileStatus, str]:
        """Read a segment from its start: what replay does not need, tables may point to."""
        if end <= meta.first:  # it was given up before anything in it counted
            return FileStatus.WHOLE, "nothing in it counts"
        segment = await open_segment(self._io, self._folder, store_id, meta)
        try:
            reader = SegmentReader(segment, meta.first)
            while reader.address < end and (frame := await reader.next()) is not None:
                for _ in frame.every_run(segment.path):
                    await trio.lowlevel.checkpoint()
            if reader.address != end:
                detail = (
                    f"no frame verifies for address {reader.address}, and it was synced"
                )
                offset = meta.offset(reader.address)
                raise CorruptionError(segment.path, offset, detail)
        finally:
            await segment.file.aclose()
        return FileStatus.WHOLE, ""

    async def _report(
        self,
        name: str,
        kind: str,
        check: Check,
    ) -> None:
        path = f"{self._folder}/{name}"
        size = 0
        try:
            names = await self._io.list(self._folder)
            if name not in names:
                status, detail = (
                    FileStatus.MISSING,
                    "the manifest names it and it is gone",
                )
            else:
                size = (await self._io.stat(path)).size
                status, detail = await check()
                if path in self._damaged:
                    raise self._damaged[path]
        except (IoError, JournalError, TempestError) as error:
            status, detail = FileStatus.DAMAGED, _describe(translate(error))
        self._on_file(FileReport(path, kind, size, status, detail))


def _describe(error: TempestError) -> str:
    if isinstance(error, CorruptionError):
        return f"offset {error.offset}: {error.detail}"
    return str(error)


def _torn(torn_bytes: int) -> tuple[FileStatus, str]:
    if torn_bytes:
        return FileStatus.TORN, f"{torn_bytes} bytes behind the last whole frame"
    return FileStatus.WHOLE, ""


def _status(status: FileStatus) -> Check:
    """A check of a file that has nothing to be read."""

    async def check() -> tuple[FileStatus, str]:
        return status, ""

    return check

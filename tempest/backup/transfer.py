"""Bring files of a store into another folder: by a second name where that goes, else by copying.

Tables are never changed, and segments that have an end neither; so one file may have names in
both folders, and each folder removes its own name only.

Invariants
- A name is only ever new: nothing is written to a file that was there before.
- A file that is there already is kept only if it is the same: a table by the checksum that the
  manifest knows (it vouches for every byte), a segment byte by byte.
- Everything is durable, names included, when `bring` returns.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum

import attrs
import trio

from io_backends import File, Io, IoError, NotFoundError
from tempest.check import named_segments, named_tables
from tempest.errors import BackupError, CorruptionError, NoSpaceError
from tempest.log import SegmentMeta, segment_name
from tempest.table import TableMeta, table_name
from tempest.translate import translate
from tempest.version import Version

COPY_BYTES = 1 << 20
TAKE_BACK_SECONDS_MAX = 5.0  # a disk that hangs keeps nobody waiting
Meta = TableMeta | SegmentMeta


class BackupStage(Enum):
    """What a backup or restore is doing."""

    FILES = "files"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"


@attrs.frozen
class BackupProgress:
    """How far the stage has come: files and bytes, of how many."""

    stage: BackupStage
    files: int
    files_total: int
    bytes: int
    bytes_total: int


OnProgress = Callable[[BackupProgress], None]


@attrs.define
class Meter:
    """Counts a stage and tells about it."""

    on_progress: OnProgress | None
    stage: BackupStage
    files_total: int
    bytes_total: int
    files: int = 0
    bytes: int = 0

    def add(self, size: int, *, files: int = 0) -> None:
        """Count bytes, and files that are done."""
        self.bytes += size
        self.files += files
        self.tell()

    def tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(
                BackupProgress(
                    self.stage,
                    self.files,
                    self.files_total,
                    self.bytes,
                    self.bytes_total,
                )
            )


def wanted_files(version: Version) -> dict[str, Meta]:
    """Return what the manifest knows of every file that a version names, by name."""
    tables: dict[str, Meta] = {table_name(t.number): t for t in named_tables(version)}
    segments = {segment_name(s.number): s for s in named_segments(version)}
    return tables | segments


def size_of(meta: Meta) -> int:
    """Return how many bytes of the file matter."""
    return meta.size if isinstance(meta, TableMeta) else meta.file_bytes


def is_same(one: Meta, other: Meta) -> bool:
    """Whether two folders mean the same file by a name, as far as their manifests tell."""
    if isinstance(one, SegmentMeta) and isinstance(other, SegmentMeta):
        return (one.number, one.life, one.first) == (
            other.number,
            other.life,
            other.first,
        )
    return one == other


@attrs.define
class Transfer:
    """Files on their way from one folder to another."""

    io: Io
    source: str
    target: str
    check_open: Callable[[], None] = lambda: (
        None
    )  # raises if the source is being closed
    linked: int = 0
    copied: int = 0
    kept: int = 0
    bytes_linked: int = 0
    bytes_copied: int = 0
    bytes_kept: int = 0
    _made: list[str] = attrs.field(factory=list)

    async def bring(
        self,
        wanted: dict[str, Meta],
        present: dict[str, Meta],
        on_progress: OnProgress | None,
    ) -> None:
        """Bring what is wanted and not `present`; check that what is there is the same."""
        total = sum(map(size_of, wanted.values()))
        meter = Meter(on_progress, BackupStage.FILES, len(wanted), total)
        meter.tell()
        for name, meta in wanted.items():
            self.check_open()
            if name in present:
                await self._keep(name, meta, present[name], meter)
            else:
                await self._bring(name, meta, meter)
        await self.io.sync_dir(self.target)

    async def take_back(self) -> None:
        """Remove what was brought: nothing names it. A disk that hangs is not waited for."""
        with trio.move_on_after(TAKE_BACK_SECONDS_MAX, shield=True):
            for name in self._made:
                with suppress(IoError):  # what stays is swept by the next backup
                    await self.io.remove(f"{self.target}/{name}")

    async def _keep(self, name: str, meta: Meta, known: Meta, meter: Meter) -> None:
        if not is_same(meta, known):
            raise self._differs(name)
        if isinstance(meta, SegmentMeta):
            await self._compare(name, meta)
        self.kept += 1
        self.bytes_kept += size_of(meta)
        meter.add(size_of(meta), files=1)

    async def _bring(self, name: str, meta: Meta, meter: Meter) -> None:
        source, target = f"{self.source}/{name}", f"{self.target}/{name}"
        self._made.append(name)
        try:
            await self.io.link(source, target)
        except NotFoundError as error:
            raise CorruptionError(source, 0, "this file is gone") from error
        except IoError as error:
            if isinstance(translate(error), NoSpaceError):
                raise
            await self._copy(source, target, size_of(meta), meter)
            self.copied += 1
            self.bytes_copied += size_of(meta)
            meter.add(0, files=1)
        else:
            self.linked += 1
            self.bytes_linked += size_of(meta)
            meter.add(size_of(meta), files=1)

    async def _copy(self, source: str, target: str, size: int, meter: Meter) -> None:
        """Write a file of its own, step by step. A link that failed may be there all the same."""
        with suppress(NotFoundError):
            await self.io.remove(target)
        old = await self.io.open(source)
        try:
            new = await self.io.create_exclusive(target)
            try:
                size = min(size, await old.size())  # an empty segment may lack its end
                for offset in range(0, size, COPY_BYTES):
                    self.check_open()
                    data = await old.read_at(offset, min(COPY_BYTES, size - offset))
                    await new.write_at(offset, data)
                    meter.add(len(data))
                await new.sync()
            finally:
                await _close(new)
        finally:
            await _close(old)

    async def _compare(self, name: str, meta: SegmentMeta) -> None:
        """Raise `BackupError` unless both folders hold the same bytes under this name."""
        one = await self.io.open(f"{self.source}/{name}")
        try:
            other = await self.io.open(f"{self.target}/{name}")
            try:
                if not await _is_equal(one, other, meta.file_bytes):
                    raise self._differs(name)
            finally:
                await _close(other)
        finally:
            await _close(one)

    def _differs(self, name: str) -> BackupError:
        detail = f"its {name!r} is not the one of the store: the two have gone different ways"
        return BackupError(self.target, detail)


def total_bytes(metas: Iterable[Meta]) -> int:
    """Return how many bytes of all these files matter."""
    return sum(map(size_of, metas))


async def _is_equal(one: File, other: File, size: int) -> bool:
    sizes = [min(size, await file.size()) for file in (one, other)]
    if sizes[0] != sizes[1]:
        return False
    for offset in range(0, sizes[0], COPY_BYTES):
        length = min(COPY_BYTES, sizes[0] - offset)
        if await one.read_at(offset, length) != await other.read_at(offset, length):
            return False
    return True


async def _close(file: File) -> None:
    with trio.CancelScope(shield=True):
        await file.aclose()

"""Read back what a checkpoint would restore: every table block, log frame and separated value.

Invariants
- Nothing is changed, and one damaged file does not keep the others from being read.
- What is valid could be read whole, now, from the files themselves: no cache is asked.
- Everybody else has a turn after each block, frame and value.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import attrs
import trio

from io_backends import Io, IoError
from tempest.columns import Columns, Kind
from tempest.errors import CheckpointError, CorruptionError, TempestError
from tempest.log import SegmentMeta, scan_frames, segment_name
from tempest.pointers import decode_pointer
from tempest.table import BlockCache, Table, TableMeta, check_table, table_name
from tempest.translate import translate
from tempest.values import Values
from tempest.version import VALUES_FIRST, CheckpointMeta, Version

FILES_OPEN_MAX = 8


@attrs.frozen
class CheckpointProblem:
    """One file of a checkpoint that cannot be read as it was written, and why."""

    path: str
    detail: str


@attrs.frozen(kw_only=True)
class CheckpointReport:
    """What validating a checkpoint found.

    Attributes:
        token: the checkpoint.
        problems: what is wrong, file by file; none if it is valid.
        tables: tables read.
        entries: entries in them.
        frames: log frames read.
        values: separated values read.
        bytes: bytes of tables, log and values that were read.
    """

    token: bytes
    problems: tuple[CheckpointProblem, ...]
    tables: int
    entries: int
    frames: int
    values: int
    bytes: int

    @property
    def is_valid(self) -> bool:
        """Whether everything that it would restore is there."""
        return not self.problems

    def check(self) -> None:
        """Raise `CheckpointError` that names the first problem unless the checkpoint is valid."""
        if self.problems:
            first = self.problems[0]
            more = f" and {len(self.problems) - 1} more" if self.problems[1:] else ""
            name = self.token.decode(errors="replace")
            raise CheckpointError(
                f"The checkpoint {name!r} is not whole: {first.path!r}: {first.detail}{more}",
                "Rely on another one: restore_newest_valid() takes the newest that is whole",
            )


@attrs.define(eq=False)
class Validation:
    """One pass over the files of a checkpoint, of a version that is pinned meanwhile."""

    io: Io
    folder: str
    store_id: bytes
    version: Version
    meta: CheckpointMeta
    known: dict[int, None] = attrs.field(
        factory=dict
    )  # tables that need not be read again
    problems: list[CheckpointProblem] = attrs.field(factory=list)
    tables: int = 0
    entries: int = 0
    frames: int = 0
    values: int = 0
    bytes: int = 0

    async def run(self) -> CheckpointReport:
        """Read everything; damage is reported, not raised."""
        if self.meta.is_recovery_point:
            readable = self.version.at_checkpoint(self.meta)
            values = Values(self.io, self.folder, self.store_id, 0, FILES_OPEN_MAX)
            try:
                for table in readable.tables:
                    if table.number not in self.known:
                        path = f"{self.folder}/{table_name(table.number)}"
                        check = partial(self._table, path, table, readable, values)
                        if await self._try(path, check):
                            self.known[table.number] = None
            finally:
                with trio.CancelScope(shield=True):
                    await values.aclose()
            for segment in log_parts(self.meta):
                path = f"{self.folder}/{segment_name(segment.number)}"
                await self._try(path, partial(self._log, segment))
        return CheckpointReport(
            token=self.meta.token,
            problems=tuple(self.problems),
            tables=self.tables,
            entries=self.entries,
            frames=self.frames,
            values=self.values,
            bytes=self.bytes,
        )

    async def _try(self, path: str, check: Callable[[], Awaitable[None]]) -> bool:
        try:
            await check()
        except (IoError, TempestError) as error:
            found = translate(error)
            detail = str(found)
            if isinstance(found, CorruptionError):
                path, detail = found.path, f"offset {found.offset}: {found.detail}"
            self.problems.append(CheckpointProblem(path, detail))
            return False
        return True

    async def _table(
        self, path: str, meta: TableMeta, readable: Version, values: Values
    ) -> None:
        table = await Table.open(self.io, path, self.store_id, meta, BlockCache(0))
        try:
            await check_table(table)
            if meta.segments:
                for index in range(table.block_count):
                    await self._values(path, await table.block(index), readable, values)
        finally:
            with trio.CancelScope(shield=True):
                await table.aclose()
        self.tables += 1
        self.entries += meta.entries
        self.bytes += meta.size

    async def _values(
        self, path: str, columns: Columns, readable: Version, values: Values
    ) -> None:
        for index, kind in enumerate(columns.kinds):
            if kind != Kind.POINTER:
                continue
            try:
                pointer = decode_pointer(columns.values[index])
            except ValueError as error:
                raise CorruptionError(path, 0, str(error)) from error
            self.bytes += len(await values.read(pointer, readable))
            self.values += 1
            await trio.lowlevel.checkpoint()

    async def _log(self, segment: SegmentMeta) -> None:
        end = segment.end
        assert end is not None, "the segments of a checkpoint end at its cut"
        start = max(segment.first, self.meta.replay_from)
        scanner = scan_frames(
            self.io, self.folder, self.store_id, (segment,), start, end
        )
        try:
            while (frame := await scanner.next()) is not None:
                for columns in frame.runs(scanner.path):
                    self.entries += len(columns)
                self.frames += 1
                self.bytes += frame.header.size
                await trio.lowlevel.checkpoint()
        finally:
            with trio.CancelScope(shield=True):
                await scanner.aclose()


def log_parts(meta: CheckpointMeta) -> Iterator[SegmentMeta]:
    """Yield the segments that reading the checkpoint replays, in order."""
    for segment in meta.segments:
        end = segment.end or 0
        if segment.first < VALUES_FIRST and end > max(segment.first, meta.replay_from):
            yield segment

"""Write sorted entries into as many tables as they need, and make them durable.

Invariants
- Only names with reserved numbers are created, each exclusively, so nothing is ever overwritten.
- A table ends near `table_bytes_max`, between two keys; the last reserved number takes all that
  is left, so numbers never run out.
- `finish` returns only after every file was synced, and then the folder once.
- Nothing is removed here, also not after a failure: what no manifest names is swept at the next
  writable open.
"""

from bisect import bisect_right
from itertools import accumulate
from operator import add

import attrs
import trio

from io_backends import File, Io
from tempest.columns import Columns
from tempest.header import FileHeader, FileKind
from tempest.table import TableBuilder, TableMeta, TableOptions, table_name

WRITE_BYTES_MIN = 512 * 1024
WRITE_BYTES_MAX = 1024 * 1024


@attrs.frozen(kw_only=True)
class OutputPlan:
    """Where a job may put tables, and what they are to be like."""

    folder: str
    store_id: bytes
    life: int
    numbers: tuple[int, ...]
    table_bytes_max: int
    options: TableOptions


class TableOutputs:
    """The tables that a job makes, one after the other. Close it in any case."""

    def __init__(self, io: Io, plan: OutputPlan) -> None:
        assert plan.numbers, "a job has at least one number for what it makes"
        self._io = io
        self._plan = plan
        self._tables: list[TableMeta] = []
        self._open: _OpenTable | None = None

    async def add(self, columns: Columns) -> None:
        """Take a run that follows all runs before it, with all versions of its keys."""
        while columns.keys:
            if self._open is None:
                self._open = await self._create()
            count, total = self._fitting(columns), len(columns.keys)
            await self._open.add(columns if count == total else columns.part(0, count))
            columns = columns.part(count, total)
            if self._room() == 0:
                await self._end_table(self._open)

    async def finish(self) -> tuple[TableMeta, ...]:
        """Complete the last table and make the names of all of them durable."""
        if self._open is not None:
            await self._end_table(self._open)
        if self._tables:
            await self._io.sync_dir(self._plan.folder)
        return tuple(self._tables)

    async def aclose(self) -> None:
        """Let go of a table that was not completed. Idempotent."""
        table, self._open = self._open, None
        if table is not None:
            await table.file.aclose()

    async def _create(self) -> "_OpenTable":
        plan, number = self._plan, self._plan.numbers[len(self._tables)]
        header = FileHeader(FileKind.TABLE, plan.store_id, plan.life, number)
        file = await self._io.create_exclusive(f"{plan.folder}/{table_name(number)}")
        return _OpenTable(file, TableBuilder(header, plan.options))

    async def _end_table(self, table: "_OpenTable") -> None:
        self._tables.append(await table.complete())
        await self.aclose()

    def _room(self) -> int | None:
        """Return how many bytes the open table may still get; None if there is no bound."""
        plan, table = self._plan, self._open
        assert table is not None, "there is a table to be filled"
        if len(self._tables) + 1 == len(plan.numbers):
            return None
        size = table.builder.bytes_written + table.builder.bytes_pending
        return max(0, plan.table_bytes_max - size)

    def _fitting(self, columns: Columns) -> int:
        """Return how many entries the open table takes: at least those of the first key."""
        keys, room = columns.keys, self._room()
        if room is None or columns.payload_bytes() <= room:
            return len(keys)
        ends = accumulate(map(add, map(len, keys), map(len, columns.values)))
        last = bisect_right(list(ends), room)
        return bisect_right(keys, keys[last], last)


class _OpenTable:
    """A table file that is being written, a large piece at a time."""

    def __init__(self, file: File, builder: TableBuilder) -> None:
        self.file = file
        self.builder = builder
        self._offset = 0
        self._pieces: list[bytes] = []

    async def add(self, columns: Columns) -> None:
        self._pieces += self.builder.add(columns)
        if self.builder.bytes_written - self._offset >= WRITE_BYTES_MIN:
            await self._write()

    async def complete(self) -> TableMeta:
        """Write what is left and sync; the caller closes."""
        for piece in self.builder.finish():
            self._pieces.append(piece)
            if not piece:
                await trio.lowlevel.checkpoint()
        await self._write()
        meta = self.builder.meta
        assert self._offset == meta.size, "the pieces of a table are its file"
        await self.file.sync()
        return meta

    async def _write(self) -> None:
        data = b"".join(self._pieces)
        self._pieces.clear()
        for start in range(0, len(data), WRITE_BYTES_MAX):
            piece = data[start : start + WRITE_BYTES_MAX]
            await self.file.write_at(self._offset, piece)
            self._offset += len(piece)

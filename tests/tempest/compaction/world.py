"""A folder of tables on a virtual disk, for the tests of jobs."""

import attrs
from hypothesis import strategies as st

from io_backends import Io, VirtualDisk, VirtualIo
from tempest.columns import Columns
from tempest.compaction import (
    Choice,
    CompactionJob,
    JobResult,
    LevelInput,
    OutputPlan,
    Reason,
    compact,
    make_job,
)
from tempest.header import FileHeader, FileKind
from tempest.iterator import combine, visible_rows
from tempest.options import Compression
from tempest.table import (
    BlockCache,
    TableBuilder,
    TableCache,
    TableCursor,
    TableMeta,
    TableOptions,
    table_name,
)
from tests.tempest.table.support import STORE_ID, put_file, puts

FOLDER = "d"
LIFE = 3
LEVELS = 4
ALL = 1 << 40
OPTIONS = TableOptions(128, Compression.NONE, 10)

FLUSHES = st.lists(
    st.lists(
        st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 40)),
        min_size=1,
        max_size=20,
    ),
    min_size=1,
    max_size=6,
)
"""Batches of (key, is a delete, bytes of value)."""


@attrs.define
class JobWorld:
    """The files of a store without its manifest: `levels` stand for it."""

    folder: str = FOLDER
    disk: VirtualDisk = attrs.field(factory=VirtualDisk)
    io: Io = attrs.field(init=False)
    levels: list[list[TableMeta]] = attrs.field(
        factory=lambda: [[] for _ in range(LEVELS)]
    )
    number: int = 0

    def __attrs_post_init__(self) -> None:
        self.io = VirtualIo(self.disk)

    async def make_folder(self) -> None:
        await self.io.make_dir(self.folder)

    def reserve(self, count: int) -> tuple[int, ...]:
        first = self.number + 1
        self.number += count
        return tuple(range(first, self.number + 1))

    def plan(self, *, numbers: int = 100, table_bytes_max: int = 600) -> OutputPlan:
        return OutputPlan(
            folder=self.folder,
            store_id=STORE_ID,
            life=LIFE,
            numbers=self.reserve(numbers),
            table_bytes_max=table_bytes_max,
            options=OPTIONS,
        )

    async def add(self, level: int, run: Columns) -> TableMeta:
        """Put a table of this run on the disk and into a level."""
        (number,) = self.reserve(1)
        header = FileHeader(FileKind.TABLE, STORE_ID, LIFE, number)
        builder = TableBuilder(header, OPTIONS)
        data = b"".join([*builder.add(run), *builder.finish()])
        await put_file(self.io, f"{self.folder}/{table_name(number)}", data)
        self.levels[level].append(builder.meta)
        self.levels[0].sort(key=lambda meta: -meta.sequence_max)
        return builder.meta

    def choice(self, output_level: int) -> Choice:
        inputs = tuple(
            LevelInput(level, tuple(tables))
            for level, tables in enumerate(self.levels)
            if tables and level <= output_level
        )
        return Choice(Reason.MANUAL, inputs, output_level)

    def job(
        self,
        positions: tuple[int, ...] = (ALL,),
        *,
        output_level: int = 1,
        table_bytes_max: int = 600,
        numbers: int = 100,
    ) -> CompactionJob:
        """A job over everything that is there, down to a level."""
        choice = self.choice(output_level)
        plan = self.plan(numbers=numbers, table_bytes_max=table_bytes_max)
        return make_job(self.levels, choice, positions, plan)

    async def compact(self, job: CompactionJob) -> JobResult:
        """Do the job, and put its result into the levels."""
        result = await compact(self.io, job, inline=True)
        taken = {table.number for table in job.tables}
        self.levels = [
            [table for table in level if table.number not in taken]
            for level in self.levels
        ]
        self.levels[job.output_level] = sorted(
            [*self.levels[job.output_level], *result.tables],
            key=lambda table: table.smallest,
        )
        return result

    async def read(self, table: TableMeta) -> list[Columns]:
        """Read a table's blocks back, everything checked."""
        cache = TableCache(
            self.io,
            self.folder,
            STORE_ID,
            BlockCache(0),
            bytes_max=1 << 30,
            tables_max=9,
        )
        try:
            cursor = TableCursor(cache, (table,))
            chunks: list[Columns] = []
            while (chunk := await cursor.next_chunk()) is not None:
                chunks.append(chunk)
            return chunks
        finally:
            await cache.aclose()

    async def rows_at(self, position: int) -> dict[bytes, bytes]:
        """What a reader sees over all levels."""
        chunks = [
            chunk
            for level in self.levels
            for table in level
            for chunk in await self.read(table)
        ]
        if not chunks:
            return {}
        return dict(zip(*visible_rows(combine(chunks), position)[:2], strict=True))

    def open_files(self) -> int:
        return len(self.disk._handles)


async def two_tables() -> JobWorld:
    """A world with two tables of level 0, 60 puts each."""
    world = JobWorld()
    await world.make_folder()
    await world.add(0, puts(60))
    await world.add(0, puts(60, first=60))
    world.disk.sync_everything()
    return world


def make_meta(
    number: int,
    smallest: bytes,
    largest: bytes,
    *,
    size: int = 1,
    sequence: int = 1,
    tombstones: int = 0,
    shadowed: int = 0,
) -> TableMeta:
    """Describe a table that does not exist, for the policies."""
    return TableMeta(
        number=number,
        life=1,
        size=size,
        smallest=smallest,
        largest=largest,
        sequence_min=sequence,
        sequence_max=sequence,
        entries=10,
        tombstones=tombstones,
        shadowed=shadowed,
        checksum=0,
    )

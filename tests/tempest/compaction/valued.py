"""A folder of tables whose values stand in segments, for the tests of collection jobs."""

from collections.abc import Mapping

import attrs

from tempest.columns import Columns, Kind, make_columns
from tempest.compaction import (
    CollectionJob,
    JobResult,
    Relocation,
    collect,
    make_rewrite,
    tables_of,
)
from tempest.header import checksum_at
from tempest.iterator import combine, sort_run
from tempest.log import SegmentMeta, ValueSegmentWriter, open_segment
from tempest.pointers import decode_pointer
from tempest.table import TableMeta
from tempest.version import VALUES_FIRST
from tests.tempest.compaction.world import ALL, FOLDER, LIFE, JobWorld
from tests.tempest.table.support import STORE_ID

SEGMENT_ADDRESSES = 1 << 20


@attrs.define
class ValuedWorld(JobWorld):
    """Tables of pointers, and the segments that they lead into."""

    segments: dict[int, SegmentMeta] = attrs.field(factory=dict)
    sequence: int = 0
    address: int = VALUES_FIRST

    def target(self, addresses: int = SEGMENT_ADDRESSES) -> SegmentMeta:
        """Reserve a value segment."""
        (number,) = self.reserve(1)
        first = self.address
        self.address += addresses
        return SegmentMeta(number, LIFE, first, first + addresses)

    async def add_values(self, rows: Mapping[bytes, bytes]) -> Columns:
        """Put values into a segment of their own; return the entries that point to them."""
        writer = await ValueSegmentWriter.create(
            self.io, FOLDER, STORE_ID, self.target()
        )
        first = self.sequence + 1
        self.sequence += len(rows)
        run = make_columns(
            list(rows), list(rows.values()), list(range(first, self.sequence + 1))
        )
        pointers = await writer.add(run)
        meta = await writer.finish()
        await writer.aclose()
        self.segments[meta.number] = meta
        return sort_run(
            make_columns(
                run.keys,
                [pointer.encode() for pointer in pointers],
                run.sequences(),
                bytes([Kind.POINTER]) * len(run),
            )
        )

    def collection(
        self,
        *numbers: int,
        positions: tuple[int, ...] = (ALL,),
        targets: int = 1,
        segment_bytes_max: int = 1 << 30,
    ) -> CollectionJob:
        """A job that empties these segments."""
        segments = tuple(self.segments[number] for number in numbers)
        rewrites = tuple(
            make_rewrite(
                self.levels,
                level,
                table,
                positions,
                self.plan(numbers=5 if level else 1),
            )
            for level, tables in enumerate(self.levels)
            for table in tables
            if not set(numbers).isdisjoint(table.segments)
        )
        relocation = Relocation(
            segments=segments,
            targets=tuple(self.target() for _ in range(targets)),
            segment_bytes_max=segment_bytes_max,
        )
        return CollectionJob(rewrites=rewrites, relocation=relocation)

    async def collect(self, job: CollectionJob) -> JobResult:
        """Do the job, put its result in place, and remove what it emptied."""
        result = await collect(self.io, job, inline=True)
        taken = {table.number for table in job.tables}
        for rewrite in job.rewrites:
            level = rewrite.output_level
            tables = [t for t in self.levels[level] if t.number not in taken]
            tables += tables_of(rewrite, result)
            if level:
                tables.sort(key=lambda table: table.smallest)
            else:
                tables.sort(key=lambda table: -table.sequence_max)
            self.levels[level] = tables
        for segment in job.relocation.segments:
            del self.segments[segment.number]
            await self.io.remove(self.path(segment))
        self.segments |= {segment.number: segment for segment in result.segments}
        return result

    @staticmethod
    def path(segment: SegmentMeta) -> str:
        return f"{FOLDER}/log-{segment.number:012}"

    async def values_at(self, position: int) -> dict[bytes, bytes]:
        """What a reader sees, every pointer followed, every checksum checked."""
        chunks = [
            chunk
            for level in self.levels
            for table in level
            for chunk in await self.read(table)
        ]
        found: dict[bytes, bytes] = {}
        if not chunks:
            return found
        run = combine(chunks)
        for index, sequence in enumerate(run.sequences()):
            key = run.keys[index]
            if sequence > position or key in found:
                continue
            found[key] = b""
            if run.kind(index) == Kind.POINTER:
                found[key] = await self.follow(run.values[index])
        return {key: value for key, value in found.items() if value}

    async def follow(self, data: bytes) -> bytes:
        """Read the value that an entry points to."""
        pointer = decode_pointer(data)
        segment = await open_segment(
            self.io, FOLDER, STORE_ID, self.segments[pointer.segment]
        )
        offset = segment.meta.offset(pointer.address)
        value = await segment.file.read_at(offset, pointer.length)
        await segment.file.aclose()
        assert checksum_at(segment.seed, pointer.address, value) == pointer.checksum
        return value

    def live(self) -> dict[int, int]:
        """Bytes pointed to in each segment, by the tables' accounts."""
        live: dict[int, int] = {}
        for tables in self.levels:
            for table in tables:
                for number, size in zip(
                    table.segments, table.segment_bytes, strict=True
                ):
                    live[number] = live.get(number, 0) + size
        return live


def deletes(keys: list[bytes], first: int) -> Columns:
    """Deletes of these sorted keys."""
    count = len(keys)
    return make_columns(
        keys,
        [b""] * count,
        list(range(first, first + count)),
        bytes([Kind.DELETE]) * count,
    )


def rows(
    first: int, stop: int, mark: bytes = b"v", size: int = 100
) -> dict[bytes, bytes]:
    """Values of `size` bytes that tell their keys and a mark."""
    return {
        b"key-%03d" % number: (b"%s%d." % (mark, number)).ljust(size, b"x")
        for number in range(first, stop)
    }


async def two_segments() -> tuple[ValuedWorld, TableMeta, TableMeta]:
    """Ten values in one segment, of which five were overwritten in a second; two tables."""
    world = ValuedWorld()
    await world.make_folder()
    old = await world.add(1, await world.add_values(rows(0, 10)))
    new = await world.add(0, await world.add_values(rows(0, 5, b"w")))
    world.disk.sync_everything()
    return world, old, new

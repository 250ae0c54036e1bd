"""A collection as a value: tables rewritten where they are, values copied out of sparse segments.

Every table that points into one of the segments is rewritten at its own level, each by itself, so
nothing about the order of tables changes; what nobody can see any more is left out on the way.
The values that are still pointed to end up in value segments (`tempest.compaction.relocation`).

Invariants
- A table of level 0 becomes exactly one table, or none: the order of level 0 stays.
- Afterwards no output points into what was emptied, and every byte that was copied is pointed to.
- One result publishes everything or nothing: tables, value segments, and what is dropped.
"""

from collections.abc import Iterator, Sequence

import attrs

from io_backends import Io, worker_job
from journal import decode_record
from tempest.compaction.executor import refuse, run
from tempest.compaction.job import (
    CompactionJob,
    close_all,
    compact_tables,
    output_problems,
)
from tempest.compaction.outputs import OutputPlan
from tempest.compaction.policy import Choice, LevelInput, Levels, Reason, older_keys
from tempest.compaction.relocation import Relocation, Relocator
from tempest.compaction.result import JobResult, count_problems, report
from tempest.log import SegmentMeta
from tempest.table import TableMeta


@attrs.frozen(kw_only=True)
class CollectionJob:
    """The tables to rewrite, each a compaction of one table, and where their values go."""

    rewrites: tuple[CompactionJob, ...]
    relocation: Relocation

    @property
    def tables(self) -> tuple[TableMeta, ...]:
        return tuple(table for rewrite in self.rewrites for table in rewrite.tables)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers that were reserved for what it makes."""
        tables = [n for rewrite in self.rewrites for n in rewrite.outputs.numbers]
        return (*tables, *(target.number for target in self.relocation.targets))


def make_rewrite(
    levels: Levels,
    level: int,
    table: TableMeta,
    positions: Sequence[int],
    outputs: OutputPlan,
) -> CompactionJob:
    """Return the job that rewrites one table of these very levels where it is.

    In level 0 `outputs` must have one number: the table stays one table.
    """
    assert level > 0 or len(outputs.numbers) == 1, "a table of level 0 stays one"
    choice = Choice(Reason.COLLECTION, (LevelInput(level, (table,)),), level)
    return CompactionJob(
        inputs=choice.inputs,
        output_level=level,
        positions=tuple(sorted(set(positions))),
        older=older_keys(levels, choice),
        outputs=outputs,
    )


async def collect(io: Io, job: CollectionJob, *, inline: bool) -> JobResult:
    """Run a collection and check what it made. Nothing is published here."""
    result = await run(io, run_collection, job, inline=inline)
    refuse(collection_problems(job, result))
    return result


@worker_job(is_patient=True)
async def run_collection(io: Io, argument: bytes) -> bytes:
    """Do an encoded job and return its encoded outcome. For `Io.run_job`."""
    return await report(_collect(io, decode_record(CollectionJob, argument)))


async def _collect(io: Io, job: CollectionJob) -> JobResult:
    plan = job.rewrites[0].outputs
    relocator = Relocator(io, plan.folder, plan.store_id, job.relocation)
    try:
        results = [
            await compact_tables(io, rewrite, relocator.relocate)
            for rewrite in job.rewrites
        ]
        segments = await relocator.finish()
    finally:
        await close_all(relocator)
    return JobResult(
        tables=tuple(table for result in results for table in result.tables),
        entries_in=sum(result.entries_in for result in results),
        entries_out=sum(result.entries_out for result in results),
        shadowed=sum(result.shadowed for result in results),
        tombstones=sum(result.tombstones for result in results),
        bytes_in=sum(result.bytes_in for result in results),
        segments=segments,
        values=relocator.values,
        value_bytes=relocator.value_bytes,
    )


def collection_problems(job: CollectionJob, result: JobResult) -> Iterator[str]:
    """Yield why the result cannot be that of the job."""
    yield from count_problems(result)
    entries = sum(table.entries for table in job.tables)
    if result.entries_in != entries:
        yield f"{result.entries_in} of {entries} entries were read"
    tables = list(result.tables)
    for rewrite in job.rewrites:
        made = tables_of(rewrite, result)
        tables = [table for table in tables if table not in made]
        yield from output_problems(rewrite, made)
    if tables:
        yield f"tables {[table.number for table in tables]} come from no input"
    yield from _segment_problems(job, result)


def tables_of(rewrite: CompactionJob, result: JobResult) -> tuple[TableMeta, ...]:
    """Return the tables of a collection's result that one of its rewrites made."""
    numbers = rewrite.outputs.numbers
    return tuple(table for table in result.tables if table.number in numbers)


def _segment_problems(job: CollectionJob, result: JobResult) -> Iterator[str]:
    relocation = job.relocation
    pointed: dict[int, int] = {}
    for table in result.tables:
        for number, size in zip(table.segments, table.segment_bytes, strict=True):
            pointed[number] = pointed.get(number, 0) + size
    left = [s.number for s in relocation.segments if s.number in pointed]
    if left:
        yield f"segments {left} are still pointed into"
    if len(result.segments) > len(relocation.targets):
        yield f"{len(result.segments)} value segments were made"
    for target, made in zip(relocation.targets, result.segments, strict=False):
        yield from _target_problems(target, made, pointed.get(made.number, 0))
    copied = sum(made.value_bytes for made in result.segments)
    if copied != result.value_bytes:
        yield f"{result.value_bytes} bytes were copied and {copied} arrived"


def _target_problems(
    target: SegmentMeta, made: SegmentMeta, pointed: int
) -> Iterator[str]:
    if made != attrs.evolve(target, end=made.end, value_bytes=made.value_bytes):
        yield f"segment {made.number} is not the one that was reserved"
    if made.end is None or not made.first < made.end <= made.limit:
        yield f"segment {made.number} ends outside its bounds"
    if pointed != made.value_bytes:
        yield f"segment {made.number} is not pointed to as a whole"

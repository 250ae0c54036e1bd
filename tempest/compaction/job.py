"""A compaction as a value, and the function that does it wherever the files can be seen.

The inputs are merged as streams, some hundred KiB at a time, and what no reader can see any more
is left out.

Invariants
- A block that cannot be read or does not verify ends the job: nothing is ever skipped.
- Handles are closed on every path, also when the job is cancelled.
- At least once for about a thousand entries others have a turn, so a job may run on the loop.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Protocol

import attrs
import trio

from io_backends import Io, worker_job
from journal import decode_record
from tempest.columns import Columns
from tempest.compaction.outputs import OutputPlan, TableOutputs
from tempest.compaction.policy import (
    Choice,
    LevelInput,
    Levels,
    choice_problems,
    hull,
    older_keys,
)
from tempest.compaction.result import (
    JobResult,
    count_problems,
    report,
    table_problems,
)
from tempest.iterator import KeyRanges, Merger, Source, retain
from tempest.table import BlockCache, TableCache, TableCursor, TableMeta

STEP_BYTES = 256 * 1024
TURN_ENTRIES = 1000
_CHUNK_ENTRIES = 100  # what a chunk costs beside its entries, in entries
Change = Callable[[Columns], Awaitable[Columns]]


@attrs.frozen(kw_only=True)
class CompactionJob:
    """Everything that a compaction needs to know.

    `positions` are the sequences at which anybody reads or will read, ascending, the visible
    one last; `older` the keys of which older versions may lie in tables that are no inputs.
    """

    inputs: tuple[LevelInput, ...]
    output_level: int
    positions: tuple[int, ...]
    older: KeyRanges
    outputs: OutputPlan

    @property
    def tables(self) -> tuple[TableMeta, ...]:
        return tuple(table for part in self.inputs for table in part.tables)


def make_job(
    levels: Levels, choice: Choice, positions: Sequence[int], outputs: OutputPlan
) -> CompactionJob:
    """Return the job that does what was chosen from these very levels."""
    problems = "; ".join(choice_problems(levels, choice))
    assert not problems, problems
    assert not choice.is_move, "a move needs no job"
    return CompactionJob(
        inputs=tuple(sorted(choice.inputs, key=lambda part: part.level)),
        output_level=choice.output_level,
        positions=tuple(sorted(set(positions))),
        older=older_keys(levels, choice),
        outputs=outputs,
    )


def numbers_wanted(choice: Choice, table_bytes_max: int) -> int:
    """Return how many numbers to reserve for the outputs."""
    return choice.bytes_in // table_bytes_max + 2


@worker_job(is_patient=True)
async def run_compaction(io: Io, argument: bytes) -> bytes:
    """Do an encoded job and return its encoded outcome. For `Io.run_job`."""
    return await report(compact_tables(io, decode_record(CompactionJob, argument)))


async def compact_tables(
    io: Io, job: CompactionJob, change: Change | None = None
) -> JobResult:
    """Do a job; what is retained passes through `change` on its way to the outputs."""
    plan = job.outputs
    cache = TableCache(
        io,
        plan.folder,
        plan.store_id,
        BlockCache(0),
        bytes_max=1 << 62,
        tables_max=len(job.tables) + 1,
    )
    outputs = TableOutputs(io, plan)
    try:
        return await _merge(job, cache, outputs, change)
    finally:
        await close_all(outputs, cache)


class Closable(Protocol):
    """What holds handles."""

    async def aclose(self) -> None: ...


async def close_all(*things: Closable) -> None:
    """Close each, whatever the others do, and also when cancelled."""
    with trio.CancelScope(shield=True):
        async with AsyncExitStack() as stack:
            for thing in things:
                stack.push_async_callback(thing.aclose)


async def _merge(
    job: CompactionJob,
    cache: TableCache,
    outputs: TableOutputs,
    change: Change | None,
) -> JobResult:
    sources = list(_sources(job, cache))
    merger = Merger(sources, bytes_ahead=STEP_BYTES // len(sources))
    entries_in = shadowed = tombstones = work = 0
    while (chunk := await merger.next_chunk()) is not None:
        retained = retain(chunk, job.positions, job.older)
        kept = retained.columns
        await outputs.add(kept if change is None else await change(kept))
        entries_in += len(chunk.keys)
        shadowed += retained.shadowed
        tombstones += retained.tombstones
        work += len(chunk.keys) + _CHUNK_ENTRIES
        if work >= TURN_ENTRIES:
            work = 0
            await trio.lowlevel.checkpoint()
    return JobResult(
        tables=await outputs.finish(),
        entries_in=entries_in,
        entries_out=entries_in - shadowed - tombstones,
        shadowed=shadowed,
        tombstones=tombstones,
        bytes_in=sum(table.size for table in job.tables),
    )


def _sources(job: CompactionJob, cache: TableCache) -> Iterator[Source]:
    """Yield the inputs newest first: each table of level 0, each other level as one."""
    for part in job.inputs:
        if part.level == 0:
            for table in sorted(part.tables, key=lambda table: -table.sequence_max):
                yield TableCursor(cache, (table,))
        else:
            yield TableCursor(cache, part.tables)


def compaction_problems(job: CompactionJob, result: JobResult) -> Iterator[str]:
    """Yield why the result cannot be that of the job."""
    yield from count_problems(result)
    entries = sum(table.entries for table in job.tables)
    if result.entries_in != entries:
        yield f"{result.entries_in} of {entries} entries were read"
    yield from output_problems(job, result.tables)


def output_problems(job: CompactionJob, tables: Sequence[TableMeta]) -> Iterator[str]:
    """Yield why these tables cannot be what became of the inputs."""
    yield from table_problems(job.outputs, tables)
    smallest, largest = hull(job.tables)
    sequence_min = min(table.sequence_min for table in job.tables)
    sequence_max = max(table.sequence_max for table in job.tables)
    for table in tables:
        if table.smallest < smallest or table.largest > largest:
            yield f"table {table.number} has keys that no input has"
        if table.sequence_min < sequence_min or table.sequence_max > sequence_max:
            yield f"table {table.number} has sequences that no input has"
        if table.shadowed and table.sequence_max <= job.positions[0]:
            yield f"table {table.number} has {table.shadowed} versions that nobody can see"

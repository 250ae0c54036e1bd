"""A flush: a stretch of the log, which a memtable indexes, becomes a table of level 0.

The frames of the stretch are read back from its segments, gathered into sorted runs of a few
thousand entries, and those are merged a step at a time; nothing large is handed to a worker.

Invariants
- Every frame of the stretch must verify: what was acknowledged is never skipped.
- Versions that no reader position tells from their successor are dropped, tombstones only where
  no table may hold anything older. So it may be that nothing is left, and no table is made.
- Level 0 gets one table: the one reserved number takes everything.
- Values that stay in the log are pointed to, so the segments of the stretch must be settled: no
  late error may move its frames any more. They are let go frame by frame, never held together.
"""

from collections.abc import Iterator, Sequence

import attrs
import trio

from io_backends import Io, worker_job
from journal import decode_record
from tempest.columns import Columns, Kind, make_columns
from tempest.compaction import (
    JobResult,
    OutputPlan,
    TableOutputs,
    close_all,
    refuse,
    report,
    result_problems,
    run,
)
from tempest.header import checksum_at
from tempest.iterator import KeyRanges, drop_tombstones
from tempest.log import (
    Frame,
    FrameScanner,
    SegmentMeta,
    scan_frames,
    value_addresses,
)
from tempest.options import VALUE_BYTES_MAX
from tempest.pointers import Pointer
from tempest.sorted_runs import SortedRuns

# Also the best in a worker, where nobody waits for a step: what was decoded is still in the
# processor's caches when it is sorted. Sorting 54,000 at once costs 0.5 us an entry more.
RUN_ENTRIES = 2048
STRETCH_VALUE_BYTES = 4096  # frames with larger payloads are looked at one by one


@attrs.frozen(kw_only=True)
class FlushJob:
    """Everything that a flush needs to know.

    `start` and `stop` are the addresses of the stretch; `positions` the sequences at which
    anybody reads or will read, ascending, the visible one last; `older` the keys of all tables.
    Values of at least `separated_value_bytes_min` bytes stay where they are.
    """

    segments: tuple[SegmentMeta, ...]
    start: int
    stop: int
    positions: tuple[int, ...]
    older: KeyRanges
    outputs: OutputPlan
    separated_value_bytes_min: int = VALUE_BYTES_MAX + 1


async def flush(io: Io, job: FlushJob, *, inline: bool) -> JobResult:
    """Run a flush and check what it made. Nothing is published here."""
    result = await run(io, run_flush, job, inline=inline)
    refuse(flush_problems(job, result))
    return result


@worker_job()
async def prepare_flush(io: Io, argument: bytes) -> bytes:
    """Do nothing: where this has run, a flush need not wait for a process and its imports."""
    return argument


@worker_job()
async def run_flush(io: Io, argument: bytes) -> bytes:
    """Do an encoded job and return its encoded outcome. For `Io.run_job`."""
    return await report(_flush(io, decode_record(FlushJob, argument)))


async def _flush(io: Io, job: FlushJob) -> JobResult:
    plan = job.outputs
    scanner = scan_frames(
        io, plan.folder, plan.store_id, job.segments, job.start, job.stop
    )
    outputs = TableOutputs(io, plan)
    try:
        runs = _Runs(job.positions, job.separated_value_bytes_min)
        await runs.read(scanner)
        return await _merge(job, runs, outputs)
    finally:
        await close_all(outputs, scanner)


class _Runs:
    """Sorted runs made of frames as they come; the newest run is the last."""

    def __init__(
        self, positions: Sequence[int], separated_value_bytes_min: int
    ) -> None:
        self._bytes_min = separated_value_bytes_min
        self._parts: list[Columns] = []
        self._parts_entries = 0
        self.sorted = SortedRuns(positions)
        self.entries = 0

    async def read(self, scanner: FrameScanner) -> None:
        """Take all frames; others have a turn after each sorted run."""
        # A payload is longer than its values: no value of a stretch is separated.
        bytes_max = min(STRETCH_VALUE_BYTES, self._bytes_min)
        while (part := await scanner.next_part(bytes_max)) is not None:
            if isinstance(part, Frame):
                await self._take_frame(part, scanner)
                continue
            if (columns := part.columns()) is not None:
                await self._take(columns)
            else:
                for frame in part.frames():
                    await self._take_frame(frame, scanner)
            await trio.lowlevel.checkpoint()
        self._sort()

    async def _take_frame(self, frame: Frame, scanner: FrameScanner) -> None:
        for columns, addresses in value_addresses(frame, scanner.path, self._bytes_min):
            await self._take(_separated(columns, addresses, scanner))
            if addresses:
                await trio.lowlevel.checkpoint()

    async def _take(self, columns: Columns) -> None:
        self._parts.append(columns)
        self._parts_entries += len(columns.keys)
        if self._parts_entries >= RUN_ENTRIES:
            self._sort()
            await trio.lowlevel.checkpoint()

    def _sort(self) -> None:
        self.sorted.add(self._parts)
        self.entries += self._parts_entries
        self._parts.clear()
        self._parts_entries = 0


def _separated(
    columns: Columns, addresses: dict[int, int], scanner: FrameScanner
) -> Columns:
    """Return the run with pointers in place of the values at these indexes."""
    if not addresses:
        return columns
    segment = scanner.segment
    values = list(columns.values)
    kinds = bytearray(columns.kinds or bytes(len(values)))
    for index, address in addresses.items():
        value = values[index]
        checksum = checksum_at(segment.seed, address, value)
        pointer = Pointer(segment.meta.number, address, len(value), checksum)
        values[index] = pointer.encode()
        kinds[index] = Kind.POINTER
    return make_columns(columns.keys, values, columns.sequences(), bytes(kinds))


async def _merge(job: FlushJob, runs: _Runs, outputs: TableOutputs) -> JobResult:
    tombstones = separated = 0
    for step in runs.sorted.steps(RUN_ENTRIES):
        kept, ended = drop_tombstones(step, job.positions[-1], job.older)
        await outputs.add(kept)
        tombstones += ended
        separated += kept.kinds.count(Kind.POINTER)
        await trio.lowlevel.checkpoint()
    shadowed = runs.sorted.shadowed
    return JobResult(
        tables=await outputs.finish(),
        entries_in=runs.entries,
        entries_out=runs.entries - shadowed - tombstones,
        shadowed=shadowed,
        tombstones=tombstones,
        bytes_in=job.stop - job.start,
        separated=separated,
    )


def flush_problems(job: FlushJob, result: JobResult) -> Iterator[str]:
    """Yield why the result cannot be that of the job."""
    yield from result_problems(job.outputs, result)
    for table in result.tables:
        if table.sequence_max > job.positions[-1]:
            yield f"table {table.number} has sequences that are not visible yet"

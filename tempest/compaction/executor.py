"""Run a job where CPU-heavy work belongs, and believe its result only if it adds up.

On a real disk that is a worker process, which sees the same files and nothing of the store's
memory. Inline, the same function is awaited in place, cut into small steps.

Invariants
- A job is handed over as bytes in both cases, so what works inline works in a worker.
- Nobody gets a result that was not checked.
"""

from collections.abc import Awaitable, Callable, Iterable

import attrs

from io_backends import Io
from journal import encode_record
from tempest.compaction.job import (
    CompactionJob,
    compaction_problems,
    run_compaction,
)
from tempest.compaction.result import JobResult, read_report
from tempest.errors import BackgroundError

JobFunction = Callable[[Io, bytes], Awaitable[bytes]]


async def run(
    io: Io, function: JobFunction, job: attrs.AttrsInstance, *, inline: bool
) -> JobResult:
    """Return the result of a job, unchecked, or raise what ended it."""
    argument = encode_record(job)
    if inline:
        return read_report(await function(io, argument))
    return read_report(await io.run_job(function, argument))


async def compact(io: Io, job: CompactionJob, *, inline: bool) -> JobResult:
    """Run a compaction and check what it made. Nothing is published here."""
    result = await run(io, run_compaction, job, inline=inline)
    refuse(compaction_problems(job, result))
    return result


def refuse(problems: Iterable[str]) -> None:
    """Raise `BackgroundError` if there is any problem."""
    detail = "; ".join(problems)
    if detail:
        raise BackgroundError(f"the result of a job does not add up ({detail})")

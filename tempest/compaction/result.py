"""What a flush or compaction job gives back: tables and a count of where every entry went.

A job ends in one `Outcome`: a result, or the failure that ended it as plain fields, so that an
error keeps its class, file and offset across the border of a worker process.

Invariants
- entries in = entries out + dropped, by reason; what does not add up is never published.
- A failure raises the same error here that was raised there.
"""

from collections.abc import Awaitable, Iterator, Sequence
from itertools import pairwise

import attrs

import io_backends
from io_backends import IoError
from journal import decode_record, encode_record
from tempest.compaction.outputs import OutputPlan
from tempest.errors import CorruptionError, UnsupportedFormatError
from tempest.log import SegmentMeta
from tempest.table import TableMeta

_IO_ERRORS: dict[str, type[IoError]] = {
    kind.__name__: kind
    for kind in (
        IoError,
        io_backends.AccessError,
        io_backends.ClosedFileError,
        io_backends.DeviceError,
        io_backends.EndOfFileError,
        io_backends.ExistsError,
        io_backends.ForkedError,
        io_backends.NoSpaceError,
        io_backends.NotAFolderError,
        io_backends.NotFoundError,
        io_backends.PowerLostError,
        io_backends.ReadOnlyDeviceError,
        io_backends.TooManyFilesError,
    )
}


@attrs.frozen(kw_only=True)
class JobResult:
    """What a job made of its inputs. Bytes are of files, or of addresses for a log range.

    `separated` values were left in the log, and the tables point to them. A collection also made
    value `segments`, of `values` with `value_bytes` in all.
    """

    tables: tuple[TableMeta, ...]
    entries_in: int
    entries_out: int
    shadowed: int
    tombstones: int
    bytes_in: int
    separated: int = 0
    segments: tuple[SegmentMeta, ...] = ()
    values: int = 0
    value_bytes: int = 0

    @property
    def bytes_out(self) -> int:
        return sum(table.size for table in self.tables)


@attrs.frozen(kw_only=True)
class Failure:
    """An error as fields; `place` is the operation of an `IoError`, or empty."""

    kind: str
    path: str
    detail: str
    place: str = ""
    offset: int = 0
    errno: int | None = None


@attrs.frozen
class Outcome:
    """How a job ended: exactly one of the two is there."""

    result: JobResult | None = None
    failure: Failure | None = None


async def report(work: Awaitable[JobResult]) -> bytes:
    """Return the encoded outcome of `work`; what is no trouble of files passes through."""
    try:
        outcome = Outcome(result=await work)
    except (IoError, CorruptionError, UnsupportedFormatError) as error:
        outcome = Outcome(failure=_failure_of(error))
    return encode_record(outcome)


def read_report(data: bytes) -> JobResult:
    """Return the result in an encoded outcome, or raise what ended the job."""
    outcome = decode_record(Outcome, data)
    if outcome.failure is not None:
        raise _error_of(outcome.failure)
    assert outcome.result is not None, "an outcome is a result or a failure"
    return outcome.result


def _failure_of(
    error: IoError | CorruptionError | UnsupportedFormatError,
) -> Failure:
    kind, path, detail = type(error).__name__, error.path, error.detail
    if isinstance(error, IoError):
        known = kind if kind in _IO_ERRORS else IoError.__name__
        return Failure(
            kind=known,
            path=path,
            detail=detail,
            place=error.operation,
            errno=error.errno,
        )
    if isinstance(error, CorruptionError):
        return Failure(kind=kind, path=path, detail=detail, offset=error.offset)
    return Failure(kind=kind, path=path, detail=detail)


def _error_of(failure: Failure) -> Exception:
    path, detail = failure.path, failure.detail
    if failure.kind == CorruptionError.__name__:
        return CorruptionError(path, failure.offset, detail)
    if failure.kind == UnsupportedFormatError.__name__:
        return UnsupportedFormatError(path, detail)
    return _IO_ERRORS[failure.kind](failure.place, path, failure.errno, detail)


def result_problems(plan: OutputPlan, result: JobResult) -> Iterator[str]:
    """Yield what cannot be right about a result, whatever its inputs were."""
    yield from count_problems(result)
    yield from table_problems(plan, result.tables)


def count_problems(result: JobResult) -> Iterator[str]:
    """Yield where the counts of a result do not add up."""
    dropped = result.shadowed + result.tombstones
    if result.entries_in != result.entries_out + dropped:
        yield (
            f"{result.entries_in} entries went in, {result.entries_out} came out "
            f"and {dropped} were dropped"
        )
    entries = sum(table.entries for table in result.tables)
    if entries != result.entries_out:
        yield f"the tables hold {entries} entries instead of {result.entries_out}"


def table_problems(plan: OutputPlan, tables: Sequence[TableMeta]) -> Iterator[str]:
    """Yield what is wrong with the tables that were made by this plan."""
    numbers = tuple(table.number for table in tables)
    if numbers != plan.numbers[: len(numbers)]:
        yield f"the tables have numbers {numbers}, reserved were {plan.numbers}"
    for table in tables:
        yield from _table_problems(plan, table)
    for one, next_one in pairwise(tables):
        if one.largest >= next_one.smallest:
            yield f"tables {one.number} and {next_one.number} overlap"


def _table_problems(plan: OutputPlan, table: TableMeta) -> Iterator[str]:
    if table.life != plan.life:
        yield f"table {table.number} is of life {table.life}, not {plan.life}"
    if not 0 <= table.tombstones <= table.entries or not table.entries:
        yield f"table {table.number} has {table.tombstones} tombstones of {table.entries}"
    if not 0 <= table.shadowed < table.entries:
        yield f"table {table.number} has {table.shadowed} shadowed of {table.entries}"
    if table.smallest > table.largest or table.sequence_min > table.sequence_max:
        yield f"table {table.number} ends before it begins"

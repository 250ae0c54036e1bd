"""A result is believed if every entry is accounted for; errors cross the border of a worker."""

import attrs
import pytest

from io_backends import DeviceError, Io, NoSpaceError, NotFoundError
from journal import decode_record, encode_record
from tempest.compaction import CompactionJob, JobResult, compact, executor, report
from tempest.compaction.job import compaction_problems
from tempest.compaction.result import Outcome, read_report
from tempest.errors import BackgroundError, CorruptionError, UnsupportedFormatError
from tempest.table import TableMeta
from tests.tempest.compaction.world import ALL, two_tables


async def test_a_result_that_does_not_add_up_is_refused() -> None:
    """Whatever is changed about a true result, something notices."""
    world = await two_tables()
    job = world.job()
    result = await compact(world.io, job, inline=True)
    first, *others = result.tables

    def with_first(changed: TableMeta) -> JobResult:
        return attrs.evolve(result, tables=(changed, *others))

    wrong = {
        "entries went in": attrs.evolve(result, entries_in=result.entries_in + 1),
        "were read": attrs.evolve(
            result, entries_in=119, entries_out=119, tables=result.tables
        ),
        "the tables hold": attrs.evolve(result, tables=tuple(others)),
        "reserved were": with_first(attrs.evolve(first, number=first.number + 1)),
        "of life": with_first(attrs.evolve(first, life=1)),
        "keys that no input has": with_first(attrs.evolve(first, smallest=b"")),
        "sequences that no input has": with_first(
            attrs.evolve(first, sequence_max=ALL)
        ),
        "overlap": with_first(attrs.evolve(first, largest=others[0].smallest)),
        "ends before it begins": with_first(
            attrs.evolve(first, sequence_min=first.sequence_max + 1)
        ),
        "tombstones of": with_first(attrs.evolve(first, tombstones=first.entries + 1)),
        "shadowed of": with_first(attrs.evolve(first, shadowed=first.entries)),
        "nobody can see": with_first(attrs.evolve(first, shadowed=1)),
    }
    assert list(compaction_problems(job, result)) == []
    for said, changed in wrong.items():
        assert said in "; ".join(compaction_problems(job, changed))


async def test_a_worker_that_lies_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await two_tables()

    async def lying(io: Io, argument: bytes) -> bytes:
        nothing = JobResult(
            tables=(), entries_in=0, entries_out=0, shadowed=0, tombstones=0, bytes_in=0
        )
        return encode_record(Outcome(result=nothing))

    monkeypatch.setattr(executor, "run_compaction", lying)

    with pytest.raises(BackgroundError, match="0 of 120 entries were read"):
        await compact(world.io, world.job(), inline=True)


# -------------------------------------------------------------------------------------------------
# Jobs and outcomes as bytes
# -------------------------------------------------------------------------------------------------


async def test_a_job_is_bytes_and_back() -> None:
    world = await two_tables()
    job = world.job((1, 7, ALL))

    assert decode_record(CompactionJob, encode_record(job)) == job


@pytest.mark.parametrize(
    "error",
    [
        CorruptionError("d/x", 77, "flipped"),
        UnsupportedFormatError("d/x", "too new"),
        NoSpaceError("write_at", "d/x", 28, "full"),
        DeviceError("sync", "d/x", 5),
        NotFoundError("open", "d/x"),
    ],
)
async def test_an_error_keeps_its_class_and_its_words_across_a_worker(
    error: Exception,
) -> None:
    async def failing() -> JobResult:
        raise error

    with pytest.raises(type(error)) as caught:
        read_report(await report(failing()))

    assert str(caught.value) == str(error)
    assert caught.type is type(error)


async def test_a_bug_is_not_reported_as_trouble_of_files() -> None:
    async def failing() -> JobResult:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await report(failing())

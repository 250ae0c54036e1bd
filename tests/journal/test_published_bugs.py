"""One test for each mistake with journals that other engines published, or that disks provoke."""

from random import Random

import pytest
import trio
import trio.testing

from io_backends import (
    CrashPolicy,
    FailOp,
    FaultPlan,
    FaultyIo,
    LateError,
    NotFoundError,
    OpKind,
    TracingIo,
    VirtualDisk,
)
from journal import (
    CorruptJournalError,
    JournalOutcomeUnknownError,
    JournalUnsettledError,
    encode_record,
)
from tests.journal.fileset import Edit, add
from tests.journal.world import (
    FOLDER,
    flush,
    impatient,
    is_settled,
    load,
    load_state,
    new_disk,
    open_journal,
    strike,
)

DROP_ALL = CrashPolicy.drop_all()


@pytest.mark.parametrize("kind", [OpKind.WRITE, OpKind.SYNC])
@pytest.mark.parametrize("effect", ["none", "partial", "done"])
async def test_h11_h17_a_file_is_finished_with_after_a_failed_write_or_sync(
    kind: OpKind, effect: str
) -> None:
    """H11, H17, R5: a retried append landed behind half a frame; a retried fsync lied."""
    disk = await new_disk()
    faulty = FaultyIo(impatient(disk))
    tracing = TracingIo(faulty)
    journal = await open_journal(tracing)
    await flush(journal)
    strike(faulty, FailOp(kinds=(kind,), effect=effect))  # type: ignore[arg-type]
    with pytest.raises(JournalOutcomeUnknownError):
        await flush(journal)
    failed = tracing.ops[-1].op
    done = len(tracing.ops)

    await flush(journal)
    await flush(journal)

    later = [traced.op for traced in tracing.ops[done:]]
    assert failed.path not in [op.path for op in later]
    lost = disk.crash(Random(1), DROP_ALL)
    assert await load_state(impatient(lost)) == journal.state


async def test_r4_both_outcomes_stay_possible_until_the_journal_is_settled() -> None:
    """R4: the sync of a manifest failed, its new files were deleted, and the edit came back."""
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    journal = await open_journal(io)
    strike(io, FailOp(kinds=(OpKind.SYNC,), times=None, effect="done"))
    with pytest.raises(JournalOutcomeUnknownError):
        await flush(journal)
    assert not is_settled(journal)
    with pytest.raises(JournalUnsettledError):
        await flush(journal)
    with pytest.raises(JournalUnsettledError):
        await journal.settle()
    assert not is_settled(journal)

    strike(io)
    await journal.settle()

    assert is_settled(journal)
    assert journal.cause is None
    assert await load_state(impatient(disk)) == journal.state


async def test_r6_a_late_write_of_a_dead_life_changes_nothing() -> None:
    """R6, FAULTS 29: recovery one did not see an edit that was still on its way, recovery two did."""
    disk = await new_disk()
    dead = await open_journal(impatient(disk))
    await flush(dead)
    alive = await open_journal(impatient(disk))
    state = alive.state

    await dead._generations.writer.append([encode_record(add(1))])  # surfaces only now

    assert await load_state(impatient(disk)) == state
    assert await load_state(impatient(disk.crash(Random(0), DROP_ALL))) == state


async def test_r8_an_unfinished_generation_is_never_written_into() -> None:
    """R8: a new manifest opened, and truncated, a file that was already there."""
    disk = await new_disk()
    io = impatient(disk)
    leftover = await io.create_exclusive(f"{FOLDER}/manifest-000000000001.tmp")
    await leftover.write_at(0, b"half a header")
    assert await load(io) is None

    journal = await open_journal(io)

    assert journal.generation == 2
    assert await leftover.read_at(0, 13) == b"half a header"
    assert await io.list(FOLDER) == ["manifest-000000000002"]


async def test_an_error_that_a_sync_reports_too_late_loses_no_acknowledged_edit() -> (
    None
):
    """FAULTS 14: ext4 may report the failure of one sync only to the next."""
    disk = await new_disk()
    for index in range(20):
        io = FaultyIo(impatient(disk), FaultPlan((LateError(at=index),)))
        journal = await open_journal(io)
        for _ in range(3):
            try:
                await flush(journal)
            except JournalOutcomeUnknownError:
                await journal.settle()
        await journal.aclose()
        disk = disk.crash(Random(index), DROP_ALL)
        assert await load_state(impatient(disk)) == journal.state


async def test_a_lost_newest_generation_is_not_replaced_by_an_older_one() -> None:
    """FAULTS 11: a file deleted behind our back is named, not papered over."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk), rotation_bytes_min=0)
    for _ in range(3):
        await flush(journal)
    await journal.aclose()
    await impatient(disk).remove(journal.path)

    with pytest.raises(CorruptJournalError, match="newer generation"):
        await load(impatient(disk))


async def test_b2_a_generation_is_never_rewritten_in_place() -> None:
    """B2, A5, A6: a manifest that was updated in place, or named before its content was there."""
    tracing = TracingIo(impatient(await new_disk()))
    journal = await open_journal(tracing, rotation_bytes_min=0)
    for _ in range(10):
        await flush(journal)
    await journal.aclose()

    written: set[tuple[str, int]] = set()
    for traced in tracing.ops:
        if traced.op.kind is OpKind.WRITE:
            assert (traced.op.path, traced.op.offset) not in written
            written.add((traced.op.path, traced.op.offset))
    assert all(path.endswith(".tmp") for path, offset in written if offset == 0)


async def test_a_missing_folder_is_not_an_empty_journal() -> None:
    with pytest.raises(NotFoundError):
        await load(impatient(VirtualDisk()))


async def test_h4_every_waiter_of_a_failed_group_gets_the_cause() -> None:
    """H4: only the first of a coalesced group got the real error."""
    io = FaultyIo(impatient(await new_disk()))
    journal = await open_journal(io)
    strike(io, FailOp(kinds=(OpKind.SYNC,)))
    causes: list[BaseException | None] = []

    async def one() -> None:
        with pytest.raises(JournalOutcomeUnknownError) as caught:
            await journal.append(Edit(clock=1))
        causes.append(caught.value.__cause__)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as writers:
            for _ in range(5):
                writers.start_soon(one)
        nursery.cancel_scope.cancel()

    assert causes == [journal.cause] * 5
    assert causes[0] is not None

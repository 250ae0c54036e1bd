"""Groups of edits: one write, one sync, one outcome for each waiter, whoever is cancelled."""

import pytest
import trio
import trio.testing

from io_backends import FailOp, FaultyIo, OpKind, Stuck, TracingIo, VirtualIo
from journal import (
    InvalidEditError,
    JournalClosedError,
    JournalOutcomeUnknownError,
    JournalUnsettledError,
)
from tests.journal.fileset import Edit, FileSet, add
from tests.journal.world import (
    impatient,
    is_settled,
    load_state,
    new_disk,
    open_journal,
    strike,
)


async def test_edits_that_wait_together_share_one_write_and_one_sync() -> None:
    tracing = TracingIo(VirtualIo(await new_disk()))
    journal = await open_journal(tracing)
    tracing.ops.clear()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as writers:
            for _ in range(64):
                writers.start_soon(journal.append, Edit(clock=1))
        nursery.cancel_scope.cancel()

    counts = tracing.counts()
    assert counts[OpKind.SYNC] == counts[OpKind.WRITE] <= 2
    assert journal.state.clock == 1


async def test_edits_queued_while_a_group_is_written_form_the_next_group() -> None:
    io = FaultyIo(VirtualIo(await new_disk()))
    tracing = TracingIo(io)
    journal = await open_journal(tracing)
    strike(io, Stuck(kinds=(OpKind.SYNC,)))
    tracing.ops.clear()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as writers:
            writers.start_soon(journal.append, add(0))
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(8):
                writers.start_soon(journal.append, Edit(next_number=20))
            await trio.testing.wait_all_tasks_blocked()
            assert journal.state == FileSet.initial()
            io.release()
        nursery.cancel_scope.cancel()

    assert tracing.counts()[OpKind.SYNC] == 2
    assert journal.state == FileSet.initial().apply(add(0)).apply(Edit(next_number=20))


async def test_an_edit_is_validated_upon_the_edits_queued_before_it() -> None:
    io = FaultyIo(VirtualIo(await new_disk()))
    journal = await open_journal(io)
    strike(io, Stuck(kinds=(OpKind.WRITE,)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as writers:
            writers.start_soon(journal.append, add(0))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(InvalidEditError, match="backwards"):
                await journal.append(add(-1))
            with pytest.raises(InvalidEditError, match="live"):
                await journal.append(Edit(added=add(0).added))
            writers.start_soon(journal.append, Edit(removed=(0,)))
            await trio.testing.wait_all_tasks_blocked()
            io.release()
        nursery.cancel_scope.cancel()

    assert journal.state == FileSet(next_number=1)


async def test_a_failed_group_takes_the_edits_queued_upon_it_with_it() -> None:
    io = FaultyIo(VirtualIo(await new_disk()))
    journal = await open_journal(io)
    strike(io, Stuck(kinds=(OpKind.SYNC,)), FailOp(kinds=(OpKind.SYNC,)))

    async def expect(edit: Edit, error: type[Exception]) -> None:
        with pytest.raises(error):
            await journal.append(edit)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as writers:
            writers.start_soon(expect, add(0), JournalOutcomeUnknownError)
            await trio.testing.wait_all_tasks_blocked()
            writers.start_soon(expect, Edit(removed=(0,)), JournalUnsettledError)
            await trio.testing.wait_all_tasks_blocked()
            io.release()
        assert not is_settled(journal)
        await journal.append(add(7))  # settles first, then goes on
        nursery.cancel_scope.cancel()

    assert is_settled(journal)
    assert journal.generation == 2
    assert journal.state == FileSet.initial().apply(add(7))
    assert await load_state(io) == journal.state


async def test_a_cancelled_waiter_gives_up_its_wait_and_nothing_else() -> None:
    io = FaultyIo(VirtualIo(await new_disk()))
    journal = await open_journal(io)
    strike(io, Stuck(kinds=(OpKind.SYNC,)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as writers:
            writers.start_soon(journal.append, add(0))
            await trio.testing.wait_all_tasks_blocked()
            writers.start_soon(journal.append, add(1))
            await trio.testing.wait_all_tasks_blocked()
            writers.cancel_scope.cancel()
        io.release()
        await journal.append(add(2))
        nursery.cancel_scope.cancel()

    assert journal.state.numbers == [0, 1, 2]
    assert is_settled(journal)


async def test_a_caller_cancelled_beforehand_writes_nothing() -> None:
    journal = await open_journal(impatient(await new_disk()))

    with trio.CancelScope() as scope:
        scope.cancel()
        await journal.append(add(0))

    assert scope.cancelled_caught
    assert journal.state == FileSet.initial()
    await journal.append(add(0))


async def test_a_leader_cancelled_between_write_and_sync_leaves_the_outcome_unknown() -> (
    None
):
    disk = await new_disk()
    io = FaultyIo(VirtualIo(disk))
    journal = await open_journal(io)
    strike(io, Stuck(kinds=(OpKind.SYNC,)))

    async def expect(edit: Edit, error: type[Exception]) -> None:
        with pytest.raises(error):
            await journal.append(edit)

    async with trio.open_nursery() as writers, trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        writers.start_soon(expect, add(0), JournalOutcomeUnknownError)
        await trio.testing.wait_all_tasks_blocked()
        writers.start_soon(expect, add(1), JournalUnsettledError)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert not is_settled(journal)
    io.release()
    await journal.append(add(2))
    assert journal.state.numbers == [2]
    assert await load_state(io) == journal.state


async def test_a_leader_that_stops_leaves_nobody_waiting() -> None:
    io = FaultyIo(
        VirtualIo(await new_disk()),
    )
    journal = await open_journal(io, rotation_bytes_min=0)
    await journal.append(add(0))
    strike(io, Stuck(kinds=(OpKind.CREATE,)))  # the leader will hang in a rotation

    async def expect(edit: Edit, error: type[Exception]) -> None:
        with pytest.raises(error):
            await journal.append(edit)

    async with trio.open_nursery() as writers, trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        writers.start_soon(expect, add(1), JournalClosedError)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert is_settled(journal)
    io.release()
    await journal.append(add(1))
    assert journal.state.numbers == [0, 1]


async def test_a_leader_that_comes_and_goes_disturbs_no_group_of_another() -> None:
    io = FaultyIo(VirtualIo(await new_disk()))
    journal = await open_journal(io)
    strike(io, Stuck(kinds=(OpKind.SYNC,)))

    async with trio.open_nursery() as writers:
        writers.start_soon(journal.append, add(0))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.run)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        io.release()
        await journal.append(add(1))

    assert journal.state.numbers == [0, 1]
    assert await load_state(io) == journal.state

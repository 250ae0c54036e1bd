"""Coalesced, ordered, honest writing: what holt's checkpoint worker promised and did not keep.

What waits together shares one write and one sync; its order is kept; each waiter gets the real
cause of a failure; what failed can be asked for again and is applied; stopping leaves nobody
without an outcome; the queue is bounded.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import attrs
import pytest
import trio
import trio.testing

from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    Io,
    IoError,
    LateError,
    NoSpaceError,
    OpKind,
    Stuck,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from io_backends.faults import Fault
from journal import (
    InvalidEditError,
    Journal,
    JournalClosedError,
    JournalError,
    JournalOutcomeUnknownError,
    JournalSettings,
    JournalUnsettledError,
    check_replay,
)
from tests.journal.fileset import Edit, FileSet, add
from tests.journal.world import (
    FOLDER,
    PREFIX,
    STORE_ID,
    impatient,
    load_state,
    new_disk,
    open_journal,
    strike,
)

Outcomes = dict[int, JournalError | None]


async def bounded_journal(io: Io, queue_edits_max: int) -> Journal[FileSet]:
    settings = JournalSettings(STORE_ID, 1, io.token(), queue_edits_max=queue_edits_max)
    return await Journal.start(io, FOLDER, PREFIX, FileSet.initial(), None, settings)


async def append(journal: Journal[FileSet], clock: int, outcomes: Outcomes) -> None:
    try:
        await journal.append(Edit(clock=clock))
    except JournalError as error:
        outcomes[clock] = error
    else:
        outcomes[clock] = None


@attrs.frozen
class Held:
    """A journal that is led, whose next sync hangs until `release`, and what is asked of it."""

    disk: VirtualDisk
    io: FaultyIo
    tracing: TracingIo
    journal: Journal[FileSet]
    writers: trio.Nursery
    outcomes: Outcomes = attrs.field(factory=dict)

    async def ask(self, *clocks: int) -> None:
        """Append these edits, one task each, in this order."""
        for clock in clocks:
            self.writers.start_soon(append, self.journal, clock, self.outcomes)
            await trio.testing.wait_all_tasks_blocked()

    async def release(self) -> None:
        self.io.release()
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def held(*faults: Fault, queue_edits_max: int = 1024) -> AsyncIterator[Held]:
    disk = await new_disk()
    io = FaultyIo(VirtualIo(disk))
    tracing = TracingIo(io)
    journal = await bounded_journal(tracing, queue_edits_max)
    strike(io, Stuck(kinds=(OpKind.SYNC,)), *faults)
    tracing.ops.clear()
    async with trio.open_nursery() as leader:
        leader.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as writers:
            yield Held(disk, io, tracing, journal, writers)
        leader.cancel_scope.cancel()


async def test_epochs_that_wait_together_share_one_write_and_one_sync() -> None:
    async with held() as world:
        await world.ask(*range(1, 52))
        await world.release()

    counts = world.tracing.counts()
    assert counts[OpKind.WRITE] == counts[OpKind.SYNC] == 2  # the first, and all others
    assert world.outcomes == dict.fromkeys(range(1, 52))


async def test_epochs_keep_their_order() -> None:
    """H6: the clock would go backwards, which is refused, if any two changed places."""
    async with held() as world:
        await world.ask(*range(1, 52))
        await world.release()

    assert world.outcomes == dict.fromkeys(range(1, 52))
    await check_replay(world.io, world.journal)
    assert (await load_state(world.io)).clock == 51


async def test_what_one_epoch_removes_and_the_next_adds_is_there() -> None:
    """H6: holt ran all deletes of coalesced epochs after all their writes."""
    async with held() as world:
        await world.ask(1)
        for edit in (add(0), Edit(removed=(0,)), Edit(added=add(0).added)):
            world.writers.start_soon(world.journal.append, edit)
            await trio.testing.wait_all_tasks_blocked()
        await world.release()

    assert world.tracing.counts()[OpKind.SYNC] == 2
    assert (await load_state(world.io)).numbers == [0]


async def test_each_waiter_gets_the_real_cause_in_an_error_of_its_own() -> None:
    """H4: only the first of the coalesced epochs was told; the others got a summary."""
    fails = FailOp(kinds=(OpKind.SYNC,), times=None)
    prepared = FailOp(kinds=(OpKind.CREATE,), times=None, error="ENOSPC")
    async with held(fails, prepared) as world:
        await world.ask(*range(1, 11))
        await world.release()

    outcomes = sorted(world.outcomes.items())
    errors = [error for _, error in outcomes if error is not None]
    assert len(errors) == len({id(error) for error in errors}) == 10
    assert {type(error) for error in errors[:1]} == {JournalOutcomeUnknownError}
    assert {type(error) for error in errors[1:]} == {JournalUnsettledError}
    assert all(isinstance(error.__cause__, IoError) for error in errors)
    assert "sync" in str(errors[0].__cause__)


async def test_whoever_asks_later_gets_the_cause_of_what_failed_for_them() -> None:
    """H4: not the cause of the failure before it."""
    prepared = FailOp(kinds=(OpKind.CREATE,), times=None, error="ENOSPC")
    async with held(FailOp(kinds=(OpKind.SYNC,)), prepared) as world:
        await world.ask(1)
        await world.release()
        await world.ask(2)

    assert isinstance(world.outcomes[2], JournalUnsettledError)
    assert isinstance(world.outcomes[2].__cause__, NoSpaceError)
    assert not isinstance(getattr(world.outcomes[1], "__cause__", None), NoSpaceError)


async def ask_until_applied(journal: Journal[FileSet], clocks: range) -> int:
    """Append edits in groups of five; ask again for what failed. Returns how many failures."""
    failures = 0
    missing = list(clocks)
    for _ in range(5):
        outcomes: Outcomes = {}
        async with trio.open_nursery() as writers:
            for clock in missing:
                edit = Edit(segments_added=(clock,))
                writers.start_soon(_append_edit, journal, clock, edit, outcomes)
                await trio.testing.wait_all_tasks_blocked()
        failures += sum(error is not None for error in outcomes.values())
        missing = [clock for clock, error in outcomes.items() if error is not None]
        if not missing:
            return failures
    raise AssertionError(f"{missing} cannot be applied")


async def _append_edit(
    journal: Journal[FileSet], clock: int, edit: Edit, outcomes: Outcomes
) -> None:
    try:
        await journal.append(edit)
    except JournalError as error:
        outcomes[clock] = error
    else:
        outcomes[clock] = None


async def groups_with(faults: tuple[Fault, ...]) -> tuple[int, int, FileSet]:
    """Three groups, a rotation before each; returns operations, failures, what a cut leaves."""
    disk = await new_disk()
    journal_io = FaultyIo(impatient(disk))
    tracing = TracingIo(journal_io)
    journal = await open_journal(tracing, rotation_bytes_min=0)
    strike(journal_io, *faults)
    tracing.ops.clear()
    failures = 0
    async with trio.open_nursery() as leader:
        leader.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        for first in (1, 6, 11):
            failures += await ask_until_applied(journal, range(first, first + 5))
        leader.cancel_scope.cancel()
    count = len(tracing.ops)
    with contextlib.suppress(JournalUnsettledError):
        await journal.aclose()
    journal_io.plan = FaultPlan(())
    left = await load_state(impatient(disk.crash_keeping(())))
    assert left == journal.state
    return count, failures, left


@pytest.mark.parametrize("effect", ["none", "partial", "done"])
@pytest.mark.parametrize("times", [1, 2])
async def test_what_failed_at_any_operation_can_be_asked_for_again_and_is_applied(
    effect: Literal["none", "partial", "done"], times: int
) -> None:
    """H1, H5, H8: every operation of the disk fails, not only the first write."""
    wanted = FileSet(segments=tuple(range(1, 16)))
    count, failures, left = await groups_with(())
    assert (failures, left) == (0, wanted)
    assert count > 20
    hurt = 0
    for index in range(count):
        fault = FailOp(at=index, times=times, effect=effect)
        _, failures, left = await groups_with((fault,))
        assert left == wanted
        hurt += failures
    assert hurt > 10


async def test_a_sync_that_lied_at_any_operation_loses_nothing() -> None:
    """H8: the second sync fails, and says so for what the first one had acknowledged."""
    wanted = FileSet(segments=tuple(range(1, 16)))
    count, _, _ = await groups_with(())
    for index in range(count):
        assert (await groups_with((LateError(at=index),)))[2] == wanted


async def test_closing_drains_the_queue() -> None:
    """H7: epochs that were queued when the worker was stopped were dropped."""
    async with held() as world:
        await world.ask(*range(1, 8))
        world.writers.start_soon(world.journal.aclose)
        await trio.testing.wait_all_tasks_blocked()
        assert world.outcomes == {}
        await world.release()

    assert world.outcomes == dict.fromkeys(range(1, 8))
    assert (await load_state(world.io)).clock == 7


async def test_closing_that_is_given_up_tells_everybody_what_became_of_their_edit() -> (
    None
):
    """H7: who waited saw nothing but a closed channel."""
    async with held(queue_edits_max=3) as world:
        await world.ask(*range(1, 7))
        with trio.move_on_after(0.01):
            await world.journal.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert all(
            isinstance(world.outcomes[clock], JournalClosedError)
            for clock in (2, 3, 4, 5, 6)
        )
        await world.release()

    assert isinstance(world.outcomes[1], JournalOutcomeUnknownError)
    assert (await load_state(world.io)).clock in {0, 1}


async def test_the_queue_is_bounded_and_who_waits_for_room_is_served_in_order() -> None:
    async with held(queue_edits_max=4) as world:
        await world.ask(*range(1, 12))
        group, queue = len(world.journal._group), len(world.journal._queue)
        assert (group, queue) == (1, 3)
        await world.release()

    # Anybody served before their turn would have made the clock of the others go backwards.
    assert world.outcomes == dict.fromkeys(range(1, 12))


async def test_the_default_bound_lets_a_thousand_edits_wait() -> None:
    assert attrs.fields(JournalSettings).queue_edits_max.default == 1024


async def test_who_gives_up_the_wait_for_room_has_written_nothing() -> None:
    async with held(queue_edits_max=1) as world:
        await world.ask(1)
        with trio.CancelScope() as scope:
            world.writers.start_soon(cancel_soon, scope)
            await world.journal.append(Edit(clock=50))
        assert scope.cancelled_caught
        await world.ask(2)
        await world.release()

    assert world.outcomes == {1: None, 2: None}
    assert (await load_state(world.io)).clock == 2


async def cancel_soon(scope: trio.CancelScope) -> None:
    await trio.testing.wait_all_tasks_blocked()
    scope.cancel()


async def test_an_edit_that_is_refused_leaves_its_room_to_others() -> None:
    async with held(queue_edits_max=2) as world:
        await world.ask(5)
        for _ in range(3):
            with pytest.raises(InvalidEditError):
                await world.journal.append(Edit(clock=1))
        await world.ask(6)
        assert world.outcomes == {}
        await world.release()

    assert world.outcomes == {5: None, 6: None}


async def test_a_full_queue_that_nobody_leads_is_led_by_who_waits_for_room() -> None:
    io = FaultyIo(VirtualIo(await new_disk()))
    journal = await bounded_journal(io, 2)
    strike(io, Stuck(kinds=(OpKind.SYNC,)))
    outcomes: Outcomes = {}
    async with trio.open_nursery() as writers:
        writers.start_soon(append, journal, 1, outcomes)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01):
            await journal.append(Edit(clock=2))  # gives up: its edit stays in the queue
        writers.start_soon(append, journal, 3, outcomes)
        await trio.testing.wait_all_tasks_blocked()
        io.release()

    assert outcomes == {1: None, 3: None}
    assert (await load_state(io)).clock == 3


async def test_what_waited_for_an_outcome_is_called_when_its_caller_has_gone() -> None:
    """Seed 2869: files that could go once the edit had landed stayed, for nobody looked again."""
    io = FaultyIo(VirtualIo(await new_disk()))
    journal = await open_journal(io)
    settled: list[bool] = []
    journal.on_settled = lambda: settled.append(journal.is_settled)
    async with trio.open_nursery() as leader:
        journal.leave_to_run()
        leader.start_soon(journal.run)
        strike(io, Stuck(kinds=(OpKind.SYNC,)))
        with trio.move_on_after(1) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal.append, add(0))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert not journal.is_settled
        assert not settled
        io.release()
        await trio.testing.wait_all_tasks_blocked()
        assert settled == [True]
        leader.cancel_scope.cancel()

"""Failure, cancellation and close in every phase: back to REST, the cause told, nothing half done."""

from collections.abc import Callable
from contextlib import suppress

import pytest
import trio

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, VirtualDisk, VirtualIo
from io_backends.faults import MUTATING
from tempest import (
    CheckpointKind,
    CheckpointOutcome,
    CheckpointPhase,
    Durability,
    Store,
)
from tempest.engine import Engine
from tests.tempest.checkpoint.shelves import (
    FULL,
    INCREMENTAL,
    LOG,
    PHASES,
    SNAPSHOT,
    all_at_once,
    content_at,
    with_base,
)
from tests.tempest.interrupting import Interruption
from tests.tempest.shelf import content_of, fill, open_on

REST = CheckpointPhase.REST
every_phase = pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)


def engine_of(store: Store) -> Engine:
    assert store._engine is not None
    return store._engine


async def check_at_rest(store: Store, disk: VirtualDisk, known: int) -> None:
    """Nothing is held, nothing half made is listed, and the next checkpoint works."""
    await trio.testing.wait_all_tasks_blocked()
    engine = engine_of(store)
    assert store.checkpoint_phase is REST
    assert not engine.manifest._pins
    assert engine.maintenance.log_floor is None
    assert len(await store.checkpoints()) == known
    for kind in (FULL, LOG):
        token = await store.checkpoint(kind)
        assert await content_at(disk, token) == await content_of(store)


def plan(io: FaultyIo, faults: FaultPlan) -> None:
    """Obey another plan from now on."""
    io.plan, io.log = faults, faults.new_log()


def at(
    phase: CheckpointPhase, action: Callable[[], None]
) -> Callable[[CheckpointPhase], None]:
    return lambda now: action() if now is phase else None


@every_phase
async def test_r1_f8_cancelled_in_any_phase_it_goes_back_to_rest(
    phase: CheckpointPhase,
) -> None:
    """MISTAKES R1, F8: rskv's flag and FASTER's hot store stayed set after a failure or an abort:
    every later checkpoint was refused."""
    disk = VirtualDisk()
    outcomes: list[CheckpointOutcome] = []
    async with with_base(disk) as store:
        with trio.CancelScope() as scope:
            await store.checkpoint(
                FULL,
                SNAPSHOT,
                on_phase=at(phase, scope.cancel),
                on_persisted=outcomes.append,
            )
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()
        (outcome,) = outcomes
        is_made = outcome.token is not None
        assert is_made == (phase is CheckpointPhase.PERSIST)  # the edit was on its way
        await check_at_rest(store, disk, 1 + is_made)


@pytest.mark.parametrize("kind", [FULL, LOG, INCREMENTAL])
async def test_cancelled_at_any_step_it_goes_back_to_rest(kind: CheckpointKind) -> None:
    is_over = False
    step = 0
    while not is_over:
        disk = VirtualDisk()
        async with with_base(disk) as store:
            interruption = Interruption(step)
            is_over = await interruption.run(lambda: store.checkpoint(kind))
            await trio.testing.wait_all_tasks_blocked()
            await check_at_rest(store, disk, len(await store.checkpoints()))
        step += 1
    assert step > 1


async def test_only_the_last_who_waits_gives_it_up() -> None:
    async with with_base(VirtualDisk()) as store:
        async with trio.open_nursery() as nursery:
            tokens: list[bytes] = []

            async def wait() -> None:
                tokens.append(await store.checkpoint(FULL))

            nursery.start_soon(wait)
            with trio.CancelScope() as scope:
                await store.checkpoint(
                    FULL, on_phase=at(CheckpointPhase.WAIT_PENDING, scope.cancel)
                )
            assert scope.cancelled_caught
        assert tokens[0] in [info.token for info in await store.checkpoints()]


async def test_a_new_request_after_a_cancelled_one_is_a_new_checkpoint() -> None:
    async with with_base(VirtualDisk()) as store:
        ticket = store.start_checkpoint(FULL)
        await trio.lowlevel.checkpoint()
        ticket.cancel()
        token = await store.checkpoint(FULL)
        with pytest.raises(tempest.CheckpointError, match="cancelled"):
            await ticket.wait()
        assert [info.token for info in await store.checkpoints()][1:] == [token]


FAILS = {
    CheckpointPhase.PREPARE: "*manifest*",
    CheckpointPhase.IN_PROGRESS: "*",
    CheckpointPhase.WAIT_PENDING: "*log-*",
    CheckpointPhase.WAIT_FLUSH: "*table-*",
    CheckpointPhase.PERSIST: "*manifest*",
}


async def use_up_numbers(engine: Engine) -> None:
    """Leave no reserved number, so that the next one needs an edit."""
    manifest = engine.manifest
    await manifest.reserve(manifest.current.number_ceiling - manifest._next_number)


@every_phase
async def test_o8_h4_a_failing_disk_in_any_phase_tells_everybody_the_cause(
    phase: CheckpointPhase,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """MISTAKES O8, H4, F6: every failure was called Corruption, only the first waiter got the
    cause, and FASTER's driver went to REST without cleaning up."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    outcomes: list[CheckpointOutcome] = []
    async with with_base(io) as store:
        engine = engine_of(store)
        before = {info.token for info in await store.checkpoints()}

        def break_disk() -> None:
            fault = FailOp(path=FAILS[phase], kinds=MUTATING, times=None)
            plan(io, FaultPlan((fault,)))

        async def take() -> bytes:
            return await store.checkpoint(
                FULL, on_phase=at(phase, break_disk), on_persisted=outcomes.append
            )

        if phase is CheckpointPhase.PREPARE:
            await use_up_numbers(engine)
        if phase is CheckpointPhase.IN_PROGRESS:
            break_disk()  # the log is in trouble: nothing can be sealed
            await fill_nowait(store)
        else:
            await store.put(b"unsynced", b"v", durability=Durability.MEMORY)
        errors = await all_at_once(take, take, take)
        for error in errors:
            assert isinstance(error, tempest.CheckpointError), error
            assert f"phase {phase.name}" in str(error)
            assert isinstance(error.__cause__, tempest.TempestError)
            assert not isinstance(error.__cause__, tempest.CorruptionError)
        assert len({id(error) for error in errors}) == 3
        assert [outcome.token for outcome in outcomes] == [None] * 3
        assert {info.token for info in await store.checkpoints()} == before
        plan(io, FaultPlan())
        await trio.sleep(120)
        assert store.health().state is tempest.HealthState.HEALTHY
        await check_at_rest(store, disk, 1)


async def fill_nowait(store: Store) -> None:
    """Let a write fail, so that the log has to move on."""
    with trio.move_on_after(0.001):
        await store.put(b"trouble", b"v", durability=Durability.OS)


async def test_o6_a_failed_attempt_burns_its_number() -> None:
    """MISTAKES O6: a failed checkpoint gave its version back although threads had used it."""
    async with with_base(VirtualDisk()) as store:
        tokens: list[bytes | None] = []
        for phase in PHASES:
            ticket = store.start_checkpoint(LOG)
            while ticket.phase is not phase and not ticket.is_done:
                await trio.lowlevel.checkpoint()
            ticket.cancel()
            with trio.move_on_after(10):
                with suppress(tempest.CheckpointError):
                    await ticket.wait()
            tokens.append(ticket.token)
        tokens.append(await store.checkpoint(LOG))
        issued = [token for token in tokens if token is not None]
        assert issued == sorted(set(issued))
        assert len(issued) >= 3


@every_phase
async def test_r13_close_in_any_phase_tells_the_waiter_and_leaves_all_or_nothing(
    phase: CheckpointPhase,
) -> None:
    """MISTAKES R13: rskv's stop aborted a running checkpoint; close then reported success."""
    disk = VirtualDisk()
    reached = trio.Event()
    results: list[object] = []
    async with trio.open_nursery() as nursery, with_base(disk) as store:

        async def take() -> None:
            results.extend(
                await all_at_once(
                    lambda: store.checkpoint(FULL, on_phase=at(phase, reached.set))
                )
            )

        nursery.start_soon(take)
        await reached.wait()
        before = await content_of(store)
    (result,) = results
    async with open_on(disk) as store:
        tokens = [info.token for info in await store.checkpoints()]
    if isinstance(result, bytes):
        assert tokens[-1] == result
        assert await content_at(disk, result) == before
    else:
        assert isinstance(result, tempest.CheckpointError)
        assert "closed" in str(result)
        assert isinstance(result.__cause__, tempest.NotOpenError)
        assert len(tokens) == 1


async def test_no_checkpoint_begins_in_a_store_that_only_reads() -> None:
    disk = VirtualDisk()
    async with with_base(disk):
        pass
    async with open_on(disk, read_only=True) as store:
        assert len(await store.checkpoints()) == 1
        assert store.checkpoint_phase is REST
        with pytest.raises(tempest.ReadOnlyError):
            await store.checkpoint()
        with pytest.raises(tempest.ReadOnlyError):
            await store.drop_checkpoint((await store.checkpoints())[0].token)


async def test_a_full_disk_is_named_as_such() -> None:
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    async with with_base(io) as store:
        await fill(store, 10)

        def no_space() -> None:
            fault = FailOp(path="*manifest*", kinds=MUTATING, error="ENOSPC")
            plan(io, FaultPlan((fault,)))

        with pytest.raises(tempest.CheckpointError) as caught:
            await store.checkpoint(LOG, on_phase=at(CheckpointPhase.PERSIST, no_space))
        assert "space" in str(caught.value)
        await check_at_rest(store, disk, 1)

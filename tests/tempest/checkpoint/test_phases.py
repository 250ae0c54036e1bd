"""The phases as they are seen from outside; joining, refusing, callbacks."""

from random import Random

import pytest
import trio

import tempest
from io_backends import CrashPolicy, VirtualDisk
from tempest import (
    CheckpointKind,
    CheckpointOutcome,
    CheckpointPhase,
    CheckpointStyle,
    CheckpointTicket,
)
from tempest.checkpoint import MOVES
from tests.tempest.checkpoint.shelves import (
    FULL,
    INCREMENTAL,
    INDEX,
    INLINE,
    LOG,
    PHASES,
    SNAPSHOT,
    all_at_once,
    content_at,
    with_base,
)
from tests.tempest.shelf import content_of, fill, open_on

REST = CheckpointPhase.REST


def test_every_phase_can_go_to_rest_and_rest_only_begins() -> None:
    assert set(MOVES) == set(CheckpointPhase)
    assert MOVES[REST] == (CheckpointPhase.PREPARE,)
    for phase in PHASES:
        assert REST in MOVES[phase]


@pytest.mark.parametrize("kind", [FULL, LOG, INDEX, INCREMENTAL])
async def test_phases_are_seen_in_order_while_they_happen(kind: CheckpointKind) -> None:
    async with with_base(VirtualDisk()) as store:
        seen: list[CheckpointPhase] = []

        def look(phase: CheckpointPhase) -> None:
            assert store.checkpoint_phase is (phase if phase is not REST else REST)
            seen.append(phase)

        await store.checkpoint(kind, on_phase=look)
        await trio.testing.wait_all_tasks_blocked()
        expected = [p for p in PHASES if kind is not LOG or p.name != "WAIT_FLUSH"]
        assert seen == [*expected, REST]
        assert store.checkpoint_phase is REST


async def test_a_ticket_shows_token_and_phase_and_goes_on_by_itself() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        ticket = store.start_checkpoint(FULL, SNAPSHOT, b"mine")
        assert (ticket.token, ticket.phase, ticket.is_done) == (None, REST, False)
        with trio.move_on_after(0):
            await ticket.wait()  # gives up the wait only
        token = await ticket.wait()
        assert (ticket.token, ticket.is_done) == (token, True)
        assert (await store.checkpoint_info(token)).cookie == b"mine"


async def test_f7_the_same_request_is_shared_by_all_who_make_it() -> None:
    """MISTAKES F7: FASTER's second session with result Ok never left its loop; its test had one."""
    async with with_base(VirtualDisk()) as store:
        tokens = await all_at_once(*[lambda: store.checkpoint(LOG)] * 5)
        assert len(set(tokens)) == 1
        again = await store.checkpoint(LOG)
        assert again not in tokens


async def test_r12_another_request_is_refused_by_name_and_phase() -> None:
    """MISTAKES R12: rskv's tasks skipped what was busy in silence."""
    async with with_base(VirtualDisk()) as store:
        ticket = store.start_checkpoint(FULL)
        for kind, style, cookie in (
            (LOG, CheckpointStyle.FOLD_OVER, b""),
            (FULL, SNAPSHOT, b""),
            (FULL, CheckpointStyle.FOLD_OVER, b"other"),
        ):
            with pytest.raises(tempest.CheckpointError, match=r"FULL .* phase"):
                await store.checkpoint(kind, style, cookie)
        assert await store.checkpoint(FULL) == await ticket.wait()


async def test_what_somebody_asks_for_is_not_automatic_whoever_began_it() -> None:
    async with with_base(VirtualDisk()) as store:
        assert store._engine is not None
        start = store._engine.checkpointer.start
        ticket = start(automatic=True)
        token = await store.checkpoint()
        assert token == await ticket.wait()
        assert not (await store.checkpoint_info(token)).automatic
        token = await start(automatic=True).wait()
        assert (await store.checkpoint_info(token)).automatic


async def test_who_asks_while_an_automatic_one_is_being_written_gets_one_of_his_own() -> (
    None
):
    async with with_base(VirtualDisk()) as store:
        assert store._engine is not None
        start = store._engine.checkpointer.start
        tickets: list[CheckpointTicket] = []

        def ask(phase: CheckpointPhase) -> None:
            if phase is CheckpointPhase.PERSIST:
                tickets.append(store.start_checkpoint())

        first = await start(automatic=True, on_phase=ask).wait()
        second = await tickets[0].wait()
        infos = {info.token: info.automatic for info in await store.checkpoints()}
        assert (infos[first], infos[second]) == (True, False)


async def test_o8_the_callback_hears_the_truth_at_the_commit_point() -> None:
    """MISTAKES O8: oxifaster called back at the end only, and called every failure Corruption."""
    disk = VirtualDisk()
    heard: list[CheckpointOutcome] = []
    async with with_base(disk) as store:
        before = await content_of(store)

        def hear(outcome: CheckpointOutcome) -> None:
            heard.append(outcome)
            kept.append(disk.crash(Random(0), CrashPolicy.drop_all()))

        kept: list[VirtualDisk] = []
        token = await store.checkpoint(FULL, on_persisted=hear)
    assert heard == [CheckpointOutcome(token, None)]
    assert await content_at(kept[0], token) == before  # durable when it was told


async def test_an_exception_out_of_a_callback_is_noted_and_hurts_nothing() -> None:
    def fail(_: object) -> None:
        raise ValueError("mine")

    async with with_base(VirtualDisk()) as store:
        ticket = store.start_checkpoint(FULL, on_phase=fail, on_persisted=fail)
        token = await ticket.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert len(ticket.callback_errors) == len(PHASES) + 2
        assert (await store.validate_checkpoint(token)).is_valid
        await store.checkpoint(LOG)


async def test_o7_idle_sessions_and_slow_readers_hold_nothing_up() -> None:
    """MISTAKES O7: one idle session hung oxifaster's checkpoint, spinning, without a timeout."""
    async with open_on(VirtualDisk(), INLINE) as store:
        await fill(store, 100)
        async with (
            store.session("idle") as idle,
            store.session("vanished") as vanished,
            store.snapshot() as view,
            store.scan() as rows,
        ):
            await idle.put(b"a", b"1")
            await vanished.put(b"b", b"1")
            await anext(aiter(rows))
            with trio.fail_after(60):
                for kind in (FULL, LOG, INDEX, INCREMENTAL):
                    await store.checkpoint(kind)
                await store.checkpoint(FULL, SNAPSHOT)
            assert await view.get(b"a") is None


async def test_a_checkpoint_does_not_stop_readers_and_writers() -> None:
    async with with_base(VirtualDisk()) as store:
        done = 0

        async def write() -> None:
            nonlocal done
            while True:
                await store.put(b"busy", b"%d" % done)
                assert await store.get(b"busy") == b"%d" % done
                done += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            counts: list[int] = []
            await store.checkpoint(FULL, on_phase=lambda _: counts.append(done))
            nursery.cancel_scope.cancel()
        assert done > counts[0]

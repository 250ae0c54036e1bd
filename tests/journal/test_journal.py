"""Loading, rotating, settling and closing a journal."""

import pytest
import trio
import trio.testing

from io_backends import FailOp, FaultyIo, OpKind, Stuck, TracingIo, VirtualIo
from journal import (
    Journal,
    JournalClosedError,
    JournalMovedError,
    JournalOutcomeUnknownError,
    JournalSettings,
    JournalUnsettledError,
)
from tests.journal.fileset import Edit, add
from tests.journal.world import (
    FOLDER,
    PREFIX,
    STORE_ID,
    impatient,
    is_settled,
    load,
    load_state,
    new_disk,
    open_journal,
    strike,
)


async def test_a_reopened_journal_gives_the_state_and_how_it_was_come_by() -> None:
    disk = await new_disk()
    io = impatient(disk)
    assert await load(io) is None
    journal = await open_journal(io)
    for number in range(3):
        await journal.append(add(number))
    await journal.aclose()

    loaded = await load(io)

    assert loaded is not None
    assert loaded.state == journal.state
    assert (loaded.replayed, loaded.torn_bytes) == (3, 0)
    assert (loaded.generation, loaded.path) == (1, journal.path)
    assert loaded.end == journal.size
    assert loaded.header.store_id == STORE_ID
    assert loaded.header.life == 1
    assert loaded.header.token == (1).to_bytes(16, "big")


async def test_loading_changes_nothing() -> None:
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    await journal.append(add(0))
    tracing = TracingIo(impatient(disk))

    await load(tracing)

    assert set(tracing.counts()) == {
        OpKind.LIST,
        OpKind.OPEN,
        OpKind.SIZE,
        OpKind.READ,
    }


async def test_the_file_rotates_in_proportion_to_its_snapshot() -> None:
    disk = await new_disk()
    journal = await open_journal(impatient(disk), rotation_bytes_min=0)
    sizes = []
    for number in range(200):
        await journal.append(add(number))
        sizes.append(journal.size)
    generations = journal.generation
    await journal.aclose()
    reopened = await open_journal(impatient(disk), rotation_bytes_min=0)
    snapshot = reopened.size

    assert 5 < generations < 120
    assert max(sizes) <= 2 * snapshot + 512
    assert reopened.state == journal.state


async def test_a_rotation_that_cannot_be_prepared_is_put_off_and_loses_nothing() -> (
    None
):
    """T33, FAULTS 18: a full disk has room for an edit where it has none for a snapshot."""
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    journal = await open_journal(io, rotation_bytes_min=0)
    strike(io, FailOp(kinds=(OpKind.CREATE,), error="ENOSPC", times=3))

    for number in range(20):
        await journal.append(add(number))

    assert len(io.log.hits) == 3
    assert journal.generation > 1
    assert journal.cause is None
    assert await load_state(impatient(disk)) == journal.state


@pytest.mark.parametrize("kind", [OpKind.RENAME, OpKind.SYNC_DIR])
@pytest.mark.parametrize("effect", ["none", "done"])
async def test_a_rotation_whose_publication_fails_is_followed_by_another(
    kind: OpKind, effect: str
) -> None:
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    journal = await open_journal(io, rotation_bytes_min=0)
    await journal.append(add(0))
    strike(io, FailOp(kinds=(kind,), effect=effect))  # type: ignore[arg-type]
    with pytest.raises(JournalUnsettledError):
        await journal.append(add(1))
    assert not is_settled(journal)

    await journal.append(add(1))

    assert is_settled(journal)
    assert journal.generation == 3
    assert journal.state.numbers == [0, 1]
    assert await load_state(impatient(disk)) == journal.state


async def test_retiring_what_cannot_be_removed_is_left_to_the_next_time() -> None:
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    strike(io, FailOp(kinds=(OpKind.REMOVE,), times=2))
    for _ in range(5):
        journal = await open_journal(io)
        await journal.append(Edit(clock=1))
        await journal.aclose()

    names = await io.list(FOLDER)
    assert len(io.log.hits) == 2
    assert len(names) == 2


async def test_closing_leaves_a_synced_mark_and_is_idempotent() -> None:
    disk = await new_disk()
    tracing = TracingIo(impatient(disk))
    journal = await open_journal(tracing)
    await journal.append(add(0))
    tracing.ops.clear()

    await journal.aclose()
    await journal.aclose()

    assert [traced.op.kind for traced in tracing.ops] == [OpKind.WRITE, OpKind.SYNC]
    assert disk.live_handles == 0
    with pytest.raises(JournalClosedError):
        await journal.append(add(1))
    with pytest.raises(JournalClosedError):
        await journal.settle()


async def test_closing_commits_what_is_queued_and_ends_the_leader() -> None:
    io = FaultyIo(VirtualIo(await new_disk()))
    journal = await open_journal(io)
    strike(io, Stuck(kinds=(OpKind.SYNC,)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(journal.append, add(0))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(journal.append, add(1))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(journal.aclose)
        nursery.start_soon(journal.aclose)
        await trio.testing.wait_all_tasks_blocked()
        io.release()

    assert journal.state.numbers == [0, 1]
    assert await load_state(io) == journal.state


async def test_closing_under_a_stuck_sync_can_be_cancelled_and_closes_the_file() -> (
    None
):
    disk = await new_disk()
    io = FaultyIo(VirtualIo(disk))
    journal = await open_journal(io)
    strike(io, Stuck(kinds=(OpKind.SYNC,), times=None))

    async def expect(edit: Edit) -> None:
        with pytest.raises((JournalOutcomeUnknownError, JournalClosedError)):
            await journal.append(edit)

    async with trio.open_nursery() as writers, trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await trio.testing.wait_all_tasks_blocked()
        writers.start_soon(expect, add(0))
        await trio.testing.wait_all_tasks_blocked()
        writers.start_soon(expect, add(1))
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await journal.aclose()
        nursery.cancel_scope.cancel()

    assert disk.live_handles == 0


async def test_a_failing_mark_is_answered_by_a_new_generation() -> None:
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    journal = await open_journal(io)
    await journal.append(add(0))
    strike(io, FailOp(kinds=(OpKind.SYNC,)))

    await journal.aclose()

    loaded = await load(impatient(disk))
    assert loaded is not None
    assert loaded.generation == 2
    assert loaded.state == journal.state


async def test_closing_on_a_dead_disk_says_so_and_closes() -> None:
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    journal = await open_journal(io)
    await journal.append(add(0))
    strike(io, FailOp(times=None))

    with pytest.raises(JournalUnsettledError) as caught:
        await journal.aclose()

    assert caught.value.__cause__ is journal.cause is not None
    assert disk.live_handles == 0
    await journal.aclose()


async def test_a_second_opener_is_noticed_before_anything_is_written() -> None:
    """FAULTS 34: the loaded generation has to be the newest still."""
    disk = await new_disk()
    io = impatient(disk)
    await (await open_journal(io)).aclose()
    stale = await load(io)
    assert stale is not None
    await (await open_journal(io)).aclose()
    before = disk.contents()
    settings = JournalSettings(STORE_ID, 9, io.token())

    for loaded in (stale, None):
        with pytest.raises(JournalMovedError):
            await Journal.start(io, FOLDER, PREFIX, stale.state, loaded, settings)

    assert disk.contents() == before


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        JournalSettings(b"short", 1, b"t" * 16)
    with pytest.raises(ValueError, match="rotation_factor"):
        JournalSettings(STORE_ID, 1, b"t" * 16, rotation_factor=1)

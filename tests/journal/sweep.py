"""The workload of the sweeps: start, edits one by one and in groups, rotations, close, reopen."""

import contextlib

import trio

from io_backends import Io, IoError, VirtualDisk
from journal import Journal, JournalUnsettledError, check_replay
from tests.journal.fileset import Edit, FileSet, add
from tests.journal.world import (
    FOLDER,
    Ledger,
    impatient,
    load_state,
    open_journal,
    submit,
)


async def workload(io: Io, ledger: Ledger) -> None:
    """About sixty operations in two lives; raises what opening and closing raise."""
    for life in range(2):
        ledger.decide(await load_state(io))
        journal = await open_journal(io, rotation_bytes_min=0)
        try:
            await edit_one_by_one(journal, ledger)
            await edit_in_a_group(journal, ledger, life)
        finally:
            await journal.aclose()


async def edit_one_by_one(journal: Journal[FileSet], ledger: Ledger) -> None:
    for _ in range(3):
        number = 10 * len(ledger.entries) + journal.state.next_number
        await submit(journal, ledger, add(number))
    if journal.state.files:
        removed = journal.state.numbers[0]
        await submit(journal, ledger, Edit(removed=(removed,)))


async def edit_in_a_group(journal: Journal[FileSet], ledger: Ledger, life: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        async with trio.open_nursery() as writers:
            for place in range(3):
                edit = Edit(segments_added=(10 * life + place,))
                writers.start_soon(submit, journal, ledger, edit)
        nursery.cancel_scope.cancel()


async def recover(disk: VirtualDisk, ledger: Ledger) -> FileSet:
    """Open what a crash left: an allowed state, whole, unchanged by opening once more."""
    io = impatient(disk)
    state = await load_state(io)
    allowed = ledger.allowed()
    assert state in allowed, f"{state} is not among {allowed}"
    journal = await open_journal(io)
    await check_replay(io, journal)
    assert journal.state == state
    await journal.aclose()
    names = await io.list(FOLDER)
    assert not [name for name in names if name.endswith(".tmp")]
    assert len(names) <= 2
    reopened = await open_journal(io)
    assert reopened.state == state
    await reopened.append(add(1000 + reopened.state.next_number))
    await reopened.aclose()
    assert await load_state(io) == reopened.state
    assert disk.live_handles == 0
    return state


async def run_until_failure(io: Io, ledger: Ledger) -> bool:
    """Run the workload; True if nothing that opens or closes failed."""
    with contextlib.suppress(IoError, JournalUnsettledError):
        await workload(io, ledger)
        return True
    return False

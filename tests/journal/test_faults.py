"""Every operation fails, once and for good; nothing acknowledged is lost, nothing half-known stays."""

from random import Random
from typing import Literal

import pytest
import trio
import trio.testing

from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    LateError,
    NoSpaceError,
    Stuck,
)
from journal import JournalOutcomeUnknownError, JournalUnsettledError
from tests.journal.fileset import add
from tests.journal.sweep import recover, run_until_failure, workload
from tests.journal.test_crashes import operation_count
from tests.journal.world import (
    Ledger,
    impatient,
    is_settled,
    load_state,
    new_disk,
    open_journal,
)

Effect = Literal["none", "partial", "done"]


@pytest.mark.parametrize("effect", ["none", "partial", "done"])
@pytest.mark.parametrize("times", [1, None], ids=["once", "for good"])
async def test_an_error_at_every_operation_loses_nothing_acknowledged(
    times: int | None, effect: Effect
) -> None:
    """FAULTS 12, 13, 15, 17, 18: in this boot, after a kill, and after a power cut."""
    for index in range(await operation_count()):
        disk, ledger = await new_disk(), Ledger()
        fault = FailOp(at=index, times=times, effect=effect)
        io = FaultyIo(impatient(disk), FaultPlan((fault,)))
        finished = await run_until_failure(io, ledger)
        assert io.log.hits
        if effect != "done":  # an open that failed after all has nobody to close it
            assert disk.open_paths() == []
        assert not (finished and times is None)
        await recover(disk.clone(), ledger)
        for seed in range(2):
            await recover(disk.crash(Random(seed)), ledger)


async def test_after_one_error_the_workload_can_always_be_finished() -> None:
    for index in range(await operation_count()):
        disk, ledger = await new_disk(), Ledger()
        io = FaultyIo(impatient(disk), FaultPlan((FailOp(at=index),)))
        if not await run_until_failure(io, ledger):
            await workload(io, ledger)
        await recover(disk, ledger)


async def test_a_late_sync_error_at_every_operation_loses_nothing() -> None:
    """FAULTS 14: reported by the next sync of the file, at the latest by the closing mark."""
    for index in range(await operation_count()):
        disk, ledger = await new_disk(), Ledger()
        io = FaultyIo(impatient(disk), FaultPlan((LateError(at=index),)))
        assert await run_until_failure(io, ledger)
        await recover(disk.crash(Random(index)), ledger)


async def test_a_full_disk_refuses_edits_and_takes_them_again_once_there_is_space() -> (
    None
):
    """FAULTS 18: no space is an error like any other, and it passes."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    disk.capacity_bytes = disk.used_bytes + 512
    await journal.append(add(0))
    with pytest.raises(JournalOutcomeUnknownError) as caught:
        await journal.append(add(1))
    assert isinstance(caught.value.__cause__, NoSpaceError)
    with pytest.raises(JournalUnsettledError):
        await journal.append(add(1))
    leftovers = [path for path in disk.files() if path.endswith(".tmp")]

    disk.capacity_bytes = None
    await journal.append(add(1))

    assert leftovers == []
    assert is_settled(journal)
    assert await load_state(impatient(disk)) == journal.state


async def test_a_workload_leaves_no_handle_open() -> None:
    disk = await new_disk()
    await workload(impatient(disk), Ledger())

    assert disk.open_paths() == []


async def test_cancellation_at_every_operation_leaves_a_whole_journal() -> None:
    """FAULTS 35: whoever is cancelled, wherever it stands, the next opener finds a prefix."""
    for index in range(await operation_count()):
        disk, ledger = await new_disk(), Ledger()
        io = FaultyIo(impatient(disk), FaultPlan((Stuck(at=index),)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(workload, io, ledger)
            await trio.testing.wait_all_tasks_blocked()
            assert io.log.hits
            nursery.cancel_scope.cancel()
        assert disk.open_paths() == []
        await recover(disk.crash(Random(index)), ledger)
        await recover(disk, ledger)

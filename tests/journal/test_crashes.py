"""The power fails at every operation; what is found is what was acknowledged, or a little more."""

import contextlib
from random import Random
from typing import Literal

import pytest

from io_backends import CrashPolicy, FaultPlan, FaultyIo, IoError, PowerCut, TracingIo
from journal import JournalUnsettledError
from tests.journal.sweep import recover, run_until_failure, workload
from tests.journal.world import (
    Ledger,
    impatient,
    load_state,
    new_disk,
    open_journal,
)

When = Literal["before", "during", "after"]
TORN_NAMES = CrashPolicy(rename_atomic=False)


async def operation_count() -> int:
    tracing = TracingIo(impatient(await new_disk()))
    await workload(tracing, Ledger())
    return len(tracing.ops)


async def sweep(outcomes: int, policy: CrashPolicy, when: When) -> None:
    count = await operation_count()
    assert 50 < count < 150
    for index in range(count):
        disk, ledger = await new_disk(), Ledger()
        plan = FaultPlan((PowerCut(at=index, when=when),))
        assert not await run_until_failure(FaultyIo(impatient(disk), plan), ledger)
        await recover(disk.clone(), ledger)
        for seed in range(outcomes):
            await recover(disk.crash(Random(seed), policy), ledger)


@pytest.mark.parametrize("when", ["before", "during", "after"])
async def test_a_power_cut_at_every_operation_leaves_a_prefix(when: When) -> None:
    """T13, T18, T19, A3, A5, A6, B2, R1: whatever sectors and names survive."""
    await sweep(3, CrashPolicy(), when)


async def test_a_rename_that_leaves_both_names_or_neither_loses_nothing() -> None:
    """FAULTS 8, 9: a rename is not atomic on every filesystem."""
    await sweep(4, TORN_NAMES, "after")


@pytest.mark.slow
@pytest.mark.parametrize("policy", [CrashPolicy(), TORN_NAMES], ids=["atomic", "torn"])
@pytest.mark.parametrize("when", ["before", "during", "after"])
async def test_many_outcomes_of_a_power_cut_at_every_operation_leave_a_prefix(
    when: When, policy: CrashPolicy
) -> None:
    await sweep(60, policy, when)


async def test_a_power_cut_during_recovery_changes_nothing() -> None:
    """FAULTS 28, R6: recovering once, twice or three times over is the same."""
    count = await operation_count()
    random = Random(28)
    for index in range(0, count, 2):
        disk, ledger = await new_disk(), Ledger()
        plan = FaultPlan((PowerCut(at=index, when="during"),))
        await run_until_failure(FaultyIo(impatient(disk), plan), ledger)
        disk = disk.crash(random)
        state = await load_state(impatient(disk))
        for recovery_index in range(1, 12, 3):
            plan = FaultPlan((PowerCut(at=recovery_index, when="during"),))
            io = FaultyIo(impatient(disk), plan)
            with contextlib.suppress(IoError, JournalUnsettledError):
                await (await open_journal(io)).aclose()
            disk = disk.crash(random)
            assert await load_state(impatient(disk)) == state
        assert await recover(disk, ledger) == state

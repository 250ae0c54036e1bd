"""Every operation of every workload fails once, and in another run for good.

Once: nothing is lost, nothing is refused that was not refused in words, and the store resumes by
itself. For good: it serves reads, and a restart finds every promise kept. A failed sync drops its
pages as ext4 does, and the next one succeeds.
"""

from random import Random

import pytest

from io_backends import FailOp, FaultPlan
from io_backends.faults import MUTATING
from tests.tempest.crash.test_power_cuts import POLICIES, every_workload
from tests.tempest.crash.world import Run, Workload, recover, run

ERRORS = ("EIO", "ENOSPC")
EFFECTS = ("none", "partial", "done")


def check_after(story: str, failed: Run, random: Random) -> None:
    """A restart of the process, and a power cut, both keep what was promised."""
    for name, disk in (
        ("restart", failed.disk.clone()),
        ("power cut", failed.disk.crash(random, POLICIES[random.randrange(3)])),
    ):
        recovered = recover(disk)
        prefix = recovered.prefix_of(failed.history)
        assert prefix is not None, (
            f"{story}, {name}: {recovered} is no prefix of {failed.history}"
        )


def sweep(workload: Workload, *, step: int, for_good: bool) -> None:
    """Fail every operation, with error and effect in turn."""
    random = Random(0)
    operations = run(workload).operations
    for at in range(operations):
        for turn in range(at % step, len(ERRORS) * len(EFFECTS), step):
            fault = FailOp(
                at=at,
                kinds=MUTATING if for_good else (),
                times=None if for_good else 1,
                error=ERRORS[turn % 2],  # type: ignore[arg-type]
                effect=EFFECTS[turn // 2],  # type: ignore[arg-type]
            )
            story = f"{workload.__name__} with {fault}"
            failed = run(workload, FaultPlan((fault,)), is_tolerant=True)
            if not for_good:
                assert failed.is_finished, f"{story}: {failed.errors}"
                failed.history.durable = len(failed.history.writes)
            check_after(story, failed, random)


@every_workload
def test_one_error_anywhere_loses_nothing_and_the_store_resumes(
    workload: Workload,
) -> None:
    """Here a close failed: the log was moving when it stopped, and its edit came after all."""
    sweep(workload, step=6, for_good=False)


@every_workload
def test_errors_for_good_leave_a_store_that_reads_and_keeps_its_promises(
    workload: Workload,
) -> None:
    sweep(workload, step=6, for_good=True)


@pytest.mark.slow
@every_workload
def test_every_error_with_every_effect_loses_nothing(workload: Workload) -> None:
    sweep(workload, step=1, for_good=False)
    sweep(workload, step=1, for_good=True)

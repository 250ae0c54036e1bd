"""The power is cut at every operation of every workload, and again during the recovery after it.

What comes back is the content after a prefix of the writes, at least up to the last promise of
the disk; a batch is all or nothing; a second recovery changes nothing. `make test` samples the
cuts, and the outcomes of each, thinly; `make test-slow` takes all cuts and many outcomes.
"""

from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from io_backends import CrashPolicy, FaultPlan, VirtualDisk
from tests.tempest.crash.workloads import WORKLOADS
from tests.tempest.crash.world import History, Workload, power_cut, recover, run

POLICIES = (
    CrashPolicy(),
    CrashPolicy.drop_all(),
    CrashPolicy(rename_atomic=False, garbage=4.0, tear=4.0),
)
every_workload = pytest.mark.parametrize(
    "workload", WORKLOADS, ids=lambda workload: workload.__name__
)


STRIDE = 3  # of the cuts that are sampled; odd, so both kinds are among them


def cuts(workload: Workload) -> Iterator[tuple[str, FaultPlan]]:
    """Every plan that cuts the power once, before an operation or in the middle of it."""
    operations = run(workload).operations
    for at in range(operations):
        for when in ("before", "during"):
            yield f"{workload.__name__} cut {when} operation {at}", power_cut(at, when)


def outcomes(disk: VirtualDisk, count: int) -> Iterator[VirtualDisk]:
    """Some of the disks that the cut may have left, by seed."""
    for seed in range(count):
        yield disk.crash(Random(seed), POLICIES[seed % len(POLICIES)])


def check(story: str, history: History, disk: VirtualDisk, nested: Random) -> None:
    """Recover, check the content, lose the power again, and check that nothing changes."""
    first = recover(disk.clone())
    prefix = first.prefix_of(history)
    assert prefix is not None, f"{story}: {first} is no prefix of {history}"
    again = recover(first.disk.crash(nested))
    assert again.content == first.content, f"{story}: a second recovery changed it"
    assert again.serials == first.serials, f"{story}: a second recovery changed them"
    # The power goes a second time, somewhere in the recovery.
    dark = recover(disk.clone(), power_cut(nested.randrange(max(1, first.operations))))
    last = recover(dark.disk.crash(nested))
    found = last.prefix_of(history)
    assert found is not None, f"{story}, cut again: {last} is no prefix of {history}"


def sweep(workload: Workload, outcomes_per_cut: int, *, stride: int = 1) -> None:
    """Check every `stride`-th cut of a workload, each with so many outcomes."""
    nested = Random(0)
    for story, plan in islice(cuts(workload), 0, None, stride):
        cut = run(workload, plan)
        assert not cut.errors, f"{story}: {cut.errors}"
        for seed, disk in enumerate(outcomes(cut.disk, outcomes_per_cut)):
            check(f"{story}, outcome {seed}", cut.history, disk, nested)


@every_workload
def test_workload_is_small_enough_to_be_cut_everywhere(workload: Workload) -> None:
    finished = run(workload)

    assert finished.is_finished
    assert finished.operations <= 200
    assert recover(finished.disk).content == finished.history.content(10**6)


@every_workload
def test_a_power_cut_anywhere_keeps_a_prefix_with_every_promise(
    workload: Workload,
) -> None:
    sweep(workload, 2, stride=STRIDE)


@pytest.mark.slow
@every_workload
def test_a_power_cut_anywhere_keeps_a_prefix_in_many_outcomes(
    workload: Workload,
) -> None:
    sweep(workload, 10)

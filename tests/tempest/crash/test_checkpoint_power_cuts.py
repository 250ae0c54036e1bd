"""The power is cut at every operation of making, dropping and restoring checkpoints.

Whatever is left, each checkpoint that is listed reads back whole, as of its cut; what was promised
is listed, what was dropped is not; and no file is there that nobody needs.
"""

from itertools import islice
from random import Random

import pytest

from io_backends import FailOp, FaultPlan, LateError
from tests.tempest.crash.checkpoint_worlds import (
    STORIES,
    VALUES,
    Story,
    check_checkpoints,
    look,
)
from tests.tempest.crash.test_power_cuts import STRIDE, cuts, outcomes
from tests.tempest.crash.world import Run, run

every_story = pytest.mark.parametrize(
    "story", STORIES, ids=lambda story: story.__name__
)


def check_content(story: Story, what: str, cut: Run, found: object) -> None:
    """The store itself is a prefix, or, in the middle of a restore, what is being restored."""
    history = cut.history
    if found is None:
        found = {}
    restored = [history.content(count) for count in story.restoring]
    assert found in restored or history.prefix_of(found) is not None, (  # type: ignore[arg-type]
        f"{what}: {found} is no prefix of {history}"
    )


def sweep(story: Story, outcomes_per_cut: int, *, stride: int = 1) -> None:
    for what, plan in islice(cuts(story), 0, None, stride):
        cut = run(story, plan)
        assert not cut.errors, f"{what}: {cut.errors}"
        for seed, disk in enumerate(outcomes(cut.disk, outcomes_per_cut)):
            found = look(disk, VALUES)
            check_content(story, f"{what}, outcome {seed}", cut, found.content)
            check_checkpoints(story, f"{what}, outcome {seed}", cut.history, found)


@every_story
def test_each_story_is_told_to_its_end(story: Story) -> None:
    finished = run(story)

    assert finished.is_finished, finished.errors
    found = look(finished.disk, VALUES)
    check_checkpoints(story, "unharmed", finished.history, found)
    assert found.content == finished.history.content(10**6)


@every_story
def test_r2_r28_a_power_cut_anywhere_leaves_a_checkpoint_whole_or_not_at_all(
    story: Story,
) -> None:
    """MISTAKES R2, R28, O4: rskv wrote two files in place, synced neither, and a crash between
    them left one that was never listed nor deleted; oxifaster synced no folder."""
    sweep(story, 1, stride=STRIDE)


@pytest.mark.slow
@every_story
def test_a_power_cut_anywhere_in_many_outcomes(story: Story) -> None:
    sweep(story, 8)


@every_story
def test_an_error_that_comes_late_moves_no_frame_out_of_a_checkpoint(
    story: Story,
) -> None:
    """A sync that succeeded may have lost its pages: only the one after it tells.

    A clean close once ended the log behind a mark that one sync had vouched for, and a store
    whose mark was lost did not open; an empty segment that was given up passed for damage.
    """
    random = Random(0)
    for at in range(run(story).operations):
        fault = LateError(at=at, path="*log-*")
        what = f"{story.__name__} with {fault}"
        failed = run(story, FaultPlan((fault,)), is_tolerant=True)
        found = look(failed.disk.crash(random), VALUES)
        check_checkpoints(story, what, failed.history, found)


@every_story
def test_h8_an_error_at_any_operation_leaves_no_half_checkpoint(story: Story) -> None:
    """MISTAKES H8: holt injected failing writes only; here every operation fails once."""
    random = Random(0)
    for at in range(run(story).operations):
        fault = FailOp(
            at=at,
            error=("EIO", "ENOSPC")[at % 2],
            effect=("none", "partial", "done")[at % 3],
        )
        what = f"{story.__name__} with {fault}"
        failed = run(story, FaultPlan((fault,)))
        found = look(failed.disk.crash(random), VALUES)
        check_checkpoints(story, what, failed.history, found)

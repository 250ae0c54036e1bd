"""The simulator finds what is planted in checkpoints, sessions, values, changes and backups."""

import pytest

from sim import run
from sim.planted import Planted, named, search
from sim.planted.backup_bugs import BACKUP_BUGS
from sim.planted.changes_bugs import CHANGES_BUGS
from sim.planted.checkpoint_bugs import CHECKPOINT_BUGS
from sim.planted.collection_bugs import COLLECTION_BUGS
from sim.planted.session_bugs import SESSION_BUGS
from sim.planted.upkeep4_bugs import UPKEEP4_BUGS
from sim.planted.value_bugs import VALUE_BUGS

SERVICE_BUGS = (
    *(*VALUE_BUGS, *COLLECTION_BUGS, *SESSION_BUGS, *CHECKPOINT_BUGS),
    *(*CHANGES_BUGS, *UPKEEP4_BUGS, *BACKUP_BUGS),
)
SEEDS_MAX = 20
DEAR = (
    "backup-removes-the-older-one-first",
    "collection-drops-what-hides-older-versions",
    "flush-points-to-what-may-move",
    "session-commit-point-comes-too-early",
    "session-serial-is-not-written-on-the-spot",
)
CHEAP = [bug.name for bug in SERVICE_BUGS if bug.name not in DEAR]


@pytest.mark.parametrize("name", CHEAP)
def test_a_planted_bug_is_found_within_a_few_seeds(name: str) -> None:
    assert search(named(name), 0, SEEDS_MAX) is not None


@pytest.mark.parametrize("bug", SERVICE_BUGS, ids=lambda bug: bug.name)
def test_a_directed_script_is_passed_by_a_sound_engine(bug: Planted) -> None:
    result = run(bug.draw(77))
    assert (result.verdict, result.detail) == ("ok", "")

"""The simulator finds what is planted in the engine: its commits, openings, upkeep and closing.

Here are the bugs that a few seeds show; `python -m sim planted` searches for all of them.
"""

import pytest

from sim import run
from sim.planted import Planted, named, search
from sim.planted.closing_bugs import CLOSING_BUGS
from sim.planted.commit_bugs import COMMIT_BUGS
from sim.planted.recovery_bugs import RECOVERY_BUGS
from sim.planted.upkeep_bugs import UPKEEP_BUGS

ENGINE_BUGS = (*COMMIT_BUGS, *CLOSING_BUGS, *RECOVERY_BUGS, *UPKEEP_BUGS)
SEEDS_MAX = 10
DEAR = (
    "close-without-a-second-sync",
    "commit-leaves-a-half-entered-batch-open",
    "compaction-removes-its-inputs-first",
    "flush-removes-the-log-first",
    "manifest-reserves-numbers-twice",
    "opening-beside-a-writer-tries-once",
    "recovery-forgets-the-last-frame",
    "recovery-serves-what-is-not-durable",
    "update-of-nothing-promises-nothing",
    "upkeep-can-be-cancelled-while-it-publishes",
)
CHEAP = [bug.name for bug in ENGINE_BUGS if bug.name not in DEAR]


@pytest.mark.parametrize("name", CHEAP)
def test_a_planted_bug_is_found_within_a_few_seeds(name: str) -> None:
    assert search(named(name), 0, SEEDS_MAX) is not None


@pytest.mark.parametrize("bug", ENGINE_BUGS, ids=lambda bug: bug.name)
def test_a_directed_script_is_passed_by_a_sound_engine(bug: Planted) -> None:
    result = run(bug.draw(77))
    assert (result.verdict, result.detail) == ("ok", "")

"""Bugs planted in the engine, one rule broken each, to see that the simulator finds them.

    survey_each(PLANTED, jobs)      every bug: caught by which oracle, in how many seeds
    with named("...").plant(): ...  the engine with that bug

Invariants
- Every name is there once.
"""

from sim.planted.backend_bugs import BACKEND_BUGS
from sim.planted.backup_bugs import BACKUP_BUGS
from sim.planted.bug import (
    Edit as Edit,
    Planted as Planted,
    PlantMovedError as PlantMovedError,
    edited as edited,
    find as find,
    replaced as replaced,
)
from sim.planted.changes_bugs import CHANGES_BUGS
from sim.planted.checkpoint_bugs import CHECKPOINT_BUGS
from sim.planted.closing_bugs import CLOSING_BUGS
from sim.planted.collection_bugs import COLLECTION_BUGS
from sim.planted.commit_bugs import COMMIT_BUGS
from sim.planted.compaction_bugs import COMPACTION_BUGS
from sim.planted.directed import Directed as Directed
from sim.planted.journal_bugs import JOURNAL_BUGS
from sim.planted.log_bugs import LOG_BUGS
from sim.planted.page import as_page as as_page, row_of as row_of
from sim.planted.read_bugs import READ_BUGS
from sim.planted.recovery_bugs import RECOVERY_BUGS
from sim.planted.search import (
    Found as Found,
    Survey as Survey,
    search as search,
    survey as survey,
    survey_each as survey_each,
)
from sim.planted.session_bugs import SESSION_BUGS
from sim.planted.table_bugs import TABLE_BUGS
from sim.planted.upkeep4_bugs import UPKEEP4_BUGS
from sim.planted.upkeep_bugs import UPKEEP_BUGS
from sim.planted.value_bugs import VALUE_BUGS

PLANTED: tuple[Planted, ...] = (
    *COMMIT_BUGS,
    *CLOSING_BUGS,
    *RECOVERY_BUGS,
    *UPKEEP_BUGS,
    *JOURNAL_BUGS,
    *LOG_BUGS,
    *TABLE_BUGS,
    *COMPACTION_BUGS,
    *READ_BUGS,
    *BACKEND_BUGS,
    *VALUE_BUGS,
    *COLLECTION_BUGS,
    *SESSION_BUGS,
    *CHECKPOINT_BUGS,
    *CHANGES_BUGS,
    *UPKEEP4_BUGS,
    *BACKUP_BUGS,
)


def named(name: str) -> Planted:
    """Return the bug of this name."""
    return next(bug for bug in PLANTED if bug.name == name)


__all__ = [
    "PLANTED",
    "Directed",
    "Edit",
    "Found",
    "PlantMovedError",
    "Planted",
    "Survey",
    "as_page",
    "edited",
    "find",
    "named",
    "replaced",
    "row_of",
    "search",
    "survey",
    "survey_each",
]

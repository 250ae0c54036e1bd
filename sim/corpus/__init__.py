"""Published bugs of other engines: each has to fail here, and Tempest has to pass.

run_corpus(CASES)      one `CaseResult` after the other
run_case(CASES[0])     verdicts of strawman, mended twin and Tempest
page()                 docs/published-bugs.md, after running everything
"""

from sim.corpus.alice import ALICE
from sim.corpus.case import (
    Case as Case,
    CaseResult as CaseResult,
    run_case as run_case,
    run_corpus as run_corpus,
)
from sim.corpus.files import FILES
from sim.corpus.hunt import Hunt as Hunt, Look as Look, Refused as Refused
from sim.corpus.leveldb import LEVELDB
from sim.corpus.levels import LEVELS
from sim.corpus.logs import LOGS
from sim.corpus.page import (
    as_page as as_page,
    row_of as row_of,
    story_of as story_of,
)
from sim.corpus.pages import PAGES
from sim.corpus.rocksdb_logs import ROCKSDB_LOGS
from sim.corpus.rocksdb_manifest import ROCKSDB_MANIFEST

CASES: tuple[Case, ...] = (
    *LEVELDB,
    *ROCKSDB_LOGS,
    *ROCKSDB_MANIFEST,
    *LEVELS,
    *LOGS,
    *PAGES,
    *ALICE,
    *FILES,
)


def page() -> str:
    """Run everything and return the public page."""
    return as_page(zip(CASES, run_corpus(CASES), strict=True))


__all__ = [
    "CASES",
    "Case",
    "CaseResult",
    "Hunt",
    "Look",
    "Refused",
    "as_page",
    "page",
    "row_of",
    "run_case",
    "run_corpus",
    "story_of",
]

"""What is planted below the engine is found: in journal, log, tables, merges, reads, backends.

Here are bugs that the first few seeds show; `python -m sim planted` searches for all of them.
"""

import pytest

from sim.planted import named, search

SEEDS_MAX = 40
CHEAP = (
    "journal-tear-is-damage",
    "journal-shares-a-sector",
    "journal-append-not-synced",
    "journal-header-not-synced",
    "snapshot-forgets-the-number-ceiling",
    "log-gathers-out-of-order",
    "log-segment-limit-ignored",
    "log-forgets-before-confirmed",
    "log-name-not-synced",
    "log-rewrites-without-sync",
    "log-visible-before-durable",
    "table-filter-denies",
    "table-handle-leaked-on-damage",
    "compaction-output-not-synced",
    "compaction-names-not-synced",
    "flush-forgets-the-last-run",
    "scan-limit-holds-for-each-chunk",
    "scan-prefix-end-too-low",
    "scan-sees-later-writes",
    "memtable-overwrites-what-a-snapshot-sees",
    "memtable-overwrites-what-is-visible",
    "memtable-answers-with-the-oldest",
    "backend-short-write",
    "backend-sync-leaves-the-last-write",
    "backend-sync-leaves-the-length",
    "backend-folder-sync-leaves-the-last-name",
    "backend-listing-misses-one",
    "backend-lock-is-shared",
    "backend-lock-is-not-let-go",
    "backend-write-waits-in-the-process",
    "backend-short-read-begins-again",
)


@pytest.mark.parametrize("name", CHEAP)
def test_a_planted_bug_is_found_within_a_few_seeds(name: str) -> None:
    assert search(named(name), 0, SEEDS_MAX) is not None

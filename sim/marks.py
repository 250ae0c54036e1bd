"""Situations that a simulation must get into sometimes; what a soak never saw is a blind spot.

Invariants
- A situation is declared before it can be marked, so that a misspelt one is an error.
"""

from collections.abc import Iterable
from typing import get_args

from sim import operations
from sim.services import Cancellable, Service

CALLS = (
    *("Put", "Delete", "Batch", "Update", "Get", "GetMany", "Scan"),
    *("Sync", "Flush", "Compact"),
)
OTHERS = (
    *("PutNowait", "GetNowait", "SnapshotOpen", "SnapshotRead", "SnapshotClose"),
    *("ScanOpen", "ScanRead", "ScanClose", "WaitWritable", "Look", "Sleep"),
    *("Transfer", "Swap", "Mistake", "OpenTwice"),
)
SERVICES = tuple(kind.__name__ for kind in get_args(Service))
CANCELLABLE = tuple(kind.__name__ for kind in get_args(Cancellable))
FAULTS = (
    *("FailOp", "LateError", "BitFlip", "StaleRead", "MisdirectedRead"),
    *("Slow", "Stuck", "PowerCut"),
)
CANCELLED = (
    *CALLS,
    *("SnapshotOpen", "SnapshotRead", "ScanOpen", "ScanRead", "ScanClose"),
    *("WaitWritable", "Transfer", "Swap", "OpenTwice"),
)
TWINS = (
    *("rot", "stale", "misdirected", "shortened", "missing", "swapped", "doubled"),
    *("flipped read", "blank read", "crossed read", "lost pages"),
)
FAULTY = ("open", "create_exclusive", "rename", "remove", "sync_dir", "sync")
FAULTY_FILES = ("write_at", "write_at_nowait", "read_at", "read_at_nowait")
SITUATIONS = {
    "a reader gives up on a busy writer",
    *(f"{name} done" for name in (*CALLS, *OTHERS)),
    *(f"{name} cancelled" for name in CANCELLED),
    *(f"{name} failed" for name in (*CALLS, "WaitWritable", "Transfer", "Swap")),
    *("PutNowait would block", "PutNowait throttled", "GetNowait would block"),
    *(f"fault {name}" for name in FAULTS),
    *(
        f"FailOp at {kind}"
        for kind in (*FAULTY, *FAULTY_FILES, "list", "lock", "run_job")
    ),
    *(f"FailOp {effect}" for effect in ("none", "partial", "done")),
    *(
        f"FailOp {error}"
        for error in (
            *("EIO", "ENOSPC", "EDQUOT", "EFBIG"),
            *("EROFS", "EACCES", "EMFILE", "ENFILE"),
        )
    ),
    *(f"{kind} {how}" for kind in TWINS for how in ("done", "found")),
    *("damage passes for a tear", "damage does no harm", "an older manifest stands in"),
    *("the rest of a damaged store is read", "a late error is got over"),
    *("cut while closing", "kill while closing", "a close is cancelled"),
    *("an opening is cancelled", "an open store is cancelled"),
    *("the clock stands", "the clock races", "the clock runs back"),
    *("old manifest planted", "no lock planted"),
    *(f"late write surfaces in a {kind}" for kind in ("log", "manifest")),
    *(f"cut {when}" for when in ("before", "during", "after")),
    *(f"kill {when}" for when in ("before", "during", "after")),
    *("cut while opening", "cut at the end", "a quiet store is cut"),
    *("opened again after close", "options are compared", "a race is cut"),
    *("five crashes in a row",),
    *("recovery replays", "recovery replays nothing", "recovery cuts a torn tail"),
    *("recovery writes frames again", "recovery removes orphans", "opened clean"),
    *("all writes survive a cut", "some writes are lost in a cut"),
    *("a write survives that nobody was promised",),
    *("an opening fails", "an opening fails twice", "a close fails", "a clean close"),
    *("late write surfaces", "the clock jumps", "the disk is full"),
    *("a flush", "a compaction", "a trivial move", "level 1", "level 2", "level 3"),
    *("five tables", "twenty tables", "a memtable waits", "a writer stalls"),
    *("a writer is slowed down", "files are removed", "several segments"),
    *("the store resumes", "the store turns read-only", "the store comes back"),
    *("a snapshot is held", "tombstones in tables", "the block cache hits"),
    *("orphan planted", "copy planted", "garbage planted", "temporary planted"),
    *("damage is found", "a read-only store reads", "a second opener is refused"),
    *(f"{name} done" for name in SERVICES),
    *(f"{name} cancelled" for name in CANCELLABLE),
    *(f"{name} failed" for name in CANCELLABLE if name != "CheckpointWait"),
    *("Checkpoint refused", "CheckpointStart refused"),
    *("a backup is read after a crash", "estimates are compared"),
    *("a checkpoint survives", "a checkpoint is read after a crash"),
    *("a checkpoint is restored", "a backup is restored", "a cut while restoring"),
    *("a backup is brought up to date", "a consumer has caught up"),
    *(
        "a position is lost",
        "a collection frees segments",
        "a collection copies values",
    ),
    *("one client", "four clients", "an empty key", "a long key", "a large value"),
}
for _name in (*CALLS, *OTHERS):
    assert hasattr(operations, _name), _name


class Marks:
    """The situations that one run got into."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def sometimes(self, name: str, *, when: bool = True) -> None:
        """Mark a situation, if it is one."""
        if when:
            assert name in SITUATIONS, f"{name!r} is not declared in sim/marks.py"
            self._seen[name] = None

    def maybe(self, name: str) -> None:
        """Mark a situation if it is one of those that are declared."""
        if name in SITUATIONS:
            self._seen[name] = None

    @property
    def seen(self) -> tuple[str, ...]:
        return tuple(sorted(self._seen))


def never_seen(runs: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the situations that none of these runs got into."""
    seen: dict[str, None] = {}
    for run in runs:
        seen |= dict.fromkeys(run)
    return sorted(SITUATIONS - set(seen))

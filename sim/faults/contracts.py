"""Every kind of fault, by name: what the engine owes under it, and how a hit gets its name.

Invariants
- Every kind that is counted stands in `CONTRACTS`.
"""

from collections.abc import Container

from io_backends import (
    READS,
    BitFlip,
    FailOp,
    Fault,
    Hit,
    LateError,
    MisdirectedRead,
    MisdirectedWrite,
    OpKind,
    PowerCut,
    Slow,
    StaleRead,
    Stuck,
)

STORE = "store"
MANIFESTS = f"{STORE}/manifest-"
TEMPORARY = ".tmp"

CONTRACTS = {
    "fail once": "a call may fail in words, nothing is lost, the store resumes by itself",
    "fail for a while": "the same, however often it fails; writes wait or fail in words",
    "fail for good": "reads go on, writes are refused in words, a restart keeps every promise",
    "false failure": "the error is reported although it was done: one outcome, for ever",
    "failed sync": "its pages are gone or not; nothing is acknowledged by a later sync of it",
    "sync fails late": "pages are gone and nobody knows; what may be missing is what was in them",
    "late error": "the next sync says so: what was acknowledged is written again from memory",
    "unreadable": "an error, never 'not found'; nothing unreadable is dropped",
    "dead worker": "the job's result is lost; it is done again, and nothing half done is used",
    "bit flip": "a table's block does not verify: an error, never wrong bytes",
    "stale read": "the same for bytes of an earlier write",
    "misdirected read": "the same for bytes of another place, whole as they are",
    "slow": "nothing but time is lost",
    "stuck": "others go on; once it is released, so does everything",
    "full disk": "writes wait or fail in words; the store goes on when there is space",
    "few handles": "a call may fail in words; the store goes on when there are more",
    "small files": "as on a full disk: a file may not grow beyond a size",
    "power cut": "a prefix of the log with every promise of the disk",
    "kill": "a prefix of the log with every promise of the operating system",
    "late write": "a write that reaches the disk after later openings changes nothing",
    "clock jump": "nothing depends on the wall clock",
    "clock stands": "nothing waits for the wall clock",
    "clock races": "nothing depends on the wall clock",
    "clock runs back": "nothing depends on the wall clock",
    "cancelled opening": "nothing is left open or locked, and nothing is lost",
    "cancelled close": "what was acknowledged is durable all the same",
    "orphan": "a file that nobody names is removed, and read by nobody",
    "copy": "a copy of a table or segment under another number changes nothing",
    "garbage": "random bytes under a number of its own change nothing",
    "temporary": "a manifest that was never finished changes nothing",
    "old manifest": "a retired manifest that has its name back changes nothing",
    "no lock": "without the lock's file the store opens",
    "rot": "refused by an error that names the file, or never read; see `sim.faults.twins`",
    "stale": "the same, for a write that the device only pretended to do",
    "misdirected": "the same, for a write that went to the place of another",
    "shortened": "the same, for a file that lost its end",
    "missing": "the same, for a file that was removed",
    "swapped": "the same, for two files that have each other's names",
    "doubled": "the same, for a manifest that stands under a newer number as well",
    "flipped read": "the same, for a bit that flips on the way while the store is opened",
    "blank read": "the same, for a read of zeros in place of what was written",
    "crossed read": "the same, for a read of another place",
    "lost pages": "the same, for what a sync that failed late had promised",
}

NAMES: dict[type[Fault], str] = {
    LateError: "sync fails late",
    BitFlip: "bit flip",
    StaleRead: "stale read",
    MisdirectedRead: "misdirected read",
    MisdirectedWrite: "misdirected",
    Slow: "slow",
    Stuck: "stuck",
    PowerCut: "power cut",
}


def name_of(hit: Hit) -> str:  # noqa: PLR0911 a table
    """Name what hit, by the words of `CONTRACTS`."""
    fault = hit.fault
    if hit.is_late:
        return "late error"
    if not isinstance(fault, FailOp):
        return NAMES[type(fault)]
    if hit.op.kind is OpKind.RUN_JOB:
        return "dead worker"
    if fault.times is None:
        return "fail for good"
    if fault.effect == "done":
        return "false failure"
    if hit.op.kind is OpKind.SYNC:
        return "failed sync"
    if hit.op.kind in READS:
        return "unreadable"
    return "fail once" if fault.times == 1 else "fail for a while"


def place_of(hit: Hit) -> str:
    """Name what was hit: the operation, and the kind of file."""
    kind = file_kind(hit.op.path).removesuffix(TEMPORARY)  # a handle keeps this name
    return f"{hit.op.kind.value} {kind}".rstrip()


def file_kind(path: str) -> str:
    """Return what a store keeps under such a name."""
    name = path.rpartition("/")[2]
    if not name:
        return ""
    if name == "lock":
        return name
    kind, dash, _ = name.partition("-")
    if not dash or kind not in ("table", "log", "manifest"):
        return "folder"
    if kind == "manifest" and not name.rpartition("-")[2].isdecimal():
        return f"manifest.{name.rpartition('.')[2]}"
    return kind


def name_now(path: str, names: Container[str]) -> str:
    """Return the name of a file whose handle was opened under `path`, among those there are."""
    published = path.removesuffix(TEMPORARY)
    return path if f"/{path}" in names else published


def is_damage(hit: Hit) -> bool:
    """Whether a hit falsifies bytes, so that the store may turn read-only for good."""
    return isinstance(hit.fault, BitFlip | StaleRead | MisdirectedRead)

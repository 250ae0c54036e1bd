"""What belongs together in a picture: sorts of operations, sorts of files.

Invariants
- Every operation and every path belongs to exactly one group.
"""

from sim import operations as ops
from sim.operations import Operation

GROUPS: dict[str, tuple[type, ...]] = {
    "write": (ops.Put, ops.PutNowait, ops.Delete, ops.Batch, ops.Update),
    "common": (ops.Transfer, ops.Swap),
    "read": (ops.Get, ops.GetNowait, ops.GetMany, ops.Scan),
    "view": (
        *(ops.SnapshotOpen, ops.SnapshotRead, ops.SnapshotClose),
        *(ops.ScanOpen, ops.ScanRead, ops.ScanClose),
    ),
    "upkeep": (ops.Sync, ops.Flush, ops.Compact),
}
GROUP_NAMES = {
    "write": "writes",
    "common": "bank and ring",
    "read": "reads",
    "view": "snapshots, open scans",
    "upkeep": "sync, flush, compact",
    "other": "the rest",
}
KIND_CLASSES = ("log", "tables", "manifest", "names")


def group_of(operation: Operation) -> str:
    """Return the group of an operation."""
    inner = operation.operation if isinstance(operation, ops.Cancelled) else operation
    for name, kinds in GROUPS.items():
        if isinstance(inner, kinds):
            return name
    return "other"


def path_group(path: str) -> str:
    """Return what sort of file an Io operation is about."""
    name = path.rpartition("/")[2]
    for start, group in (
        ("log-", "log"),
        ("table-", "tables"),
        ("manifest", "manifest"),
    ):
        if name.startswith(start):
            return group
    return "names"

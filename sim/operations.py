"""What a client may ask of a store, as plain values that print as Python.

Invariants
- An operation says what to do and nothing of how it went.
- A value is described by its size; its bytes name the write that made it, so no two are equal.
"""

from typing import Literal

import attrs

from sim import services
from sim.services import Service

Level = services.Level
Wrong = Literal["key", "value", "level", "limit", "large key", "large batch"]


@attrs.frozen
class Put:
    """Sets a key."""

    key: bytes
    size: int = 8
    level: Level = "disk"


@attrs.frozen
class PutNowait:
    """Writes without waiting, or is told that it would have to."""

    key: bytes
    size: int = 8
    level: Level = "memory"


@attrs.frozen
class Delete:
    """Removes a key."""

    key: bytes
    level: Level = "disk"


@attrs.frozen
class Batch:
    """Several writes as one; a size of None deletes."""

    writes: tuple[tuple[bytes, int | None], ...]
    level: Level = "disk"


@attrs.frozen
class Update:
    """Read-modify-write; a size of None deletes."""

    key: bytes
    size: int | None = 8
    level: Level = "disk"


@attrs.frozen
class Get:
    """Reads a key."""

    key: bytes


@attrs.frozen
class GetNowait:
    """Reads a key, or is told that it would have to wait."""

    key: bytes


@attrs.frozen
class GetMany:
    """Reads several keys at one moment."""

    keys: tuple[bytes, ...]


@attrs.frozen
class Scan:
    """Reads a range; `chunk` rows at a time, 0 for row by row."""

    prefix: bytes | None = None
    start: bytes | None = None
    stop: bytes | None = None
    reverse: bool = False
    limit: int | None = None
    keys_only: bool = False
    chunk: int = 0


@attrs.frozen
class SnapshotOpen:
    """Takes a snapshot and keeps it in a slot, in place of the one that was there."""

    slot: int = 0


@attrs.frozen
class SnapshotRead:
    """Reads through the snapshot in a slot, if there is one."""

    slot: int
    read: Get | GetMany | Scan


@attrs.frozen
class SnapshotClose:
    """Lets go of the snapshot in a slot."""

    slot: int = 0


@attrs.frozen
class ScanOpen:
    """Opens a scan and keeps it in a slot while other things happen."""

    slot: int
    scan: Scan


@attrs.frozen
class ScanRead:
    """Reads some rows of the scan in a slot, if there is one."""

    slot: int
    rows: int = 3


@attrs.frozen
class ScanClose:
    """Reads the rest of the scan in a slot, and lets go of it."""

    slot: int = 0


@attrs.frozen
class Sync:
    """Makes everything durable."""


@attrs.frozen
class Flush:
    """Turns everything in memory into tables."""


@attrs.frozen
class Compact:
    """Merges a range as far down as it goes."""

    start: bytes | None = None
    stop: bytes | None = None


@attrs.frozen
class WaitWritable:
    """Waits until a write would not be held back."""


@attrs.frozen
class Look:
    """Asks for health and statistics."""


@attrs.frozen
class OpenTwice:
    """Opens the store again while it is open: to be refused, or only to read."""

    read_only: bool = False


@attrs.frozen
class Sleep:
    """Does nothing for some virtual seconds."""

    seconds: float


@attrs.frozen
class Transfer:
    """Moves money between two accounts of the bank, as one batch."""

    source: int
    target: int
    amount: int
    level: Level = "disk"


@attrs.frozen
class Swap:
    """Takes one place out of the ring and puts it in after another, as one batch."""

    place: int
    after: int
    level: Level = "disk"


@attrs.frozen
class Mistake:
    """Calls with an argument that has to be refused."""

    what: Wrong = "key"


@attrs.frozen
class Cancelled:
    """Another operation, cancelled after so many virtual seconds."""

    operation: (
        "Put | Delete | Batch | Update | Get | GetMany | Scan | Sync | Flush | Compact | "
        "SnapshotOpen | SnapshotRead | SnapshotClose | ScanOpen | ScanRead | ScanClose | "
        "WaitWritable | Transfer | Swap | OpenTwice | Service"
    )
    seconds: float = 0.0


Operation = (
    Put
    | PutNowait
    | Delete
    | Batch
    | Update
    | Get
    | GetNowait
    | GetMany
    | Scan
    | SnapshotOpen
    | SnapshotRead
    | SnapshotClose
    | ScanOpen
    | ScanRead
    | ScanClose
    | Sync
    | Flush
    | Compact
    | WaitWritable
    | Look
    | OpenTwice
    | Sleep
    | Transfer
    | Swap
    | Service
    | Mistake
    | Cancelled
)

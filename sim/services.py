"""What a client may ask of a store besides reads and writes, as plain values that print as Python.

Checkpoints, sessions, streams of changes, collections, backups and pauses of upkeep.

Invariants
- An operation says what to do and nothing of how it went.
- Names of sessions and consumers come from the client and a slot, folders of backups from a
  number, cookies from a number: none is bytes, so none can be taken for a key.
"""

from typing import Literal

import attrs

Level = Literal["memory", "os", "disk"]
Kind = Literal["FULL", "INDEX", "LOG", "INCREMENTAL"]
Style = Literal["FOLD_OVER", "SNAPSHOT"]


@attrs.frozen
class Checkpoint:
    """Takes a checkpoint and waits for it; one in progress of the same sort is joined."""

    kind: Kind = "FULL"
    style: Style = "FOLD_OVER"
    cookie: int = 0


@attrs.frozen
class CheckpointStart:
    """Starts a checkpoint and keeps its ticket in a slot."""

    slot: int = 0
    kind: Kind = "FULL"
    style: Style = "FOLD_OVER"
    cookie: int = 0


@attrs.frozen
class CheckpointWait:
    """Waits for the checkpoint whose ticket is in a slot, if there is one."""

    slot: int = 0


@attrs.frozen
class CheckpointList:
    """Lists checkpoints, and asks for one of them alone."""


@attrs.frozen
class CheckpointRead:
    """Opens one of the kept checkpoints beside the store, the newest is 0, and reads all of it."""

    which: int = 0


@attrs.frozen
class CheckpointValidate:
    """Reads back what a kept checkpoint would restore."""

    which: int = 0


@attrs.frozen
class CheckpointDrop:
    """Drops a kept checkpoint."""

    which: int = 0


@attrs.frozen
class CheckpointPrune:
    """Drops all checkpoints but the newest."""

    keep: int = 1
    automatic_only: bool = False


@attrs.frozen
class SessionOpen:
    """Opens the client's session of a slot, and leaves the one that was open there."""

    slot: int = 0


@attrs.frozen
class SessionPut:
    """Sets a key under the next serial number of a session, or one `gap` higher."""

    slot: int
    key: bytes
    size: int = 8
    level: Level = "disk"
    gap: int = 0


@attrs.frozen
class SessionDelete:
    """Removes a key under the next serial number of a session."""

    slot: int
    key: bytes
    level: Level = "disk"


@attrs.frozen
class SessionBatch:
    """Several writes under one serial number of a session; a size of None deletes."""

    slot: int
    writes: tuple[tuple[bytes, int | None], ...]
    level: Level = "disk"


@attrs.frozen
class SessionWait:
    """Waits until the last operation of a session is durable."""

    slot: int = 0


@attrs.frozen
class SessionClose:
    """Leaves a session."""

    slot: int = 0


@attrs.frozen
class Follow:
    """Takes frames of changes as a named consumer, from where it was, waiting for them so long."""

    frames: int = 4
    seconds: float = 0.0
    acknowledge: bool = True


@attrs.frozen
class Collect:
    """Frees log segments of which a smaller share is live."""

    live_share_max: float | None = None


@attrs.frozen
class ShouldCollect:
    """Asks what a collection would free, by two methods."""

    live_share_max: float | None = None


@attrs.frozen
class Backup:
    """Copies the store into another folder of the disk, or what is new of it, and reads it there."""

    folder: int = 0


@attrs.frozen
class Pause:
    """Keeps automatic upkeep from beginning for some virtual seconds."""

    seconds: float = 0.0


Cancellable = (
    Checkpoint
    | CheckpointWait
    | CheckpointRead
    | CheckpointValidate
    | CheckpointDrop
    | CheckpointPrune
    | SessionOpen
    | SessionPut
    | SessionDelete
    | SessionBatch
    | SessionWait
    | Follow
    | Collect
    | ShouldCollect
    | Backup
)
Service = (
    Checkpoint
    | CheckpointStart
    | CheckpointWait
    | CheckpointList
    | CheckpointRead
    | CheckpointValidate
    | CheckpointDrop
    | CheckpointPrune
    | SessionOpen
    | SessionPut
    | SessionDelete
    | SessionBatch
    | SessionWait
    | SessionClose
    | Follow
    | Collect
    | ShouldCollect
    | Backup
    | Pause
)

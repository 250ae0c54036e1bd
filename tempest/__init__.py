"""Tempest: an embedded, ordered key-value store for trio programs that you can crash on purpose.

    async with tempest.open_store("data") as store:
        await store.put(b"user:1", b"ada")

This is the front door: everything a user needs is here, and nothing else is promised.
"""

from tempest.backup import (
    BackupProgress as BackupProgress,
    BackupReport as BackupReport,
    BackupStage as BackupStage,
    restore_backup as restore_backup,
)
from tempest.batch import Batch as Batch
from tempest.changes import (
    Change as Change,
    ChangeFrame as ChangeFrame,
    Changes as Changes,
)
from tempest.check import (
    FileReport as FileReport,
    FileStatus as FileStatus,
    VerifyReport as VerifyReport,
    verify_store as verify_store,
)
from tempest.checkpoint import (
    CheckpointInfo as CheckpointInfo,
    CheckpointOutcome as CheckpointOutcome,
    CheckpointPhase as CheckpointPhase,
    CheckpointProblem as CheckpointProblem,
    CheckpointReport as CheckpointReport,
    CheckpointTicket as CheckpointTicket,
    list_checkpoints as list_checkpoints,
    restore_checkpoint as restore_checkpoint,
    restore_newest_valid as restore_newest_valid,
    validate_checkpoint as validate_checkpoint,
)
from tempest.collection import (
    CollectionEstimate as CollectionEstimate,
    CollectionMethod as CollectionMethod,
    CollectionReport as CollectionReport,
    CollectionStatistics as CollectionStatistics,
    SegmentLiveness as SegmentLiveness,
)
from tempest.control import MaintenanceControl as MaintenanceControl
from tempest.coordinator import (
    Work as Work,
    WorkStatistics as WorkStatistics,
)
from tempest.errors import (
    BackgroundError as BackgroundError,
    BackupError as BackupError,
    CheckpointError as CheckpointError,
    ConflictError as ConflictError,
    CorruptionError as CorruptionError,
    InvalidError as InvalidError,
    LockedError as LockedError,
    NoSpaceError as NoSpaceError,
    NotAStoreError as NotAStoreError,
    NotOpenError as NotOpenError,
    OutcomeUnknownError as OutcomeUnknownError,
    PositionLostError as PositionLostError,
    ReadOnlyError as ReadOnlyError,
    StorageError as StorageError,
    TempestError as TempestError,
    ThrottledError as ThrottledError,
    UnsupportedFormatError as UnsupportedFormatError,
)
from tempest.health import Health as Health, HealthState as HealthState
from tempest.inspection import (
    InspectedLevel as InspectedLevel,
    InspectedSession as InspectedSession,
    Inspection as Inspection,
    LogToReplay as LogToReplay,
    inspect_store as inspect_store,
)
from tempest.opening import OpenStore as OpenStore, open_store as open_store
from tempest.options import (
    Compression as Compression,
    Durability as Durability,
    Options as Options,
)
from tempest.position import Position as Position
from tempest.recovery import RecoveryReport as RecoveryReport
from tempest.rows import Rows as Rows
from tempest.session import Session as Session
from tempest.statistics import (
    LevelStatistics as LevelStatistics,
    Statistics as Statistics,
)
from tempest.store import Store as Store
from tempest.version import (
    CheckpointKind as CheckpointKind,
    CheckpointStyle as CheckpointStyle,
)
from tempest.view import Snapshot as Snapshot

__all__ = [
    "BackgroundError",
    "BackupError",
    "BackupProgress",
    "BackupReport",
    "BackupStage",
    "Batch",
    "Change",
    "ChangeFrame",
    "Changes",
    "CheckpointError",
    "CheckpointInfo",
    "CheckpointKind",
    "CheckpointOutcome",
    "CheckpointPhase",
    "CheckpointProblem",
    "CheckpointReport",
    "CheckpointStyle",
    "CheckpointTicket",
    "CollectionEstimate",
    "CollectionMethod",
    "CollectionReport",
    "CollectionStatistics",
    "Compression",
    "ConflictError",
    "CorruptionError",
    "Durability",
    "FileReport",
    "FileStatus",
    "Health",
    "HealthState",
    "InspectedLevel",
    "InspectedSession",
    "Inspection",
    "InvalidError",
    "LevelStatistics",
    "LockedError",
    "LogToReplay",
    "MaintenanceControl",
    "NoSpaceError",
    "NotAStoreError",
    "NotOpenError",
    "OpenStore",
    "Options",
    "OutcomeUnknownError",
    "Position",
    "PositionLostError",
    "ReadOnlyError",
    "RecoveryReport",
    "Rows",
    "SegmentLiveness",
    "Session",
    "Snapshot",
    "Statistics",
    "StorageError",
    "Store",
    "TempestError",
    "ThrottledError",
    "UnsupportedFormatError",
    "VerifyReport",
    "Work",
    "WorkStatistics",
    "inspect_store",
    "list_checkpoints",
    "open_store",
    "restore_backup",
    "restore_checkpoint",
    "restore_newest_valid",
    "validate_checkpoint",
    "verify_store",
]

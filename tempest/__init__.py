"""Tempest: an embedded, ordered key-value store for trio programs that you can crash on purpose.

    async with tempest.open_store("data") as store:
        await store.put(b"user:1", b"ada")

This is the front door: everything a user needs is here, and nothing else is promised.
"""

from tempest.batch import Batch as Batch
from tempest.check import (
    FileReport as FileReport,
    FileStatus as FileStatus,
    VerifyReport as VerifyReport,
    verify_store as verify_store,
)
from tempest.errors import (
    BackgroundError as BackgroundError,
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
from tempest.opening import OpenStore as OpenStore, open_store as open_store
from tempest.options import (
    Compression as Compression,
    Durability as Durability,
    Options as Options,
)
from tempest.recovery import RecoveryReport as RecoveryReport
from tempest.scan import Rows as Rows
from tempest.statistics import (
    LevelStatistics as LevelStatistics,
    Statistics as Statistics,
)
from tempest.store import Store as Store
from tempest.view import Snapshot as Snapshot

__all__ = [
    "BackgroundError",
    "Batch",
    "CheckpointError",
    "Compression",
    "ConflictError",
    "CorruptionError",
    "Durability",
    "FileReport",
    "FileStatus",
    "Health",
    "HealthState",
    "InvalidError",
    "LevelStatistics",
    "LockedError",
    "NoSpaceError",
    "NotAStoreError",
    "NotOpenError",
    "OpenStore",
    "Options",
    "OutcomeUnknownError",
    "PositionLostError",
    "ReadOnlyError",
    "RecoveryReport",
    "Rows",
    "Snapshot",
    "Statistics",
    "StorageError",
    "Store",
    "TempestError",
    "ThrottledError",
    "UnsupportedFormatError",
    "VerifyReport",
    "open_store",
    "verify_store",
]

"""Backups: a second folder that opens as a store by itself, made and continued beside writers."""

from tempest.backup.making import (
    BackupReport as BackupReport,
    make_backup as make_backup,
)
from tempest.backup.restoring import restore_backup as restore_backup
from tempest.backup.transfer import (
    BackupProgress as BackupProgress,
    BackupStage as BackupStage,
    OnProgress as OnProgress,
)

__all__ = [
    "BackupProgress",
    "BackupReport",
    "BackupStage",
    "OnProgress",
    "make_backup",
    "restore_backup",
]

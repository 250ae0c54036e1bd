"""Versions of a store's shape, the edits between them, and the manifest that keeps both."""

from tempest.version.checkpoints import (
    CheckpointKind as CheckpointKind,
    CheckpointMeta as CheckpointMeta,
    CheckpointStyle as CheckpointStyle,
    checkpoint_token as checkpoint_token,
    clipped as clipped,
    difference as difference,
    levels_of as levels_of,
)
from tempest.version.edit import VersionEdit as VersionEdit
from tempest.version.manifest import (
    NUMBERS_STEP as NUMBERS_STEP,
    FixedVersion as FixedVersion,
    Manifest as Manifest,
    Versions as Versions,
)
from tempest.version.parts import (
    Consumer as Consumer,
    Fork as Fork,
    PlacedTable as PlacedTable,
    SegmentEnd as SegmentEnd,
    SessionMark as SessionMark,
)
from tempest.version.version import (
    LEVELS as LEVELS,
    LIFE_SEQUENCES as LIFE_SEQUENCES,
    VALUES_FIRST as VALUES_FIRST,
    Version as Version,
)

__all__ = [
    "LEVELS",
    "LIFE_SEQUENCES",
    "NUMBERS_STEP",
    "VALUES_FIRST",
    "CheckpointKind",
    "CheckpointMeta",
    "CheckpointStyle",
    "Consumer",
    "FixedVersion",
    "Fork",
    "Manifest",
    "PlacedTable",
    "SegmentEnd",
    "SessionMark",
    "Version",
    "VersionEdit",
    "Versions",
    "checkpoint_token",
    "clipped",
    "difference",
    "levels_of",
]

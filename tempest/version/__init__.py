"""Versions of a store's shape, the edits between them, and the manifest that keeps both."""

from tempest.version.edit import (
    PlacedTable as PlacedTable,
    SegmentEnd as SegmentEnd,
    VersionEdit as VersionEdit,
)
from tempest.version.manifest import (
    FixedVersion as FixedVersion,
    Manifest as Manifest,
    Versions as Versions,
)
from tempest.version.version import (
    LEVELS as LEVELS,
    LIFE_SEQUENCES as LIFE_SEQUENCES,
    Version as Version,
)

__all__ = [
    "LEVELS",
    "LIFE_SEQUENCES",
    "FixedVersion",
    "Manifest",
    "PlacedTable",
    "SegmentEnd",
    "Version",
    "VersionEdit",
    "Versions",
]

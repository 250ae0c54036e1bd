"""The small records that versions, edits and checkpoints are made of."""

import attrs

from tempest.table import TableMeta


@attrs.frozen
class PlacedTable:
    """A table and the level it belongs to."""

    level: int
    table: TableMeta


@attrs.frozen
class SegmentEnd:
    """Where a segment stops counting."""

    number: int
    end: int


@attrs.frozen
class SessionMark:
    """The serial number of the last operation of a session that is in a state."""

    name: bytes
    serial: int


@attrs.frozen
class Consumer:
    """How far a named consumer of the log has come: it has everything below `address`."""

    name: bytes
    timeline: int
    address: int


@attrs.frozen
class Fork:
    """A timeline began when a checkpoint of timeline `parent`, cut at `address`, was restored.

    Its own log begins at `first`.
    """

    parent: int
    address: int
    first: int

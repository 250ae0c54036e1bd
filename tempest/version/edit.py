"""One atomic change of a store's shape. It is written to the manifest as one frame.

Invariants
- An edit can say everything at once: tables in and out, segments in, closed and out, counters.
  So "add the table and move the start of replay" is never half done.
- Removals are applied before additions: a table moves to another level in one edit.
"""

import attrs

from tempest.log import SegmentMeta
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


@attrs.frozen(kw_only=True)
class VersionEdit:
    """What changes; a field left at its default changes nothing."""

    life: int | None = None
    number_ceiling: int | None = None
    replay_from: int | None = None
    removed: tuple[int, ...] = ()
    added: tuple[PlacedTable, ...] = ()
    segments_closed: tuple[SegmentEnd, ...] = ()
    segments_removed: tuple[int, ...] = ()
    segments_added: tuple[SegmentMeta, ...] = ()

"""One atomic change of a store's shape. It is written to the manifest as one frame.

Invariants
- An edit can say everything at once: tables in and out, segments in, closed and out, counters,
  checkpoints, how far sessions have come. So "add the table and move the start of replay" is
  never half done, and a checkpoint is there whole or not at all.
- Removals are applied before additions: a table moves to another level in one edit.
"""

import attrs

from journal import later
from tempest.log import SegmentMeta
from tempest.version.checkpoints import CheckpointMeta
from tempest.version.parts import Consumer, PlacedTable, SegmentEnd, SessionMark


@attrs.frozen(kw_only=True)
class VersionEdit:
    """What changes; a field left at its default changes nothing.

    `sessions`, `checkpoints` and `consumers` replace those of the same name, or are new.
    `restored` is the token of the checkpoint whose content replaces that of the store:
    everything else in the edit (tables made of its log, the new start of replay) comes upon it.
    """

    life: int | None = None
    number_ceiling: int | None = None
    replay_from: int | None = None
    removed: tuple[int, ...] = ()
    added: tuple[PlacedTable, ...] = ()
    segments_closed: tuple[SegmentEnd, ...] = ()
    segments_removed: tuple[int, ...] = ()
    segments_added: tuple[SegmentMeta, ...] = ()
    value_ceiling: int | None = later(None)
    value_segments_added: tuple[SegmentMeta, ...] = later(())
    sessions: tuple[SessionMark, ...] = later(())
    sessions_removed: tuple[bytes, ...] = later(())
    checkpoints: tuple[CheckpointMeta, ...] = later(())
    checkpoints_removed: tuple[bytes, ...] = later(())
    consumers: tuple[Consumer, ...] = later(())
    consumers_removed: tuple[bytes, ...] = later(())
    restored: bytes | None = later(None)

"""From a cut and a version to the record that the manifest keeps. Nothing here waits.

Invariants
- The record names every file that it needs: tables, the log from its start of replay up to the
  cut, and each segment that its tables point into.
- No log segment in it goes on behind the cut; value segments are whole.
- Its bounds of segments are final: one that was open at the cut ends where it was closed since.
"""

from collections.abc import Iterable

import attrs

from tempest.errors import CheckpointError
from tempest.log import SegmentMeta
from tempest.version import (
    VALUES_FIRST,
    CheckpointKind,
    CheckpointMeta,
    Version,
    clipped,
    difference,
    levels_of,
)

BASES = (CheckpointKind.FULL, CheckpointKind.INCREMENTAL)


def choose_base(version: Version, wanted: bytes | None) -> bytes:
    """Return the checkpoint that an INCREMENTAL is the difference to, or `CheckpointError`."""
    if wanted is not None:
        meta = version.checkpoint(wanted)
        if meta is None:
            name = wanted.decode(errors="replace")
            raise CheckpointError(f"There is no checkpoint {name!r} to be a base")
        if meta.kind not in BASES:
            detail = f"A {meta.kind.name} checkpoint cannot be a base"
            raise CheckpointError(detail, "Name a FULL or INCREMENTAL one")
        return wanted
    for meta in reversed(version.checkpoints):
        if meta.kind in BASES and not version.is_abandoned(meta):
            return meta.token
    raise CheckpointError(
        "There is no FULL or INCREMENTAL checkpoint yet for this one to build upon",
        "Make a FULL one first",
    )


def segments_for(
    pinned: Version, current: Version, address: int
) -> tuple[SegmentMeta, ...]:
    """Return the segments that a checkpoint cut at `address` needs, each with its final bounds.

    `pinned` is the version whose tables it names. Since then, segments may have been closed, and
    the frames above what was confirmed may have moved on to others: `current` says so.
    """
    known = {segment.number: segment for segment in pinned.all_segments}
    known |= {segment.number: segment for segment in current.all_segments}
    for number, segment in known.items():
        if segment.end is None and segment not in current.all_segments:
            # Closed and retired since: nobody does that above the start of replay.
            known[number] = attrs.evolve(segment, end=pinned.replay_from)
    log = sorted(
        (s for s in known.values() if s.first < VALUES_FIRST),
        key=lambda segment: (segment.first, segment.number),
    )
    pointed = dict.fromkeys(n for table in pinned.tables for n in table.segments)
    start = pinned.replay_from
    replayed = clipped(log, start, address) if start < address else ()
    numbers = dict.fromkeys(segment.number for segment in replayed)
    older = (s for s in log if s.number in pointed and s.number not in numbers)
    values = (
        s for s in known.values() if s.first >= VALUES_FIRST and s.number in pointed
    )
    return (
        *_by_address((*clipped(older, 0, address), *replayed)),
        *_by_address(values),
    )


def _by_address(segments: Iterable[SegmentMeta]) -> list[SegmentMeta]:
    return sorted(segments, key=lambda segment: (segment.first, segment.number))


def with_levels(
    meta: CheckpointMeta, pinned: Version, current: Version, base: bytes
) -> CheckpointMeta:
    """Add the tables of the pinned version, as a difference if there is a base."""
    if not base:
        return attrs.evolve(meta, levels=pinned.levels)
    before = levels_of(current.checkpoints, base)
    removed, added = difference(before, pinned.levels)
    return attrs.evolve(meta, base=base, removed=removed, added=added)

"""The shape of a store at one moment: an immutable value that edits turn into the next.

Level 0 holds flushed tables, newest first; the tables of every other level are disjoint and
sorted by key. Segments ascend by address.

Invariants (predicates in `invariants`, checked on every edit, live and in replay)
- Counters never go back: life, number ceiling, start of replay. They are part of the snapshot.
- A number at or above the ceiling is nobody's: neither a table nor a segment has it.
- A segment is dropped only when replay starts behind its end.
"""

from typing import ClassVar, Self

import attrs

from journal import InvalidEditError
from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version.edit import PlacedTable, SegmentEnd, VersionEdit
from tempest.version.invariants import level_problems, segment_problems

LEVELS = 7
LIFE_SEQUENCES = 1 << 40
LIFE_MAX = (1 << 22) - 1


@attrs.frozen(kw_only=True)
class Version:
    """Everything the manifest knows. It is its own snapshot."""

    edit_type: ClassVar[type[VersionEdit]] = VersionEdit
    snapshot_type: ClassVar[type["Version"]]

    life: int = 0
    number_ceiling: int = 1
    replay_from: int = 0
    levels: tuple[tuple[TableMeta, ...], ...] = ((),) * LEVELS
    segments: tuple[SegmentMeta, ...] = ()

    @classmethod
    def initial(cls) -> Self:
        return cls()

    @classmethod
    def from_snapshot(cls, snapshot: "Version") -> "Version":
        """Return the snapshot itself, once it was found to hold together."""
        if len(snapshot.levels) != LEVELS:
            raise InvalidEditError(f"{len(snapshot.levels)} levels instead of {LEVELS}")
        return _checked(snapshot)

    def snapshot(self) -> "Version":
        return self

    def apply(self, edit: VersionEdit) -> "Version":
        """Return the version after the edit, or raise `InvalidEditError`."""
        return _checked(
            attrs.evolve(
                self,
                life=_raised("life", self.life, edit.life),
                number_ceiling=_raised(
                    "number ceiling", self.number_ceiling, edit.number_ceiling
                ),
                replay_from=_raised(
                    "start of replay", self.replay_from, edit.replay_from
                ),
                levels=_edit_levels(self.levels, edit.removed, edit.added),
                segments=_edit_segments(self, edit),
            )
        )

    @property
    def tables(self) -> tuple[TableMeta, ...]:
        return tuple(table for level in self.levels for table in level)

    @property
    def numbers(self) -> list[int]:
        """The numbers of all files: tables, then segments."""
        tables = [table.number for table in self.tables]
        return tables + [segment.number for segment in self.segments]

    @property
    def first_sequence(self) -> int:
        """The first sequence of this life: no other life ever issues it."""
        return self.life * LIFE_SEQUENCES

    @property
    def sequence_max(self) -> int:
        """The newest sequence in any table."""
        return max((table.sequence_max for table in self.tables), default=0)

    def retired_segments(self, replay_from: int) -> tuple[int, ...]:
        """Numbers of the closed segments that a replay from `replay_from` does not read."""
        return tuple(
            segment.number
            for segment in self.segments
            if segment.end is not None and segment.end <= replay_from
        )

    @property
    def log_end(self) -> int:
        """The address above every one that was ever given out."""
        if not self.segments:
            return self.replay_from
        last = self.segments[-1]
        return last.limit if last.end is None else last.end


Version.snapshot_type = Version


def _raised(name: str, old: int, new: int | None) -> int:
    if new is None:
        return old
    if new < old:
        raise InvalidEditError(f"the {name} would go back from {old} to {new}")
    return new


def _edit_levels(
    levels: tuple[tuple[TableMeta, ...], ...],
    removed: tuple[int, ...],
    added: tuple[PlacedTable, ...],
) -> tuple[tuple[TableMeta, ...], ...]:
    if not removed and not added:
        return levels
    present = {table.number for level in levels for table in level}
    missing = [number for number in removed if number not in present]
    if missing:
        raise InvalidEditError(f"tables {missing} are to go and are not there")
    edited = [
        [table for table in level if table.number not in removed] for level in levels
    ]
    for placed in added:
        if not 0 <= placed.level < LEVELS:
            raise InvalidEditError(f"there is no level {placed.level}")
        edited[placed.level].append(placed.table)
    edited[0].sort(key=lambda table: -table.sequence_max)
    for tables in edited[1:]:
        tables.sort(key=lambda table: table.smallest)
    return tuple(map(tuple, edited))


def _edit_segments(version: Version, edit: VersionEdit) -> tuple[SegmentMeta, ...]:
    kept = {segment.number: segment for segment in version.segments}
    replay_from = max(version.replay_from, edit.replay_from or 0)
    for closed in edit.segments_closed:
        kept[closed.number] = _close(kept.get(closed.number), closed)
    for number in edit.segments_removed:
        segment = kept.pop(number, None)
        if segment is None:
            raise InvalidEditError(f"segment {number} is to go and is not there")
        if segment.end is None or segment.end > max(replay_from, segment.first):
            raise InvalidEditError(f"segment {number} is still needed for replay")
    for segment in edit.segments_added:
        if segment.number in kept:
            raise InvalidEditError(f"segment {segment.number} is there already")
        kept[segment.number] = segment
    return tuple(kept.values())


def _close(segment: SegmentMeta | None, closed: SegmentEnd) -> SegmentMeta:
    if segment is None or segment.end is not None:
        raise InvalidEditError(
            f"segment {closed.number} is not open and cannot be closed"
        )
    return attrs.evolve(segment, end=closed.end)


def _checked(version: Version) -> Version:
    """Return the version if every invariant holds of it."""
    problems = [*level_problems(version.levels), *segment_problems(version.segments)]
    numbers = version.numbers
    if numbers and max(numbers) >= version.number_ceiling:
        problems.append(f"number {max(numbers)} was never reserved")
    if len(numbers) > len(dict.fromkeys(numbers)):
        problems.append("a table and a segment share a number")
    if version.life > LIFE_MAX:
        problems.append(f"life {version.life} is above {LIFE_MAX}")
    if problems:
        raise InvalidEditError("; ".join(problems))
    return version

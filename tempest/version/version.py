"""The shape of a store at one moment: an immutable value that edits turn into the next.

Level 0 holds flushed tables, newest first; the tables of every other level are disjoint and
sorted by key. Segments ascend by address.

Invariants (predicates in `invariants`, checked on every edit, live and in replay)
- Counters never go back: life, number ceiling, start of replay. They are part of the snapshot.
- A number at or above the ceiling is nobody's: neither a table nor a segment has it.
- A log segment is dropped only when replay starts behind its end, and no segment while a table
  of this version points into it. What checkpoints need they name themselves.
- `begin` never goes back: from there on the log of this timeline is complete.
"""

from collections.abc import Container, Iterable
from typing import ClassVar, Self, TypedDict

import attrs

from journal import InvalidEditError, later
from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version.checkpoints import (
    CheckpointKind,
    CheckpointMeta,
    apply_difference,
    levels_of,
)
from tempest.version.edit import VersionEdit
from tempest.version.invariants import (
    checkpoint_problems,
    level_problems,
    pointer_problems,
    segment_problems,
)
from tempest.version.parts import Consumer, Fork, PlacedTable, SegmentEnd, SessionMark

LEVELS = 7
VALUES_FIRST = 1 << 62  # addresses from here on belong to value segments
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
    begin: int = later(0)
    value_ceiling: int = later(VALUES_FIRST)
    value_segments: tuple[SegmentMeta, ...] = later(())
    sessions: tuple[SessionMark, ...] = later(())
    checkpoints: tuple[CheckpointMeta, ...] = later(())
    consumers: tuple[Consumer, ...] = later(())
    forks: tuple[Fork, ...] = later(())

    @classmethod
    def initial(cls) -> Self:
        return cls()

    @classmethod
    def from_snapshot(cls, snapshot: "Version") -> "Version":
        """Return the snapshot itself, once it was found to hold together."""
        if len(snapshot.levels) != LEVELS:
            raise InvalidEditError(f"{len(snapshot.levels)} levels instead of {LEVELS}")
        _refuse(checkpoint_problems(snapshot.checkpoints))
        return _checked(snapshot)

    def snapshot(self) -> "Version":
        return self

    def apply(self, edit: VersionEdit) -> "Version":
        """Return the version after the edit, or raise `InvalidEditError`."""
        start = self if edit.restored is None else _restored(self, edit)
        segments = _edit_segments(start, edit)
        kept = dict.fromkeys(segment.number for segment in segments)
        gone = [segment for segment in self.segments if segment.number not in kept]
        after = attrs.evolve(
            start,
            life=_raised("life", self.life, edit.life),
            number_ceiling=_raised(
                "number ceiling", self.number_ceiling, edit.number_ceiling
            ),
            replay_from=_raised("start of replay", self.replay_from, edit.replay_from),
            levels=_edit_levels(start.levels, edit.removed, edit.added),
            segments=segments,
            begin=max([start.begin, *(segment.end or 0 for segment in gone)]),
            value_ceiling=_raised(
                "value ceiling", self.value_ceiling, edit.value_ceiling
            ),
            value_segments=_edit_value_segments(start, edit),
            **_edit_names(start, edit),
        )
        if edit.checkpoints or edit.checkpoints_removed:
            _refuse(checkpoint_problems(after.checkpoints, self.checkpoints))
        return _checked(after, self)

    @property
    def tables(self) -> tuple[TableMeta, ...]:
        return tuple(table for level in self.levels for table in level)

    @property
    def all_segments(self) -> tuple[SegmentMeta, ...]:
        """Log segments, then value segments: by address."""
        return self.segments + self.value_segments

    @property
    def pointed_segments(self) -> tuple[SegmentMeta, ...]:
        """The segments that tables point into: by address."""
        pointed = dict.fromkeys(n for table in self.tables for n in table.segments)
        return tuple(s for s in self.all_segments if s.number in pointed)

    @property
    def own_numbers(self) -> list[int]:
        """The numbers of the files of the present state: tables, then segments."""
        tables = [table.number for table in self.tables]
        return tables + [segment.number for segment in self.all_segments]

    @property
    def numbers(self) -> list[int]:
        """The numbers of all files, those that only checkpoints need among them."""
        kept = [number for meta in self.checkpoints for number in meta.numbers]
        return list(dict.fromkeys(self.own_numbers + kept))

    @property
    def timeline(self) -> int:
        """How often a checkpoint was restored: positions of other timelines mean nothing here."""
        return len(self.forks)

    def is_abandoned(self, checkpoint: CheckpointMeta) -> bool:
        """Whether the state went on from an older checkpoint since this one was taken."""
        timeline, until = self.timeline, checkpoint.address
        while checkpoint.timeline < timeline:
            fork = self.forks[timeline - 1]
            timeline, until = fork.parent, fork.address
        return checkpoint.timeline != timeline or checkpoint.address > until

    def checkpoint(self, token: bytes) -> CheckpointMeta | None:
        """Return the checkpoint with this token."""
        return next((c for c in self.checkpoints if c.token == token), None)

    @property
    def index_checkpoint(self) -> CheckpointMeta | None:
        """The newest checkpoint that moved the start of replay to where it is, or nearly so."""
        indexed = (
            meta
            for meta in reversed(self.checkpoints)
            if meta.kind is not CheckpointKind.LOG
            and meta.address <= self.replay_from
            and not self.is_abandoned(meta)
        )
        return next(indexed, None)

    def at_checkpoint(self, checkpoint: CheckpointMeta) -> "Version":
        """Return the version to read a checkpoint by: its tables, its log, its sessions."""
        return attrs.evolve(
            self,
            replay_from=checkpoint.replay_from,
            levels=levels_of(self.checkpoints, checkpoint.token),
            segments=tuple(s for s in checkpoint.segments if s.first < VALUES_FIRST),
            value_segments=tuple(
                s for s in checkpoint.segments if s.first >= VALUES_FIRST
            ),
            sessions=checkpoint.sessions,
        )

    @property
    def first_sequence(self) -> int:
        """The first sequence of this life: no other life ever issues it."""
        return self.life * LIFE_SEQUENCES

    @property
    def sequence_max(self) -> int:
        """The newest sequence in any table."""
        return max((table.sequence_max for table in self.tables), default=0)

    def retired_segments(
        self,
        replay_from: int,
        *,
        removed: Container[int] = (),
        added: Iterable[TableMeta] = (),
        floor: int | None = None,
    ) -> tuple[int, ...]:
        """Return the numbers of closed segments that nothing needs any more.

        That is: not a replay from `replay_from`, no table of this version but those about to be
        `removed` (their numbers), none about to be `added`, and nobody who reads the log from
        address `floor` on.
        """
        lowest = replay_from if floor is None else min(replay_from, floor)
        kept = (table for table in self.tables if table.number not in removed)
        tables = (*kept, *added)
        pointed = {number for table in tables for number in table.segments}
        return tuple(
            segment.number
            for segment in self.all_segments
            if segment.end is not None
            and (segment.end <= lowest or segment.first >= VALUES_FIRST)
            and segment.number not in pointed
        )

    @property
    def log_end(self) -> int:
        """The address above every one that was ever given out."""
        if not self.segments:
            return self.replay_from
        last = self.segments[-1]
        return max(self.replay_from, last.limit if last.end is None else last.end)


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
    absent = dict.fromkeys(removed)
    if absent:
        for level in levels:
            for table in level:
                absent.pop(table.number, None)
    missing = list(absent)
    if missing:
        raise InvalidEditError(f"tables {missing} are to go and are not there")
    for placed in added:
        if not 0 <= placed.level < LEVELS:
            raise InvalidEditError(f"there is no level {placed.level}")
    return apply_difference(levels, removed, added)


def _edit_segments(version: Version, edit: VersionEdit) -> tuple[SegmentMeta, ...]:
    kept = {segment.number: segment for segment in version.segments}
    replay_from = max(version.replay_from, edit.replay_from or 0)
    for closed in edit.segments_closed:
        kept[closed.number] = _close(kept.get(closed.number), closed)
    values = {segment.number for segment in version.value_segments}
    for number in edit.segments_removed:
        if number in values:
            continue
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


def _edit_value_segments(
    version: Version, edit: VersionEdit
) -> tuple[SegmentMeta, ...]:
    gone = dict.fromkeys(edit.segments_removed)
    kept = [s for s in version.value_segments if s.number not in gone]
    kept += edit.value_segments_added
    ceiling = max(version.value_ceiling, edit.value_ceiling or 0)
    for segment in edit.value_segments_added:
        if segment.first < VALUES_FIRST or segment.limit > ceiling:
            raise InvalidEditError(f"segment {segment.number} lies at no value address")
    return tuple(sorted(kept, key=lambda segment: segment.first))


class _Names(TypedDict):
    sessions: tuple[SessionMark, ...]
    checkpoints: tuple[CheckpointMeta, ...]
    consumers: tuple[Consumer, ...]


def _edit_names(version: Version, edit: VersionEdit) -> _Names:
    """Return what has a name: without what goes, with what comes or is replaced."""
    sessions = {mark.name: mark for mark in version.sessions}
    checkpoints = {meta.token: meta for meta in version.checkpoints}
    consumers = {consumer.name: consumer for consumer in version.consumers}
    for kind, known, gone in (
        ("session", sessions, edit.sessions_removed),
        ("checkpoint", checkpoints, edit.checkpoints_removed),
        ("consumer", consumers, edit.consumers_removed),
    ):
        for name in gone:
            if name not in known:
                raise InvalidEditError(f"{kind} {name!r} is to go and is not there")
            del known[name]
    sessions |= {mark.name: mark for mark in edit.sessions}
    checkpoints |= {meta.token: meta for meta in edit.checkpoints}
    consumers |= {consumer.name: consumer for consumer in edit.consumers}
    return _Names(
        sessions=tuple(sessions[name] for name in sorted(sessions)),
        checkpoints=tuple(sorted(checkpoints.values(), key=lambda meta: meta.number)),
        consumers=tuple(consumers[name] for name in sorted(consumers)),
    )


def _restored(version: Version, edit: VersionEdit) -> Version:
    """Return the state of a checkpoint as the beginning of a new timeline."""
    checkpoint = version.checkpoint(edit.restored or b"")
    if checkpoint is None or not checkpoint.is_recovery_point:
        raise InvalidEditError(f"there is no checkpoint {edit.restored!r} to restore")
    first = edit.replay_from
    if first is None or first < version.log_end:
        raise InvalidEditError("a new timeline begins above every address of the old")
    fork = Fork(checkpoint.timeline, checkpoint.address, first)
    return attrs.evolve(
        version.at_checkpoint(checkpoint), begin=first, forks=(*version.forks, fork)
    )


def _close(segment: SegmentMeta | None, closed: SegmentEnd) -> SegmentMeta:
    if segment is None or segment.end is not None:
        raise InvalidEditError(
            f"segment {closed.number} is not open and cannot be closed"
        )
    return attrs.evolve(segment, end=closed.end)


def _checked(version: Version, before: Version | None = None) -> Version:
    """Return the version if every invariant holds of its present state, as of `before`."""
    right = () if before is None else before.levels
    segments = version.all_segments
    kept = dict.fromkeys(segment.number for segment in segments)
    is_gone = before and any(s.number not in kept for s in before.all_segments)
    problems = [
        *level_problems(version.levels, right),
        *segment_problems(version.segments),
        *segment_problems(version.value_segments),
        *pointer_problems(version.levels, segments, () if is_gone else right),
    ]
    numbers = version.own_numbers
    if numbers and max(numbers) >= version.number_ceiling:
        problems.append(f"number {max(numbers)} was never reserved")
    if len(numbers) > len(dict.fromkeys(numbers)):
        problems.append("a table and a segment share a number")
    if version.life > LIFE_MAX:
        problems.append(f"life {version.life} is above {LIFE_MAX}")
    _refuse(problems)
    return version


def _refuse(problems: Iterable[str]) -> None:
    detail = "; ".join(problems)
    if detail:
        raise InvalidEditError(detail)

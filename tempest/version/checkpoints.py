"""What the manifest knows of a checkpoint: a named recovery point, in one record.

A checkpoint names the tables of one moment and the stretch of log behind them, and with that
everything its entries need: it can be read when the store has long gone on. One edit makes it
and one edit drops it; there are no side files.

    LOG           the tables there are, and the log from the start of replay up to the cut
    INDEX         no recovery point: it says up to where the log had become tables
    FULL          both at one cut
    INCREMENTAL   a FULL that is stored as the difference to the tables of its base

Invariants
- Every file that a checkpoint needs is named in it, segments with their bounds: `numbers`.
- Its segments end at the cut, so nothing that was written later is ever read with it.
- Wall times and durations are both microseconds and are named for what they are.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum

import attrs

from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version.parts import PlacedTable, SessionMark

Levels = tuple[tuple[TableMeta, ...], ...]


class CheckpointKind(IntEnum):
    """What a checkpoint takes down; the module docstring says what each is."""

    FULL = 0
    INDEX = 1
    LOG = 2
    INCREMENTAL = 3


class CheckpointStyle(IntEnum):
    """How a checkpoint keeps what was not in tables at its cut.

    `FOLD_OVER` pins the log up to the cut; `SNAPSHOT` flushes it into tables and pins no log
    that has to be replayed.
    """

    FOLD_OVER = 0
    SNAPSHOT = 1


@attrs.frozen(kw_only=True)
class CheckpointMeta:
    """One checkpoint. `sequence` is the newest and `address` the end of what is in it.

    `replay_from` is where the stretch of log begins that belongs to it: at `address` if its
    tables hold everything. `levels` are empty for an INDEX; those of an INCREMENTAL are the
    levels of `base` without `removed` and with `added`.
    """

    token: bytes
    number: int
    kind: CheckpointKind
    style: CheckpointStyle
    automatic: bool
    cookie: bytes
    timeline: int
    sequence: int
    address: int
    replay_from: int
    started_wall_us: int
    committed_wall_us: int
    duration_us: int
    sessions: tuple[SessionMark, ...] = ()
    segments: tuple[SegmentMeta, ...] = ()
    levels: Levels = ()
    base: bytes = b""
    removed: tuple[int, ...] = ()
    added: tuple[PlacedTable, ...] = ()

    @property
    def is_recovery_point(self) -> bool:
        """Whether the store can be read, and restored, as it was."""
        return self.kind is not CheckpointKind.INDEX

    @property
    def numbers(self) -> list[int]:
        """The numbers of the files that this record itself names."""
        tables = [table.number for level in self.levels for table in level]
        tables += [placed.table.number for placed in self.added]
        return tables + [segment.number for segment in self.segments]


def checkpoint_token(number: int) -> bytes:
    """Return the token of the checkpoint with this number. Numbers are never used twice."""
    return b"checkpoint-%012d" % number


def levels_of(checkpoints: Sequence[CheckpointMeta], token: bytes) -> Levels:
    """Return the levels of a checkpoint, through the chain of its bases; `KeyError` names a gap."""
    by_token = {meta.token: meta for meta in checkpoints}
    chain = [by_token[token]]
    while chain[-1].base:
        if len(chain) > len(by_token):
            raise KeyError(token)
        chain.append(by_token[chain[-1].base])
    levels = chain.pop().levels
    for meta in reversed(chain):
        levels = apply_difference(levels, meta.removed, meta.added)
    return levels


def difference(
    base: Levels, levels: Levels
) -> tuple[tuple[int, ...], tuple[PlacedTable, ...]]:
    """Return what `apply_difference` needs to make `levels` of `base`."""
    old = dict.fromkeys((at, t.number) for at, level in enumerate(base) for t in level)
    new = dict.fromkeys(
        (at, t.number) for at, level in enumerate(levels) for t in level
    )
    removed = tuple(sorted(place[1] for place in old if place not in new))
    added = tuple(
        PlacedTable(at, table)
        for at, level in enumerate(levels)
        for table in level
        if (at, table.number) not in old
    )
    return removed, added


def apply_difference(
    levels: Levels, removed: Iterable[int], added: Iterable[PlacedTable]
) -> Levels:
    """Return the levels without some tables and with others, each level in its order.

    A level that stays as it is stays the same object.
    """
    gone = dict.fromkeys(removed)
    coming: dict[int, list[TableMeta]] = {}
    for placed in added:
        coming.setdefault(placed.level, []).append(placed.table)
    edited = list(levels)
    for at, level in enumerate(levels):
        new = coming.get(at, [])
        if new or (gone and any(table.number in gone for table in level)):
            kept = [table for table in level if table.number not in gone]
            kept += new
            kept.sort(key=_newest_first if at == 0 else _by_key)
            edited[at] = tuple(kept)
    return tuple(edited)


def _newest_first(table: TableMeta) -> int:
    return -table.sequence_max


def _by_key(table: TableMeta) -> bytes:
    return table.smallest


def clipped(
    segments: Iterable[SegmentMeta], start: int, stop: int
) -> tuple[SegmentMeta, ...]:
    """Return the segments with addresses in [start, stop), none of which goes on behind it."""
    return tuple(
        attrs.evolve(
            segment, end=stop if segment.end is None else min(segment.end, stop)
        )
        for segment in segments
        if segment.first < stop and (segment.end is None or segment.end > start)
    )

"""How much of each segment is still pointed to, and which segments are worth emptying.

Everything here is pure: a version goes in, numbers and choices come out. The bytes that are live
come from the tables' own accounts, or, for an exact estimate, from whoever counted them.

Invariants
- Only what would really go is ever chosen: closed segments that no replay, no reader of the log
  and no checkpoint needs.
- A value segment that was just written is never sparse, whatever its keys weigh.
- The same version gives the same choice.
"""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version import VALUES_FIRST, PlacedTable, Version

COPY_BYTES_MAX = 256 << 20
SEGMENTS_MAX = 64


@attrs.frozen
class SegmentLiveness:
    """One segment: the bytes of its file, and of the values in it that tables point to.

    `total_bytes` is what `live_bytes` are a share of: all values ever put into a value segment,
    all addresses of a log segment.
    """

    number: int
    bytes: int
    total_bytes: int
    live_bytes: int

    @property
    def live_share(self) -> float:
        """The share that is live, 0 to 1; an empty segment has none."""
        return self.live_bytes / self.total_bytes if self.total_bytes else 0.0

    @property
    def bytes_freed(self) -> int:
        """What emptying it gains: its file, less the values that are copied first."""
        return self.bytes - self.live_bytes


@attrs.frozen
class CollectionChoice:
    """Segments to be emptied in one step, and every table that points into them."""

    segments: tuple[SegmentMeta, ...]
    tables: tuple[PlacedTable, ...]
    bytes_to_copy: int
    bytes_freed: int

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables that are rewritten for it."""
        return sum(placed.table.size for placed in self.tables)


def live_bytes(version: Version) -> dict[int, int]:
    """Return, by segment number, the bytes of values that tables of the version point to."""
    live: dict[int, int] = {}
    for table in version.tables:
        for number, size in zip(table.segments, table.segment_bytes, strict=True):
            live[number] = live.get(number, 0) + size
    return live


@attrs.define(eq=False)
class LiveBytes:
    """What `live_bytes` says of one version after another, for the cost of what has changed."""

    _levels: tuple[tuple[TableMeta, ...], ...] = ()
    _live: dict[int, int] = attrs.field(factory=dict)

    def of(self, version: Version) -> Mapping[int, int]:
        """Return live bytes by segment number; only good until the next call."""
        before = self._levels or ((),) * len(version.levels)
        for old, new in zip(before, version.levels, strict=True):
            if old is not new:
                self._change(old, new)
        self._levels = version.levels
        return self._live

    def _change(self, old: Sequence[TableMeta], new: Sequence[TableMeta]) -> None:
        gone = {table.number: table for table in old}
        for table in new:
            known = gone.get(table.number)
            if known is table:
                del gone[table.number]
            else:
                self._count(table, 1)
        for table in gone.values():
            self._count(table, -1)

    def _count(self, table: TableMeta, times: int) -> None:
        live = self._live
        for number, size in zip(table.segments, table.segment_bytes, strict=True):
            live[number] = live.get(number, 0) + times * size
            if not live[number]:
                del live[number]


def segment_liveness(
    version: Version, live: Mapping[int, int] | None = None
) -> tuple[SegmentLiveness, ...]:
    """Return every closed segment, with the live bytes that the tables, or `live`, tell."""
    if live is None:
        live = live_bytes(version)
    return tuple(
        _liveness(segment, live.get(segment.number, 0))
        for segment in version.all_segments
        if segment.end is not None
    )


def collectable(version: Version, floor: int | None) -> Iterator[SegmentMeta]:
    """Yield the segments that only tables of this very version still need.

    `floor` is the lowest address from which somebody reads the log, if anybody does.
    """
    lowest = version.replay_from if floor is None else min(version.replay_from, floor)
    kept = dict.fromkeys(
        s.number for meta in version.checkpoints for s in meta.segments
    )
    for segment in version.all_segments:
        if segment.end is None or segment.number in kept:
            continue
        if segment.end <= lowest or segment.first >= VALUES_FIRST:
            yield segment


def sparse_segments(
    version: Version,
    live_share_max: float,
    *,
    floor: int | None = None,
    live: Mapping[int, int] | None = None,
) -> list[SegmentLiveness]:
    """Return the segments of which less than a share is live, the sparsest first.

    Those of which nothing is live are among them.
    """
    if live is None:
        live = live_bytes(version)
    found = [
        _liveness(segment, live.get(segment.number, 0))
        for segment in collectable(version, floor)
    ]
    sparse = [
        segment
        for segment in found
        if segment.live_share < live_share_max and segment.bytes_freed > 0
    ]
    return sorted(sparse, key=lambda segment: (segment.live_share, segment.number))


def choose_sparse(
    version: Version,
    live_share_max: float,
    *,
    floor: int | None = None,
    live: Mapping[int, int] | None = None,
    among: Sequence[int] | None = None,
    copy_bytes_max: int = COPY_BYTES_MAX,
) -> CollectionChoice | None:
    """Return what to collect next, `copy_bytes_max` at a time or one segment; None for nothing.

    `live` is what `live_bytes` says, where that is known already.
    `among` leaves segments with other numbers alone. What nothing points into is not chosen: it
    only has to be dropped.
    """
    chosen: list[SegmentLiveness] = []
    copied = 0
    for segment in sparse_segments(version, live_share_max, floor=floor, live=live):
        if not segment.live_bytes or (
            among is not None and segment.number not in among
        ):
            continue
        if chosen and copied + segment.live_bytes > copy_bytes_max:
            break
        chosen.append(segment)
        copied += segment.live_bytes
        if len(chosen) == SEGMENTS_MAX:
            break
    if not chosen:
        return None
    numbers = dict.fromkeys(segment.number for segment in chosen)
    return CollectionChoice(
        segments=tuple(s for s in version.all_segments if s.number in numbers),
        tables=tuple(
            PlacedTable(level, table)
            for level, tables in enumerate(version.levels)
            for table in tables
            if not numbers.keys().isdisjoint(table.segments)
        ),
        bytes_to_copy=copied,
        bytes_freed=sum(segment.bytes_freed for segment in chosen),
    )


def is_worthwhile(choice: CollectionChoice) -> bool:
    """Say whether what is freed is at least what has to be written again of tables."""
    return choice.bytes_freed >= choice.table_bytes


def _liveness(segment: SegmentMeta, live: int) -> SegmentLiveness:
    span = 0 if segment.end is None else segment.end - segment.first
    return SegmentLiveness(
        segment.number, segment.file_bytes, segment.value_bytes or span, live
    )

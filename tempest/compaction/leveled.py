"""Leveled compaction: each level below the first is one sorted run, ten times the one above it.

Level 0 is full when it has too many tables, for every one of them may have to be asked; the
others are full when they have too many bytes. The level that is fullest gives way: level 0 all
that hangs together with its oldest table, the others the table that costs least to merge into
the level below. When no level is full, a table that is mostly tombstones is moved towards what
it hides, and rewritten when it hides nothing any more. Asked to compact a range, it also rewrites
what lies at the bottom with versions that only a snapshot could see which is closed by now.

Invariants
- Whatever overlaps below is merged with, so a newer version never sinks below an older one.
- Tombstones and shadowed versions are chased only where no reader position stands in the way, and
  each such choice moves them down or ends them: choosing again and again comes to an end.
- The same levels give the same choice; nothing is remembered between two.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

import attrs

from tempest.compaction.policy import (
    Choice,
    LevelInput,
    Levels,
    Reason,
    hull,
    overlapping,
)
from tempest.options import Options
from tempest.table import TableMeta


@attrs.frozen
class Leveled:
    """The default policy. The last level has no bound."""

    level0_tables_max: int
    level_bytes_base: int
    level_growth: int

    @classmethod
    def of(cls, options: Options) -> "Leveled":
        return cls(
            options.level0_tables_max, options.level_bytes_base, options.level_growth
        )

    def score(self, levels: Levels, level: int) -> float:
        """Return how full a level is: 1.0 and above want a compaction."""
        if level == 0:
            return len(levels[0]) / self.level0_tables_max
        if level == len(levels) - 1:
            return 0.0
        bytes_max: int = self.level_bytes_base * self.level_growth ** (level - 1)
        return sum(table.size for table in levels[level]) / bytes_max

    def choose(self, levels: Levels, oldest: int) -> Choice | None:
        scores = [self.score(levels, level) for level in range(len(levels))]
        fullest = scores.index(max(scores))
        if scores[fullest] < 1.0:
            return _choose_tombstones(levels, oldest)
        if fullest == 0:
            tables = _hanging_together(levels[0], levels[0][-1:])
            return _push_down(levels, 0, tables, Reason.LEVEL0_FULL)
        table = _cheapest(levels[fullest], levels[fullest + 1])
        return _push_down(levels, fullest, (table,), Reason.LEVEL_FULL)

    def choose_range(
        self,
        levels: Levels,
        start: bytes,
        stop: bytes | None,
        *,
        written: int,
        oldest: int,
    ) -> Choice | None:
        found = [
            (level, wanted)
            for level, tables in enumerate(levels)
            if (wanted := _in_range(tables, start, stop, written))
        ]
        if not found:
            return None
        level, wanted = found[0]
        if level == 0:
            tables = _hanging_together(levels[0], wanted)
            return _push_down(levels, 0, tables, Reason.MANUAL)
        if level < found[-1][0]:
            tables = _leading(wanted, self.level_bytes_base)
            return _push_down(levels, level, tables, Reason.MANUAL)
        return _choose_rewrite(levels, level, wanted, oldest)


def _push_down(
    levels: Levels, level: int, tables: Sequence[TableMeta], reason: Reason
) -> Choice:
    """Merge these tables with what they overlap in the next level; move them if that is nothing."""
    below = overlapping(levels[level + 1], *hull(tables))
    inputs = (LevelInput(level, tuple(tables)),)
    if below:
        return Choice(reason, (*inputs, LevelInput(level + 1, below)), level + 1)
    is_move = level > 0 or len(tables) == 1
    return Choice(reason, inputs, level + 1, is_move)


def _hanging_together(
    level0: Sequence[TableMeta], tables: Sequence[TableMeta]
) -> tuple[TableMeta, ...]:
    """Return these tables of level 0 and all that overlap them, and all that overlap those."""
    found = tuple(tables)
    while True:
        wider = overlapping(level0, *hull(found))
        if len(wider) == len(found):
            return wider
        found = wider


def _cheapest(tables: Sequence[TableMeta], below: Sequence[TableMeta]) -> TableMeta:
    """Return the table with the fewest bytes below it for each of its own, then the oldest."""
    smallest = [table.smallest for table in below]
    largest = [table.largest for table in below]
    bytes_before = [0, *accumulate(table.size for table in below)]

    def cost(table: TableMeta) -> tuple[float, int]:
        low = bisect_left(largest, table.smallest)
        high = bisect_right(smallest, table.largest)
        merged = bytes_before[high] - bytes_before[low] if low < high else 0
        return merged / table.size, table.number

    return min(tables, key=cost)


def _choose_tombstones(levels: Levels, oldest: int) -> Choice | None:
    """Choose the first table that is mostly tombstones all of which can go."""
    for level, tables in enumerate(levels):
        for table in tables:
            dense = table.tombstones * 2 >= table.entries
            if level == 0 or not dense or table.sequence_max > oldest:
                continue
            if _hides_something(levels, level, table):
                return _push_down(levels, level, (table,), Reason.TOMBSTONES)
            return _rewrite(level, table, Reason.TOMBSTONES)
    return None


def _choose_rewrite(
    levels: Levels, level: int, tables: Sequence[TableMeta], oldest: int
) -> Choice | None:
    """Choose the first table with entries that nobody can see and that hide nothing."""
    for table in tables:
        if table.sequence_max > oldest:
            continue
        if table.shadowed or (
            table.tombstones and not _hides_something(levels, level, table)
        ):
            return _rewrite(level, table, Reason.MANUAL)
    return None


def _rewrite(level: int, table: TableMeta, reason: Reason) -> Choice:
    return Choice(reason, (LevelInput(level, (table,)),), level)


def _hides_something(levels: Levels, level: int, table: TableMeta) -> bool:
    return any(
        overlapping(tables, table.smallest, table.largest)
        for tables in levels[level + 1 :]
    )


def _in_range(
    tables: Sequence[TableMeta], start: bytes, stop: bytes | None, written: int
) -> tuple[TableMeta, ...]:
    return tuple(
        table
        for table in tables
        if start <= table.largest
        and (stop is None or table.smallest < stop)
        and table.sequence_min <= written
    )


def _leading(tables: Sequence[TableMeta], bytes_max: int) -> tuple[TableMeta, ...]:
    """Return the first tables that have together at most `bytes_max`, or just the first."""
    ends = list(accumulate(table.size for table in tables))
    return tuple(tables[: max(1, bisect_right(ends, bytes_max))])

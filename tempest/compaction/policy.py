"""What a compaction policy is asked and what it answers. Policies are pure.

A policy sees the levels of a version (level 0 newest first, the others disjoint and sorted by
key) and answers with a `Choice`: which tables to merge, and into which level. `older_keys` then
says for which keys something older may lie outside of the choice.

Invariants (`choice_problems` checks them; a job is not made of a choice that breaks one)
- Between the inputs and the output level nothing is left behind that a newer version could sink
  below: all tables of the output level, and of every level between, that overlap the inputs are
  inputs, and so are the older tables of level 0 that overlap an input from level 0.
- So the outputs overlap no other table of their level.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol

import attrs

from tempest.iterator import KeyRanges
from tempest.table import TableMeta

Levels = Sequence[Sequence[TableMeta]]


class Reason(Enum):
    """Why a compaction was chosen."""

    LEVEL0_FULL = "level0-full"
    LEVEL_FULL = "level-full"
    TOMBSTONES = "tombstones"
    STALE_POINTERS = "stale-pointers"
    COLLECTION = "collection"
    MANUAL = "manual"


@attrs.frozen
class LevelInput:
    """The tables that a compaction takes from one level, in the order of the level."""

    level: int
    tables: tuple[TableMeta, ...]


@attrs.frozen
class Choice:
    """One compaction: merge `inputs` into `output_level`.

    With `is_move` nothing needs merging: the tables just change their level, in one edit.
    """

    reason: Reason
    inputs: tuple[LevelInput, ...]
    output_level: int
    is_move: bool = False

    @property
    def tables(self) -> tuple[TableMeta, ...]:
        return tuple(table for taken in self.inputs for table in taken.tables)

    @property
    def bytes_in(self) -> int:
        return sum(table.size for table in self.tables)


class Policy(Protocol):
    """How a store is kept in shape. `oldest` is the oldest sequence that anybody reads at."""

    def choose(self, levels: Levels, oldest: int) -> Choice | None:
        """Return the most useful compaction, or None if all is well."""
        ...

    def choose_range(
        self,
        levels: Levels,
        start: bytes,
        stop: bytes | None,
        *,
        written: int,
        oldest: int,
    ) -> Choice | None:
        """Return the next step of compacting [start, stop), or None when nothing is left to do.

        What was written above sequence `written` is left alone, so that writers cannot make
        this go on for ever.
        """
        ...


def hull(tables: Sequence[TableMeta]) -> tuple[bytes, bytes]:
    """Return the smallest and the largest key of these tables (at least one)."""
    return (
        min(table.smallest for table in tables),
        max(table.largest for table in tables),
    )


def overlapping(
    tables: Sequence[TableMeta], smallest: bytes, largest: bytes
) -> tuple[TableMeta, ...]:
    """Return the tables that may hold a key of the closed range."""
    return tuple(table for table in tables if table.overlaps(smallest, largest))


def older_keys(levels: Levels, choice: Choice) -> KeyRanges:
    """Return the keys of which a table that is no input may hold something older."""
    taken = {table.number for table in choice.tables}
    top = min(part.level for part in choice.inputs)
    bounds = hull(choice.tables)
    return KeyRanges.union(
        (table.smallest, table.largest)
        for tables in levels[top:]
        for table in overlapping(tables, *bounds)
        if table.number not in taken
    )


def covered_keys(levels: Levels) -> KeyRanges:
    """Return the keys of which any table may hold something."""
    return KeyRanges.union(
        (table.smallest, table.largest) for tables in levels for table in tables
    )


def choice_problems(levels: Levels, choice: Choice) -> Iterator[str]:
    """Yield what is wrong with a choice; the module docstring says why."""
    taken = {table.number for table in choice.tables}
    for part in choice.inputs:
        if part.level > choice.output_level:
            yield f"level {part.level} would go up to level {choice.output_level}"
        present = {table.number for table in levels[part.level]}
        for table in part.tables:
            if table.number not in present:
                yield f"table {table.number} is not in level {part.level}"
            blockers = _in_the_way(levels, part.level, table, choice.output_level)
            left = {other.number for other in blockers} - taken
            if left:
                yield f"table {table.number} would sink below tables {sorted(left)}"
    # An output may span what lies between two inputs, so nothing may be left over there.
    spanned = overlapping(levels[choice.output_level], *hull(choice.tables))
    left = {table.number for table in spanned} - taken
    if left:
        yield f"outputs may overlap tables {sorted(left)}"


def _in_the_way(
    levels: Levels, level: int, table: TableMeta, output_level: int
) -> Iterator[TableMeta]:
    """Yield the tables that may hold older keys of `table` on its way to the output level."""
    bounds = table.smallest, table.largest
    if level == 0:
        for other in overlapping(levels[0], *bounds):
            if other.sequence_max < table.sequence_min:
                yield other
    for tables in levels[level + 1 : output_level + 1]:
        yield from overlapping(tables, *bounds)

"""What holds of every version, as predicates that name what is wrong.

They are checked when an edit is applied, before it is written and again when it is replayed, so
a store cannot write a manifest that it would refuse to open.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version.checkpoints import CheckpointMeta, Levels, levels_of


def level_problems(levels: Levels, right: Levels = ()) -> Iterator[str]:
    """Yield what is wrong with the order of tables within their levels.

    Of levels that are the very objects that stand in `right`, which was found to be in order,
    only the numbers are compared with those of other levels.
    """
    yield from _number_problems(levels)
    for level, tables in enumerate(levels):
        if level < len(right) and tables is right[level]:
            continue
        for table in tables:
            if (
                table.smallest > table.largest
                or table.sequence_min > table.sequence_max
            ):
                yield f"table {table.number} ends before it begins"
        yield from _order_problems(level, tables)


def _number_problems(levels: Levels) -> Iterator[str]:
    numbers = [table.number for tables in levels for table in tables]
    if len(dict.fromkeys(numbers)) == len(numbers):
        return
    seen: dict[int, int] = {}
    for level, tables in enumerate(levels):
        for table in tables:
            if table.number in seen:
                yield f"table {table.number} stands in levels {seen[table.number]} and {level}"
            seen[table.number] = level


def _order_problems(level: int, tables: Sequence[TableMeta]) -> Iterator[str]:
    for one, next_one in pairwise(tables):
        if level == 0 and one.sequence_min <= next_one.sequence_max:
            yield (
                f"tables {one.number} and {next_one.number} of level 0 are not newest first"
            )
        if level > 0 and one.largest >= next_one.smallest:
            yield f"tables {one.number} and {next_one.number} of level {level} overlap"


def pointer_problems(
    levels: Levels, segments: Iterable[SegmentMeta], right: Levels = ()
) -> Iterator[str]:
    """Yield which tables point into a segment that is not there.

    Levels that are the very objects that stand in `right` are not looked at.
    """
    known = {segment.number for segment in segments}
    for level, tables in enumerate(levels):
        if level < len(right) and tables is right[level]:
            continue
        for table in tables:
            if len(table.segments) != len(table.segment_bytes):
                yield f"table {table.number} does not say how much it points to"
            if not known.issuperset(table.segments):
                lost = [number for number in table.segments if number not in known]
                yield f"table {table.number} points into segments {lost}, which are gone"


def checkpoint_problems(
    checkpoints: Sequence[CheckpointMeta], right: Iterable[CheckpointMeta] = ()
) -> Iterator[str]:
    """Yield what is wrong with a checkpoint by itself: its chain, its tables, what they need.

    Those without a base that are the very objects in `right` were found right before, and are
    not looked at.
    """
    known = {meta.token: meta for meta in right if not meta.base}
    tokens = [meta.token for meta in checkpoints]
    if len(tokens) > len(dict.fromkeys(tokens)):
        yield "two checkpoints have one token"
    for meta in checkpoints:
        name = meta.token.decode(errors="replace")
        if not meta.is_recovery_point or known.get(meta.token) is meta:
            continue
        try:
            levels = levels_of(checkpoints, meta.token)
        except KeyError:
            yield f"{name} has no base"
            continue
        problems = [
            *level_problems(levels),
            *pointer_problems(levels, meta.segments),
            *segment_problems(meta.segments),
        ]
        yield from (f"{name}: {problem}" for problem in problems)


def segment_problems(segments: Sequence[SegmentMeta]) -> Iterator[str]:
    """Yield what is wrong with the log's segments: they ascend, and only the last is open."""
    for segment in segments:
        end = segment.limit if segment.end is None else segment.end
        if not segment.first <= end <= segment.limit:
            yield f"segment {segment.number} ends outside its bounds"
    for one, next_one in pairwise(segments):
        if one.end is None:
            yield f"segment {one.number} is open and has a successor"
        elif one.end > next_one.first:
            yield f"segments {one.number} and {next_one.number} overlap"

"""What holds of every version, as predicates that name what is wrong.

They are checked when an edit is applied, before it is written and again when it is replayed, so
a store cannot write a manifest that it would refuse to open.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tempest.log import SegmentMeta
from tempest.table import TableMeta


def level_problems(levels: Sequence[Sequence[TableMeta]]) -> Iterator[str]:
    """Yield what is wrong with the order of tables within their levels."""
    seen: dict[int, int] = {}
    for level, tables in enumerate(levels):
        for table in tables:
            if table.number in seen:
                yield f"table {table.number} stands in levels {seen[table.number]} and {level}"
            seen[table.number] = level
            if (
                table.smallest > table.largest
                or table.sequence_min > table.sequence_max
            ):
                yield f"table {table.number} ends before it begins"
        yield from _order_problems(level, tables)


def _order_problems(level: int, tables: Sequence[TableMeta]) -> Iterator[str]:
    for one, next_one in pairwise(tables):
        if level == 0 and one.sequence_min <= next_one.sequence_max:
            yield (
                f"tables {one.number} and {next_one.number} of level 0 are not newest first"
            )
        if level > 0 and one.largest >= next_one.smallest:
            yield f"tables {one.number} and {next_one.number} of level {level} overlap"


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

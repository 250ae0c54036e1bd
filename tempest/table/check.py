"""Read every byte of a table and say whether all of it agrees.

Opening a table verifies its header, footer, filter, index and properties; this goes on to every
data block, and to what the parts say of each other.
"""

from collections import Counter

from tempest.columns import Columns, Kind
from tempest.errors import CorruptionError
from tempest.table.block import is_sorted, segment_bytes, shadowed_in
from tempest.table.reader import Table


async def check_table(table: Table) -> None:
    """Raise `CorruptionError` unless blocks, filter, index and manifest agree."""
    entries = tombstones = shadowed = 0
    pointed: Counter[int] = Counter()
    sequence_min, sequence_max = 2**64, 0
    floor: bytes | None = None
    for index in range(table.block_count):
        columns = await table.block(index)
        if problem := _problem(table, columns, floor):
            raise CorruptionError(table.path, table.block_offset(index), problem)
        floor = columns.keys[-1]
        entries += len(columns)
        tombstones += columns.kinds.count(Kind.DELETE)
        shadowed += shadowed_in(columns.keys)
        pointed.update(segment_bytes(columns))
        sequence_min = min(sequence_min, columns.sequence_min())
        sequence_max = max(sequence_max, columns.sequence_max())
    meta = table.meta
    found = (entries, tombstones, shadowed, sequence_min, sequence_max)
    expected = (
        meta.entries,
        meta.tombstones,
        meta.shadowed,
        meta.sequence_min,
        meta.sequence_max,
    )
    if found != expected:
        raise CorruptionError(
            table.path,
            0,
            "entries, tombstones, shadowed, least and greatest sequence:"
            f" expected {expected}, found {found}",
        )
    said = dict(zip(meta.segments, meta.segment_bytes, strict=True))
    if said != pointed:
        detail = f"bytes pointed to by segment: expected {said}, found {dict(pointed)}"
        raise CorruptionError(table.path, 0, detail)


def _problem(table: Table, columns: Columns, floor: bytes | None) -> str:
    """Return what is wrong with a block that verified, or nothing."""
    keys = columns.keys
    if not is_sorted(keys, columns.sequences()):
        return "the entries of the block are not in order"
    if floor is not None and keys[0] <= floor:
        return "the block begins before the end of the one before it"
    if not all(map(table.may_contain, keys)):
        return "the filter denies a key of the block"
    return ""

"""What a store can say of itself: immutable records of plain numbers.

Bytes are bytes, counts are since the store was opened unless they describe its present shape.
"""

import attrs

from tempest.engine import Engine, Reading
from tempest.log import SegmentMeta
from tempest.maintenance import Counters
from tempest.recovery import RecoveryReport
from tempest.table import TableMeta


@attrs.frozen
class LevelStatistics:
    """The tables of one level."""

    level: int
    tables: int
    bytes: int
    entries: int
    tombstones: int


@attrs.frozen(kw_only=True)
class Statistics:
    """A picture of the store at one moment."""

    levels: tuple[LevelStatistics, ...]
    memtable_bytes: int
    memtable_entries: int
    memtables_waiting: int
    log_bytes: int
    log_segments: int
    log_tail: int
    log_durable: int
    log_replay_from: int
    log_bytes_written: int
    log_syncs: int
    sequence_last: int
    sequence_visible: int
    snapshots: int
    life: int
    flushes: int
    flush_bytes: int
    compactions: int
    moves: int
    compaction_bytes_in: int
    compaction_bytes_out: int
    files_removed: int
    block_cache_bytes: int
    block_cache_hits: int
    block_cache_misses: int
    table_cache_bytes: int
    tables_open: int
    pressure: float
    stalls: int
    delayed_seconds: float
    failures: int
    recovery: RecoveryReport


def describe(reading: Reading, engine: Engine | None) -> Statistics:
    """Gather the picture from the parts; a read-only store has no log and no maintenance."""
    reader, blocks = reading.reader, reading.blocks
    version = reader.manifest.current
    memtables = reader.memtables
    log = engine.committer.log if engine else None
    counters = engine.maintenance.counters if engine else Counters()
    return Statistics(
        levels=tuple(
            level_statistics(level, tables)
            for level, tables in enumerate(version.levels)
            if tables
        ),
        memtable_bytes=memtables.held_bytes,
        memtable_entries=memtables.entries,
        memtables_waiting=len(memtables.waiting),
        log_bytes=sum(_span(s, log.tail if log else s.first) for s in version.segments),
        log_segments=len(version.segments),
        log_tail=log.tail if log else version.log_end,
        log_durable=log.durable if log else version.log_end,
        log_replay_from=version.replay_from,
        log_bytes_written=log.bytes_written if log else 0,
        log_syncs=log.sync_count if log else 0,
        sequence_last=reader.visibility.last,
        sequence_visible=reader.visibility.visible,
        snapshots=len(reading.positions.taken),
        life=version.life,
        flushes=counters.flushes,
        flush_bytes=counters.flush_bytes,
        compactions=counters.compactions,
        moves=counters.moves,
        compaction_bytes_in=counters.compaction_bytes_in,
        compaction_bytes_out=counters.compaction_bytes_out,
        files_removed=counters.files_removed,
        block_cache_bytes=blocks.bytes_used,
        block_cache_hits=blocks.hits,
        block_cache_misses=blocks.misses,
        table_cache_bytes=reader.tables.bytes_used,
        tables_open=len(reader.tables),
        pressure=engine.throttle.pressure if engine else 0.0,
        stalls=engine.throttle.stalls if engine else 0,
        delayed_seconds=engine.throttle.delayed_seconds if engine else 0.0,
        failures=reader.health.failures,
        recovery=reading.report,
    )


def _span(segment: SegmentMeta, tail: int) -> int:
    end = tail if segment.end is None else segment.end
    return max(0, end - segment.first)


def level_statistics(level: int, tables: tuple[TableMeta, ...]) -> LevelStatistics:
    """Add up the tables of a level."""
    return LevelStatistics(
        level,
        len(tables),
        sum(table.size for table in tables),
        sum(table.entries for table in tables),
        sum(table.tombstones for table in tables),
    )

"""What a store can say of itself: immutable records of plain numbers.

Bytes are bytes, counts are since the store was opened unless they describe its present shape.
"""

from typing import TypedDict

import attrs

from tempest.collection import (
    CollectionReport,
    CollectionStatistics,
    describe_segments,
)
from tempest.engine import Engine, Reading
from tempest.log import Regions, SegmentMeta
from tempest.maintenance import Counters
from tempest.recovery import RecoveryReport
from tempest.table import TableMeta
from tempest.version import Version


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
    log_begin: int  # the log is complete from here on
    log_replay_from: int
    log_head: int  # what lies above is answered from memory
    log_durable: int
    log_flushed: int
    log_read_only: int  # what lies below has its addresses and is never changed
    log_tail: int
    log_open_bytes: int  # gathered above the tail, and updated in place
    log_bytes_written: int
    log_syncs: int
    streams: int
    consumers: int
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
    read_cache_bytes: int  # separated values kept for reads
    read_cache_hits: int
    read_cache_misses: int
    values_separated: int  # by flushes: they stayed in the log
    values_bytes: int  # pointed to by tables
    table_cache_bytes: int
    tables_open: int
    pressure: float
    stalls: int
    delayed_seconds: float
    failures: int
    collection: CollectionStatistics
    recovery: RecoveryReport


def describe(reading: Reading, engine: Engine | None) -> Statistics:
    """Gather the picture from the parts; a read-only store has no log and no maintenance."""
    reader, blocks = reading.reader, reading.blocks
    version = reader.manifest.current
    memtables = reader.memtables
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
        **_log_numbers(version, engine),
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
        block_cache_hits=blocks.hits + blocks.rows.hits,
        block_cache_misses=blocks.misses,
        read_cache_bytes=reader.values.cache.bytes_used,
        read_cache_hits=reader.values.cache.hits,
        read_cache_misses=reader.values.cache.misses,
        values_separated=counters.values_separated,
        values_bytes=sum(sum(table.segment_bytes) for table in version.tables),
        table_cache_bytes=reader.tables.bytes_used,
        tables_open=len(reader.tables),
        pressure=engine.throttle.pressure if engine else 0.0,
        stalls=engine.throttle.stalls if engine else 0,
        delayed_seconds=engine.throttle.delayed_seconds if engine else 0.0,
        failures=reader.health.failures,
        collection=describe_segments(
            version, engine.maintenance.collected if engine else CollectionReport()
        ),
        recovery=reading.report,
    )


class _LogNumbers(TypedDict):
    log_bytes: int
    log_segments: int
    log_begin: int
    log_replay_from: int
    log_head: int
    log_durable: int
    log_flushed: int
    log_read_only: int
    log_tail: int
    log_open_bytes: int
    log_bytes_written: int
    log_syncs: int
    streams: int
    consumers: int


def _log_numbers(version: Version, engine: Engine | None) -> _LogNumbers:
    """Describe the log; a store that is only read has what its version says of it."""
    log = engine.committer.log if engine else None
    if engine is not None:
        regions = engine.streams.regions()
    else:
        end = version.log_end
        regions = Regions(
            begin=version.begin,
            replay_from=version.replay_from,
            head=version.replay_from,
            durable=end,
            flushed=end,
            read_only=end,
            tail=end,
        )
    return _LogNumbers(
        log_bytes=sum(_span(s, log.tail if log else s.first) for s in version.segments),
        log_segments=len(version.segments),
        log_begin=regions.begin,
        log_replay_from=regions.replay_from,
        log_head=regions.head,
        log_durable=regions.durable,
        log_flushed=regions.flushed,
        log_read_only=regions.read_only,
        log_tail=regions.tail,
        log_open_bytes=log.open.bytes if log else 0,
        log_bytes_written=log.bytes_written if log else 0,
        log_syncs=log.sync_count if log else 0,
        streams=engine.streams.count if engine else 0,
        consumers=len(version.consumers),
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

"""What is compared with what, and how well Tempest is to do: the rows of the table.

A ratio is the best peer's median divided by Tempest's: above 1 Tempest is faster (or smaller).
"""

from collections.abc import Iterable

import attrs

from benchmarks.peers.engines import PEERS

LEVELDB = ("plyvel", "plyvel_tuned")
ROCKSDB = ("rocksdict", "rocksdict_tuned")
THREADED = ("trio+plyvel_tuned", "trio+rocksdict_tuned", "trio+lmdb")
MICROSECONDS = "us_per_op"


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        section: the heading it stands under.
        name: what the reader sees.
        workload: what is run.
        engine: the way Tempest is used.
        peers: whose best counts; Tempest itself where a limit it measured is the bar.
        target: the ratio that is wanted; None where there is none.
        figure: what is compared: less is better.
        bar: the peers' figure, where it has another name.
        unit: of the figure.
        scale: what to multiply it by for that unit.
    """

    section: str
    name: str
    workload: str
    engine: str = "tempest"
    peers: tuple[str, ...] = PEERS
    target: float | None = None
    figure: str = MICROSECONDS
    bar: str | None = None
    unit: str = "us"
    scale: float = 1.0


def _writes(section: str, engine: str, targets: dict[str, float]) -> list[Row]:
    return [
        Row(section=section, name=name, workload=name, engine=engine, target=target)
        for name, target in targets.items()
    ]


OS_LEVEL = {
    "fillseq": 0.8,
    "fillrandom": 1.5,
    "overwrite": 1.4,
    "fillbatch": 1.5,
    "deleterandom": 1.2,
    "readmodifywrite": 1.5,
}
READS: tuple[tuple[str, str, str, float], ...] = (
    ("readrandom", "readrandom", "tempest", 1.0),
    ("readrandom, get_nowait", "readrandom", "tempest_nowait", 1.5),
    ("readmissing", "readmissing", "tempest", 0.45),
    ("multiget", "multiget", "tempest", 2.0),
    ("readseq, rows", "readseq", "tempest", 0.8),
    ("readseq, chunks", "readseq", "tempest_chunks", 2.0),
    ("readreverse, rows", "readreverse", "tempest", 0.8),
    ("readreverse, chunks", "readreverse", "tempest_chunks", 2.0),
    ("seekrandom + 50", "seekrandom", "tempest", 1.5),
)
MIXES = {"a": 1.3, "b": 1.2, "c": 1.0, "d": 1.0, "e": 1.2, "f": 1.3}

ROWS: tuple[Row, ...] = (
    *_writes("writes at level OS", "tempest", OS_LEVEL),
    Row(
        section="writes at level OS",
        name="fillrandom, put_nowait",
        workload="fillrandom",
        engine="tempest_nowait",
    ),
    *_writes(
        "writes at level MEMORY, peers without a sync",
        "tempest_memory",
        dict.fromkeys(OS_LEVEL, 1.5),
    ),
    *_writes("writes at level DISK", "tempest", {"fillsync": 0.9, "fillsync_64": 2.0}),
    *(
        Row(section="reads", name=name, workload=workload, engine=way, target=target)
        for name, workload, way, target in READS
    ),
    *(
        Row(
            section="YCSB, writes at level OS",
            name=f"ycsb {letter}",
            workload=f"ycsb_{letter}",
            target=target,
        )
        for letter, target in MIXES.items()
    ),
    Row(
        section="opening after a kill",
        name="the same budgets",
        workload="recovery_kill",
        peers=LEVELDB + ROCKSDB,
        target=1.5,
        unit="ms",
        scale=1e-3,
    ),
    Row(
        section="opening after a kill",
        name="all of it unflushed",
        workload="recovery_kill",
        engine="tempest_unflushed",
        peers=("plyvel_unflushed", "rocksdict"),
        target=1.5,
        unit="ms",
        scale=1e-3,
    ),
    *(
        Row(
            section="from a trio program, peers behind a thread hop",
            name=name,
            workload=workload,
            engine=engine,
            peers=THREADED,
            target=20.0,
        )
        for name, workload, engine in (
            ("get from memory", "readmemory", "tempest"),
            ("put, OS", "fillrandom", "tempest"),
            ("put, MEMORY", "fillrandom", "tempest_memory"),
        )
    ),
    *(
        Row(
            section="bytes on disk for a live byte, peers that compress",
            name=f"space, {when}",
            workload="space",
            peers=LEVELDB + ROCKSDB,
            target=0.9,
            figure=f"space_{when}",
            unit="x",
        )
        for when in ("loaded", "overwritten", "compacted")
    ),
    Row(
        section="while compaction runs",
        name="put p99.9, LevelDB",
        workload="put_latency",
        peers=LEVELDB,
        target=1.0,
        figure="put_p99.9_us",
    ),
    Row(
        section="while compaction runs",
        name="put p99.9, RocksDB",
        workload="put_latency",
        peers=ROCKSDB,
        figure="put_p99.9_us",
    ),
    Row(
        section="while compaction runs",
        name="put p99.99, either",
        workload="put_latency",
        peers=LEVELDB + ROCKSDB,
        figure="put_p99.99_us",
    ),
    Row(
        section="while compaction runs",
        name="loop p99.99, idle + 5 ms",
        workload="lateness",
        peers=("tempest",),
        target=1.0,
        figure="loop_p99.99_us",
        bar="allowed_us",
        unit="ms",
        scale=1e-3,
    ),
    Row(
        section="while compaction runs",
        name="resident, 1.3 budgets + 60 MiB",
        workload="space",
        peers=("tempest",),
        target=1.0,
        figure="rss_peak_mib",
        bar="rss_allowed_mib",
        unit="MiB",
    ),
)


def plan(rows: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """Return the engines that each workload needs, Tempest's first."""
    wanted: dict[str, dict[str, None]] = {}
    for row in rows:
        wanted.setdefault(row.workload, {})[row.engine] = None
    for row in rows:
        wanted[row.workload].update(dict.fromkeys(row.peers))
    return {workload: tuple(engines) for workload, engines in wanted.items()}


def by_time(rows: Iterable[Row]) -> set[str]:
    """Return the workloads of which nothing but the time counts."""
    rows = list(rows)
    others = {row.workload for row in rows if row.figure != MICROSECONDS}
    return {row.workload for row in rows} - others

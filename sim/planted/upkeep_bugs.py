"""Bugs of upkeep: flush and compaction as they are published, files removed, versions, readers."""

from random import Random

from io_backends import FailOp, Fault, OpKind
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

MANIFEST = "store/manifest-*"
SLOW = ((0.0005, 0.0), (0.0, 0.002))
MIXED = {"put": 5, "delete": 1, "batch": 1, "flush": 1}
SMALL = {
    "memtable_bytes_max": 1024,
    "segment_bytes_max": 1024,
    "table_bytes_max": 256,
    "level0_tables_max": 1,
    "level_bytes_base": 256,
    "block_bytes": 64,
}

FLUSHED = Directed(
    mix=MIXED,
    options={"memtable_bytes_max": 1024, "segment_bytes_max": 1024},
    sizes=(60, 200),
    operations=16,
    lives=2,
    latencies=SLOW,
)
COMPACTED = Directed(
    mix={**MIXED, "compact": 1},
    options=SMALL,
    sizes=(60, 200),
    operations=20,
    lives=2,
    latencies=SLOW,
)
READ = Directed(
    mix={"put": 6, "delete": 1, "flush": 2, "compact": 1, "get": 4, "held_scan": 4},
    options={**SMALL, "cache_bytes_max": 0, "tables_open_max": 1},
    sizes=(60, 200),
    clients=2,
    keys=6,
    operations=40,
    lives=1,
    latencies=SLOW,
    uncached=(100,),
)
SNAPSHOTS = Directed(
    mix={"put": 4, "delete": 1, "flush": 2, "snapshot": 6},
    options={"memtable_bytes_max": 1024},
    operations=30,
    lives=1,
)
CANCELLED = Directed(
    mix={"put": 5, "cancelled_upkeep": 2},
    options={
        "memtable_bytes_max": 1024,
        "segment_bytes_max": 1024,
        "table_bytes_max": 256,
    },
    sizes=(60, 200),
    keys=12,
    operations=24,
    lives=1,
    endings=("close",),
    latencies=SLOW,
)
RESERVING = Directed(
    mix={"put": 1},
    options=SMALL,
    levels=(1, 1, 1),
    sizes=(200, 700),
    clients=2,
    keys=12,
    operations=50,
    lives=1,
    endings=("close",),
    latencies=SLOW,
)


def doubtful_edits(random: Random) -> tuple[Fault, ...]:
    """Let edits of the manifest fail in words although they were done, until the life ends."""
    return (
        FailOp(
            at=random.randrange(20, 60),
            kinds=(OpKind.SYNC,),
            path=MANIFEST,
            times=1,
            effect="done",
        ),
        FailOp(at=20, kinds=(OpKind.RENAME,), path=MANIFEST, times=None),
    )


def fail_tables(random: Random) -> tuple[Fault, ...]:
    """Let a table fail to be written once, early in a life."""
    kinds = (OpKind.WRITE, OpKind.SYNC)
    at = random.randrange(10, 30)
    return (FailOp(at=at, kinds=kinds, path="store/table-*"),)


def fail_reads(random: Random) -> tuple[Fault, ...]:
    """Let a read of a table fail."""
    return (
        FailOp(
            at=random.randrange(20, 60),
            kinds=(OpKind.READ,),
            path="store/table-*",
            times=3,
        ),
    )


PUBLISHING_BUGS = (
    Planted.edit(
        "flush-forgets-snapshots",
        "whoever reads at a position keeps what is visible there (T24)",
        Edit(
            "tempest.upkeep.flushing:Flushing._flush",
            "positions=self._reader_positions()",
            "positions=self._reader_positions()[-1:]",
        ),
        draw=SNAPSHOTS,
    ),
    Planted.edit(
        "flush-loses-tombstones",
        "a tombstone goes only where no table holds anything older (T22)",
        Edit(
            "tempest.upkeep.flushing:Flushing._flush",
            "KeyRanges.union((t.smallest, t.largest) for t in version.tables)",
            "KeyRanges.union(())",
        ),
        draw=Directed(
            mix={"put": 3, "delete": 3, "flush": 2, "get": 2}, operations=24, lives=1
        ),
    ),
    Planted.edit(
        "flush-moves-replay-too-far",
        "replay starts where the tables end: the log above is all there is (H1)",
        Edit(
            "tempest.upkeep.flushing:Flushing._flush",
            "replay_from=stop,",
            "replay_from=committer.log.durable,",
        ),
        draw=FLUSHED,
    ),
    Planted.edit(
        "flush-drops-the-memtable-first",
        "a memtable is forgotten once its table is in the current version (T21)",
        Edit(
            "tempest.upkeep.flushing:Flushing._flush",
            "    committer.memtables.drop_oldest()\n",
            "",
        ),
        Edit(
            "tempest.upkeep.flushing:Flushing._flush_oldest",
            "    await self._flush(memtable, stop)\n",
            "    committer.memtables.drop_oldest()\n"
            "        await self._flush(memtable, stop)\n",
        ),
        draw=READ,
    ),
    Planted.edit(
        "flush-returns-early",
        "a flush returns when all that was written before it is in tables",
        Edit(
            "tempest.upkeep.flushing:Flushing.flush_all",
            "    wanted = [*memtables.waiting, *([active] if active else [])]\n",
            "    wanted = [*memtables.waiting]\n",
        ),
        draw=Directed(
            mix={"put": 3, "flush": 1},
            levels=(1, 0, 0),
            operations=6,
            lives=3,
            latencies=SLOW,
            io=(0,),
        ),
    ),
    Planted.edit(
        "flush-removes-the-log-first",
        "the log goes after the edit that adds its table is durable (invariant 6)",
        Edit(
            "tempest.upkeep.publishing:Publishing._publish",
            "        await self._change(lambda: edit(result))\n",
            "        change = edit(result)\n"
            "        for number in change.segments_removed:\n"
            "            await self._remove(number)\n"
            "        await self._append(change)\n",
        ),
        draw=FLUSHED,
    ),
    Planted.edit(
        "compaction-removes-its-inputs-first",
        "a table goes after the edit that drops it is durable (invariant 1)",
        Edit(
            "tempest.upkeep.publishing:Publishing._publish",
            "        await self._change(lambda: edit(result))\n",
            "        change = edit(result)\n"
            "        for number in change.removed:\n"
            "            await self._remove(number)\n"
            "        await self._append(change)\n",
        ),
        draw=COMPACTED,
    ),
    Planted.edit(
        "compaction-runs-twice-at-once",
        "one compaction at a time chooses and publishes: a race over one await",
        Edit(
            "tempest.upkeep.compacting:Compacting.compact_range",
            "        async with self.coordinator.turn(Work.COMPACTION):\n",
            "        if True:\n",
        ),
        draw=COMPACTED,
    ),
    Planted.edit(
        "upkeep-can-be-cancelled-while-it-publishes",
        "an edit on its way is waited for: the next choice is made from it",
        Edit(
            "tempest.upkeep.publishing:Publishing._append",
            "trio.CancelScope(shield=True)",
            "trio.CancelScope()",
        ),
        draw=CANCELLED,
    ),
    Planted.edit(
        "upkeep-leaves-what-it-did-not-finish",
        "files of a job that was cancelled or failed are removed (R28)",
        Edit(
            "tempest.upkeep.publishing:Publishing._publish",
            "        manifest.abandon(*numbers)\n",
            "",
        ),
        draw=CANCELLED,
    ),
    Planted.edit(
        "upkeep-stays-in-trouble",
        "a source of trouble has recovered when it works again (F8, R1)",
        Edit(
            "tempest.maintenance:Maintenance._retrying",
            "        health.recovered(source)\n",
            "        if source in ('log', 'compaction'):\n"
            "            health.recovered(source)\n",
        ),
        draw=Directed(
            mix={"put": 2, "flush": 1},
            operations=8,
            lives=1,
            endings=("close",),
            faults=fail_tables,
        ),
    ),
)

VERSION_BUGS = (
    Planted.edit(
        "manifest-removes-in-doubt",
        "no file goes while the outcome of an edit is unknown",
        Edit(
            "tempest.version.manifest:Manifest.take_obsolete",
            "if not self._dropped or not self.journal.is_settled:",
            "if not self._dropped:",
        ),
        draw=Directed(
            mix=MIXED,
            options={"memtable_bytes_max": 1024, "segment_bytes_max": 1 << 16},
            sizes=(60, 200),
            operations=16,
            lives=2,
            faults=doubtful_edits,
        ),
    ),
    Planted.edit(
        "manifest-removes-under-readers",
        "a file stays while a version that somebody reads names it (T28)",
        Edit(
            "tempest.version.manifest:Manifest.take_obsolete",
            "[self.current, *(version for version, _ in self._pins.values())]",
            "[self.current]",
        ),
        draw=READ,
    ),
    Planted.edit(
        "manifest-reserves-numbers-twice",
        "a number is given out once: a race over one await (R22)",
        Edit(
            "tempest.version.manifest:Manifest.reserve",
            "    while self._next_number + count",
            "    first = self._next_number\n    while first + count",
        ),
        Edit(
            "tempest.version.manifest:Manifest.reserve",
            "    first = self._next_number\n    self._next_number += count\n",
            "    self._next_number = first + count\n",
        ),
        draw=RESERVING,
    ),
    Planted.edit(
        "version-retires-segments-too-early",
        "a segment is dropped only when replay starts behind its end",
        Edit(
            "tempest.version.version:Version.retired_segments",
            "(segment.end <= lowest or",
            "(segment.first <= lowest or",
        ),
        draw=FLUSHED,
    ),
    Planted.edit(
        "version-puts-level-0-in-no-order",
        "level 0 is read newest first (T23)",
        Edit(
            "tempest.version.checkpoints:apply_difference",
            "kept.sort(key=_newest_first if at == 0 else _by_key)",
            "kept.sort(key=_by_key)",
        ),
        draw=Directed(mix={"put": 2, "flush": 1, "get": 2}, operations=20, lives=1),
    ),
    Planted.edit(
        "reader-keeps-a-stale-version",
        "a lookup is made anew for every version",
        Edit(
            "tempest.reader:Reader.lookup",
            "if self._lookup.version is not version:",
            "if len(self._lookup.version.tables) != len(version.tables):",
        ),
        draw=READ,
    ),
    Planted.edit(
        "reader-trusts-memory-once",
        "an update reads and writes as one step: a race over one await (R22)",
        Edit(
            "tempest.reader:Reader.newest",
            "        value = await self.get(key, SEQUENCE_MAX)\n",
            "        return await self.get(key, SEQUENCE_MAX)\n",
        ),
        draw=Directed(
            mix={"flush": 1},
            operations=1,
            lives=2,
            endings=("close",),
            is_raced=True,
            latencies=SLOW,
            options={"cache_bytes_max": 0},
            uncached=(100,),
        ),
    ),
    Planted.edit(
        "reader-lets-errors-out",
        "nothing but documented errors leaves the store (O8)",
        Edit(
            "tempest.view:View._wait_for",
            "        raise translate(error) from error\n",
            "        raise\n",
        ),
        draw=Directed(
            mix={"put": 4, "flush": 2, "get": 6},
            options={"cache_bytes_max": 0, "tables_open_max": 1},
            operations=30,
            lives=1,
            endings=("close",),
            faults=fail_reads,
            uncached=(100,),
        ),
    ),
    Planted.edit(
        "snapshot-releases-for-others",
        "a position is released exactly as often as it was taken",
        Edit(
            "tempest.snapshot:Positions.release",
            "    count = self._counts.pop(sequence) - 1\n    if count:\n",
            "    if self._counts.pop(sequence, 0) == 0:\n        return\n"
            "    count = 0\n    if count:\n",
        ),
        draw=SNAPSHOTS,
    ),
    Planted.edit(
        "memory-is-read-oldest-first",
        "the newest memtable that has a key has its newest version (T23)",
        Edit(
            "tempest.memory:Memtables.get",
            "for table in reversed(self.waiting):",
            "for table in self.waiting:",
        ),
        draw=Directed(
            mix={"put": 6, "get": 3},
            options={"memtable_bytes_max": 1024},
            levels=(1, 1, 1),
            sizes=(60, 700),
            operations=40,
            lives=1,
            latencies=((0.0, 0.02),),
        ),
    ),
)

UPKEEP_BUGS = PUBLISHING_BUGS + VERSION_BUGS

"""Bugs of collection: values copied out of sparse segments, and the estimates before it."""

from io_backends import CrashPolicy
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed, Options

OPTIONS: Options = {
    "separated_value_bytes_min": 64,
    "memtable_bytes_max": 1024,
    "segment_bytes_max": 1024,
    "table_bytes_max": 256,
    "level0_tables_max": (1, 4),
    "level_bytes_base": (256, 1 << 16),
    "cache_bytes_max": 0,
    "collection_live_share_max": (0.0, 0.9),
}
MIX = {"large": 6, "put": 2, "delete": 2, "flush": 2, "collect": 3}
COLLECTED = Directed(
    mix={**MIX, "get": 4, "scan": 1},
    options=OPTIONS,
    operations=36,
    lives=1,
    endings=("close",),
)
CUT = Directed(
    mix={**MIX, "collect": 4},
    options=OPTIONS,
    operations=24,
    lives=2,
    policies=(CrashPolicy.drop_all(),),
)
SEEN = Directed(
    mix={**MIX, "snapshot": 8}, options=OPTIONS, operations=40, lives=1, keys=2
)

COLLECTION_BUGS = (
    Planted.edit(
        "collection-drops-what-hides-older-versions",
        "a tombstone goes only where no table holds anything older: nothing is resurrected",
        Edit(
            "tempest.compaction.collection:make_rewrite",
            "older=older_keys(levels, choice)",
            "older=older_keys(((),) * len(levels), choice)",
        ),
        draw=COLLECTED,
    ),
    Planted.edit(
        "collection-forgets-snapshots",
        "what a snapshot can see is copied with the rest",
        Edit(
            "tempest.compaction.collection:make_rewrite",
            "tuple(sorted(set(positions)))",
            "tuple(sorted(set(positions)))[-1:]",
        ),
        draw=SEEN,
    ),
    Planted.edit(
        "collection-mixes-up-values",
        "each entry goes on with the pointer to its own value",
        Edit(
            "tempest.compaction.relocation:Relocator._write",
            "zip(places, pointers, strict=True)",
            "zip(places, pointers[::-1], strict=True)",
        ),
        draw=COLLECTED,
    ),
    Planted.edit(
        "collection-does-not-sync-values",
        "values are durable in their new place before the edit that leads there",
        Edit(
            "tempest.log.value_segment:ValueSegmentWriter.finish",
            "    for _ in range(2):  # what the device tells too late comes with the second\n"
            "        await self._file.sync()\n",
            "",
        ),
        draw=CUT,
    ),
    Planted.edit(
        "collection-publishes-half",
        "one edit changes tables and the segments that they point into",
        Edit(
            "tempest.upkeep.collecting:Collecting._edit",
            "value_segments_added=result.segments,",
            "value_segments_added=(),",
        ),
        draw=COLLECTED,
    ),
    Planted.edit(
        "collection-counts-what-memory-has-overwritten",
        "an estimate sees what memory has overwritten by now",
        Edit(
            "tempest.collection.census:Census._is_live",
            "if self.memtables.get(key, position) is not None:",
            "if False:",
        ),
        draw=Directed(
            mix={"large": 6, "flush": 1, "delete": 2},
            options={**OPTIONS, "memtable_bytes_max": 1 << 15},
            operations=24,
            lives=1,
            endings=("close",),
        ),
    ),
    Planted.edit(
        "collection-loses-the-first-value",
        "every pointer into what is emptied is led elsewhere",
        Edit(
            "tempest.compaction.relocation:Relocator._moving",
            "if found[1].segment in self._sources]",
            "if found[1].segment in self._sources][1:]",
        ),
        draw=COLLECTED,
    ),
)

"""Bugs of merging: what compaction and flush keep, drop, choose, write and sync."""

from random import Random

import attrs

from io_backends import READS, CrashPolicy, FailOp, Fault, OpKind, PowerCut
from sim.draw import WHENS
from sim.operations import Cancelled, Compact, Flush, Put
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed, Setting

TABLES = "store/table-*"
TINY: dict[str, Setting | tuple[Setting, ...]] = {
    "table_bytes_max": (256, 700),
    "level_bytes_base": (256, 1000),
    "level_growth": 2,
    "block_bytes": 64,
}


def _cut_while_publishing(random: Random) -> tuple[Fault, ...]:
    """The power fails soon after a table was written."""
    kinds = random.choice(((OpKind.SYNC,), (OpKind.WRITE,), (OpKind.SYNC_DIR,)))
    when = random.choice(WHENS)
    return (PowerCut(at=random.randrange(25, 70), kinds=kinds, when=when),)


def _unreadable(random: Random) -> tuple[Fault, ...]:
    """A table cannot be read for a while."""
    return (FailOp(at=random.randrange(30, 120), kinds=READS, path=TABLES, times=3),)


# Overwrites and deletes of few keys, sinking through several levels.
SINKING = Directed(
    mix={"put": 6, "delete": 4, "flush": 4, "compact": 1, "scan": 1, "get": 1},
    options={**TINY, "level0_tables_max": (1, 2)},
    keys=6,
    sizes=(30, 100),
    lives=1,
    operations=60,
    last=20,
)
SNAPSHOTS = Directed(
    mix={"put": 6, "delete": 2, "flush": 3, "compact": 2, "snapshot": 8},
    options={**TINY, "level0_tables_max": (1, 4)},
    keys=3,
    lives=1,
    operations=60,
    last=0,
)
PUBLISHING = Directed(
    mix={"put": 4, "flush": 3, "compact": 1},
    options={**TINY, "level0_tables_max": (1, 4)},
    operations=12,
    lives=3,
    policies=(CrashPolicy.drop_all(), CrashPolicy(all_kept=0.0)),
    faults=_cut_while_publishing,
)
UNREADABLE = Directed(
    mix={"put": 6, "flush": 4, "compact": 2},
    options={
        "table_bytes_max": 256,
        "block_bytes": 64,
        "level0_tables_max": (1, 2),
        "cache_bytes_max": 0,
    },
    keys=12,
    lives=1,
    operations=40,
    endings=("close",),
    faults=_unreadable,
)
CANCELLING = Directed(
    mix={"put": 6, "flush": 3},
    options={**TINY, "level0_tables_max": 4},
    lives=1,
    operations=20,
    finale=tuple(
        operation
        for seconds in (0.004, 0.006, 0.008, 0.01, 0.012, 0.015)
        for operation in (
            Put(b"k00.0", 8),
            Flush(),
            Put(b"k01.0", 8),
            Cancelled(Compact(), seconds),
        )
    ),
    endings=("close",),
    latencies=((0.001, 0.0), (0.0, 0.002)),
)

COMPACTION_BUGS: tuple[Planted, ...] = (
    Planted.edit(
        "compaction-ends-tombstones-too-early",
        "a tombstone stays while an older version may lie below the output (S2, B3)",
        Edit(
            "tempest.compaction.policy:older_keys",
            "for tables in levels[top:]",
            "for tables in levels[top : choice.output_level + 1]",
        ),
        draw=SINKING,
    ),
    Planted.edit(
        "compaction-ends-every-tombstone",
        "a tombstone stays while anything older of its key is left (R15)",
        Edit(
            "tempest.iterator:drop_tombstones",
            "if columns.sequence(place) <= visible and keys[place] not in older:",
            "if columns.sequence(place) <= visible:",
        ),
        draw=SINKING,
    ),
    Planted.edit(
        "compaction-keeps-the-oldest",
        "of the versions of a key, the newest is kept (T23)",
        Edit(
            "tempest.iterator:drop_shadowed",
            "mask = [True, *map(not_, repeats)]",
            "mask = [*map(not_, repeats), True]",
        ),
        draw=SINKING,
    ),
    Planted.edit(
        "compaction-forgets-snapshots",
        "the positions of all readers are an input of compaction (T24)",
        Edit(
            "tempest.compaction.job:make_job",
            "tuple(sorted(set(positions)))",
            "(max(positions),)",
        ),
        draw=SNAPSHOTS,
    ),
    Planted.edit(
        "compaction-forgets-the-oldest-snapshot",
        "a version goes only if no position lies between it and its successor",
        Edit(
            "tempest.iterator:_told_apart",
            "bisect_left(positions, sequence)",
            "bisect_right(positions, sequence)",
        ),
        draw=SNAPSHOTS,
    ),
    Planted.edit(
        "compaction-skips-what-it-cannot-read",
        "what cannot be read ends the job; nothing is ever skipped (R12, T19)",
        Edit(
            "tempest.iterator:_Head.refill",
            "        chunk = await self._source.next_chunk()\n",
            "        try:\n"
            "            chunk = await self._source.next_chunk()\n"
            "        except Exception:\n"
            "            return\n",
        ),
        Edit(
            "tempest.compaction.job:compaction_problems",
            "if result.entries_in != entries:",
            "if False:",
        ),
        draw=UNREADABLE,
    ),
    Planted.edit(
        "compaction-output-not-synced",
        "a table is durable before an edit names it (T20, A8)",
        Edit(
            "tempest.compaction.outputs:_OpenTable.complete",
            "    await self.file.sync()\n",
            "",
        ),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "compaction-names-not-synced",
        "a table's name is durable before an edit names it (A2, R9)",
        Edit(
            "tempest.compaction.outputs:TableOutputs.finish",
            "        await self._io.sync_dir(self._plan.folder)\n",
            "        pass\n",
        ),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "compaction-leaves-an-overlap",
        "tables of a level below the first do not overlap",
        Edit(
            "tempest.compaction.leveled:_push_down",
            "below = overlapping(levels[level + 1], *hull(tables))",
            "below = overlapping(levels[level + 1], *hull(tables))[:1]",
        ),
        draw=SINKING,
    ),
    Planted.edit(
        "compaction-moves-onto-an-overlap",
        "a table is moved only where nothing overlaps it",
        Edit(
            "tempest.compaction.leveled:_push_down",
            "if below:",
            "if len(below) > 1:",
        ),
        draw=SINKING,
    ),
    Planted.edit(
        "compaction-sinks-the-newest-first",
        "a newer version never sinks below an older one (B3)",
        Edit(
            "tempest.compaction.leveled:Leveled.choose",
            "tables = _hanging_together(levels[0], levels[0][-1:])",
            "tables = levels[0][:1]",
        ),
        draw=SINKING,
    ),
    Planted.edit(
        "compaction-loses-a-key-between-tables",
        "what does not fit into one table begins the next",
        Edit(
            "tempest.compaction.outputs:TableOutputs.add",
            "columns = columns.part(count, total)",
            "columns = columns.part(min(count + 1, total), total)",
        ),
        draw=attrs.evolve(SINKING, keys=12, sizes=(100, 200), operations=40),
    ),
    Planted.edit(
        "compaction-splits-a-key-between-tables",
        "a table ends between two keys (A9)",
        Edit(
            "tempest.compaction.outputs:TableOutputs._fitting",
            "return bisect_right(keys, keys[last], last)",
            "return last + 1",
        ),
        draw=attrs.evolve(SNAPSHOTS, keys=2, sizes=(100, 200)),
    ),
    Planted.edit(
        "compaction-leaks-its-inputs",
        "handles are closed on every path",
        Edit(
            "tempest.compaction.job:compact_tables",
            "await close_all(outputs, cache)",
            "await close_all(outputs)",
        ),
        draw=SINKING,
    ),
    Planted.edit(
        "compaction-leaks-when-cancelled",
        "handles are closed also when a job is cancelled",
        Edit(
            "tempest.compaction.job:close_all",
            "with trio.CancelScope(shield=True):",
            "await trio.lowlevel.checkpoint_if_cancelled()\n    if True:",
        ),
        draw=CANCELLING,
    ),
    Planted.edit(
        "flush-forgets-the-last-run",
        "what was acknowledged is never skipped: every entry of the stretch is merged",
        Edit(
            "tempest.flush:_Runs.read",
            "await trio.lowlevel.checkpoint()\n    self._sort()\n",
            "await trio.lowlevel.checkpoint()\n",
        ),
        draw=SINKING,
    ),
)

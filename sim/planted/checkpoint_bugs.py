"""Bugs of checkpoints: cuts, records, the files they need, and what restores them."""

from io_backends import CrashPolicy
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed, Options
from sim.script import Recover

WRITES = {"put": 5, "delete": 1, "session": 3, "flush": 1, "compact": 0.5}
SMALL: Options = {
    "memtable_bytes_max": 1024,
    "segment_bytes_max": 1024,
    "table_bytes_max": 256,
    "level0_tables_max": (1, 4),
}
SLOW = ((0.0005, 0.0), (0.0, 0.002))
READ = Directed(
    mix={**WRITES, "checkpoint": 3, "checkpoint_read": 4},
    options=SMALL,
    sizes=(60, 200),
    levels=(1, 1, 1),
    operations=30,
    lives=1,
    endings=("close",),
)
CUT = Directed(
    mix={**WRITES, "checkpoint": 4, "checkpoint_start": 1},
    options=SMALL,
    levels=(3, 1, 1),
    operations=20,
    lives=3,
    io=(0, 0, 1, 2, 5),
    policies=(CrashPolicy.drop_all(),),
    latencies=SLOW,
)
JOINED = Directed(
    mix={"put": 3, "checkpoint": 4, "checkpoint_list": 1},
    clients=4,
    operations=40,
    lives=1,
    endings=("close",),
    latencies=SLOW,
)
DROPPED = Directed(
    mix={
        **WRITES,
        "checkpoint": 4,
        "checkpoint_list": 2,
        "checkpoint_drop": 2,
        "checkpoint_prune": 1,
        "checkpoint_read": 2,
    },
    options=SMALL,
    operations=36,
    lives=2,
)
RESTORED = Directed(
    mix={**WRITES, "checkpoint": 3},
    options=SMALL,
    levels=(1, 1, 1),
    operations=20,
    lives=3,
    recovers=(Recover(), Recover(which=1), Recover(what="newest valid")),
)
MAKER = "tempest.checkpoint.maker:Checkpointer"
RESTORING = "tempest.checkpoint.restoring"

MAKING_BUGS = (
    Planted.edit(
        "checkpoint-is-committed-before-its-log",
        "a checkpoint is made once its stretch of log is where no late error can move it",
        Edit(
            f"{MAKER}._until_settled",
            "settled = log.confirmed >= cut.address",
            "settled = True",
        ),
        draw=CUT,
    ),
    Planted.edit(
        "checkpoint-forgets-its-log",
        "a checkpoint names the log from its start of replay up to the cut",
        Edit(
            f"{MAKER}._record",
            "replay_from=min(pinned.replay_from, cut.address),",
            "replay_from=cut.address,",
        ),
        draw=READ,
    ),
    Planted.edit(
        "checkpoint-tells-before-it-is-durable",
        "the callback and the waiters hear of the commit point, not of hopes",
        Edit(
            f"{MAKER}._go_through_phases",
            "    meta = self._record(attempt, number, cut)\n",
            "    meta = self._record(attempt, number, cut)\n    attempt.succeed()\n",
        ),
        draw=CUT,
    ),
    Planted.edit(
        "checkpoint-is-joined-by-whoever-asks",
        "only the same request shares a checkpoint",
        Edit(
            f"{MAKER}._join",
            "if running.request != request:",
            "if running.request.kind != request.kind:",
        ),
        draw=JOINED,
    ),
    Planted.edit(
        "checkpoint-joins-what-has-ended",
        "a checkpoint that has ended is not shared any more",
        Edit(
            f"{MAKER}._attempt",
            "not (running.is_cancelled or running.is_done)",
            "not running.is_cancelled",
        ),
        Edit(
            f"{MAKER}._make",
            "        self._current = None\n",
            "",
        ),
        draw=JOINED,
    ),
    Planted.edit(
        "checkpoint-skips-the-phase-it-waits-in",
        "an INDEX or FULL waits until everything before its cut is in tables",
        Edit(
            f"{MAKER}._go_through_phases",
            "    attempt.move(CheckpointPhase.WAIT_PENDING)\n",
            "    attempt.move(CheckpointPhase.WAIT_PENDING)\n"
            "    if request.kind is CheckpointKind.LOG:\n"
            "        attempt.move(CheckpointPhase.WAIT_FLUSH)\n",
        ),
        draw=READ,
    ),
    Planted.edit(
        "checkpoint-difference-is-the-wrong-way-round",
        "an INCREMENTAL is its base without what went and with what came",
        Edit(
            "tempest.checkpoint.record:with_levels",
            "difference(before, pinned.levels)",
            "difference(pinned.levels, before)",
        ),
        draw=READ,
    ),
    Planted.edit(
        "checkpoint-goes-on-behind-its-cut",
        "the segments of a checkpoint end at its cut",
        Edit(
            "tempest.version.checkpoints:clipped",
            "end=stop if segment.end is None else min(segment.end, stop)",
            "end=segment.limit if segment.end is None else segment.end",
        ),
        draw=READ,
    ),
)

KEEPING_BUGS = (
    Planted.edit(
        "checkpoint-files-are-swept",
        "every file that a checkpoint needs stays as long as it does",
        Edit(
            "tempest.version.version:Version.numbers",
            "kept = [number for meta in self.checkpoints for number in meta.numbers]",
            "kept = list[int]()",
        ),
        draw=READ,
    ),
    Planted.edit(
        "checkpoint-needs-the-segments-it-points-into",
        "a checkpoint names each segment that its tables point into",
        Edit(
            "tempest.checkpoint.record:segments_for",
            "*_by_address((*clipped(older, 0, address), *replayed)),",
            "*_by_address(replayed),",
        ),
        draw=Directed(
            mix={"large": 6, "flush": 1, "checkpoint": 3, "checkpoint_read": 3},
            options={**SMALL, "separated_value_bytes_min": 64},
            operations=24,
            lives=1,
            endings=("close",),
        ),
    ),
    Planted.edit(
        "checkpoint-is-read-as-the-store-is-now",
        "a checkpoint is read by the tables of its cut",
        Edit(
            "tempest.version.version:Version.at_checkpoint",
            "levels=levels_of(self.checkpoints, checkpoint.token),",
            "levels=self.levels,",
        ),
        draw=READ,
    ),
    Planted.edit(
        "checkpoint-drop-leaves-children-without-base",
        "dropping a checkpoint changes none that stays",
        Edit(
            "tempest.checkpoint.retention:drop",
            "if meta.base in tokens and meta.token not in tokens",
            "if False",
        ),
        draw=DROPPED,
    ),
    Planted.edit(
        "checkpoint-drop-does-nothing",
        "what was dropped is gone",
        Edit(
            "tempest.checkpoint.shelf:Retention.drop",
            "        await self._drop([token])\n",
            "        pass\n",
        ),
        draw=DROPPED,
    ),
    Planted.edit(
        "checkpoint-prune-keeps-the-oldest",
        "pruning keeps the newest recovery points",
        Edit(
            "tempest.checkpoint.retention:choose",
            "(*points[:-keep], *indexes[:-keep])",
            "(*points[keep:], *indexes[:-keep])",
        ),
        draw=DROPPED,
    ),
    Planted.edit(
        "checkpoint-prune-says-less-than-it-does",
        "pruning returns the tokens of all that went",
        Edit(
            "tempest.checkpoint.shelf:Retention.prune_now",
            "    return tokens\n",
            "    return tokens[:-1]\n",
        ),
        draw=DROPPED,
    ),
)

RESTORING_BUGS = (
    Planted.edit(
        "restore-forgets-the-log",
        "the log that belongs to a checkpoint becomes a table when it is restored",
        Edit(f"{RESTORING}:_Folder._flush_log", "if not segments:", "if True:"),
        draw=RESTORED,
    ),
    Planted.edit(
        "restore-uses-addresses-again",
        "a new timeline begins above every address that was ever used",
        Edit(
            f"{RESTORING}:_Folder._make_segment",
            "first = manifest.current.log_end",
            "first = manifest.current.replay_from",
        ),
        draw=RESTORED,
    ),
    Planted.edit(
        "restore-begins-no-timeline",
        "a restored store goes on in a timeline of its own",
        Edit(
            "tempest.version.version:_restored",
            "forks=(*version.forks, fork)",
            "forks=version.forks",
        ),
        draw=RESTORED,
    ),
    Planted.edit(
        "restore-takes-the-oldest-for-the-newest",
        "the newest checkpoint that is whole is restored",
        Edit(
            f"{RESTORING}:restore_newest_valid",
            "for meta in reversed(version.checkpoints):",
            "for meta in version.checkpoints:",
        ),
        draw=RESTORED,
    ),
    Planted.edit(
        "restore-keeps-what-was-written-since",
        "a restored store holds what the checkpoint held, and nothing newer",
        Edit(
            f"{RESTORING}:_Folder._flush_log",
            "positions=(meta.sequence,),",
            "positions=(0,),",
        ),
        draw=RESTORED,
    ),
)

CHECKPOINT_BUGS = MAKING_BUGS + KEEPING_BUGS + RESTORING_BUGS

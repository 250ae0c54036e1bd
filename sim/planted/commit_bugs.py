"""Bugs of writing: what is acknowledged, when, and in which order it stands in the log."""

from random import Random

from io_backends import CrashPolicy, FailOp, Fault, OpKind, Slow
from sim.operations import Sleep, Sync
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

LOG = "store/log-*"
MIXED = {"put": 4, "delete": 1, "batch": 2}
SLOW = ((0.0005, 0.0), (0.0, 0.002))

SYNCED = Directed(mix=MIXED, operations=12, lives=2, latencies=SLOW, io=(0, 1, 2, 3, 4))
KILLED = Directed(
    mix=MIXED,
    levels=(1, 2, 0),
    operations=12,
    lives=2,
    endings=("kill",),
    latencies=SLOW,
    io=(0, 1, 2),
)
ASKED = Directed(
    mix={"put": 4, "sync": 5, "pause": 3},
    levels=(1, 0, 0),
    clients=3,
    operations=15,
    lives=1,
    latencies=SLOW,
    io=(99,),
)


def fail_syncs(random: Random) -> tuple[Fault, ...]:
    """Let a sync of the log fail once, with its pages dropped."""
    return (FailOp(at=random.randrange(20, 50), kinds=(OpKind.SYNC,), path=LOG),)


def fail_writes(random: Random) -> tuple[Fault, ...]:
    """Let writes to the log fail, some of them on the spot."""
    kinds = (OpKind.WRITE, OpKind.WRITE_NOWAIT)
    return (FailOp(at=random.randrange(20, 40), kinds=kinds, path=LOG),)


def fail_rewrites(random: Random) -> tuple[Fault, ...]:
    """Let a sync of the log fail, and what is done about that as well."""
    at = random.randrange(20, 40)
    return (FailOp(at=at, kinds=(OpKind.SYNC,), path=LOG, times=8),)


def slow_writes(random: Random) -> tuple[Fault, ...]:
    """Let writes on the spot find that they would have to wait."""
    at = random.randrange(15, 40)
    return (Slow(at=at, kinds=(OpKind.WRITE_NOWAIT,), times=8, seconds=0.01),)


FAILING = Directed(mix=MIXED, operations=16, lives=2, faults=fail_syncs, io=(0, 1, 2))

COMMIT_BUGS = (
    Planted.edit(
        "commit-acknowledges-before-sync",
        "nothing promised to the disk is acknowledged before the sync returned (R23)",
        Edit(
            "tempest.committer:Committer._commit",
            "        self._sync_owed = False\n",
            "        self._sync_owed = False\n"
            "        visibility.durable = log.flushed_sequence\n"
            "        visibility.advance()\n",
        ),
        draw=SYNCED,
    ),
    Planted.edit(
        "commit-acknowledges-before-write",
        "nothing promised to the operating system is acknowledged before the write (R23)",
        Edit(
            "tempest.committer:Committer._commit",
            "        await log.flush()\n",
            "        visibility.flushed = log.retained[-1].last_sequence\n"
            "        visibility.advance()\n"
            "        await log.flush()\n",
        ),
        draw=KILLED,
    ),
    Planted.edit(
        "commit-retries-a-failed-sync",
        "a failed sync is never retried on its file (H17, A1)",
        Edit(
            "tempest.committer:Committer._commit",
            "        visibility.durable = max(visibility.durable, await log.sync())\n",
            "        try:\n"
            "            synced = await log.sync()\n"
            "        except IoError as error:\n"
            "            self.health.failures += 1\n"
            "            synced = await log.sync()\n"
            "        visibility.durable = max(visibility.durable, synced)\n",
        ),
        draw=FAILING,
    ),
    Planted.edit(
        "commit-forgets-who-asked",
        "a sync that was asked for is owed until it is done",
        Edit(
            "tempest.committer:Committer._seal_open",
            "    self._sync_owed |= self._sync_asked\n",
            "",
        ),
        draw=ASKED,
    ),
    Planted.edit(
        "commit-forgets-who-asks-meanwhile",
        "who asks while a sync is on its way means the next one: a race over one await",
        Edit(
            "tempest.committer:Committer._commit",
            "        self._sync_owed = False\n"
            "        visibility.durable = max(visibility.durable, await log.sync())\n",
            "        visibility.durable = max(visibility.durable, await log.sync())\n"
            "        self._sync_owed = self._sync_asked = False\n",
        ),
        draw=ASKED,
    ),
    Planted.edit(
        "commit-bounds-a-memtable-too-early",
        "a memtable's stretch of the log ends behind its last frame",
        Edit(
            "tempest.committer:Committer._seal_open",
            "    if gathered is not None:\n",
            "    memtables.bound(log.tail)\n    if gathered is not None:\n",
        ),
        draw=Directed(
            mix={"put": 4, "flush": 1, "get": 3},
            levels=(2, 0, 1),
            options={"memtable_bytes_max": 1024},
            lives=1,
            operations=20,
        ),
    ),
    Planted.edit(
        "commit-takes-a-failed-rewrite-for-done",
        "an error of the disk is never swallowed: waiters succeed when the rewrite did",
        Edit(
            "tempest.committer:Committer._resume",
            "            delay = min(2 * delay, RETRY_SECONDS_MAX)\n",
            "            break\n",
        ),
        draw=Directed(
            mix={"put": 1},
            operations=12,
            lives=1,
            faults=fail_rewrites,
            armed=1,
            io=tuple(range(8, 40)),
            policies=(CrashPolicy.drop_all(),),
        ),
    ),
    Planted.edit(
        "commit-leaves-a-half-entered-batch-open",
        "a batch stands in one frame: none is sealed while a large one enters",
        Edit(
            "tempest.committer:Committer._has_work",
            "    if self.is_entering:\n        return False\n",
            "",
        ),
        draw=Directed(
            mix={"whole_batch": 2, "sync": 2, "put": 1},
            levels=(0, 1, 1),
            clients=2,
            keys=513,
            operations=6,
            lives=1,
            armed=1,
            io=tuple(range(16)),
        ),
    ),
    Planted.edit(
        "write-enters-a-batch-one-by-one",
        "of a batch all is seen, or nothing (H18)",
        Edit(
            "tempest.writer:Writer.write_batch",
            "        last = self._enter_all(batch, level)\n",
            "        for key, value in batch.entries.items():\n"
            "            last = self._enter(key, value, level)\n"
            "            await trio.lowlevel.checkpoint()\n",
        ),
        draw=Directed(
            mix={"batch": 1},
            keys=8,
            operations=4,
            lives=4,
            latencies=SLOW,
            io=(0, 1, 2, 3),
            policies=(CrashPolicy(), CrashPolicy.keep_all()),
        ),
    ),
    Planted.edit(
        "write-overtakes-the-open-frame",
        "the log's order is the order of the sequences: what gathered goes first",
        Edit(
            "tempest.committer:Committer.can_flush_inline",
            "        and not log.open\n",
            "",
        ),
        Edit("tempest.spot:Spot.put_os", "        or log.open.bytes\n", ""),
        draw=Directed(
            mix={"put": 4, "delete": 1},
            levels=(2, 1, 0),
            operations=12,
            lives=3,
            endings=("kill",),
            io=(0, 1),
        ),
    ),
    Planted.edit(
        "write-swallows-an-error",
        "a failed write is somebody's trouble: the segment is finished with (H12, T9)",
        Edit("tempest.spot:Spot.put_os", "        self.committer.fail(error)\n", ""),
        Edit(
            "tempest.spot:Spot._hand_over", "        self.committer.fail(error)\n", ""
        ),
        draw=Directed(
            mix={"put": 4, "delete": 1},
            levels=(0, 1, 0),
            operations=12,
            lives=1,
            endings=("close",),
            faults=fail_writes,
        ),
    ),
    Planted.edit(
        "write-acknowledges-what-would-block",
        "what could not be written on the spot was not written",
        Edit(
            "tempest.spot:Spot._hand_over",
            "    else:\n        if log.flushed == frame.end:\n"
            "            visibility.flushed = visibility.visible = last\n",
            "    visibility.flushed = visibility.visible = last\n",
        ),
        Edit(
            "tempest.log.hybrid_log:HybridLog.append_nowait",
            "        self.unseal(frame)\n        return False\n",
            "        self.unseal(frame)\n        return True\n",
        ),
        draw=Directed(
            mix={"put": 4, "delete": 1},
            levels=(0, 1, 0),
            options={"segment_bytes_max": 1024},
            operations=12,
            endings=("kill",),
            faults=slow_writes,
            io=(0, 1),
        ),
    ),
    Planted.edit(
        "segments-carry-too-little-over",
        "after a failed sync all that is not known to have survived is written again (A1)",
        Edit(
            "tempest.segments:SegmentKeeper.carry_over",
            "    await self._enter(log.confirmed, log.confirmed)\n",
            "    await self._enter(log.flushed, log.flushed)\n",
        ),
        draw=FAILING,
    ),
    Planted.edit(
        "segments-are-closed-at-their-limit",
        "a closed segment ends where its last frame ends",
        Edit(
            "tempest.segments:SegmentKeeper._edit",
            "SegmentEnd(s.number, end)",
            "SegmentEnd(s.number, s.limit)",
        ),
        draw=Directed(mix={"put": 1}, operations=3, lives=2),
    ),
    Planted.edit(
        "segments-leave-a-file-open",
        "a segment that is not entered is closed again",
        Edit(
            "tempest.segments:SegmentKeeper._abandon",
            "            await segment.file.aclose()\n",
            "            pass\n",
        ),
        draw=Directed(
            mix=MIXED,
            options={"segment_bytes_max": 1024},
            operations=16,
            lives=1,
            endings=("close",),
            faults=lambda random: (
                FailOp(
                    at=random.randrange(20, 50),
                    kinds=(OpKind.SYNC,),
                    path="store/manifest-*",
                    times=random.choice((1, 4)),
                ),
            ),
        ),
    ),
    Planted.edit(
        "throttle-lets-nobody-go",
        "who waits for room is woken when the shape of the store changes",
        Edit(
            "tempest.upkeep.publishing:Publishing._shape_has_changed",
            "    self.throttle.changed.fire()\n",
            "",
        ),
        draw=Directed(
            mix={"put": 6, "wait_writable": 1},
            options={
                "memtable_bytes_max": 1024,
                "level0_tables_max": 1,
                "table_bytes_max": 256,
            },
            levels=(1, 1, 0),
            sizes=(200, 700),
            operations=30,
            lives=1,
            latencies=((0.0005, 0.0), (0.0, 0.02)),
        ),
    ),
    Planted.edit(
        "wakeup-is-cleared-before-the-wait",
        "a wakeup raised before the wait is not lost",
        Edit(
            "tempest.wakeup:Wakeup.wait",
            "    if self._is_set:\n",
            "    self._is_set = False\n    if self._is_set:\n",
        ),
        draw=Directed(mix={"put": 3, "flush": 1}, clients=2, operations=10, lives=1),
    ),
    Planted.edit(
        "sync-returns-early",
        "a sync returns when everything written so far is durable, whatever its level",
        Edit(
            "tempest.engine:Engine.sync",
            "committer.visibility.durable < sequence",
            "committer.visibility.visible < sequence",
        ),
        draw=Directed(
            mix={"put": 3},
            levels=(1, 0, 0),
            operations=6,
            latencies=SLOW,
            finale=(Sync(), Sleep(0.0)),
            io=(0, 1),
        ),
    ),
    Planted.edit(
        "update-of-nothing-promises-nothing",
        "an update that leaves a missing key missing is as safe as it was asked to be",
        Edit(
            "tempest.writer:Writer.finish_update",
            "value is None and old is None and level is Durability.MEMORY",
            "value is None and old is None",
        ),
        draw=Directed(
            mix={"put": 2, "delete": 3, "update": 4},
            keys=2,
            levels=(3, 2, 0),
            operations=12,
            lives=2,
            endings=("kill",),
            io=(0, 1, 2),
        ),
    ),
)

"""Bugs of the hybrid log: frames, sectors, segments, watermarks."""

from random import Random

from io_backends import CrashPolicy, FailOp, Fault, LateError, OpKind, PowerCut, Slow
from sim.draw import WHENS
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

LOG = "store/log-*"
TORN = CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=0.0, tear=8.0)
OLDER = CrashPolicy(
    all_kept=0.0,
    none_kept=0.0,
    prefix=0.0,
    keep=8.0,
    drop=0.5,
    tear=0.5,
    garbage=0.0,
)
MIXED = CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=1.0, tear=2.0)


def _cut_while_syncing(random: Random) -> tuple[Fault, ...]:
    """The power fails while the log is synced."""
    when = random.choice(WHENS[:2])
    at = random.randrange(20, 70)
    return (PowerCut(at=at, kinds=(OpKind.SYNC,), path=LOG, when=when),)


def _cut_beside_a_sync(random: Random) -> tuple[Fault, ...]:
    """The power fails right after a small write to the log, while a sync takes its time."""
    at = random.randrange(24, 45)
    cut = at + random.randrange(4, 16)
    return (
        Slow(at=at, kinds=(OpKind.SYNC,), path=LOG, seconds=8.0),
        PowerCut(at=cut, kinds=(OpKind.WRITE_NOWAIT,), path=LOG, when="after"),
    )


def _sync_fails(random: Random) -> tuple[Fault, ...]:
    """A sync of the log fails, its pages are gone, and soon so is the power."""
    at = random.randrange(20, 50)
    return (
        FailOp(at=at, kinds=(OpKind.SYNC,), path=LOG),
        PowerCut(at=at + random.randrange(8, 20)),
    )


def _syncs_late(random: Random) -> tuple[Fault, ...]:
    """A sync of the log loses its pages, and only the next one says so."""
    return (LateError(at=random.randrange(10, 40), path=LOG),)


def _cut_while_entering(random: Random) -> tuple[Fault, ...]:
    """The power fails while a segment is made, or soon after."""
    kinds = random.choice(((OpKind.CREATE,), (OpKind.SYNC_DIR,), (OpKind.SYNC,)))
    return (PowerCut(at=random.randrange(60), kinds=kinds, when="after"),)


# Frames of several sectors, the newest of them half written.
TEARING = Directed(
    mix={"put": 4, "batch": 2, "delete": 1},
    sizes=(200, 700, 1500),
    operations=12,
    policies=(TORN,),
    faults=_cut_while_syncing,
)
# Small frames, several to a sector, that overtake a sync under way.
OVERTAKING = Directed(
    mix={"put": 6, "sleep": 3},
    options={"unsynced_bytes_max": 150},
    sizes=(0, 8),
    levels=(0, 1, 0),
    clients=2,
    operations=60,
    lives=4,
    latencies=((0.0005, 0.0), (0.0, 0.004)),
    policies=(OLDER,),
    faults=_cut_beside_a_sync,
)
PENDING = Directed(
    mix={"put": 6, "get": 4, "delete": 1},
    levels=(1, 1, 3),
    clients=4,
    operations=40,
    latencies=((0.001, 0.0), (0.0, 0.004)),
    faults=_cut_while_syncing,
)
ROLLING = Directed(
    mix={"put": 6, "batch": 2, "flush": 1},
    options={"segment_bytes_max": 1024},
    sizes=(60, 200),
    operations=12,
    lives=3,
    policies=(CrashPolicy.drop_all(), MIXED),
    faults=_cut_while_entering,
)
ROTTING = Directed(
    mix={"put": 6, "batch": 2},
    sizes=(8, 200),
    operations=14,
    lives=3,
    damages=(("rot", "log"),),
)
KEEPING = Directed(
    mix={"put": 8, "get": 2, "snapshot": 4, "delete": 1},
    keys=2,
    levels=(2, 2, 1),
    clients=2,
    operations=30,
    endings=("kill", "cut"),
    latencies=((0.001, 0.0), (0.0, 0.004)),
)

LOG_BUGS: tuple[Planted, ...] = (
    Planted.edit(
        "log-payload-checksum-dropped",
        "a frame is all or nothing: its payload verifies (A1, A7)",
        Edit(
            "tempest.log.frame:verify_payload",
            "and xxh3_64_intdigest(payload) == header.payload_checksum",
            "",
        ),
        draw=TEARING,
    ),
    Planted.edit(
        "log-tail-believed",
        "a torn frame ends the log: what lies behind it is not read (T19, H2)",
        Edit(
            "tempest.log.scanner:SegmentReader.next",
            "if frame is None and self.address % SECTOR_BYTES:",
            "while frame is None and next_sector(self.address + 1) < self.segment.meta.address(self._stop):\n"
            "        self.address = next_sector(self.address + 1)\n"
            "        frame = await self._frame_at(self.address)\n"
            "        if frame is not None:\n"
            "            self.address = frame.header.follows\n"
            "    if False:",
        ),
        draw=TEARING,
    ),
    Planted.edit(
        "log-shares-a-sector",
        "no write touches a sector that was synced, or is being synced (D1)",
        Edit(
            "tempest.log.hybrid_log:HybridLog.seal",
            "if address < self._clear_from:",
            "if False:",
        ),
        Edit(
            "tempest.log.hybrid_log:HybridLog.append_nowait",
            "if address < self._clear_from:",
            "if False:",
        ),
        draw=TEARING,
    ),
    Planted.edit(
        "log-follows-ignored",
        "a frame counts only if the one before it is there (R10)",
        Edit(
            "tempest.log.scanner:SegmentReader.next",
            "if frame is None or frame.header.follows != self.address:",
            "if frame is None:",
        ),
        draw=OVERTAKING,
    ),
    Planted.edit(
        "log-gathers-out-of-order",
        "a frame holds its entries in the order of their sequences (R9)",
        Edit(
            "tempest.log.open_frame:GatheredFrame.runs",
            "merge(pairs, *self.chained, key=_sequence)",
            "merge(pairs, *self.chained)",
        ),
        draw=KEEPING,
    ),
    Planted.edit(
        "log-segment-limit-ignored",
        "no address at or above a segment's limit is used in it",
        Edit(
            "tempest.log.hybrid_log:HybridLog.has_room",
            "and self.tail <= segment.meta.limit",
            "",
        ),
        Edit(
            "tempest.log.hybrid_log:HybridLog.append_nowait",
            "end > segment.limit or segment.is_failed",
            "segment.is_failed",
        ),
        draw=ROLLING,
    ),
    Planted.edit(
        "log-vouches-too-early",
        "a frame says what was synced, not what was written (R23)",
        Edit(
            "tempest.log.hybrid_log:HybridLog.flush_nowait",
            "frame.encode(segment.seed, self.durable)",
            "frame.encode(segment.seed, self.flushed)",
        ),
        Edit(
            "tempest.log.hybrid_log:HybridLog.append_nowait",
            "self.tail, self.durable, ",
            "self.tail, self.flushed, ",
        ),
        draw=OVERTAKING,
    ),
    Planted.edit(
        "log-sync-covers-what-came-later",
        "a sync covers what was written before it began (P2)",
        Edit(
            "tempest.log.hybrid_log:HybridLog.sync",
            "newest = self._synced(target)",
            "newest = self._synced(self.flushed)",
        ),
        draw=OVERTAKING,
    ),
    Planted.edit(
        "log-forgets-before-confirmed",
        "a frame stays in memory until the sync after its own has returned",
        Edit(
            "tempest.log.hybrid_log:HybridLog._forget",
            "retained[0][-1].end <= self.confirmed:",
            "retained[0][-1].end <= self.durable:",
        ),
        draw=Directed(
            mix={"put": 1}, operations=16, faults=_syncs_late, endings=("kill",)
        ),
    ),
    Planted.edit(
        "log-name-not-synced",
        "a segment's name is durable before the manifest names it (T18, H13)",
        Edit(
            "tempest.log.hybrid_log:HybridLog.create_segment",
            "        await self._io.sync_dir(self._folder)\n",
            "",
        ),
        draw=ROLLING,
    ),
    Planted.edit(
        "log-header-not-synced",
        "a segment's header is durable before the manifest names it (T18)",
        Edit(
            "tempest.log.hybrid_log:HybridLog.create_segment",
            "        await file.sync()\n",
            "",
        ),
        draw=ROLLING,
    ),
    Planted.edit(
        "log-rewrites-without-sync",
        "frames that were carried over are synced before anybody relies on them (R7)",
        Edit(
            "tempest.log.hybrid_log:HybridLog.rewrite",
            "    await segment.file.sync()\n",
            "",
        ),
        draw=Directed(
            mix={"put": 1},
            operations=16,
            lives=3,
            io=(0, 1, 2, 3, 5),
            policies=(CrashPolicy.drop_all(),),
            faults=_sync_fails,
        ),
    ),
    Planted.edit(
        "log-visible-before-durable",
        "nobody reads a write before it has reached its level (E2)",
        Edit(
            "tempest.log.visibility:Visibility.advance",
            "self.durable if first.synced else self.flushed",
            "self.flushed",
        ),
        draw=PENDING,
    ),
    Planted.edit(
        "log-damage-passes-for-a-tear",
        "a hole below what any frame vouches for is damage (T14, T19)",
        Edit(
            "tempest.log.scanner:SegmentReader.mark_behind",
            "return highest",
            "return 0",
        ),
        draw=ROTTING,
    ),
)

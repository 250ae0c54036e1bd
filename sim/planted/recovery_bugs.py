"""Bugs of opening: what is trusted, what is served, which numbers are given out again."""

from random import Random

from io_backends import BitFlip, CrashPolicy, FailOp, Fault, OpKind
from sim.operations import Sleep
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

LOG = "store/log-*"
MIXED = {"put": 4, "delete": 1, "batch": 2}
KEPT = (CrashPolicy.keep_all(), CrashPolicy())
SMALL = {"memtable_bytes_max": 1024, "segment_bytes_max": 1024}

RESTARTS = Directed(mix=MIXED, levels=(1, 1, 1), operations=10, lives=3, policies=KEPT)
REPLAYED = Directed(
    mix={"put": 3, "delete": 1},
    options={**SMALL, "memtable_bytes_max": (1024, 1 << 16)},
    sizes=(60, 200),
    keys=8,
    operations=16,
    lives=2,
)


def flip_log(random: Random) -> tuple[Fault, ...]:
    """Let a read of the log answer with a flipped bit, some bytes behind its beginning."""
    return (BitFlip(path=LOG, offset=random.randrange(4096), xor=1),)


def fail_opening(random: Random) -> tuple[Fault, ...]:
    """Let one operation fail while the store is opened."""
    return (FailOp(at=random.randrange(2, 30), times=1),)


def fail_creation(random: Random) -> tuple[Fault, ...]:
    """Let new files, or their syncs, fail while the store is opened."""
    kinds = (OpKind.CREATE, OpKind.SYNC, OpKind.SYNC_DIR)
    return (FailOp(at=random.randrange(20), kinds=kinds),)


FLIPPED = Directed(
    mix={"put": 3, "delete": 1},
    operations=8,
    lives=2,
    endings=("close",),
    faults=flip_log,
)


RECOVERY_BUGS = (
    Planted.edit(
        "recovery-serves-what-is-not-durable",
        "nothing recovered is served before it is durable: what was seen stays (A3)",
        Edit(
            "tempest.recovery:_continue_log",
            "        if replayed.unconfirmed:\n            await keeper.carry_over()\n",
            "",
        ),
        draw=RESTARTS,
    ),
    Planted.edit(
        "recovery-forgets-the-last-frame",
        "every frame that is not known to be durable is written again",
        Edit(
            "tempest.recovery:_continue_log",
            "for frame in replayed.unconfirmed:",
            "for frame in replayed.unconfirmed[:-1]:",
        ),
        draw=RESTARTS,
    ),
    Planted.edit(
        "recovery-begins-no-new-life",
        "a life is never given out twice: its sequences would be",
        Edit(
            "tempest.recovery:begin_life",
            "life=version.life + 1",
            "life=max(1, version.life)",
        ),
        draw=Directed(mix={"put": 3, "get": 3}, operations=8, lives=2),
    ),
    Planted.edit(
        "recovery-does-not-sync-the-parent",
        "the name of the store's own folder has to last (R2, H13)",
        Edit(
            "tempest.recovery:prepare_folder",
            "    await io.sync_dir(_parent(folder))\n",
            "",
        ),
        draw=Directed(mix={"put": 1}, operations=2, lives=1),
    ),
    Planted.edit(
        "recovery-sweeps-closed-segments",
        "only files that nobody names are left over (T32)",
        Edit(
            "tempest.recovery:orphans",
            "    numbers = version.numbers\n",
            "    closed = [s.number for s in version.segments if s.end is not None]\n"
            "    numbers = [number for number in version.numbers if number not in closed]\n",
        ),
        draw=REPLAYED,
    ),
    Planted.edit(
        "recovery-sweeps-nothing",
        "files that nobody names are removed when the store is opened (R28)",
        Edit(
            "tempest.recovery:sweep_orphans",
            "await orphans(io, folder, manifest.current, names):",
            "[]:",
        ),
        draw=Directed(mix={"put": 1}, operations=2, lives=1, rots=("orphan", "copy")),
    ),
    Planted.edit(
        "recovery-leaves-the-manifest-open",
        "an opening that fails closes every file",
        Edit(
            "tempest.recovery:recover",
            "            await _close_quietly(manifest)\n",
            "            pass\n",
        ),
        draw=Directed(
            mix={"put": 1},
            operations=2,
            lives=2,
            endings=("close",),
            faults=fail_creation,
        ),
    ),
    Planted.edit(
        "opening-keeps-the-lock",
        "an opening that fails lets go of the lock (F8, R1)",
        Edit(
            "tempest.opening:open_for_writing",
            "await Place(io, folder, place.owns_io, lock).aclose()",
            "await Place(io, folder, place.owns_io, None).aclose()",
        ),
        draw=Directed(
            mix={"put": 1},
            operations=2,
            lives=1,
            endings=("close",),
            faults=fail_opening,
        ),
    ),
    Planted.edit(
        "opening-beside-a-writer-tries-once",
        "what a running writer removes under a reader is no damage",
        Edit(
            "tempest.opening:_open_between_changes",
            "        if str(error) == found:\n",
            "        if True:\n",
        ),
        draw=Directed(
            mix={"put": 3, "flush": 1, "open_twice": 3},
            options=SMALL,
            sizes=(200, 700),
            clients=2,
            operations=16,
            lives=1,
            latencies=((0.0, 0.0),),
        ),
    ),
    Planted.edit(
        "replay-forgets-a-full-memtable",
        "all that the log holds comes back, in however many memtables",
        Edit(
            "tempest.replay:Replay._load_frame",
            "        memtables.switch()\n        memtables.bound(frame.end)\n",
            "        memtables.active = type(memtables.active)(frame.end)\n",
        ),
        draw=REPLAYED,
    ),
    Planted.edit(
        "replay-accepts-a-short-segment",
        "a closed segment was synced and must verify whole (T14, T19)",
        Edit(
            "tempest.replay:Replay._read_closed",
            "    if reader.address != end:\n",
            "    if False:\n",
        ),
        draw=FLIPPED,
    ),
    Planted.edit(
        "replay-takes-damage-for-a-tear",
        "a hole below a synced-until mark is damage, not a torn tail (T14)",
        Edit(
            "tempest.replay:Replay._read_open",
            "    if reader.address < mark:\n",
            "    if False:\n",
        ),
        draw=Directed(
            mix={"put": 3, "delete": 1},
            operations=6,
            lives=2,
            finale=(Sleep(2.0),),
            io=(99,),
            policies=(CrashPolicy.keep_all(),),
            faults=flip_log,
        ),
    ),
    Planted.edit(
        "replay-begins-at-the-wrong-place",
        "replay begins where the tables end",
        Edit(
            "tempest.replay:Replay.run",
            "meta.end > max(meta.first, version.replay_from)",
            "meta.first > version.replay_from",
        ),
        draw=REPLAYED,
    ),
    Planted.edit(
        "manifest-starts-at-a-live-number",
        "a new number is above every live one (T2, T3)",
        Edit(
            "tempest.version.manifest:Manifest.__init__",
            "self._next_number = ceiling if unused is None else unused\n",
            "self._next_number = max([1, *journal.state.numbers])\n",
        ),
        draw=Directed(mix={"put": 1, "flush": 1}, operations=4, lives=2),
    ),
)

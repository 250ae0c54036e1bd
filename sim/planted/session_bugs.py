"""Bugs of sessions: serials that do not say which writes there are."""

from io_backends import CrashPolicy
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

USED = Directed(
    mix={"session": 8, "put": 1, "flush": 1, "sync": 0.5},
    options={"memtable_bytes_max": (1024, 1 << 15)},
    levels=(1, 1, 1),
    operations=24,
    lives=2,
    policies=(CrashPolicy(), CrashPolicy.drop_all()),
)
WAITED = Directed(
    mix={"session": 6, "session_wait": 4, "put": 3},
    levels=(0, 0, 1),
    clients=3,
    operations=60,
    armed=30,
    lives=4,
    io=tuple(range(40)),
    policies=(CrashPolicy.drop_all(),),
    latencies=((0.0005, 0.0), (0.0, 0.002)),
)
KEPT = Directed(
    mix={"session": 8, "checkpoint": 6, "checkpoint_read": 6, "flush": 1},
    operations=48,
    lives=1,
    endings=("close",),
)

SESSION_BUGS = (
    Planted.edit(
        "session-serial-stands-in-no-frame",
        "a serial stands in the frame of the write that it counts",
        Edit(
            "tempest.writer:Writer._take",
            "    committer.log.open.count(serial.name, (sequence, number))\n",
            "",
        ),
        draw=USED,
    ),
    Planted.edit(
        "session-serial-is-not-written-on-the-spot",
        "a write that goes to the system at once takes its serial along",
        Edit("tempest.spot:Spot.flush_numbered", "value, (run,))", "value)"),
        draw=USED,
    ),
    Planted.edit(
        "session-serials-are-not-replayed",
        "recovery finds the serial of every session as it finds its writes",
        Edit(
            "tempest.replay:Replay._load_frame",
            "            replayed.count_sessions(dict(entries), run.sequence_max())\n",
            "",
        ),
        draw=USED,
    ),
    Planted.edit(
        "session-serials-do-not-outlive-the-log",
        "a flush takes serials along, since the log below it goes",
        Edit(
            "tempest.upkeep.flushing:Flushing._flush",
            "sessions=marks_of(memtable.sessions),",
            "sessions=(),",
        ),
        draw=USED,
    ),
    Planted.edit(
        "session-commit-point-comes-too-early",
        "a commit point never passes what a sync has made durable",
        Edit(
            "tempest.session_serials:SessionSerials.advance",
            "while pending and pending[0][0] <= durable:",
            "while pending:",
        ),
        draw=WAITED,
    ),
    Planted.edit(
        "session-is-opened-twice",
        "one client uses a session at a time",
        Edit(
            "tempest.session_serials:SessionSerials._check_unused",
            "if progress is not None and progress.user is not None:",
            "if False:",
        ),
        draw=USED,
    ),
    Planted.edit(
        "session-serials-are-not-taken-back",
        "whoever reads a checkpoint finds its serials, not those of today",
        Edit(
            "tempest.version.version:Version.at_checkpoint",
            "sessions=checkpoint.sessions,",
            "",
        ),
        draw=KEPT,
    ),
)

"""Bugs of the coordinator: who may work beside whom, who waits, what a pause holds back."""

from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed, Options

SMALL: Options = {
    "separated_value_bytes_min": 64,
    "memtable_bytes_max": 1024,
    "segment_bytes_max": 1024,
    "table_bytes_max": 256,
    "level0_tables_max": 1,
    "level_bytes_base": 256,
}
SLOW = ((0.0005, 0.0), (0.0, 0.002))
BESIDE = Directed(
    mix={"large": 6, "put": 2, "flush": 1, "compact": 2, "collect": 3},
    options={**SMALL, "collection_live_share_max": (0.5, 1.0)},
    clients=3,
    operations=45,
    lives=1,
    endings=("close",),
    latencies=SLOW,
)
CANCELLED = Directed(
    mix={"put": 5, "large": 2, "cancelled_upkeep": 4},
    options=SMALL,
    sizes=(60, 200),
    keys=12,
    operations=40,
    lives=1,
    endings=("close",),
    latencies=SLOW,
)
PAUSED = Directed(
    mix={"put": 3, "upkeep_pause": 3},
    options={**SMALL, "checkpoint_log_bytes": 500, "checkpoints_kept": 1},
    sizes=(60, 200),
    operations=24,
    lives=1,
    endings=("close",),
    latencies=SLOW,
)
AUTOMATIC = Directed(
    mix={"put": 6, "checkpoint": 0.5},
    options={
        "checkpoint_log_bytes": (500, 1500),
        "checkpoints_kept": (1, 2),
        "memtable_bytes_max": 1024,
    },
    sizes=(60, 200),
    operations=24,
    lives=2,
    endings=("cut", "close"),
    latencies=SLOW,
)

UPKEEP4_BUGS = (
    Planted.edit(
        "coordinator-lets-collection-beside-compaction",
        "work that chooses among the tables excludes all other work that does",
        Edit(
            "tempest.coordinator:_Turn.excludes",
            "return other.work in EXCLUDES[self.work]",
            "return other.work is self.work",
        ),
        draw=BESIDE,
    ),
    Planted.edit(
        "coordinator-excludes-nobody",
        "no two turns that exclude each other are held at once",
        Edit(
            "tempest.coordinator:_Turn.excludes",
            "return other.work in EXCLUDES[self.work]",
            "return False",
        ),
        draw=BESIDE,
    ),
    Planted.edit(
        "coordinator-keeps-turns-that-were-cancelled",
        "whatever ends a turn gives it back",
        Edit(
            "tempest.coordinator:Coordinator.turn",
            "        tally.cancelled += 1\n        raise\n",
            "        self._running.append(turn)\n        raise\n",
        ),
        draw=CANCELLED,
    ),
    Planted.edit(
        "coordinator-forgets-who-waits",
        "a turn that ends lets the next one begin",
        Edit(
            "tempest.coordinator:Coordinator.turn",
            "        self._running.remove(turn)\n        self._hand_out()\n",
            "        self._running.remove(turn)\n",
        ),
        draw=BESIDE,
    ),
    Planted.edit(
        "pause-has-no-end",
        "automatic work begins again when a pause ends",
        Edit(
            "tempest.control:MaintenanceControl.resume",
            "    self._maintenance.resume()\n",
            "    pass\n",
        ),
        draw=PAUSED,
    ),
    Planted.edit(
        "checkpoints-are-never-retained",
        "retention keeps as many automatic checkpoints as options say",
        Edit(
            "tempest.checkpoint.shelf:Retention.is_due",
            "return bool(",
            "return False and bool(",
        ),
        draw=AUTOMATIC,
    ),
    Planted.edit(
        "upkeep-forgets-to-retire-files",
        "what an edit drops is removed once nobody needs it",
        Edit(
            "tempest.upkeep.removing:Removing._sweep_obsolete",
            "        problem = await self._sweep()\n",
            "        problem = None\n",
        ),
        draw=AUTOMATIC,
    ),
)

"""The real engine in a chosen world: what a seed decides, anybody can run again.

run(draw(7))                    everything that seed 7 stands for, and its verdict
repr(draw(7)), parse(text)      a script is a value; taking parts away leaves a script
Schedule, run_schedule          which task goes next, for any trio program
"""

from sim.clock import JumpClock as JumpClock, StuckError as StuckError
from sim.digest import Digest as Digest, WatchedIo as WatchedIo
from sim.draw import draw as draw
from sim.marks import SITUATIONS as SITUATIONS, never_seen as never_seen
from sim.oracle import ORACLES as ORACLES, Violation as Violation
from sim.runner import Timed as Timed, canary as canary, sweep as sweep
from sim.schedule import (
    Schedule as Schedule,
    TrioInternalsMovedError as TrioInternalsMovedError,
    every_schedule as every_schedule,
    run as run_schedule,
    run_seeded as run_seeded,
)
from sim.script import (
    Ending as Ending,
    Latency as Latency,
    Life as Life,
    Rot as Rot,
    Script as Script,
    parse as parse,
)
from sim.seeds import Seeds as Seeds
from sim.world import RunResult as RunResult, run as run

__all__ = [
    "ORACLES",
    "SITUATIONS",
    "Digest",
    "Ending",
    "JumpClock",
    "Latency",
    "Life",
    "Rot",
    "RunResult",
    "Schedule",
    "Script",
    "Seeds",
    "StuckError",
    "Timed",
    "TrioInternalsMovedError",
    "Violation",
    "WatchedIo",
    "canary",
    "draw",
    "every_schedule",
    "never_seen",
    "parse",
    "run",
    "run_schedule",
    "run_seeded",
    "sweep",
]

"""The real engine in a chosen world: what a seed decides, anybody can run again.

run(draw(7))                    everything that seed 7 stands for, and its verdict
repr(draw(7)), parse(text)      a script is a value; taking parts away leaves a script
as_pytest(shrink(script))       what fails, made small, as a test to paste
crash_test, Program             the same for any other trio program over `Io`
Schedule, run_schedule          which task goes next, for any trio program
"""

from sim.clock import JumpClock as JumpClock, StuckError as StuckError
from sim.crash_testing import (
    CrashFailure as CrashFailure,
    CrashWorld as CrashWorld,
    crash_test as crash_test,
)
from sim.digest import Digest as Digest, WatchedIo as WatchedIo
from sim.draw import draw as draw
from sim.marks import SITUATIONS as SITUATIONS, never_seen as never_seen
from sim.oracle import ORACLES as ORACLES, Violation as Violation
from sim.program import (
    Outcome as Outcome,
    Plan as Plan,
    Program as Program,
    ProgramLife as ProgramLife,
    draw_plan as draw_plan,
    parse_plan as parse_plan,
    run_program as run_program,
)
from sim.record import Recorder as Recorder
from sim.runner import (
    Timed as Timed,
    canary as canary,
    forgetful_canary as forgetful_canary,
    sweep as sweep,
)
from sim.schedule import (
    Schedule as Schedule,
    TrioInternalsMovedError as TrioInternalsMovedError,
    every_schedule as every_schedule,
    run as run_schedule,
    run_seeded as run_seeded,
)
from sim.script import (
    Damage as Damage,
    Ending as Ending,
    Latency as Latency,
    Life as Life,
    Recover as Recover,
    Rot as Rot,
    Script as Script,
    parse as parse,
)
from sim.seeds import Seeds as Seeds
from sim.shrink import (
    Shrunk as Shrunk,
    as_pytest as as_pytest,
    literal as literal,
    shrink as shrink,
)
from sim.world import RunResult as RunResult, run as run

__all__ = [
    "ORACLES",
    "SITUATIONS",
    "CrashFailure",
    "CrashWorld",
    "Damage",
    "Digest",
    "Ending",
    "JumpClock",
    "Latency",
    "Life",
    "Outcome",
    "Plan",
    "Program",
    "ProgramLife",
    "Recorder",
    "Recover",
    "Rot",
    "RunResult",
    "Schedule",
    "Script",
    "Seeds",
    "Shrunk",
    "StuckError",
    "Timed",
    "TrioInternalsMovedError",
    "Violation",
    "WatchedIo",
    "as_pytest",
    "canary",
    "crash_test",
    "draw",
    "draw_plan",
    "every_schedule",
    "forgetful_canary",
    "literal",
    "never_seen",
    "parse",
    "parse_plan",
    "run",
    "run_program",
    "run_schedule",
    "run_seeded",
    "shrink",
    "sweep",
]

"""Any trio program over `Io`, in a chosen world: power cuts, refusals, restarts, its own promises.

program = Program(name="log", memory=list, work=append_all, check=reads_what_it_promised)
run_program(program, draw_plan(7))      everything that seed 7 does to it, and the verdict
repr(draw_plan(7)), parse_plan(text)    a plan is a value; taking parts away leaves a plan
"""

from sim.program.life import (
    Lived as Lived,
    ProgramIo as ProgramIo,
    Remains as Remains,
)
from sim.program.plan import (
    Plan as Plan,
    ProgramLife as ProgramLife,
    draw_plan as draw_plan,
    parse_plan as parse_plan,
)
from sim.program.run import (
    Outcome as Outcome,
    Program as Program,
    ProgramRun as ProgramRun,
    measure as measure,
    run_program as run_program,
)
from sim.program.shrink import shrink_plan as shrink_plan

__all__ = [
    "Lived",
    "Outcome",
    "Plan",
    "Program",
    "ProgramIo",
    "ProgramLife",
    "ProgramRun",
    "Remains",
    "draw_plan",
    "measure",
    "parse_plan",
    "run_program",
    "shrink_plan",
]

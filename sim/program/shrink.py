"""A plan made small: as few lives, faults and oddities as still make the program fail alike.

Invariants
- The verdict stays the same; every step leaves out something or puts the usual in its place.
- It ends after `RUNS_MAX` runs of the program at the latest.
"""

from collections.abc import Callable, Iterator

import attrs

from io_backends import CrashPolicy
from sim.program.plan import CLOSED, Plan, ProgramLife
from sim.script import Ending, Latency

RUNS_MAX = 400
Fails = Callable[[Plan], bool]


def shrink_plan(plan: Plan, fails: Fails, runs_max: int = RUNS_MAX) -> Plan:
    """Return the smallest plan found for which `fails` still holds."""
    runs, is_shrinking = 0, True
    while is_shrinking and runs < runs_max:
        is_shrinking = False
        for smaller in _smaller(plan):
            runs += 1
            if fails(smaller):
                plan, is_shrinking = smaller, True
                break
            if runs == runs_max:
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield plans that are smaller by one thing, the largest first."""
    lives = plan.lives
    if len(lives) > 1:
        for place in range(len(lives)):
            yield attrs.evolve(plan, lives=lives[:place] + lives[place + 1 :])
    for place, life in enumerate(lives):
        for plainer in _plainer(life):
            yield attrs.evolve(
                plan, lives=(*lives[:place], plainer, *lives[place + 1 :])
            )


def _plainer(life: ProgramLife) -> Iterator[ProgramLife]:
    for place in range(len(life.faults)):
        faults = life.faults[:place] + life.faults[place + 1 :]
        yield attrs.evolve(life, faults=faults)
    usual = ProgramLife()
    for name in ("latency", "uncached", "capacity_bytes", "clock_jump", "cancel"):
        if getattr(life, name) != getattr(usual, name):
            yield attrs.evolve(life, **{name: getattr(usual, name)})
    if life.latency.spread:
        yield attrs.evolve(life, latency=Latency(life.latency.base))
    if life.ending != CLOSED:
        yield attrs.evolve(life, ending=CLOSED)
        for ending in _earlier(life.ending):
            yield attrs.evolve(life, ending=ending)


def _earlier(ending: Ending) -> Iterator[Ending]:
    if ending.late:
        yield attrs.evolve(ending, late=0)
    if ending.kind == "kill":
        yield attrs.evolve(ending, kind="cut")
    if ending.when != "before":
        yield attrs.evolve(ending, when="before")
    yield from _plainer_losses(ending)
    for io in (0, ending.io // 2, ending.io - 1):
        if 0 <= io < ending.io:
            yield attrs.evolve(ending, io=io)


def _plainer_losses(ending: Ending) -> Iterator[Ending]:
    """Yield endings at which all is lost or, if that will not do, all is kept: without chance."""
    all_lost, all_kept = CrashPolicy.drop_all(), CrashPolicy.keep_all()
    if ending.policy not in (all_lost, all_kept):
        yield attrs.evolve(ending, policy=all_lost)
        yield attrs.evolve(ending, policy=all_kept)
    elif ending.seed:
        yield attrs.evolve(ending, seed=0)

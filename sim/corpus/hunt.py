"""Where a bug is looked for, and what was found there.

    look(program, hunt)    the first failure of a program, or "ok", and how many states it saw

Invariants
- Nothing is drawn but from the numbers in the hunt: a program has the same result everywhere.
- The plan in which nothing goes wrong is part of every hunt.
"""

from collections.abc import Iterator
from typing import Literal

import attrs

from io_backends import WRITES, CrashPolicy, FailOp, Op, OpKind
from sim.corpus.ledger import Ledger
from sim.explore import explore
from sim.program import Plan, Program, ProgramLife, draw_plan, run_program
from sim.script import Ending

Effect = Literal["none", "partial", "done"]
NO_PLAN = Plan()
NEVER = 1 << 40
TEARS = 3
MIXED = CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=0.0, tear=0.0, garbage=0.0)
KILL = Ending(kind="kill", io=NEVER)
DROP_ALL = Ending(io=NEVER, policy=CrashPolicy.drop_all())
KEEP_ALL = Ending(io=NEVER, policy=CrashPolicy.keep_all())


@attrs.frozen(kw_only=True)
class Refused:
    """Operations that fail, each once: of these kinds, at this path, having done this much."""

    kinds: tuple[OpKind, ...]
    path: str = "*"
    effects: tuple[Effect, ...] = ("none", "partial", "done")


@attrs.frozen(kw_only=True)
class Hunt:
    """Where a bug is looked for.

    `cuts`: the power fails at every operation, and every subset of what was unsynced is kept.
    `refused`: operations fail, one at a time; then the process is killed, or the power fails.
    `surfacing`: a write in flight at a cut reaches the disk only in the next life.
    `twice`: the power fails at a write, and again at each of so many operations of the next start.
    `torn_renames`: a cut after each operation may part a rename in two, so many ways.
    `seeds`: so many drawn plans.

    `plan` says how fast the disk is and how tasks take turns meanwhile.
    """

    cuts: bool = True
    units_max: int = 6
    plan: Plan = NO_PLAN
    refused: Refused | None = None
    surfacing: bool = False
    twice: int = 0
    torn_renames: int = 0
    seeds: int = 0


@attrs.frozen(kw_only=True)
class Look:
    """What a hunt found: the first failure's verdict, and how many states it saw."""

    verdict: str
    detail: str
    states: int
    plan: Plan | None = None

    @property
    def is_ok(self) -> bool:
        return self.verdict == "ok"


def look(program: Program[Ledger], hunt: Hunt) -> Look:
    """Hunt for a failure of this program, and stop at the first one."""
    states = 0
    if hunt.cuts:
        found = explore(
            program,
            errors=False,
            cancellations=False,
            units_max=hunt.units_max,
            failures_max=1,
            plan=hunt.plan,
        )
        states = max(1, found.images)
        for failure in found.failures:
            verdict, detail = failure.verdict, failure.detail
            return Look(
                verdict=verdict, detail=detail, states=states, plan=failure.plan
            )
    for plan in plans_of(program, hunt):
        outcome = run_program(program, plan)
        states += max(1, outcome.crashes)
        if outcome.verdict != "ok":
            verdict, detail = outcome.verdict, outcome.detail
            return Look(verdict=verdict, detail=detail, states=states, plan=plan)
    return Look(verdict="ok", detail="", states=states)


def plans_of(program: Program[Ledger], hunt: Hunt) -> Iterator[Plan]:
    """Yield every plan of a hunt, the one in which nothing goes wrong first."""
    yield NO_PLAN
    yield from _refusals(program, hunt)
    yield from _surfacings(program, hunt)
    yield from _second_cuts(program, hunt)
    yield from _torn_renames(program, hunt)
    for seed in range(hunt.seeds):
        yield draw_plan(seed, span=40, lives=3, errors=False)


def _refusals(program: Program[Ledger], hunt: Hunt) -> Iterator[Plan]:
    """Yield plans in which one operation fails, for each that can and each way it may end."""
    refused = hunt.refused
    if refused is None:
        return
    for op in _ops(program, hunt):
        any_error = FailOp(at=op.index, kinds=refused.kinds, path=refused.path)
        if not any_error.matches(op):
            continue
        for effect in refused.effects:
            for ending in (KILL, DROP_ALL, KEEP_ALL):
                fault = attrs.evolve(any_error, effect=effect)
                life = attrs.evolve(hunt.plan.lives[0], faults=(fault,), ending=ending)
                yield Plan(seed=hunt.plan.seed, lives=(life,))


def _surfacings(program: Program[Ledger], hunt: Hunt) -> Iterator[Plan]:
    """Yield plans in which one write is on its way when the power fails, and surfaces later."""
    if not hunt.surfacing:
        return
    for op in _ops(program, hunt):
        if op.kind in WRITES:
            for ending in (DROP_ALL, KEEP_ALL):
                cut = attrs.evolve(DROP_ALL, io=op.index, when="after", late=1)
                lives = (ProgramLife(ending=cut), ProgramLife(ending=ending))
                yield Plan(lives=lives)


def _second_cuts(program: Program[Ledger], hunt: Hunt) -> Iterator[Plan]:
    """Yield plans in which a write is torn, and then the recovery from that is cut."""
    if not hunt.twice:
        return
    for op in _ops(program, hunt):
        if op.kind in WRITES:
            for seed in range(TEARS):
                tear = Ending(io=op.index, when="after", seed=seed, policy=MIXED)
                for place in range(hunt.twice):
                    again = attrs.evolve(KEEP_ALL, io=place, when="after")
                    lives = (ProgramLife(ending=tear), ProgramLife(ending=again))
                    yield Plan(lives=lives)


def _torn_renames(program: Program[Ledger], hunt: Hunt) -> Iterator[Plan]:
    """Yield plans in which each name that is not durable is kept or not, renames in halves."""
    if not hunt.torn_renames:
        return
    policy = attrs.evolve(MIXED, rename_atomic=False)
    for op in _ops(program, hunt):
        for seed in range(hunt.torn_renames):
            ending = Ending(io=op.index, when="after", seed=seed, policy=policy)
            yield Plan(lives=(ProgramLife(ending=ending),))


def _ops(program: Program[Ledger], hunt: Hunt) -> list[Op]:
    """Return the operations of the program when nothing goes wrong."""
    return run_program(program, hunt.plan).lived[0].ops

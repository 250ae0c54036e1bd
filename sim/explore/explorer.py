"""The walk through everything that can happen to a program.

- *cuts*: the power fails before, during and after every Io operation, and at the end; of what was
  unsynced then, every subset survives (up to `units_max` units; beyond: all, none, each one lost,
  each one alone, and a drawn sample). With `nested` the check of each disk is cut, too: before,
  during and after each of its own changes, and all or nothing of them survives.
- *errors*: every error that an operation can meet, at every operation, once and for good, with
  every effect; then a restart on what is visible, on what is durable, on all that was written.
  With `nested` also at every operation of the check after a cut.
- *cancellations*: the work is cancelled at every step that a task takes; then the same restarts.

Equal disks under equal memories are checked once.

Invariants
- Nothing is drawn but the sample beyond `units_max`, and that from the place of its cut.
- Every failure carries a plan with which `run_program` fails.
"""

from collections.abc import Iterator
from copy import deepcopy
from hashlib import blake2b
from itertools import combinations
from typing import Generic, TypeVar

import attrs

from io_backends import MUTATING, WRITES, Op, OpKind, Unit, VirtualDisk
from sim.explore.exploration import Counts, Exploration, Found
from sim.explore.refusals import refusals
from sim.program import (
    Outcome,
    Plan,
    Program,
    ProgramLife,
    ProgramRun,
    Remains,
    run_program,
)
from sim.script import Ending, When
from sim.seeds import Seeds

S = TypeVar("S")
SAMPLES = 64
BEYOND = 1 << 40
Kept = tuple[Unit, ...]
Lives = tuple[ProgramLife, ...]


def explore(  # noqa: PLR0913 - one switch each
    program: Program[S],
    *,
    cuts: bool = True,
    errors: bool = True,
    cancellations: bool = True,
    nested: bool = False,
    units_max: int = 8,
    failures_max: int | None = None,
    plan: Plan = Plan(),  # noqa: B008 frozen
) -> Exploration:
    """Go through everything that can happen to a program; stop at `failures_max` failures.

    The first life of `plan` says how fast the disk is, its seed how tasks take turns.
    """
    explorer = Explorer(program, plan, units_max=units_max, is_nested=nested)
    failures = list[Found]()
    is_whole = True
    for failure in explorer.all(cuts=cuts, errors=errors, cancellations=cancellations):
        failures.append(failure)
        if len(failures) == failures_max:
            is_whole = False
            break
    return Exploration(
        program=program.name,
        failures=tuple(failures),
        is_whole=is_whole,
        **attrs.asdict(explorer.counts),
    )


class Explorer(Generic[S]):
    """One exploration: what it has seen and counted so far."""

    def __init__(
        self, program: Program[S], plan: Plan, *, units_max: int, is_nested: bool
    ) -> None:
        self.counts = Counts()
        self._program, self._seed, self._base = program, plan.seed, plan.lives[0]
        self._units_max, self._is_nested = units_max, is_nested
        self._ops: list[Op] = []
        self._seen: dict[bytes, list[S]] = {}

    def all(self, *, cuts: bool, errors: bool, cancellations: bool) -> Iterator[Found]:
        """Yield every failure."""
        run = ProgramRun(self._program, self._plan(self._base))
        outcome = run.run()
        if outcome.verdict != "ok":
            yield self._found("nothing was done to it", outcome, (self._base,))
            return
        first = outcome.lived[0]
        self._ops, self.counts.steps = list(first.ops), first.steps
        self.counts.io_calls = len(self._ops)
        if cuts:
            yield from self._cuts()
        if errors:
            yield from self._errors()
        if cancellations:
            yield from self._cancellations()

    # Power cuts.

    def _cuts(self) -> Iterator[Found]:
        for index, op in enumerate(self._ops):
            for when in _whens(op.kind):
                ending = Ending(io=index, when=when)
                yield from self._cut(ending, f"cut {when} {op}")
        yield from self._cut(Ending(io=BEYOND), "cut at the end")

    def _cut(self, ending: Ending, what: str) -> Iterator[Found]:
        life = attrs.evolve(self._base, ending=ending)
        run, outcome = self._live((life,))
        self.counts.cuts += 1
        if outcome.verdict != "ok":
            yield self._found(what, outcome, (life,))
            return
        disk = _left(outcome)
        for kept in self._subsets(disk.unsynced_units(), ending):
            self.counts.subsets += 1
            lives = (attrs.evolve(life, kept=kept),)
            yield from self._image(what, disk, run.remains, lives)

    def _subsets(self, units: Kept, ending: Ending) -> Iterator[Kept]:
        if len(units) <= self._units_max:
            for count in range(len(units) + 1):
                yield from combinations(units, count)
            return
        self.counts.sampled += 1
        yield ()
        yield units
        for unit in units:
            yield (unit,)
            yield tuple(other for other in units if other != unit)
        random = Seeds(ending.io).stream(ending.when)
        for _ in range(SAMPLES):
            yield tuple(unit for unit in units if random.random() < 0.5)

    # What was left, and whether the program lives with it.

    def _image(
        self, what: str, disk: VirtualDisk, remains: Remains[S], lives: Lives
    ) -> Iterator[Found]:
        """Check what the last of these lives left, once; then, if asked to, cut that check."""
        last = lives[-1]
        is_kill = last.ending.kind == "kill"
        image = disk.clone() if is_kill else disk.crash_keeping(last.kept or ())
        if not self._is_new(image, remains.memory):
            return
        outcome = self._restart((), image.clone(), remains)[1]
        if outcome.verdict != "ok":
            yield self._found(what, outcome, lives)
        elif self._is_nested and len(lives) == 1:
            ops = outcome.lived[0].ops
            yield from self._nested(what, image, remains, lives, ops)

    def _nested(
        self,
        what: str,
        image: VirtualDisk,
        remains: Remains[S],
        lives: Lives,
        ops: list[Op],
    ) -> Iterator[Found]:
        for index, op in enumerate(ops):
            if op.kind not in MUTATING:
                continue
            for when in _whens(op.kind):
                life = ProgramLife(ending=Ending(io=index, when=when))
                run, outcome = self._restart((life,), image.clone(), remains)
                self.counts.nested += 1
                if outcome.verdict != "ok":
                    yield self._found(f"{what}; {when} {op}", outcome, (*lives, life))
                    continue
                disk = _left(outcome)
                for kept in ((), disk.unsynced_units()):
                    both = (*lives, attrs.evolve(life, kept=kept))
                    yield from self._image(
                        f"{what}; {when} {op}", disk, run.remains, both
                    )

    def _is_new(self, image: VirtualDisk, memory: S) -> bool:
        memories = self._seen.setdefault(_image_of(image), [])
        if memory in memories:
            return False
        memories.append(deepcopy(memory))
        self.counts.images += 1
        return True

    # Errors and cancellations.

    def _errors(self) -> Iterator[Found]:
        for op in self._ops:
            yield from self._errors_at(op, ())
        if self._is_nested:
            first, ops = self._restarted()
            for op in ops:
                yield from self._errors_at(op, (first,))

    def _errors_at(self, op: Op, before: Lives) -> Iterator[Found]:
        where = "of the check after a cut, " if before else ""
        for fault in refusals(op):
            self.counts.errors += 1
            lasting = "once" if fault.times else "for good"
            what = f"{where}{lasting} {fault.error} ({fault.effect}) from {op}"
            life = attrs.evolve(self._base, faults=(fault,))
            yield from self._trouble(what, life, before)

    def _restarted(self) -> tuple[ProgramLife, list[Op]]:
        """Return a life cut at its end, which loses nothing, and what the check does after it."""
        life = attrs.evolve(self._base, ending=Ending(io=BEYOND))
        units = _left(self._live((life,))[1]).unsynced_units()
        life = attrs.evolve(life, kept=units)
        again = self._live((life, self._base))[1].lived[1]
        return life, again.ops[: again.checks]

    def _cancellations(self) -> Iterator[Found]:
        for step in range(self.counts.steps):
            self.counts.cancellations += 1
            life = attrs.evolve(self._base, cancel=step)
            yield from self._trouble(f"cancelled at step {step}", life)

    def _trouble(
        self, what: str, life: ProgramLife, before: Lives = ()
    ) -> Iterator[Found]:
        """Let the work end as it will; restart on what is visible, durable, written."""
        life = attrs.evolve(life, ending=Ending(kind="kill", io=BEYOND))
        run, outcome = self._live((*before, life))
        if outcome.verdict != "ok":
            yield self._found(what, outcome, (*before, life))
            return
        disk = _left(outcome)
        cut = Ending(io=BEYOND)
        for other in (
            life,
            attrs.evolve(life, ending=cut, kept=()),
            attrs.evolve(life, ending=cut, kept=disk.unsynced_units()),
        ):
            yield from self._image(what, disk, run.remains, (*before, other))

    # Runs.

    def _plan(self, *lives: ProgramLife) -> Plan:
        return Plan(seed=self._seed, lives=lives)

    def _live(self, lives: Lives) -> tuple[ProgramRun[S], Outcome]:
        run = ProgramRun(self._program, self._plan(*lives), is_checked=False)
        return run, run.run()

    def _restart(
        self, lives: Lives, disk: VirtualDisk, remains: Remains[S]
    ) -> tuple[ProgramRun[S], Outcome]:
        """Start on this disk; without lives, only for the last check."""
        remains = Remains(
            disk=disk, memory=deepcopy(remains.memory), lives=remains.lives
        )
        run = ProgramRun(
            self._program, self._plan(*lives), remains, is_checked=not lives
        )
        return run, run.run()

    def _found(self, what: str, outcome: Outcome, lives: Lives) -> Found:
        plan = self._plan(*lives)
        again = run_program(self._program, plan)
        detail = again.detail or f"{outcome.detail} (not when run as a whole)"
        return Found(what=what, verdict=outcome.verdict, detail=detail, plan=plan)


def _whens(kind: OpKind) -> tuple[When, ...]:
    """Return the moments at which a cut leaves different disks."""
    if kind in WRITES or kind is OpKind.SYNC:
        return ("before", "during", "after")
    return ("before", "after") if kind in MUTATING else ("before",)


def _left(outcome: Outcome) -> VirtualDisk:
    disk = outcome.lived[-1].disk
    assert disk is not None, "a life that ended left a disk"
    return disk


def _image_of(disk: VirtualDisk) -> bytes:
    """Return a hash of every name and every byte."""
    hasher = blake2b(digest_size=16)
    for path, node in disk.walk():
        content = node.visible
        is_file = isinstance(content, bytearray)
        hasher.update(repr((path, len(content), is_file)).encode())
        if isinstance(content, bytearray):
            hasher.update(content)
    return hasher.digest()

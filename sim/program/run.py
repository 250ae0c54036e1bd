"""A program, its run through a plan, and the outcome.

A life is work until the power goes. After every restart `check` looks first, then work begins
again; at the end of all lives `check` has the last word. What is noted in the memory after the
power went was never noted.

    "ok"                  every promise held
    "invariant"           `check` raised, or an assertion of `work` failed
    "undocumented-error"  `work` raised what no injected fault explains
    "leak"                the work ended, and left a file open or a lock held
    "stuck"               it did not end: `detail` says where every task waits

Invariants
- The same program and plan give the same outcome, digest included.
- The disk after a cut is taken at the moment of the cut; nothing that unwinds can change it.
"""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Generic, TypeVar

import attrs

from io_backends import Io, VirtualDisk
from sim import schedule
from sim.clock import JumpClock, StuckError
from sim.digest import Digest
from sim.oracle import leaves
from sim.program.life import Lived, LivingProgram, Remains, describe
from sim.program.plan import Plan, ProgramLife
from sim.seeds import Seeds

S = TypeVar("S")
HORIZON_SECONDS = 20_000.0
STEPS_MAX = 1_000_000


@attrs.frozen(kw_only=True)
class Program(Generic[S]):
    """A program and its promises.

    `memory` makes what the world outside remembers of it (what was acknowledged): a plain value
    that `copy.deepcopy` copies and `==` compares. `work` begins at whatever the disk holds, notes
    in the memory what it promised, and may be cut at any await. `check` looks at what a restart
    found and raises if a promise is broken.
    """

    name: str
    memory: Callable[[], S]
    work: Callable[[Io, S], Awaitable[None]]
    check: Callable[[Io, S], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Failure:
    """What a program did that it must not."""

    verdict: str
    detail: str
    error: BaseException | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of a program under a plan."""

    program: str
    verdict: str
    detail: str
    digest: str
    crashes: int
    io_calls: int
    virtual_seconds: float
    faults: dict[str, int]
    lived: tuple[Lived, ...] = attrs.field(repr=False, eq=False)
    error: BaseException | None = attrs.field(repr=False, eq=False)


def run_program(program: Program[S], plan: Plan = Plan()) -> Outcome:  # noqa: B008 frozen
    """Run a program through a plan and say what became of it."""
    return ProgramRun(program, plan).run()


def measure(program: Program[S]) -> int:
    """Return how many Io operations a life takes when nothing goes wrong: the longer of two."""
    outcome = run_program(program, Plan(lives=(ProgramLife(), ProgramLife())))
    return max(len(lived.ops) for lived in outcome.lived)


class ProgramRun(Generic[S]):
    """One run of a program.

    With `remains` of lives before, the first one is a restart: it begins with the check. Without
    `is_checked` there is no last check.
    """

    def __init__(
        self,
        program: Program[S],
        plan: Plan,
        remains: Remains[S] | None = None,
        *,
        is_checked: bool = True,
    ) -> None:
        self.program, self.plan = program, plan
        self.is_checked = is_checked
        self.remains = remains or Remains(disk=VirtualDisk(), memory=program.memory())
        self.clock = JumpClock(HORIZON_SECONDS)
        self.digest = Digest()
        self.failure: Failure | None = None
        self.lived: list[Lived] = []
        self.faults: dict[str, int] = {}
        self.on_step: Callable[[], None] | None = None
        self._random = Random(0)

    def run(self) -> Outcome:
        """Live all lives."""
        decisions = schedule.Schedule(
            None if self.plan.seed is None else self._random,
            on_step=self._step,
            steps_max=STEPS_MAX,
            on_steps_max=self._end_endless_work,
        )
        try:
            schedule.run(self._live, decisions, self.clock)
        except StuckError as error:
            self.fail("stuck", str(error))
        except BaseException as error:  # noqa: BLE001 - whatever comes out is judged
            for leaf in leaves(error):
                if not isinstance(leaf, Exception):
                    raise leaf from None
            self.fail("undocumented-error", describe(error), error)
        return self._outcome()

    def fail(
        self, verdict: str, detail: str, error: BaseException | None = None
    ) -> None:
        """Keep the first failure."""
        if self.failure is None:
            detail = f"life {self.remains.lives}: {detail}"
            self.failure = Failure(verdict=verdict, detail=detail, error=error)

    def note_fault(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1

    async def _live(self) -> None:
        for life in self.plan.lives:
            self._begin()
            await LivingProgram(self, life).live()
            if self.failure is not None:
                return
        if self.is_checked:
            self._begin()
            await LivingProgram(self, ProgramLife()).live(is_working=False)

    def _begin(self) -> None:
        """Draw each life's schedule by itself, so that lives can be run apart."""
        if self.plan.seed is not None:
            seeds = Seeds(self.plan.seed)
            self._random.seed(seeds.number(f"schedule {self.remains.lives}"))

    def _step(self, task: int) -> None:
        self.digest.step(task)
        if self.on_step is not None:
            self.on_step()

    def _end_endless_work(self) -> None:
        self.clock.stop("endless work")
        schedule.lift_shields()

    def _outcome(self) -> Outcome:
        failure = self.failure
        return Outcome(
            program=self.program.name,
            verdict="ok" if failure is None else failure.verdict,
            detail="" if failure is None else failure.detail,
            digest=self.digest.hexdigest(),
            crashes=sum(lived.is_cut for lived in self.lived),
            io_calls=sum(len(lived.ops) for lived in self.lived),
            virtual_seconds=self.clock.current_time(),
            faults=dict(sorted(self.faults.items())),
            lived=tuple(self.lived),
            error=None if failure is None else failure.error,
        )

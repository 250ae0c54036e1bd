"""One run of a script: lives on one disk, and every oracle on the way.

    run(script)   pure: the same script gives the same result, digest included

Invariants
- The first violation is the verdict.
"""

import attrs

from io_backends import VirtualDisk
from sim import schedule
from sim.clock import JumpClock, StuckError
from sim.digest import Digest
from sim.life import LifeWorld
from sim.marks import Marks
from sim.model import Model
from sim.oracle import Violation, leaves
from sim.script import Script
from sim.seeds import Seeds
from sim.workload import Keys

HORIZON_SECONDS = 20_000.0
STEPS_MAX = 2_000_000


@attrs.frozen
class RunResult:
    """What became of a run. `verdict` is "ok" or the name of an oracle."""

    seed: int
    verdict: str
    detail: str
    digest: str
    operations: int
    crashes: int
    io_calls: int
    virtual_seconds: float
    faults: dict[str, int]
    situations: tuple[str, ...]
    schedule: tuple[int, ...] = attrs.field(repr=False, default=())


def run(script: Script) -> RunResult:
    """Run a script and say what became of it."""
    return World(script).run()


class World:
    """What all lives of a run share."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seeds = Seeds(script.seed)
        self.clock = JumpClock(HORIZON_SECONDS)
        self.digest = Digest()
        self.marks = Marks()
        self.disk = VirtualDisk()
        clients = max((len(life.clients) for life in script.lives), default=1)
        self.keys = keys_of(script)
        self.model = Model(self.keys, max(1, clients))
        self.violation: Violation | None = None
        self.operations = self.crashes = self.crashes_in_a_row = self.io_calls = 0
        self.faults: dict[str, int] = {}
        self.is_power_lost = False  # since the last opening that was seen
        self.is_killed = False
        self.late: list[tuple[str, int, bytes]] = []

    def run(self) -> RunResult:
        """Live all lives."""
        random = (
            self.seeds.stream("schedule") if self.script.is_schedule_drawn else None
        )
        decisions = schedule.Schedule(
            random,
            self.script.schedule,
            on_step=self.digest.step,
            steps_max=STEPS_MAX,
            on_steps_max=lambda: self.clock.stop("endless work"),
        )
        try:
            schedule.run(self._live, decisions, self.clock)
        except StuckError as error:
            self.fail(Violation("stuck", str(error)))
        except BaseException as error:  # noqa: BLE001 - whatever comes out is the verdict
            self._judge(error)
        return self._result(decisions)

    def fail(self, violation: Violation) -> None:
        """Keep the first violation."""
        self.violation = self.violation or violation

    def note_fault(self, name: str, count: int = 1) -> None:
        self.faults[name] = self.faults.get(name, 0) + count

    async def _live(self) -> None:
        for number, life in enumerate(self.script.lives):
            await LifeWorld(self, life, number).live()
            if self.violation is not None:
                return

    def _judge(self, error: BaseException) -> None:
        found = leaves(error)
        for leaf in found:
            if isinstance(leaf, Violation):
                self.fail(leaf)
        if any(isinstance(leaf, KeyboardInterrupt | MemoryError) for leaf in found):
            raise error
        detail = "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in found)
        self.fail(Violation("undocumented-error", detail))

    def _result(self, decisions: schedule.Schedule) -> RunResult:
        violation = self.violation
        return RunResult(
            seed=self.script.seed,
            verdict="ok" if violation is None else violation.name,
            detail="" if violation is None else violation.detail,
            digest=self.digest.hexdigest(),
            operations=self.operations,
            crashes=self.crashes,
            io_calls=self.io_calls,
            virtual_seconds=self.clock.current_time(),
            faults=dict(sorted(self.faults.items())),
            situations=self.marks.seen,
            schedule=tuple(decisions.decisions),
        )


def keys_of(script: Script) -> dict[bytes, int]:
    """Return every key that clients write, and its owner, in a fixed order."""
    return Keys(script.keys).owners()

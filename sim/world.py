"""One run of a script: lives on one disk, and every oracle on the way.

    run(script)   pure: the same script gives the same result, digest included

Invariants
- The first violation is the verdict.
"""

from typing import TYPE_CHECKING

import attrs

from io_backends import VirtualDisk, VirtualIo
from sim import schedule
from sim.clock import JumpClock, StuckError
from sim.digest import Digest
from sim.faults import CONTRACTS, History, has_lies
from sim.keepsakes import Keepsake, Keepsakes
from sim.life import LifeWorld
from sim.marks import Marks
from sim.metamorphic import check_answers, comparison_of
from sim.model import Model
from sim.oracle import Violation, leaves
from sim.record import OBSERVER, Observer
from sim.script import Script
from sim.seeds import Seeds
from sim.values import SLOTS, session_key, session_name
from sim.workload import Keys
from tempest import Position

if TYPE_CHECKING:
    from sim.followers import Follower
    from sim.hazards import LateWrite, Lie
    from sim.races import Race
    from sim.structure import Levels

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
    fault_places: dict[str, dict[str, int]] = attrs.field(repr=False, factory=dict)


def run(script: Script, recorder: Observer | None = None) -> RunResult:
    """Run a script and say what became of it; `recorder` hears of every event."""
    return World(script, recorder or OBSERVER).run()


class World:
    """What all lives of a run share."""

    def __init__(self, script: Script, observer: Observer = OBSERVER) -> None:
        self.script = script
        self.observer = observer
        self.seeds = Seeds(script.seed)
        self.clock = JumpClock(HORIZON_SECONDS)
        self.digest = Digest()
        self.marks = Marks()
        self.disk = VirtualDisk()
        clients = max((len(life.clients) for life in script.lives), default=1)
        self.keys = keys_of(script)
        self.model = Model(self.keys | sessions_of(script), max(1, clients))
        self.keepsakes = Keepsakes()
        self.restored: Keepsake | None = (
            None  # what the store became before this opening
        )
        self.is_restored_for_sure = False
        self.followers: dict[str, Follower] = {}
        self.recovered_position = Position(0, 0)
        self.violation: Violation | None = None
        self.operations = self.crashes = self.crashes_in_a_row = self.io_calls = 0
        self.faults: dict[str, int] = {}
        self.is_power_lost = False  # since the last opening that was seen
        self.is_killed = False
        self.fault_places: dict[str, dict[str, int]] = {}
        self.race: Race | None = None  # that a crash came into, or came after
        self.has_common = False  # at the last opening: bank and ring
        self.quiet_levels: Levels | None = None  # of a store that was cut at rest
        self.late: list[LateWrite] = []
        self.lies: list[Lie] = []
        is_judged = any(life.damages or has_lies(life) for life in script.lives)
        self.history = History() if is_judged else None
        observer.start(self.clock.current_time, self.model)

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
            if self.script.option_sets and self.violation is None:
                self._compare()
        except StuckError as error:
            self.fail(Violation("stuck", str(error)))
        except BaseException as error:  # noqa: BLE001 - whatever comes out is the verdict
            self._judge(error)
        return self._result(decisions)

    def fail(self, violation: Violation) -> None:
        """Keep the first violation."""
        self.observer.violated(violation)
        self.violation = self.violation or violation

    def process(self, disk: VirtualDisk) -> VirtualIo:
        """Return what another process sees of a disk; its operations take no time."""
        clock = self.clock
        return VirtualIo(disk, delay=clock.delay, delay_shielded=clock.delay_shielded)

    def note_fault(self, name: str, place: str) -> None:
        """Count that a fault fired, and what it hit."""
        assert name in CONTRACTS, f"{name!r} has no contract"
        self.faults[name] = self.faults.get(name, 0) + 1
        row = self.fault_places.setdefault(name, {})
        row[place] = row.get(place, 0) + 1
        self.observer.planted(name)

    async def _live(self) -> None:
        for number, life in enumerate(self.script.lives):
            await LifeWorld(self, life, number).live()
            if self.violation is not None:
                return

    def _compare(self) -> None:
        comparison = comparison_of(self.script)
        self.digest.note(check_answers(comparison, self.script.seed))
        self.marks.sometimes("options are compared")

    def _judge(self, error: BaseException) -> None:
        found = leaves(error)
        for leaf in found:
            if isinstance(leaf, KeyboardInterrupt | MemoryError):
                raise leaf from None  # alone, or no caller would know it
            if isinstance(leaf, Violation):
                self.fail(leaf)
        detail = "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in found)
        self.fail(Violation("undocumented-error", detail))

    def _result(self, decisions: schedule.Schedule) -> RunResult:
        violation = self.violation
        self.observer.life_ended()
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
            fault_places={
                name: dict(sorted(row.items()))
                for name, row in sorted(self.fault_places.items())
            },
        )


def keys_of(script: Script) -> dict[bytes, int]:
    """Return every key that clients write, and its owner, in a fixed order."""
    return Keys(script.keys).owners()


def sessions_of(script: Script) -> dict[bytes, int]:
    """Return under which keys the model keeps serials of sessions, and whose they are."""
    is_used = any(
        type(part).__name__.startswith("Session")
        for life in script.lives
        for operations in life.clients
        for operation in operations
        for part in (operation, getattr(operation, "operation", None))
    )
    if not is_used:
        return {}
    clients = max((len(life.clients) for life in script.lives), default=0)
    return {
        session_key(session_name(client, slot)): client
        for client in range(clients)
        for slot in range(SLOTS)
    }

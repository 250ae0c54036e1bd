"""One life of a program: start, check what came back, work, end by a cut, a kill or a close.

Invariants
- Once the power is off, nothing that the program raises or notes counts.
- An error is excused only by a fault that struck in the same life, and only if it is an `IoError`
  or a `TempestError`.
- A check that met a fault is repeated on a healed disk, and then has to hold.
"""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import trio

from io_backends import FaultPlan, IoError, Op, OpKind, PowerCut, VirtualDisk
from sim.digest import Spoil, WatchedIo
from sim.faults import name_of
from sim.machine import LateWrite, left_by, start, surface
from sim.oracle import Violation, leaves
from sim.program.plan import ProgramLife
from tempest import TempestError

if TYPE_CHECKING:
    from sim.program.run import ProgramRun

S = TypeVar("S")
T = TypeVar("T")
CHECKS_MAX = 2
RELEASED_SECONDS = 3.0
HEALED_SECONDS = 60.0
BELOW = ("io_backends", "journal", "outcome", "sim", "tempest", "trio")


@attrs.define(kw_only=True)
class Lived:
    """What became of one life: its operations, `checks` of them in the check before the work.

    `disk` is as the life left it, before a power cut took anything away; `steps` are those of the
    schedule since the work began.
    """

    ops: list[Op]
    checks: int = 0
    steps: int = 0
    is_cut: bool = False
    disk: VirtualDisk | None = None


@attrs.define(kw_only=True)
class Remains(Generic[S]):
    """What one life leaves to the next: the disk, the memory, writes that are still on their way.

    `lives` is how many there were.
    """

    disk: VirtualDisk
    memory: S
    lives: int = 0
    late: list[LateWrite] = attrs.field(factory=list)


class ProgramIo(WatchedIo):
    """Remembers its operations, heals, and gives way once the power is off.

    A program that tries again for ever would otherwise never let go of a dead machine.
    """

    ops: list[Op]
    life = 0

    def next_op(
        self,
        kind: OpKind,
        path: str,
        offset: int = 0,
        length: int = 0,
        target: str = "",
    ) -> Op:
        op = super().next_op(kind, path, offset, length, target)
        self.ops.append(op)
        return op

    async def around(
        self,
        op: Op,
        run: Callable[[], Awaitable[T]],
        *,
        half: Callable[[], Awaitable[None]] | None = None,
        spoil: Spoil | None = None,
    ) -> T:
        if self.power_lost.is_set():
            await trio.lowlevel.checkpoint()
        return await super().around(op, run, half=half, spoil=spoil)

    def heal(self) -> None:
        """Inject no more faults but the power cut, and let go of what is stuck."""
        faults = (
            fault if isinstance(fault, PowerCut) else attrs.evolve(fault, times=0)
            for fault in self.plan.faults
        )
        self.plan = FaultPlan(tuple(faults))
        self.release()


class LivingProgram(Generic[S]):
    """A program while it lives."""

    def __init__(self, run: "ProgramRun[S]", life: ProgramLife) -> None:
        self._run, self._life = run, life
        self._number = run.remains.lives
        self._disk, self._memory = run.remains.disk, run.remains.memory
        self._disk.capacity_bytes = life.capacity_bytes
        self._scope = trio.CancelScope()
        self._io = self._make_io()
        self._lived = Lived(ops=self._io.ops)
        self._successor: Remains[S] | None = None
        run.lived.append(self._lived)

    async def live(self, *, is_working: bool = True) -> None:
        """Check if this is a restart, work, end; leave the remains to the next life."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._relieve)
                await self._check()
                if is_working and self._run.failure is None:
                    await self._work()
                nursery.cancel_scope.cancel()
        self._end()

    async def _check(self) -> None:
        if self._number == 0:
            return
        for attempt in range(CHECKS_MAX):
            check = self._run.program.check
            if await self._guarded(check, "invariant", is_last=attempt > 0):
                break
            self._io.heal()
            self._disk.capacity_bytes = None
        self._lived.checks = len(self._io.ops)

    async def _work(self) -> None:
        run, cancel = self._run, self._life.cancel
        late, run.remains.late = run.remains.late, []
        for _ in range(surface(self._disk, late)):
            run.note_fault("late write")
        scope = trio.CancelScope()

        def on_step() -> None:
            if self._lived.steps == cancel:
                run.note_fault("cancel")
                scope.cancel()
            self._lived.steps += 1

        run.on_step = on_step
        try:
            with scope:
                await self._guarded(run.program.work, "undocumented-error")
        finally:
            run.on_step = None
        if self._life.ending.kind != "close" and run.failure is None:
            self._io.power_off()

    async def _guarded(
        self,
        act: Callable[[WatchedIo, S], Awaitable[None]],
        verdict: str,
        *,
        is_last: bool = False,
    ) -> bool:
        """Let the program act; False if it failed for a fault that excuses it."""
        try:
            await act(self._io, self._memory)
        except Exception as error:  # noqa: BLE001 - whatever comes out is judged
            if self._is_dark:
                return True
            if not is_last and self._excuses(error):
                self._run.digest.note(describe(error))
                return False
            self._judge(verdict, error)
        except BaseExceptionGroup as group:
            if not self._is_dark:
                raise
            # Some tasks were cancelled when it became dark, others had met it already.
            _, cancelled = group.split(Exception)
            assert cancelled is not None, "else it would be an Exception"
            raise cancelled from None
        if not self._is_dark:
            self._find_leaks()
        return True

    @property
    def _is_dark(self) -> bool:
        return self._io.power_lost.is_set()

    def _excuses(self, error: BaseException) -> bool:
        is_troubled = self._io.log.hits or self._life.capacity_bytes is not None
        return bool(is_troubled) and all(
            isinstance(leaf, IoError | TempestError) for leaf in leaves(error)
        )

    def _judge(self, verdict: str, error: BaseException) -> None:
        for leaf in leaves(error):
            if isinstance(leaf, Violation):
                verdict = leaf.name
            elif isinstance(leaf, AssertionError):
                verdict = "invariant"
        self._run.fail(verdict, describe(error), error)

    def _find_leaks(self) -> None:
        left = [*self._io.open_handles, *self._disk.locked_paths()]
        if left:
            self._run.fail("leak", f"left open or locked: {', '.join(left)}")

    # How it begins and ends.

    def _make_io(self) -> ProgramIo:
        life, run = self._life, self._run
        io = ProgramIo(
            start(
                self._disk,
                run.clock,
                latency=life.latency,
                uncached=life.uncached,
                clock_jump=life.clock_jump,
            ),
            FaultPlan(life.faults),
            run.digest,
            delay=run.clock.delay,
            on_power_cut=self._freeze,
        )
        io.ops = []
        io.life = self._number
        if life.ending.kind != "close":
            io.arm(PowerCut(at=life.ending.io, when=life.ending.when))
        return io

    def _freeze(self) -> None:
        """Take disk and memory as they are when the power goes."""
        life = self._life
        self._lived.is_cut = True
        self._lived.disk = self._disk.clone()
        flying = list(self._io.writes_in_flight.items())[: life.ending.late]
        self._successor = Remains(
            disk=self._left(),
            memory=deepcopy(self._memory),
            lives=self._number + 1,
            late=[(path, offset, data) for (path, offset), data in flying],
        )
        self._io.release()
        self._scope.cancel()

    def _left(self) -> VirtualDisk:
        if self._life.kept is not None and self._life.ending.kind == "cut":
            return self._disk.crash_keeping(self._life.kept)
        return left_by(self._life.ending, self._disk)

    def _end(self) -> None:
        run = self._run
        for hit in self._io.log.hits:
            is_kill = isinstance(hit.fault, PowerCut) and (
                self._life.ending.kind == "kill"
            )
            run.note_fault("kill" if is_kill else name_of(hit))
        if self._successor is not None:
            run.remains = self._successor
        else:
            self._lived.disk = self._disk
            run.remains.lives = self._number + 1

    async def _relieve(self) -> None:
        """Some time after the start let stuck operations go and make space; later, heal."""
        await trio.sleep(RELEASED_SECONDS)
        self._io.release()
        self._disk.capacity_bytes = None
        await trio.sleep(HEALED_SECONDS)
        self._io.heal()


def describe(error: BaseException) -> str:
    """Say in one line what was raised, and where in the program's own code."""
    return "; ".join(
        f"{type(leaf).__name__}: {_line(leaf)}{_place(leaf.__traceback__)}"
        for leaf in leaves(error)
    )


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _place(traceback: TracebackType | None) -> str:
    place, is_own = "", False
    while traceback is not None:
        package = str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if package not in BELOW or not is_own:
            file = traceback.tb_frame.f_code.co_filename.rpartition("/")[2]
            place = f" ({file}:{traceback.tb_lineno})"
            is_own = package not in BELOW
        traceback = traceback.tb_next
    return place

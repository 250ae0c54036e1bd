"""What is done to the disk of one life: before it, while it lasts, at its end, and to a twin after.

Invariants
- The disk after a cut is taken at the moment of the cut; nothing that unwinds can change it.
- Pages that a sync lost in silence are on the disk that the run goes on with; it is a twin that
  lacks them.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

import attrs
import trio

from io_backends import (
    FaultPlan,
    IoError,
    NotFoundError,
    Op,
    Page,
    PowerCut,
    TooManyFilesError,
    VirtualDisk,
)
from sim.digest import WatchedIo
from sim.faults import (
    Twin,
    file_kind,
    hurt,
    lacking,
    name_now,
    name_of,
    place_of,
    plant,
)
from sim.machine import left_by, start
from sim.oracle import Violation
from sim.recorded_io import watch
from sim.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.life import LifeWorld

RELEASED_SECONDS = 3.0
FILE_TOO_LARGE = 27


@attrs.define
class Lie:
    """What a sync lost and said nothing; `reported`: the model's moment at which it was told.

    It is over once a write was acknowledged that was asked for after that, by the same opener.
    """

    path: str
    pages: tuple[Page, ...]
    reported: int | None = None
    is_over: bool = False


@attrs.define
class LateWrite:
    """A write in flight at a crash that reaches the disk after some more openings."""

    page: Page
    kind: str
    openings: int = 1


class Hazards:
    """What is done to the disk of one life."""

    def __init__(self, life: "LifeWorld") -> None:
        self._life = life
        self._twins: list[tuple[Twin, bool]] = []
        self._before: VirtualDisk | None = None  # of a disk that forgets
        self._changed: Callable[[], list[str]] = list

    def make_io(self) -> WatchedIo:
        """Return the way to the disk, with everything that was planned for it."""
        life, world = self._life.life, self._life.world
        virtual = start(
            world.disk,
            world.clock,
            latency=life.latency,
            uncached=life.uncached,
            clock_jump=life.clock_jump,
            clock_pace=life.clock_pace,
        )
        io = watch(
            world.observer,
            virtual,
            FaultPlan(life.faults),
            world.digest,
            delay=world.clock.delay,
            on_power_cut=self._freeze,
        )
        io.is_lying = world.script.canary
        io.history = world.history
        io.on_lie = self._lie
        return io

    def prepare(self) -> None:
        """Do what is done between two lives."""
        world, life, marks = self._life.world, self._life.life, self._life.marks
        disk = world.disk
        self._limit(None, None, None)
        if world.script.forgets:
            self._before = disk.clone()
        marks.sometimes("the clock jumps", when=life.clock_jump != 0)
        if life.clock_jump:
            world.note_fault("clock jump", "wall clock")
        if life.clock_pace != 1.0:
            pace = life.clock_pace
            how = "stands" if not pace else "races" if pace > 0 else "runs back"
            world.note_fault(f"clock {how}", "wall clock")
            marks.sometimes(f"the clock {how}")
        for rot in life.rots:
            if place := plant(disk, rot):
                world.note_fault(rot.kind, place)
                marks.sometimes(f"{rot.kind} planted")
        self._limit(life.capacity_bytes, life.file_bytes_max, life.handles_max)

    def relieve(self) -> None:
        """Make space."""
        self._limit(None, None, None)

    def _limit(
        self, capacity: int | None, file_bytes: int | None, handles: int | None
    ) -> None:
        _limit(self._life.world.disk, capacity, file_bytes, handles)

    def arm(self) -> None:
        """Let the ending strike so many operations from now."""
        ending = self._life.life.ending
        if ending.kind != "close":
            self._life.io.arm(PowerCut(at=ending.io, when=ending.when))

    async def release(self) -> None:
        """Let stuck operations go, and make space, some time after the beginning."""
        await trio.sleep(RELEASED_SECONDS)
        self._life.io.release()
        self.relieve()

    def _lie(self, op: Op, *, is_reported: bool) -> None:
        """Keep what a sync is about to lose in silence, or hear that it is told of now."""
        world = self._life.world
        if not is_reported:
            path = name_now(op.path, world.disk.files())
            world.lies.append(Lie(op.path, world.disk.dirty_pages(path)))
            return
        for lie in world.lies:
            if lie.path == op.path and lie.reported is None:
                lie.reported = world.model.moment

    def leave_lies(self) -> None:
        """Note which lies the opener has got over that is no more; the others, nobody will."""
        for lie in self._life.world.lies:
            if lie.reported is None or file_kind(lie.path) != "log":
                continue
            lie.is_over |= self._life.model.proven > lie.reported
            lie.reported = None

    def _freeze(self) -> None:
        """Take the disk that the next life finds, at the moment at which this one ends."""
        life, world = self._life, self._life.world
        ending = life.life.ending
        life.inspection.freeze()
        life.io.release()
        self.leave_lies()
        if self._before is not None:
            successor = self._before
            world.is_power_lost = True
        elif ending.kind == "kill":
            successor = world.disk.clone()
            world.is_killed = True
        else:
            successor = self._forgive(left_by(ending, world.disk))
            world.is_power_lost = True
        life.successor = successor
        self._changed = world.disk.freeze()
        life.observer.dark(world.disk, successor)
        flying = list(life.io.writes_in_flight.items())[: ending.late]
        for (path, offset), data in flying:
            with suppress(NotFoundError):
                name = name_now(path, world.disk.files())
                page = world.disk.page(name, offset, data)
                late = LateWrite(page, file_kind(name), ending.late_openings)
                world.late.append(late)
        closing = " while closing" if life.is_closing else ""
        kind = "kill" if ending.kind == "kill" else "cut"
        life.marks.sometimes(f"{kind} {ending.when}")
        life.marks.sometimes(f"{kind}{closing}", when=bool(closing))

    def _forgive(self, disk: VirtualDisk) -> VirtualDisk:
        """Return the disk with the pages that were lost in silence; keep the other as a twin."""
        lies = self._life.world.lies
        whole = self.put_back(disk)
        twin = lacking(whole, disk) if lies else None
        if twin is not None:
            is_over = all(lie.is_over for lie in lies)
            self._life.marks.sometimes("a late error is got over", when=is_over)
            self._twins.append((twin, is_over))
        return whole

    def put_back(self, disk: VirtualDisk) -> VirtualDisk:
        """Return the disk that a cut leaves, with the pages that were lost in silence before."""
        world = self._life.world
        lies, world.lies = world.lies, []
        if not lies:
            return disk
        whole = disk.clone()
        for lie in lies:
            # Zeros ahead of a log may have been written over since; lost, they read the same.
            whole.put_pages(page for page in lie.pages if any(page.data))
        return whole

    def late_writes(self) -> None:
        """Let writes of earlier lives reach the disk only now."""
        world = self._life.world
        due = [write for write in world.late if write.openings <= 1]
        world.late = [write for write in world.late if write.openings > 1]
        for write in world.late:
            write.openings -= 1
        for write in due:
            if world.disk.put_pages((write.page,)):
                world.note_fault("late write", write.kind)
                self._life.marks.sometimes("late write surfaces")
                self._life.marks.maybe(f"late write surfaces in a {write.kind}")

    def end(self) -> None:
        """Count what fired, and hand the disk on to the next life."""
        life, world = self._life, self._life.world
        life.observer.life_ended()
        world.io_calls += life.io.op_count
        for hit in life.io.log.hits:
            name = name_of(hit)
            if name == "power cut" and life.life.ending.kind == "kill":
                name = "kill"
            world.note_fault(name, place_of(hit))
            life.inspection.mark_hit(hit)
        for error in world.disk.refused:
            world.note_fault(
                _name_of_refusal(error), f"{error.operation} {file_kind(error.path)}"
            )
        if life.successor is None:
            world.crashes_in_a_row = 0
            return
        if changed := self._changed():
            world.fail(Violation("frozen-disk", f"after the power went: {changed}"))
        world.crashes += 1
        world.crashes_in_a_row += 1
        life.marks.sometimes("five crashes in a row", when=world.crashes_in_a_row >= 5)
        world.disk = life.successor

    async def try_twins(self) -> None:
        """Do damage to twins of the disk as it is now, and see what becomes of them."""
        life, world = self._life, self._life.world
        if not self._twins and not life.life.damages:
            return
        self._limit(None, None, None)
        trial = Trial(world, life.marks, life.options)
        for twin, is_strict in self._twins:
            _limit(twin.disk, None, None, None)
            await trial.judge(twin, is_strict=is_strict)
        for damage in life.life.damages:
            assert world.history is not None, "a run with damages keeps a history"
            twin_or_none = hurt(world.disk, damage, world.history)
            if twin_or_none is not None:
                await trial.judge(twin_or_none, read_only=damage.read_only)


def _limit(
    disk: VirtualDisk,
    capacity: int | None,
    file_bytes: int | None,
    handles: int | None,
) -> None:
    disk.capacity_bytes = capacity
    disk.file_bytes_max = file_bytes
    disk.handles_max = handles


def _name_of_refusal(error: IoError) -> str:
    if isinstance(error, TooManyFilesError):
        return "few handles"
    return "small files" if error.errno == FILE_TOO_LARGE else "full disk"

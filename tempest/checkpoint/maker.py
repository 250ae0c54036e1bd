"""Make checkpoints: one at a time, in a task of the store's own, while everybody reads and writes.

    cut     the committer seals what has gathered and says where that ends: an address, a sequence
    settle  everything before the cut is visible, and confirmed: no late error can move it
    flush   everything before the cut is in tables (not for a LOG)
    record  tables of the version that is pinned, and the log from its start of replay to the cut

`FOLD_OVER` pins the version of the cut; `SNAPSHOT` the one right after the flush that ended at
the cut, which leaves no log to be replayed.

Invariants
- The cut is one moment in log order: every write before it is in the checkpoint, none behind it.
- Nothing here waits for a reader, a session or a writer, only for the disk.
- Every way out of an attempt leads through `_make`'s `finally`: the version is unpinned, the log
  is let go, the phase is REST, and everybody who waits has an answer.
- A number that a failed attempt has taken is never used again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from io_backends import IoError
from journal import JournalError
from tempest.checkpoint.attempt import (
    Attempt,
    CheckpointTicket,
    OnPersisted,
    OnPhase,
    Request,
)
from tempest.checkpoint.phases import CheckpointPhase
from tempest.checkpoint.record import choose_base, segments_for, with_levels
from tempest.committer import Cut
from tempest.coordinator import Work
from tempest.errors import CheckpointError, NotOpenError, TempestError
from tempest.version import (
    CheckpointKind,
    CheckpointMeta,
    CheckpointStyle,
    Version,
    VersionEdit,
    checkpoint_token,
)
from tempest.wakeup import Pulse, Wakeup

if TYPE_CHECKING:
    from tempest.maintenance import Maintenance

MICROSECONDS = 1_000_000
FULL = Request()


@attrs.define
class CheckpointCounters:
    """What became of the checkpoints that were asked for since the store was opened."""

    made: int = 0
    failed: int = 0
    cancelled: int = 0
    joined: int = 0
    refused: int = 0
    dropped: int = 0
    callback_errors: int = 0


@attrs.define(eq=False)
class _Hold:
    """What an attempt keeps from going away."""

    cut: Cut | None = None
    pinned: Version | None = None
    floor: int | None = None
    base: bytes = b""


@attrs.define(eq=False)
class Checkpointer:
    """Makes the checkpoints of one store; `run` is its background task."""

    maintenance: "Maintenance"
    counters: CheckpointCounters = attrs.field(factory=CheckpointCounters)
    _current: Attempt | None = None
    _next: Attempt | None = None
    _hold: _Hold = attrs.field(factory=_Hold)
    _is_over: bool = False
    _work: Wakeup = attrs.field(factory=Wakeup)

    def __attrs_post_init__(self) -> None:
        self.maintenance.log_floors.append(lambda: self._hold.floor)
        self.maintenance.flush_hooks.append(self._flushed)

    @property
    def phase(self) -> CheckpointPhase:
        """How far the checkpoint that is being made has come; `REST` if there is none."""
        return CheckpointPhase.REST if self._current is None else self._current.phase

    @property
    def is_busy(self) -> bool:
        """Whether one is being made, or about to be."""
        return self._current is not None or self._next is not None

    def start(
        self,
        request: Request = FULL,
        *,
        automatic: bool = False,
        on_phase: OnPhase | None = None,
        on_persisted: OnPersisted | None = None,
    ) -> CheckpointTicket:
        """Begin a checkpoint that goes on by itself, or join the one that is the same.

        Raises `CheckpointError` if another is being made, or an INCREMENTAL has no base. One
        that somebody asks for is not automatic, whoever began it.
        """
        attempt = self._attempt(request, automatic=automatic)
        attempt.listen(on_phase, on_persisted)
        attempt.keep()
        return CheckpointTicket(attempt)

    async def make(
        self,
        request: Request,
        on_phase: OnPhase | None,
        on_persisted: OnPersisted | None,
    ) -> bytes:
        """Make a checkpoint, or join the one that is the same; return its token."""
        attempt = self._attempt(request, automatic=False)
        attempt.listen(on_phase, on_persisted)
        return await attempt.wait()

    def _attempt(self, request: Request, *, automatic: bool) -> Attempt:
        maintenance = self.maintenance
        maintenance.committer.health.check_writable()
        if self._is_over or maintenance.coordinator.is_stopping:
            raise NotOpenError
        running = self._next or self._current
        if (
            running is not None
            and not (running.is_cancelled or running.is_done)
            and running.takes_in(automatic=automatic)
        ):
            return self._join(running, request, automatic=automatic)
        if request.kind is CheckpointKind.INCREMENTAL:
            choose_base(maintenance.committer.manifest.current, request.base)
        if self._next is not None:  # it was given up before it could begin
            self._end(self._next, _cancelled())
        wall_us = round(maintenance.io.wall_time() * MICROSECONDS)
        self._next = Attempt(request, automatic, wall_us, trio.current_time())
        self._work.set()
        return self._next

    def _join(self, running: Attempt, request: Request, *, automatic: bool) -> Attempt:
        if running.request != request:
            self.counters.refused += 1
            raise CheckpointError(
                f"A {running.request.kind.name} checkpoint is being made and is in phase"
                f" {running.phase.name}; no other can begin before it has ended",
                "Ask again when it has",
            )
        self.counters.joined += 1
        running.automatic &= automatic
        return running

    async def run(self) -> None:
        """Make what is asked for. Runs until cancelled."""
        try:
            while True:
                await self._work.wait()
                while self._next is not None:
                    self._current, self._next = self._next, None
                    await self._make(self._current)
        finally:
            self._is_over = True
            if self._next is not None:
                self._end(self._next, NotOpenError())
                self._next = None

    async def _make(self, attempt: Attempt) -> None:
        try:
            with attempt.scope:
                async with self.maintenance.coordinator.turn(Work.CHECKPOINT):
                    await self._go_through_phases(attempt)
            if attempt.scope.cancelled_caught:
                attempt.fail(_cancelled())
        except Exception as error:
            attempt.fail(error)
            if not isinstance(error, (IoError, JournalError, TempestError)):
                raise
        finally:
            self._let_go()
            self._current = None
            self._end(attempt, NotOpenError())
            # Not only its turn has ended: it may have been given up before it had one.
            self.maintenance.coordinator.changed.fire()

    def _end(self, attempt: Attempt, cause: Exception) -> None:
        """Leave an attempt behind; `cause` is why it failed if nothing else has ended it."""
        attempt.fail(cause)
        attempt.move(CheckpointPhase.REST)
        counters = self.counters
        if attempt.is_durable:
            counters.made += 1
        elif attempt.is_cancelled:
            counters.cancelled += 1
        else:
            counters.failed += 1
        counters.callback_errors += len(attempt.callback_errors)

    async def _go_through_phases(self, attempt: Attempt) -> None:
        committer = self.maintenance.committer
        request = attempt.request
        attempt.move(CheckpointPhase.PREPARE)
        if (
            request.kind is CheckpointKind.INCREMENTAL
        ):  # none can be dropped from here on
            self._hold.base = choose_base(committer.manifest.current, request.base)
        (number,) = await committer.manifest.reserve(1)
        attempt.token = checkpoint_token(number)
        attempt.move(CheckpointPhase.IN_PROGRESS)
        cut = await self._cut(request)
        attempt.move(CheckpointPhase.WAIT_PENDING)
        await self._until_settled(cut)
        if request.kind is not CheckpointKind.LOG:
            attempt.move(CheckpointPhase.WAIT_FLUSH)
            await self._until(
                lambda: self._is_flushed(cut.address), self.maintenance.shape_changed
            )
        attempt.move(CheckpointPhase.PERSIST)
        meta = self._record(attempt, number, cut)
        with trio.CancelScope(shield=True):
            # Whoever gives up now is told what became of it: it is on its way to the disk.
            await committer.manifest.append(VersionEdit(checkpoints=(meta,)))
        attempt.succeed()

    async def _cut(self, request: Request) -> Cut:
        """Seal what has gathered, and pin what belongs to the cut in the same step."""
        committer, hold = self.maintenance.committer, self._hold

        def take(cut: Cut) -> None:
            if hold is not self._hold:
                return  # it was given up meanwhile
            hold.cut = cut
            hold.floor = committer.manifest.current.replay_from
            is_flushed = hold.floor >= cut.address
            if request.style is CheckpointStyle.FOLD_OVER or is_flushed:
                hold.pinned = committer.manifest.pin()
            committer.progress.fire()

        committer.cut(take, switch=request.kind is not CheckpointKind.LOG)
        await self._until(lambda: hold.cut is not None, committer.progress)
        assert hold.cut is not None, "the committer has called"
        return hold.cut

    def _flushed(self, stop: int) -> None:
        """Pin the version right after the flush that ended at the cut."""
        hold = self._hold
        if hold.cut is not None and hold.pinned is None and stop >= hold.cut.address:
            hold.pinned = self.maintenance.committer.manifest.pin()

    def _is_flushed(self, address: int) -> bool:
        """Say whether all below is in tables, and whoever flushed it has called `_flushed`."""
        replay_from = self.maintenance.committer.manifest.current.replay_from
        return replay_from >= address and self._hold.pinned is not None

    async def _until_settled(self, cut: Cut) -> None:
        committer = self.maintenance.committer
        log, visibility = committer.log, committer.visibility

        def is_settled() -> bool:
            settled = log.confirmed >= cut.address
            settled = settled and visibility.visible >= cut.sequence
            if not settled:
                committer.ask(sync=True)
            return settled

        await self._until(is_settled, committer.progress)

    async def _until(self, is_reached: Callable[[], bool], changed: Pulse) -> None:
        """Wait until something holds; `BackgroundError` or `NotOpenError` if it may not come."""
        await trio.lowlevel.checkpoint()
        while not is_reached():
            self.maintenance.committer.health.check_writable()
            await changed.wait()

    def _record(self, attempt: Attempt, number: int, cut: Cut) -> CheckpointMeta:
        request, io = attempt.request, self.maintenance.io
        assert attempt.token is not None, "it has a number"
        current = self.maintenance.committer.manifest.current
        meta = CheckpointMeta(
            token=attempt.token,
            number=number,
            kind=request.kind,
            style=request.style,
            automatic=attempt.automatic,
            cookie=request.cookie,
            timeline=current.timeline,
            sequence=cut.sequence,
            address=cut.address,
            replay_from=cut.address,
            started_wall_us=attempt.started_wall_us,
            committed_wall_us=round(io.wall_time() * MICROSECONDS),
            duration_us=round((trio.current_time() - attempt.started) * MICROSECONDS),
            sessions=cut.sessions,
        )
        if request.kind is CheckpointKind.INDEX:
            return meta
        pinned = self._hold.pinned
        assert pinned is not None, "the cut or the flush behind it has pinned a version"
        meta = attrs.evolve(
            meta,
            replay_from=min(pinned.replay_from, cut.address),
            segments=segments_for(pinned, current, cut.address),
        )
        return with_levels(meta, pinned, current, self._hold.base)

    def _let_go(self) -> None:
        hold, self._hold = self._hold, _Hold()
        if hold.pinned is not None:
            self.maintenance.committer.manifest.unpin(hold.pinned)
        self.maintenance.wake(Work.LOG)


def _cancelled() -> CheckpointError:
    return CheckpointError("it was cancelled", "Ask again if it is still wanted")

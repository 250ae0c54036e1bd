"""One checkpoint on its way: who asked for it, how far it has come, how it ended.

Invariants
- Phases move as `MOVES` says, and every move is reported before the next thing is done.
- It ends once: with a token, or with the cause, which everybody who waits gets as an error of
  their own. Callbacks hear of it at that moment, before any waiter runs.
- What a callback raises hurts neither the checkpoint nor the store: it is kept and counted.
"""

from collections.abc import Callable

import attrs
import trio

from tempest.checkpoint.phases import MOVES, CheckpointPhase
from tempest.errors import CheckpointError, NotOpenError
from tempest.translate import reason, translate
from tempest.version import CheckpointKind, CheckpointStyle


@attrs.frozen
class CheckpointOutcome:
    """How a checkpoint ended: `token` if it is durable, else `error`, with its cause attached."""

    token: bytes | None
    error: CheckpointError | None


OnPhase = Callable[[CheckpointPhase], None]
OnPersisted = Callable[[CheckpointOutcome], None]


@attrs.frozen
class Request:
    """What somebody wants; equal requests share one checkpoint."""

    kind: CheckpointKind = CheckpointKind.FULL
    style: CheckpointStyle = CheckpointStyle.FOLD_OVER
    cookie: bytes = b""
    base: bytes | None = None


@attrs.define(eq=False)
class Attempt:
    """A checkpoint that is being made, for everybody who asked for the same."""

    request: Request
    automatic: bool
    started_wall_us: int
    started: float
    phase: CheckpointPhase = CheckpointPhase.REST
    token: bytes | None = None
    is_cancelled: bool = False
    is_durable: bool = False
    callback_errors: list[Exception] = attrs.field(factory=list)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _waiters: int = 0
    _is_kept: bool = False  # somebody holds a ticket: it goes on without a waiter
    _on_phase: list[OnPhase] = attrs.field(factory=list)
    _on_persisted: list[OnPersisted] = attrs.field(factory=list)
    _failure: Exception | None = None
    _ended_in: CheckpointPhase = CheckpointPhase.REST
    _done: trio.Event = attrs.field(factory=trio.Event)

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def takes_in(self, *, automatic: bool) -> bool:
        """Whether somebody can still join, or be refused by name: else the next one is theirs.

        Once the record says that it is automatic, retention counts it.
        """
        is_written = self.phase is CheckpointPhase.PERSIST
        return automatic or not (self.automatic and is_written)

    def listen(
        self, on_phase: OnPhase | None, on_persisted: OnPersisted | None
    ) -> None:
        """Report to these, too, from now on."""
        if on_phase is not None:
            self._on_phase.append(on_phase)
        if on_persisted is not None:
            self._on_persisted.append(on_persisted)

    def keep(self) -> None:
        """Go on even when nobody waits any more."""
        self._is_kept = True

    def move(self, phase: CheckpointPhase) -> None:
        """Go to the next phase and report it."""
        if phase is self.phase:
            return
        assert phase in MOVES[self.phase], f"no move from {self.phase} to {phase}"
        self.phase = phase
        for listener in self._on_phase:
            self._call(lambda listener=listener: listener(phase))  # type: ignore[misc]

    def succeed(self) -> None:
        """Note the commit point: the edit is durable."""
        assert self.token is not None, "what is durable has a token"
        self.is_durable = True
        self._end(CheckpointOutcome(self.token, None))

    def fail(self, cause: Exception) -> None:
        """Note why there will be no checkpoint; after the commit point it changes nothing."""
        if self.is_done:
            return
        self._failure, self._ended_in = cause, self.phase
        self._end(CheckpointOutcome(None, self._error()))

    def cancel(self) -> None:
        """Give it up, unless it has ended."""
        self.is_cancelled = True
        self.scope.cancel()

    async def wait(self) -> bytes:
        """Wait for the end; the last of those who wait gives the checkpoint up if cancelled."""
        self._waiters += 1
        try:
            return await self.result()
        finally:
            self._waiters -= 1
            if not (self._waiters or self._is_kept or self.is_done):
                self.cancel()

    async def result(self) -> bytes:
        """Wait for the end; return the token or raise `CheckpointError` from the cause."""
        await self._done.wait()
        if self._failure is not None:
            raise self._error()
        assert self.token is not None, "what is durable has a token"
        return self.token

    def _error(self) -> CheckpointError:
        assert self._failure is not None, "there is an error only after a failure"
        cause = self._failure
        name = self.request.kind.name
        next_step = "Ask again once that is mended"
        if isinstance(cause, NotOpenError):
            why, next_step = "the store was closed", "Open it and ask again"
        elif isinstance(cause, CheckpointError):
            why, next_step = cause.detail, cause.next_step
        else:
            why = reason(cause)
        error = CheckpointError(
            f"The {name} checkpoint ended in phase {self._ended_in.name} without being made: {why}",
            next_step,
        )
        error.__cause__ = translate(cause)
        return error

    def _end(self, outcome: CheckpointOutcome) -> None:
        self._done.set()
        for listener in self._on_persisted:
            self._call(lambda listener=listener: listener(outcome))  # type: ignore[misc]

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - a stranger's code: whatever it raises is only noted
            self.callback_errors.append(error)


@attrs.frozen(eq=False)
class CheckpointTicket:
    """A checkpoint that was started and goes on by itself."""

    _attempt: Attempt

    @property
    def token(self) -> bytes | None:
        """What it will be known by; None until it has a number. It counts once `wait` returned."""
        return self._attempt.token

    @property
    def phase(self) -> CheckpointPhase:
        """How far it has come; `REST` before it began and after it ended."""
        return self._attempt.phase

    @property
    def is_done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._attempt.is_done

    @property
    def callback_errors(self) -> tuple[Exception, ...]:
        """What `on_phase` and `on_persisted` have raised; it did not hurt the checkpoint."""
        return tuple(self._attempt.callback_errors)

    def cancel(self) -> None:
        """Give the checkpoint up, for everybody who waits for it, unless it is durable."""
        self._attempt.cancel()

    async def wait(self) -> bytes:
        """Wait until it is durable; return its token. Cancellation gives up only the wait.

        Raises `CheckpointError`, from the cause, if it was not made.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self._attempt.result()

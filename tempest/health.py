"""Whether a store takes writes, and why not: a table of moves.

    HEALTHY   -> RESUMING    a write, sync or background job failed; it is being retried
    RESUMING  -> HEALTHY     the retry succeeded
    RESUMING  -> READ_ONLY   it did not within `resume_seconds_max`
    READ_ONLY -> HEALTHY     a retry succeeded after all
    any       -> READ_ONLY   bytes on disk are damaged: for good

Invariants
- The state is HEALTHY exactly while no source of trouble is open.
- The first cause is kept until its source has recovered.
- What fails and keeps no write waiting is a warning: it is shown, and the state does not change.
"""

from enum import Enum
from typing import TYPE_CHECKING

import attrs
import trio

from io_backends import ForkedError, PowerLostError
from tempest.errors import (
    BackgroundError,
    CorruptionError,
    NotOpenError,
    OutcomeUnknownError,
)
from tempest.translate import reason, translate
from tempest.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable


LOG = "log"  # the source of trouble that keeps writes from becoming durable


class HealthState(Enum):
    """What a store can do: all; all but finish writes for the moment; only read."""

    HEALTHY = "healthy"
    RESUMING = "resuming"
    READ_ONLY = "read-only"


MOVES = {
    HealthState.HEALTHY: (HealthState.RESUMING, HealthState.READ_ONLY),
    HealthState.RESUMING: (HealthState.HEALTHY, HealthState.READ_ONLY),
    HealthState.READ_ONLY: (HealthState.HEALTHY,),
}


@attrs.frozen
class Health:
    """State, what caused it, and for how many seconds it has lasted (0.0 while healthy).

    `warnings` says, for each kind of upkeep that failed and is being retried, which and why:
    checkpoints, collection, removal of files. Reads and writes do not depend on it.
    """

    state: HealthState
    cause: str | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


class HealthMonitor:
    """Gathers trouble by source and decides what the store may do."""

    def __init__(self, resume_seconds_max: float) -> None:
        self.state = HealthState.HEALTHY
        self.failures = 0
        self.on_read_only: Callable[[], None] = _nothing
        self._resume_seconds_max = resume_seconds_max
        self._troubles: dict[str, Exception] = {}
        self._warnings: dict[str, Exception] = {}
        self._is_damaged = False
        self._is_closed = False
        self.is_whole = True  # healthy, and not closed: one look for the hot paths
        self.is_over = False  # closed, and nothing works on what is left any more
        self._since = 0.0
        self._changed = Wakeup()

    @property
    def is_healthy(self) -> bool:
        return self.state is HealthState.HEALTHY

    def report(self) -> Health:
        """Return the state as an immutable record."""
        warnings = tuple(
            f"{source}: {reason(error)}" for source, error in self._warnings.items()
        )
        if self.is_healthy:
            return Health(self.state, warnings=warnings)
        seconds = trio.current_time() - self._since
        return Health(self.state, reason(self._cause()), seconds, warnings)

    def trouble(self, source: str, error: Exception) -> None:
        """Note that `source` failed. Damage makes the store read-only for good."""
        self.failures += 1
        if isinstance(translate(error), CorruptionError):
            self._is_damaged = True
            source = "damage"
        elif isinstance(error, (PowerLostError, ForkedError)):
            self._is_damaged = True  # nothing will ever work again through this backend
        is_new = source not in self._troubles
        self._troubles.setdefault(source, error)
        if self._is_damaged:
            self._move(HealthState.READ_ONLY)
        elif self.is_healthy:
            self._move(HealthState.RESUMING)
        if is_new and self.is_log_lost:
            self.on_read_only()  # it was read-only before, for another reason

    def warn(self, source: str, error: Exception) -> None:
        """Note that upkeep failed that no write waits for. Damage and the like are trouble."""
        if isinstance(translate(error), CorruptionError) or isinstance(
            error, (PowerLostError, ForkedError)
        ):
            self.trouble(source, error)
        else:
            self.failures += 1
            self._warnings[source] = error

    def broken(self, source: str, error: Exception) -> None:
        """Note a failure that nothing can be done about: the store is read-only for good."""
        self._is_damaged = True
        self.trouble(source, error)

    def close(self) -> None:
        """Let nothing enter any more."""
        self._is_closed = True
        self.is_whole = False

    @property
    def is_log_lost(self) -> bool:
        """Whether what has entered the log can not be expected to become durable."""
        return self.state is HealthState.READ_ONLY and LOG in self._troubles

    def recovered(self, source: str) -> None:
        """Note that `source` works again."""
        self._warnings.pop(source, None)
        if self._troubles.pop(source, None) is not None and not self._troubles:
            self._move(HealthState.HEALTHY)

    def check_writable(self) -> None:
        """Raise `BackgroundError` from its cause if the store only reads, or `NotOpenError`."""
        if self._is_closed:
            raise NotOpenError
        if self.state is HealthState.READ_ONLY:
            raise self.background_error()

    def background_error(self) -> BackgroundError:
        """Return the error that says why the store only reads."""
        cause = self._cause()
        error = BackgroundError(f"of a failure it could not get over ({reason(cause)})")
        error.__cause__ = cause
        return error

    def outcome_unknown(self) -> Exception:
        """Return the error for somebody whose write is neither durable nor undone."""
        if not self._troubles:
            return OutcomeUnknownError("it was taken in, then the store was closed")
        error = OutcomeUnknownError(f"it was taken in, then {reason(self._cause())}")
        error.__cause__ = self._cause()
        return error

    async def watch(self) -> None:
        """Turn a store that cannot resume in time read-only. Runs until cancelled."""
        while True:
            await self._changed.wait()
            while self.state is HealthState.RESUMING:
                left = self._since + self._resume_seconds_max - trio.current_time()
                if left <= 0:
                    self._move(HealthState.READ_ONLY)
                    break
                with trio.move_on_after(left):
                    await self._changed.wait()

    def _cause(self) -> Exception:
        return next(iter(self._troubles.values()))

    def _move(self, state: HealthState) -> None:
        if state is self.state:
            return
        assert state in MOVES[self.state], f"no move from {self.state} to {state}"
        if self.is_healthy:
            self._since = trio.current_time()
        self.state = state
        self.is_whole = self.is_healthy and not self._is_closed
        self._changed.set()
        if state is HealthState.READ_ONLY:
            self.on_read_only()


def _nothing() -> None:
    pass

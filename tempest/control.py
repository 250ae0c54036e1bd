"""What a program may do about its store's background work: look, pause, resume, run it now.

Invariants
- Nothing here reaches what writers wait for: a pause never holds up a flush, nor a compaction
  that writers are slowed down for.
- What a pause holds back is counted, and is looked for again when the pause ends.
"""

from collections.abc import Callable

import attrs
import trio

from tempest.coordinator import Work, WorkStatistics
from tempest.maintenance import Maintenance
from tempest.translate import translated


@attrs.frozen
class MaintenanceControl:
    """The background work of an open store: `store.maintenance`.

    Everything here raises `NotOpenError` once the store is closed.
    """

    _maintenance: Maintenance
    _check: Callable[[], None]

    @property
    def is_paused(self) -> bool:
        """Whether automatic work is held back."""
        return self._maintenance.coordinator.is_paused

    @property
    def running(self) -> tuple[Work, ...]:
        """What is being done now, manual or automatic, in the order in which it began."""
        return self._maintenance.coordinator.running

    def pause(self) -> None:
        """Let no automatic work begin until `resume`. Idempotent.

        What runs goes on to its end: `wait_idle`. Manual work (`store.compact()`, `run_now`)
        runs all the same, and so does what writers wait for: flush, and compaction once they
        are slowed down. A pause ends with the store.
        """
        self._check()
        self._maintenance.coordinator.pause()

    def resume(self) -> None:
        """Let automatic work begin again, and look for all of it. Idempotent."""
        self._check()
        self._maintenance.resume()

    async def wait_idle(self) -> None:
        """Wait until no work is being done, if only for a moment."""
        self._check()
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._maintenance.coordinator.wait_idle()

    async def run_now(self, work: Work) -> None:
        """Do everything of one kind that there is to do, and wait for it; also while paused.

        FLUSH makes tables of all that is in memory. COMPACTION and COLLECTION do what the
        options call for. CHECKPOINT takes one that counts as automatic, RETENTION drops what is
        above `checkpoints_kept`. LOG drops segments, SWEEP removes files. BACKUP needs a folder:
        `InvalidError`. Raises what the work raises; cancelled, it leaves the steps that are done.
        """
        self._check()
        if not isinstance(work, Work):
            raise TypeError(f"work must be a Work, not {work!r}")
        await trio.lowlevel.checkpoint_if_cancelled()
        with translated():
            await self._maintenance.run_now(work)

    def statistics(self) -> dict[Work, WorkStatistics]:
        """Return what became of each kind of work since the store was opened."""
        self._check()
        return self._maintenance.coordinator.statistics()

    def health(self) -> dict[Work, str]:
        """Return the kinds of work whose newest run failed, and why. Empty: all is well.

        They are tried again by themselves, with growing delay: `statistics`.
        """
        return {
            work: found.last_error
            for work, found in self.statistics().items()
            if found.last_error is not None
        }

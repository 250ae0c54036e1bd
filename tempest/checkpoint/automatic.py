"""How a store takes checkpoints by itself, and drops those of them that are too many.

When one is due is decided in `upkeep/automatic.py`; which ones go in `retention.py`.

Invariants
- An automatic checkpoint waits until the one that is being made has ended; it is never refused.
- Retention begins after a checkpoint has ended, and concerns automatic ones only.
"""

from tempest.checkpoint.maker import Checkpointer
from tempest.checkpoint.shelf import Retention
from tempest.coordinator import Work
from tempest.errors import NotOpenError
from tempest.maintenance import Maintenance


def adopt_checkpoints(
    maintenance: Maintenance, checkpointer: Checkpointer, retention: Retention
) -> None:
    """Let `maintenance` run both; before its tasks are started."""
    coordinator = maintenance.coordinator

    async def take(*, automatic: bool) -> bool:
        while checkpointer.is_busy or (automatic and coordinator.is_paused):
            if coordinator.is_stopping:
                raise NotOpenError
            await coordinator.changed.wait()
        await checkpointer.start(automatic=True).wait()
        return False

    async def retain(*, automatic: bool) -> bool:
        async with coordinator.turn(Work.RETENTION, automatic=automatic):
            await retention.retain()
        return False

    maintenance.adopt_checkpoints(take)
    maintenance.adopt(Work.RETENTION, lambda: retention.is_due, retain)

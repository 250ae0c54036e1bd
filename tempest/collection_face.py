"""What a store offers for collection: to ask what it would free, and to do it.

Invariants
- Asking changes nothing; both see what is in memory.
"""

from tempest.collection import (
    CollectionEstimate,
    CollectionMethod,
    CollectionReport,
)
from tempest.engine import Engine, Reading
from tempest.errors import CorruptionError, InvalidError
from tempest.translate import translated


class CollectionFace:
    """Freeing the space of large values that were overwritten or deleted. Part of `Store`."""

    _reading: Reading

    async def collect(self, live_share_max: float | None = None) -> CollectionReport:
        """Copy what is live out of sparse segments, and let go of these.

        Sparse is a segment of whose bytes a smaller share than `live_share_max` (0 to 1) is
        still pointed to; default: the option `collection_live_share_max`. What is in memory is
        flushed first, and overwritten values are compacted away where they are worth it. What
        snapshots can see is kept. Returns once all of it is durable; files that a reader or
        checkpoint still needs go later. Cancellation leaves the steps that are done.
        """
        _check_share(live_share_max)
        engine = self._writable("collect")
        await self._reading.fairness.begin()
        try:
            with translated():
                return await engine.maintenance.collect(live_share_max)
        except CorruptionError as error:
            engine.health.trouble("damage", error)
            raise

    async def should_collect(
        self,
        method: CollectionMethod = CollectionMethod.LIVENESS,
        live_share_max: float | None = None,
    ) -> CollectionEstimate:
        """Say what `collect` would free of the segments that are on disk now.

        `method` says how hard to look: by the tables' accounts (at once, and too low while
        pointers to overwritten values are left), or exactly by scanning the keys of the store
        or looking up those in its segments. Changes nothing.
        """
        if not isinstance(method, CollectionMethod):
            raise TypeError(f"method must be a CollectionMethod, not {method!r}")
        _check_share(live_share_max)
        engine = self._writable("should_collect")
        await self._reading.fairness.begin()
        try:
            with translated():
                return await engine.maintenance.should_collect(method, live_share_max)
        except CorruptionError as error:
            engine.health.trouble("damage", error)
            raise

    def _writable(self, operation: str) -> Engine:
        raise NotImplementedError  # `Store` has it


def _check_share(live_share_max: object) -> None:
    if live_share_max is None:
        return
    if not isinstance(live_share_max, (int, float)) or isinstance(live_share_max, bool):
        raise TypeError(f"live_share_max must be a number, not {live_share_max!r}")
    if not 0 <= live_share_max <= 1:
        raise InvalidError(
            f"live_share_max is {live_share_max} and must lie between 0 and 1"
        )

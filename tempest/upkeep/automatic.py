"""When a checkpoint is taken without anybody asking: by age, by log growth, by dirty bytes.

A trigger whose option is 0 is off. None is due unless something was written since the newest
automatic checkpoint; manual ones do not count. The age is counted on trio's clock, from the
newest automatic checkpoint of this opening or from the opening: the first one is never at once.

Invariants
- Asking whether one is due changes nothing and costs no IO.
- What was tried and failed stays due.
"""

import math

import attrs
import trio

from tempest.committer import Committer
from tempest.version import Version


@attrs.define(eq=False)
class CheckpointTriggers:
    """What has come together since the newest automatic checkpoint."""

    committer: Committer
    _address: int = 0  # where the log of the newest one ended
    _since: float = 0.0

    @property
    def is_enabled(self) -> bool:
        options = self.committer.options
        return bool(
            options.checkpoint_interval_seconds
            or options.checkpoint_log_bytes
            or options.checkpoint_dirty_bytes
        )

    def restart(self) -> None:
        """Count from the newest automatic checkpoint there is, and from now."""
        self._address = newest_automatic(self.committer.manifest.current)
        self._since = trio.current_time()

    @property
    def log_bytes(self) -> int:
        """Log bytes since the newest automatic checkpoint, the open frame's among them.

        0 if it holds all that was written: marks of the log alone are nothing to take down.
        """
        log, memtables = self.committer.log, self.committer.memtables
        is_empty = not memtables.waiting and not memtables.active
        if is_empty and memtables.active.first <= self._address:
            return 0
        return max(0, log.data_end - self._address) + log.open.bytes

    @property
    def seconds_left(self) -> float:
        """Until the interval is over: never if there is none, or nothing to take down."""
        interval = self.committer.options.checkpoint_interval_seconds
        if not interval:
            return math.inf
        left = self._since + interval - trio.current_time()
        return left if left > 0 else math.inf

    @property
    def is_due(self) -> bool:
        """Whether a checkpoint is to be taken now."""
        options = self.committer.options
        written = self.log_bytes
        if not written:
            return False
        if 0 < options.checkpoint_log_bytes <= written:
            return True
        dirty = self.committer.memtables.held_bytes
        if 0 < options.checkpoint_dirty_bytes <= dirty:
            return True
        interval = options.checkpoint_interval_seconds
        return 0 < interval <= trio.current_time() - self._since


def newest_automatic(version: Version) -> int:
    """Return the address of the newest automatic checkpoint, or where this log begins."""
    return max(
        (
            meta.address
            for meta in version.checkpoints
            if meta.automatic and not version.is_abandoned(meta)
        ),
        default=version.begin,
    )

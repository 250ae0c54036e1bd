"""Which checkpoints go: edits that drop some, and what `keep` means. Nothing here waits.

Abandoned checkpoints count as older than all others. Recovery points and INDEX checkpoints are
counted each by themselves: an INDEX is no substitute for a recovery point.

Invariants
- Dropping a checkpoint changes none that stays: those that were stored as the difference to it
  get their tables written out in the same edit.
- At least one of each is kept.
"""

from collections.abc import Collection

import attrs

from tempest.errors import InvalidError
from tempest.version import CheckpointMeta, Version, VersionEdit, levels_of


def drop(version: Version, tokens: Collection[bytes]) -> VersionEdit:
    """Return the edit that drops these checkpoints, and nothing of those that stay."""
    changed = tuple(
        attrs.evolve(
            meta,
            base=b"",
            removed=(),
            added=(),
            levels=levels_of(version.checkpoints, meta.token),
        )
        for meta in version.checkpoints
        if meta.base in tokens and meta.token not in tokens
    )
    gone = tuple(m.token for m in version.checkpoints if m.token in tokens)
    return VersionEdit(checkpoints=changed, checkpoints_removed=gone)


@attrs.frozen
class Choice:
    """What retention would do: `gone` is what goes, `newest` the recovery point to rely upon."""

    gone: tuple[CheckpointMeta, ...]
    newest: CheckpointMeta | None


def choose(version: Version, keep: int, *, automatic_only: bool) -> Choice:
    """Return all but the newest `keep` recovery points and INDEX checkpoints, oldest first."""
    if type(keep) is not int:
        raise TypeError(f"the number to keep is an int, not {keep!r}")
    if keep < 1:
        raise InvalidError(f"{keep} checkpoints cannot be kept", "Keep at least one")
    concerned = [m for m in version.checkpoints if m.automatic or not automatic_only]
    oldest_first = sorted(
        concerned, key=lambda meta: (not version.is_abandoned(meta), meta.number)
    )
    points = [meta for meta in oldest_first if meta.is_recovery_point]
    indexes = [meta for meta in oldest_first if not meta.is_recovery_point]
    gone = (*points[:-keep], *indexes[:-keep])
    return Choice(gone, points[-1] if points[:-keep] else None)

"""What a store says of its checkpoints: plain records, made from what the manifest knows.

Invariants
- Every figure is computed from the record of the checkpoint itself: nothing is remembered beside.
- Times are wall time in seconds since the epoch, durations are monotonic; both say which.
"""

import attrs

from tempest.errors import CheckpointError
from tempest.version import (
    VALUES_FIRST,
    CheckpointKind,
    CheckpointMeta,
    CheckpointStyle,
    Version,
    levels_of,
)


@attrs.frozen(kw_only=True)
class CheckpointInfo:
    """One checkpoint.

    Attributes:
        token: what it is known by, in this store, for good.
        number: its place among all checkpoints of the store; higher is newer.
        kind: FULL, INDEX, LOG or INCREMENTAL.
        style: FOLD_OVER or SNAPSHOT.
        automatic: whether the store took it by itself; only those are retained by number.
        cookie: what its maker gave it.
        timeline: how often a checkpoint had been restored when it was taken.
        is_abandoned: the store went on from an older checkpoint since: no part of its past.
        is_recovery_point: it can be read and restored; an INDEX cannot.
        sequence: the newest write in it.
        address: the log's address at its cut.
        replay_from: where the log begins that reading it replays; `address` if there is none.
        replay_bytes: bytes of log that reading it replays.
        tables: tables in it.
        table_bytes: bytes of them, whoever else needs them, too.
        entries: entries in its tables: those of the log come upon them.
        value_segments: files with large values that its tables point into.
        started_at: wall time at which it was asked for, seconds since the epoch.
        committed_at: wall time at which its edit was written.
        duration_seconds: between the two, on the monotonic clock.
        sessions: the last serial of each session that is in it, by name.
        base: token of the checkpoint that this one is stored as the difference to, or None.
    """

    token: bytes
    number: int
    kind: CheckpointKind
    style: CheckpointStyle
    automatic: bool
    cookie: bytes
    timeline: int
    is_abandoned: bool
    is_recovery_point: bool
    sequence: int
    address: int
    replay_from: int
    replay_bytes: int
    tables: int
    table_bytes: int
    entries: int
    value_segments: int
    started_at: float
    committed_at: float
    duration_seconds: float
    sessions: dict[str, int]
    base: bytes | None


def find(version: Version, token: bytes) -> CheckpointMeta:
    """Return what the manifest knows of a checkpoint; `CheckpointError` if it knows none."""
    if not isinstance(token, bytes):
        raise TypeError(f"the token of a checkpoint is bytes, not {token!r}")
    meta = version.checkpoint(token)
    if meta is None:
        raise CheckpointError(
            f"There is no checkpoint {token.decode(errors='replace')!r}"
        )
    return meta


def find_recovery_point(version: Version, token: bytes) -> CheckpointMeta:
    """Return a checkpoint that can be read; `CheckpointError` for none, and for an INDEX."""
    meta = find(version, token)
    if not meta.is_recovery_point:
        name = token.decode(errors="replace")
        raise CheckpointError(f"{name!r} is an INDEX checkpoint, no recovery point")
    return meta


def describe(version: Version, meta: CheckpointMeta) -> CheckpointInfo:
    """Say what there is to say of a checkpoint of this version."""
    levels = levels_of(version.checkpoints, meta.token)
    tables = [table for level in levels for table in level]
    pointed = dict.fromkeys(n for table in tables for n in table.segments)
    return CheckpointInfo(
        token=meta.token,
        number=meta.number,
        kind=CheckpointKind(meta.kind),
        style=CheckpointStyle(meta.style),
        automatic=meta.automatic,
        cookie=meta.cookie,
        timeline=meta.timeline,
        is_abandoned=version.is_abandoned(meta),
        is_recovery_point=meta.is_recovery_point,
        sequence=meta.sequence,
        address=meta.address,
        replay_from=meta.replay_from,
        replay_bytes=replay_bytes(meta),
        tables=len(tables),
        table_bytes=sum(table.size for table in tables),
        entries=sum(table.entries for table in tables),
        value_segments=len(pointed),
        started_at=meta.started_wall_us / 1e6,
        committed_at=meta.committed_wall_us / 1e6,
        duration_seconds=meta.duration_us / 1e6,
        sessions={mark.name.decode(): mark.serial for mark in meta.sessions},
        base=meta.base or None,
    )


def describe_all(version: Version) -> list[CheckpointInfo]:
    """Say it of all of them, oldest first."""
    return [describe(version, meta) for meta in version.checkpoints]


def replay_bytes(meta: CheckpointMeta) -> int:
    """Return how much log belongs to a checkpoint; holes between segments are not counted."""
    return sum(
        max(0, (segment.end or 0) - max(segment.first, meta.replay_from))
        for segment in meta.segments
        if segment.first < VALUES_FIRST
    )

"""Which errors an operation can meet, and how much of it was done when it met one."""

from collections.abc import Iterator
from typing import Literal

from io_backends import MUTATING, WRITES, FailOp, Op, OpKind

Error = Literal["EIO", "ENOSPC", "EROFS", "EMFILE"]
Effect = Literal["none", "partial", "done"]

GROWING = (
    *(OpKind.CREATE, OpKind.RENAME, OpKind.MAKE_DIR, OpKind.LINK, OpKind.LOCK),
    *(OpKind.SYNC, OpKind.TRUNCATE, OpKind.ALLOCATE),
    *WRITES,
)
OPENING = (OpKind.OPEN, OpKind.CREATE, OpKind.LOCK, OpKind.LIST, OpKind.SYNC_DIR)
NAMING = (
    *(OpKind.CREATE, OpKind.RENAME, OpKind.REMOVE, OpKind.MAKE_DIR, OpKind.LINK),
    *(OpKind.LOCK, OpKind.TRUNCATE, OpKind.ALLOCATE),
    *WRITES,
)
MEETING: dict[Error, tuple[OpKind, ...]] = {
    "EIO": tuple(OpKind),
    "ENOSPC": GROWING,
    "EROFS": NAMING,
    "EMFILE": OPENING,
}


def refusals(op: Op) -> Iterator[FailOp]:
    """Yield every error of this operation: once, and for good wherever that error can come."""
    for error, kinds in MEETING.items():
        if op.kind not in kinds:
            continue
        for effect in _effects(op.kind, error):
            for drop_pages in _pages(op.kind):
                for times in (1, None):
                    yield FailOp(
                        at=op.index,
                        kinds=() if times else _lasting(error, kinds),
                        error=error,
                        effect=effect,
                        drop_pages=drop_pages,
                        times=times,
                    )


def _lasting(error: Error, kinds: tuple[OpKind, ...]) -> tuple[OpKind, ...]:
    return () if error == "EIO" else kinds


def _effects(kind: OpKind, error: Error) -> tuple[Effect, ...]:
    if kind not in MUTATING or error in ("EROFS", "EMFILE"):
        return ("none",)
    if kind in WRITES or kind is OpKind.SYNC:
        return ("none", "partial", "done")
    return ("none", "done")


def _pages(kind: OpKind) -> tuple[bool, ...]:
    """Whether a failed sync drops its dirty pages: ext4 does, XFS does not."""
    return (True, False) if kind is OpKind.SYNC else (True,)

"""Which operation of an `Io` fails, and how: faults are values that can be printed and replayed.

A `FaultPlan` is a tuple of faults. Each fault names the operations that it meets (`at`, `kinds`,
`path`, `offset`: all must hold) and how many `times` it fires (`None`: for good). So
`FailOp(at=17)` fails exactly operation 17, and `FailOp(at=17, kinds=(OpKind.SYNC,), times=None)`
every sync from operation 17 on. `repr` of a plan is Python that makes it again.

Invariants
- Values decide nothing by themselves: `FaultPlan.decide` is a pure function of the operation and
  of how often each fault has fired. `FaultyIo` obeys; the counts live in its `FaultLog`.
"""

from collections.abc import Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

import attrs
from attrs import validators

from io_backends.errors import (
    AccessError,
    DeviceError,
    IoError,
    JobError,
    NoSpaceError,
    ReadOnlyDeviceError,
    TooManyFilesError,
)


class OpKind(Enum):
    """Every operation of `Io` and `File` that reaches storage; closing and releasing do not."""

    OPEN = "open"
    CREATE = "create_exclusive"
    RENAME = "rename"
    REMOVE = "remove"
    LIST = "list"
    MAKE_DIR = "make_dir"
    LINK = "link"
    SYNC_DIR = "sync_dir"
    LOCK = "lock"
    STAT = "stat"
    FREE_SPACE = "free_space"
    RUN_JOB = "run_job"
    READ = "read_at"
    READ_NOWAIT = "read_at_nowait"
    WRITE = "write_at"
    WRITE_NOWAIT = "write_at_nowait"
    SYNC = "sync"
    TRUNCATE = "truncate"
    ALLOCATE = "allocate"
    SIZE = "size"

    def __init__(self, word: str) -> None:
        self.word = word  # the same as `value`, for a tenth of its price

    def __repr__(self) -> str:
        return f"OpKind.{self.name}"


READS = (OpKind.READ, OpKind.READ_NOWAIT)
WRITES = (OpKind.WRITE, OpKind.WRITE_NOWAIT)
MUTATING = (
    *(OpKind.CREATE, OpKind.RENAME, OpKind.REMOVE, OpKind.MAKE_DIR, OpKind.LINK),
    *(OpKind.SYNC_DIR, OpKind.LOCK, OpKind.SYNC, OpKind.TRUNCATE, OpKind.ALLOCATE),
    *WRITES,
)


@attrs.frozen
class Op:
    """One operation: the `index`-th of its decorator (from 0). `target`: of a rename or link."""

    index: int
    kind: OpKind
    path: str
    offset: int = 0
    length: int = 0
    target: str = ""

    def __str__(self) -> str:
        target = f" -> {self.target}" if self.target else ""
        place = f" {self.offset}+{self.length}" if self.kind in _PLACED else ""
        return f"#{self.index} {self.kind.value} {self.path}{target}{place}"


_PLACED = (*READS, *WRITES, OpKind.TRUNCATE, OpKind.ALLOCATE)

ErrorName = Literal[
    "EIO", "ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EMFILE", "ENFILE"
]
_ERRORS: dict[str, tuple[type[IoError], int]] = {
    "EIO": (DeviceError, 5),
    "ENOSPC": (NoSpaceError, 28),
    "EDQUOT": (NoSpaceError, 122),
    "EFBIG": (NoSpaceError, 27),
    "EROFS": (ReadOnlyDeviceError, 30),
    "EACCES": (AccessError, 13),
    "EMFILE": (TooManyFilesError, 24),
    "ENFILE": (TooManyFilesError, 23),
}


def make_error(name: ErrorName, op: Op) -> IoError:
    """Return the error that a backend raises for this errno name; from a job, `JobError`."""
    error, number = _ERRORS[name]
    if op.kind is OpKind.RUN_JOB:
        return JobError(op.kind.value, op.path, number, f"injected {name}")
    return error(op.kind.value, op.path, number, "injected")


@attrs.frozen(kw_only=True)
class Fault:
    """Where a fault strikes: the first `times` operations, from index `at` on, that match.

    `path` is a glob over the path or the target; `offset` a byte that the operation must cover.
    """

    kinds_default: ClassVar[tuple[OpKind, ...]] = tuple(OpKind)

    at: int = 0
    kinds: tuple[OpKind, ...] = ()
    path: str = "*"
    offset: int | None = None
    times: int | None = 1

    def matches(self, op: Op) -> bool:
        return (
            op.index >= self.at
            and op.kind in (self.kinds or self.kinds_default)
            and (self.path == "*" or self._is_at_path(op))
            and (self.offset is None or 0 <= self.offset - op.offset < op.length)
        )

    def _is_at_path(self, op: Op) -> bool:
        return any(fnmatchcase(path, self.path) for path in (op.path, op.target))


@attrs.frozen(kw_only=True)
class FailOp(Fault):
    """The operation raises; `effect` says what it did before: nothing, half of it, or all.

    `done` is the false failure. Half of a write is its first half; half of a sync is some of the
    changes; elsewhere `partial` means `none`. A failed sync drops dirty pages as ext4 does
    (`drop_pages`) or leaves them dirty, if the backend below is a `VirtualIo`.
    """

    error: ErrorName = attrs.field(default="EIO", validator=validators.in_(_ERRORS))
    effect: Literal["none", "partial", "done"] = "none"
    drop_pages: bool = True


@attrs.frozen(kw_only=True)
class LateError(Fault):
    """The sync reports success but loses its pages; the next sync of that file reports the error.

    It is hit twice: when it lies, and, `is_late`, when it is reported.
    """

    kinds_default: ClassVar[tuple[OpKind, ...]] = (OpKind.SYNC,)
    error: ErrorName = attrs.field(default="EIO", validator=validators.in_(_ERRORS))


@attrs.frozen(kw_only=True)
class BitFlip(Fault):
    """The read answers with bits flipped in the byte at `offset` (default: its first byte)."""

    kinds_default: ClassVar[tuple[OpKind, ...]] = READS
    xor: int = 1


@attrs.frozen(kw_only=True)
class StaleRead(Fault):
    """The read answers as if the last write to each of its bytes had never happened.

    Only writes seen by the same `FaultyIo` count; below the first there are zeros.
    """

    kinds_default: ClassVar[tuple[OpKind, ...]] = READS


@attrs.frozen(kw_only=True)
class MisdirectedRead(Fault):
    """The read answers with what stands elsewhere.

    That is the newest other place of this length that was read or written through the same
    `FaultyIo` in a file that `path` meets; if there was none, what was written `shift` bytes on.
    """

    kinds_default: ClassVar[tuple[OpKind, ...]] = READS
    shift: int = 512


@attrs.frozen(kw_only=True)
class MisdirectedWrite(Fault):
    """The write reports success, but its bytes go to a place `shift` bytes on, and not to theirs."""

    kinds_default: ClassVar[tuple[OpKind, ...]] = WRITES
    shift: int = 512


@attrs.frozen(kw_only=True)
class Slow(Fault):
    """The operation starts only after `seconds`; a nowait twin would block."""

    seconds: float = 1.0


@attrs.frozen(kw_only=True)
class Stuck(Fault):
    """The operation does not start until `FaultyIo.release()`; a nowait twin would block.

    A caller that is cancelled meanwhile is let go, and the operation never happens.
    """


@attrs.frozen(kw_only=True)
class PowerCut(Fault):
    """The power fails before, during or after the operation, which never returns a result.

    During: half a write or half a sync was done; elsewhere the same as after.
    """

    when: Literal["before", "during", "after"] = "before"


@attrs.frozen
class Hit:
    """A fault met an operation; `is_late`: what a `LateError` did before is reported now."""

    op: Op
    fault: Fault
    is_late: bool = False


@attrs.define
class FaultLog:
    """How often each fault of a plan fired (`counts`, in plan order), and what it hit."""

    counts: list[int]
    hits: list[Hit] = attrs.field(factory=list)


@attrs.frozen
class FaultPlan:
    """Faults, in order; several may meet one operation."""

    faults: tuple[Fault, ...] = ()

    def decide(self, op: Op, counts: Sequence[int]) -> tuple[int, ...]:
        """Return the indexes of the faults that strike, given how often each has already."""
        if not self.faults:
            return ()
        return tuple(
            index
            for index, fault in enumerate(self.faults)
            if op.index >= fault.at  # mostly not yet: before anything dearer is asked
            and (fault.times is None or counts[index] < fault.times)
            and fault.matches(op)
        )

    def new_log(self) -> FaultLog:
        return FaultLog([0] * len(self.faults))

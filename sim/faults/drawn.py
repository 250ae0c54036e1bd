"""The faults of one life, drawn.

A plan injects only what the store claims to survive. What no store could tell from a power cut
(the newest frames of log or manifest, falsified) is not drawn here: `sim.faults.twins` does it to
a twin of the disk, where what is missing afterwards can be judged.

Invariants
- A fault is a plain value of `io_backends`; `CONTRACTS` says what must hold when it fires.
"""

from random import Random
from typing import Literal

from io_backends import (
    MUTATING,
    READS,
    WRITES,
    BitFlip,
    FailOp,
    Fault,
    LateError,
    MisdirectedRead,
    OpKind,
    Slow,
    StaleRead,
    Stuck,
)
from sim.faults.contracts import STORE
from sim.script import Life

Error = Literal[
    "EIO", "ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EMFILE", "ENFILE"
]
ERRORS: tuple[Error, ...] = (
    *("EIO", "EIO", "ENOSPC", "EDQUOT", "EFBIG"),
    *("EROFS", "EACCES", "EMFILE", "ENFILE"),
)
EFFECTS: tuple[Literal["none", "partial", "done"], ...] = ("none", "partial", "done")
TABLES = f"{STORE}/table-*"
FILES = ("*", f"{STORE}/log-*", f"{STORE}/manifest-*", TABLES)
STUCK: tuple[tuple[OpKind, ...], ...] = (
    (),
    WRITES,
    (OpKind.SYNC,),
    (OpKind.SYNC, OpKind.SYNC_DIR),
    (OpKind.OPEN, OpKind.CREATE),
    (OpKind.RENAME, OpKind.REMOVE, OpKind.LIST),
    (OpKind.LOCK,),
    (OpKind.RUN_JOB,),
    READS,
)


def draw_faults(random: Random, span: int) -> tuple[Fault, ...]:
    """Draw the faults of one life of about `span` Io operations."""
    if random.random() < 0.45:
        return ()
    return tuple(_draw(random, span) for _ in range(random.choice((1, 1, 2, 3))))


def _draw(random: Random, span: int) -> Fault:
    at = random.randrange(span)
    draw_one = random.choice(
        (
            *(_fail_once,) * 3,
            *(_fail_kind,) * 2,
            *(_fail_good, _fail_read, _fail_file, _fail_job, _fail_late),
            *(_lie, _delay),
        )
    )
    return draw_one(random, at)


def _fail_kind(random: Random, at: int) -> Fault:
    kind = random.choice((*MUTATING, OpKind.SYNC, OpKind.WRITE, OpKind.RENAME))
    return _fail(random, at, (kind,), times=random.choice((1, 1, 2, 5)))


def _fail_file(random: Random, at: int) -> Fault:
    """Whatever is done to one kind of file fails."""
    return _fail(random, at, MUTATING, times=1, path=random.choice(FILES))


def _fail_good(random: Random, at: int) -> Fault:
    kinds = random.choice((MUTATING, WRITES, (OpKind.SYNC, OpKind.SYNC_DIR)))
    return _fail(random, at, kinds, times=None)


def _fail_read(random: Random, at: int) -> Fault:
    return _fail(random, at, READS, times=random.choice((1, 3)), path=TABLES)


def _fail_job(random: Random, at: int) -> Fault:
    """The worker dies: before it began, or with everything done."""
    return _fail(random, at, (OpKind.RUN_JOB,), times=random.choice((1, 1, 4)))


def _fail_late(random: Random, at: int) -> Fault:
    times = random.choice((1, 1, 2))
    return LateError(at=at, path=random.choice(FILES), times=times)


def _lie(random: Random, at: int) -> Fault:
    shape = random.random()
    if shape < 0.25:
        return StaleRead(at=at, path=TABLES)
    if shape < 0.5:
        return MisdirectedRead(at=at, path=TABLES, shift=random.choice((-64, 64, 512)))
    return BitFlip(at=at, path=TABLES, xor=1 << random.randrange(8))


def _delay(random: Random, at: int) -> Fault:
    if random.random() < 0.5:
        return Stuck(at=at, kinds=random.choice(STUCK))
    seconds = random.choice((0.01, 1.0, 8.0))
    kinds = random.choice(((), (), (OpKind.RUN_JOB,), (OpKind.SYNC,)))
    return Slow(at=at, kinds=kinds, seconds=seconds, times=random.choice((1, 20)))


def _fail_once(random: Random, at: int) -> Fault:
    return _fail(random, at, (), times=1)


def _fail(
    random: Random,
    at: int,
    kinds: tuple[OpKind, ...],
    *,
    times: int | None,
    path: str = "*",
) -> FailOp:
    return FailOp(
        at=at,
        kinds=kinds,
        path=path,
        times=times,
        error=random.choice(ERRORS),
        effect=random.choice(EFFECTS),
        drop_pages=random.random() < 0.7,
    )


def has_lies(life: Life) -> bool:
    """Whether a sync of this life may lose pages in silence."""
    return any(isinstance(fault, LateError) for fault in life.faults)

"""What is done to a disk, drawn: each kind of fault with what the engine owes under it.

A plan injects only what the store claims to survive. Damage that no store could tell from a
power cut (rot in the newest frames of log or manifest, which look like a torn tail) is not drawn;
rot in tables is, since a table is known whole.

Invariants
- A fault is a plain value of `io_backends`; `CONTRACTS` says what must hold when it fires.
- Every kind can be counted: `name_of` names what a hit was.
"""

from random import Random
from typing import Literal

import attrs

from io_backends import (
    MUTATING,
    READS,
    WRITES,
    BitFlip,
    FailOp,
    Fault,
    Hit,
    LateError,
    OpKind,
    PowerCut,
    Slow,
    StaleRead,
    Stuck,
    VirtualDisk,
)
from sim.script import Rot
from sim.seeds import Seeds

STORE = "store"
Error = Literal["EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EMFILE"]
ERRORS: tuple[Error, ...] = (
    "EIO",
    "EIO",
    "ENOSPC",
    "EDQUOT",
    "EROFS",
    "EACCES",
    "EMFILE",
)
EFFECTS: tuple[Literal["none", "partial", "done"], ...] = ("none", "partial", "done")
TABLES = f"{STORE}/table-*"

CONTRACTS = {
    "fail once": "a call may fail in words, nothing is lost, the store resumes by itself",
    "fail for a while": "the same, however often it fails; writes wait or fail in words",
    "fail for good": "reads go on, writes are refused in words, a restart keeps every promise",
    "false failure": "the error is reported although it was done: one outcome, for ever",
    "failed sync": "its pages are gone or not; nothing is acknowledged by a later sync of it",
    "sync fails late": "the next sync says so; nothing promised before it is lost by a kill",
    "unreadable": "an error, never 'not found'; nothing unreadable is dropped",
    "bit flip": "a table's block does not verify: an error, never wrong bytes",
    "stale read": "the same for bytes of an earlier write",
    "slow": "nothing but time is lost",
    "stuck": "others go on; once it is released, so does everything",
    "full disk": "writes wait or fail in words; the store goes on when there is space",
    "power cut": "a prefix of the log with every promise of the disk",
    "kill": "a prefix of the log with every promise of the operating system",
    "late write": "a write that reaches the disk after the next opening changes nothing",
    "clock jump": "nothing depends on the wall clock",
    "orphan": "a file that nobody names is removed, and read by nobody",
    "copy": "a copy of a table under another number changes nothing",
    "garbage": "random bytes under a number of its own change nothing",
    "temporary": "a manifest that was never finished changes nothing",
    "rotten table": "a flipped bit in any table is an error that names it, or is never read",
    "missing table": "opening fails in words and changes nothing",
}


def draw_faults(random: Random, span: int) -> tuple[Fault, ...]:
    """Draw the faults of one life of about `span` Io operations."""
    if random.random() < 0.45:
        return ()
    return tuple(_draw(random, span) for _ in range(random.choice((1, 1, 2, 3))))


def _draw(random: Random, span: int) -> Fault:
    at = random.randrange(span)
    draw_one = random.choice(
        (*(_fail_once,) * 3, *(_fail_kind,) * 2, _fail_good, _fail_read, _lie, _delay)
    )
    return draw_one(random, at)


def _fail_kind(random: Random, at: int) -> Fault:
    kind = random.choice((*MUTATING, OpKind.SYNC, OpKind.WRITE, OpKind.RENAME))
    return _fail(random, at, (kind,), times=random.choice((1, 1, 2, 5)))


def _fail_good(random: Random, at: int) -> Fault:
    kinds = random.choice((MUTATING, WRITES, (OpKind.SYNC, OpKind.SYNC_DIR)))
    return _fail(random, at, kinds, times=None)


def _fail_read(random: Random, at: int) -> Fault:
    return _fail(random, at, READS, times=random.choice((1, 3)), path=TABLES)


def _lie(random: Random, at: int) -> Fault:
    if random.random() < 0.3:
        return StaleRead(at=at, path=TABLES)
    return BitFlip(at=at, path=TABLES, xor=1 << random.randrange(8))


def _delay(random: Random, at: int) -> Fault:
    if random.random() < 0.5:
        return Stuck(at=at, kinds=random.choice(((), WRITES, (OpKind.SYNC,))))
    seconds = random.choice((0.01, 1.0, 8.0))
    return Slow(at=at, seconds=seconds, times=random.choice((1, 20)))


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


NAMES: dict[type[Fault], str] = {
    LateError: "sync fails late",
    BitFlip: "bit flip",
    StaleRead: "stale read",
    Slow: "slow",
    Stuck: "stuck",
    PowerCut: "power cut",
}


def name_of(hit: Hit) -> str:
    """Name what hit, by the words of `CONTRACTS`."""
    fault = hit.fault
    if not isinstance(fault, FailOp):
        return NAMES[type(fault)]
    if fault.times is None:
        return "fail for good"
    if fault.effect == "done":
        return "false failure"
    if hit.op.kind is OpKind.SYNC:
        return "failed sync"
    if hit.op.kind in READS:
        return "unreadable"
    return "fail once" if fault.times == 1 else "fail for a while"


def is_damage(hit: Hit) -> bool:
    """Whether a hit falsifies bytes, so that the store may turn read-only for good."""
    return isinstance(hit.fault, BitFlip | StaleRead)


def plant(disk: VirtualDisk, rot: Rot) -> bool:
    """Put a file between two lives that no store made; say whether there was a place for it."""
    names = sorted(path for path in disk.files() if path.startswith(f"/{STORE}/"))
    if not names:
        return False
    random = Seeds(rot.seed).stream("rot")
    number = 10**9 + random.randrange(1000)
    kind = random.choice(("table", "log"))
    path = f"{STORE}/{kind}-{number:012d}"
    content = b""
    match rot.kind:
        case "orphan":
            pass
        case "garbage":
            content = random.randbytes(random.randrange(2000))
        case "temporary":
            path = f"{STORE}/manifest-{number:012d}.tmp"
            content = random.randbytes(random.randrange(200))
        case "copy":
            whole = [n for n in names if "/table-" in n or "/log-" in n]
            if not whole:
                return False
            source = random.choice(whole)
            kind = "table" if "/table-" in source else "log"
            path = f"{STORE}/{kind}-{number:012d}"
            content = disk.read(source)
    write_file(disk, path, content)
    return True


def write_file(disk: VirtualDisk, path: str, content: bytes) -> None:
    """Make a file as if another program had, synced or not."""
    if path in disk.files() or f"/{path}" in disk.files():
        return
    handle = disk.create(path)
    disk.write_at(handle, 0, content)
    disk.close(handle)


@attrs.define
class Damage:
    """A disk with one file missing or rotten, and which."""

    disk: VirtualDisk
    path: str
    kind: str


def damage_table(disk: VirtualDisk, random: Random) -> Damage | None:
    """Take a table away, or flip a bit in it, on a copy of the disk."""
    tables = [path for path in disk.files() if "/table-" in path]
    if not tables:
        return None
    copy = disk.clone()
    path = random.choice(tables)
    if random.random() < 0.3:
        copy.remove(path)
        return Damage(copy, path, "missing table")
    size = len(copy.read(path))
    if not size:
        return None
    copy.corrupt(path, random.randrange(size), 1 << random.randrange(8))
    return Damage(copy, path, "rotten table")

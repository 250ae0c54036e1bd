"""A script as a value, and what runs it: the same steps for a mini-engine and for Tempest.

    put(b"a", b"1"), unsynced(b"a", b"1"), delete(b"a"), batch({...})    writes
    SYNC, FLUSH, COMPACT                                                 upkeep
    REOPEN                                                               leave and open again
    both(step, step, ...)                                                two tasks at once

Invariants
- A step that was begun is never begun again: after a crash the script goes on behind it.
- A step that fails is an answer only of engines that go on (`goes_on`) after errors of the disk.
"""

from collections.abc import Callable, Sequence
from enum import Enum

import attrs
import trio

from io_backends import Io, IoError, PowerLostError
from sim.corpus.engine import Engine
from sim.corpus.ledger import Changes, Ledger
from sim.program import Program
from tempest import TempestError

Opener = Callable[[Io], Engine]


@attrs.frozen
class Write:
    """Changes that take effect together; synced or not."""

    changes: Changes
    synced: bool = True


class Upkeep(Enum):
    """What a store does for itself when asked."""

    SYNC = "sync"
    FLUSH = "flush"
    COMPACT = "compact"
    REOPEN = "reopen"


SYNC, FLUSH, COMPACT, REOPEN = Upkeep
Simple = Write | Upkeep


@attrs.frozen
class Both:
    """One step in a task, and others one after the other in a second task at the same time."""

    first: Simple
    others: tuple[Simple, ...]


Step = Write | Upkeep | Both


def put(key: bytes, value: bytes) -> Write:
    """Set a key, durably."""
    return Write({key: value})


def unsynced(key: bytes, value: bytes) -> Write:
    """Set a key; it may be lost until something after it is durable."""
    return Write({key: value}, synced=False)


def delete(key: bytes) -> Write:
    """Remove a key, durably."""
    return Write({key: None})


def batch(changes: Changes) -> Write:
    """Change several keys together, durably."""
    return Write(changes)


def both(first: Simple, *others: Simple) -> Both:
    """Take the first step in one task, and the others, in order, in another at the same time."""
    return Both(first, others)


def program_of(name: str, make: Opener, steps: Sequence[Step]) -> Program[Ledger]:
    """Return the program that takes these steps and checks what comes back."""

    async def work(io: Io, ledger: Ledger) -> None:
        await _work(make, io, ledger, steps)

    async def check(io: Io, ledger: Ledger) -> None:
        engine = make(io)
        async with engine:
            ledger.judge(await engine.rows())
        await engine.verify()

    return Program(name=name, memory=Ledger, work=work, check=check)


async def _work(make: Opener, io: Io, ledger: Ledger, steps: Sequence[Step]) -> None:
    """Open as often as the script says; a step that fails ends the process, unless it goes on."""
    while ledger.steps_begun < len(steps):
        async with make(io) as engine:
            while ledger.steps_begun < len(steps):
                step = steps[ledger.steps_begun]
                ledger.steps_begun += 1
                if step is REOPEN:
                    break
                await _take(engine, ledger, step)


async def _take(engine: Engine, ledger: Ledger, step: Step) -> None:
    if not isinstance(step, Both):
        await _simple(engine, ledger, step)
        return

    async def take(parts: Sequence[Simple]) -> None:
        for part in parts:
            await _simple(engine, ledger, part)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, step.others)
        nursery.start_soon(take, (step.first,))  # goes first: the newest task does


async def _simple(engine: Engine, ledger: Ledger, step: Simple) -> None:
    """Take one step of one task; say in the ledger what came of it."""
    count = len(ledger.writes)
    begun = ledger.begin(step.changes) if isinstance(step, Write) else None
    try:
        await _do(engine, step)
    except PowerLostError:
        raise
    except (IoError, TempestError):
        if begun is not None:
            begun.has_failed = True
        if not engine.goes_on:
            raise
        return
    if begun is not None and isinstance(step, Write) and step.synced:
        ledger.acknowledge(begun)
    elif step is SYNC:
        ledger.acknowledge_all_before(count)


async def _do(engine: Engine, step: Simple) -> None:
    match step:
        case Write():
            await engine.write(step.changes, synced=step.synced)
        case Upkeep.SYNC:
            await engine.sync()
        case Upkeep.FLUSH:
            await engine.flush()
        case Upkeep.COMPACT:
            await engine.compact()
        case Upkeep.REOPEN:
            raise AssertionError("only a step of the script itself opens again")

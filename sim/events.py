"""What happened in a run, as plain values: one class for each sort of event.

An event has a moment in virtual seconds, the number of its life, and a lane: the number of a
client, `BACKGROUND` for the store's own work, `WORLD` for what is done to the store from outside.

Invariants
- Every begin has one end; what the power cut off ends with the answer `OPEN`.
- Numbers of operations count through the whole run, indexes of Io operations through one life.
"""

import attrs

from sim.operations import Operation

BACKGROUND = -1
WORLD = -2
OPEN = "open"  # the answer of what was cut off: nobody knows


@attrs.frozen(kw_only=True)
class Event:
    """Something happened at a moment, in a life, on a lane."""

    at: float
    life: int
    lane: int


@attrs.frozen(kw_only=True)
class LifeBegun(Event):
    """A process starts; `text` says how it is meant to end."""

    text: str


@attrs.frozen(kw_only=True)
class Phase(Event):
    """What the world does to the store from now on: opening, checking, working, ..."""

    name: str


@attrs.frozen(kw_only=True)
class Opened(Event):
    """The store is open; `text` tells what recovery did."""

    text: str


@attrs.frozen(kw_only=True)
class OperationBegun(Event):
    """A client asks for something."""

    number: int
    operation: Operation


@attrs.frozen(kw_only=True)
class OperationEnded(Event):
    """A client is answered. `writes` are places among its writes, `values` what they wrote."""

    number: int
    answer: str
    error: str = ""
    saw: tuple[bytes | None, ...] = ()
    writes: tuple[int, ...] = ()
    values: tuple[bytes, ...] = ()


@attrs.frozen(kw_only=True)
class IoBegun(Event):
    """An Io operation starts."""

    index: int
    kind: str
    path: str
    offset: int = 0
    length: int = 0
    target: str = ""


@attrs.frozen(kw_only=True)
class IoEnded(Event):
    """An Io operation returns, or raises."""

    index: int
    answer: str


@attrs.frozen(kw_only=True)
class FaultHit(Event):
    """A fault of the plan met the Io operation with this index."""

    index: int
    name: str
    text: str


@attrs.frozen(kw_only=True)
class FaultPlanted(Event):
    """Something was done to the disk or the clock between two operations."""

    name: str


@attrs.frozen(kw_only=True)
class Tried(Event):
    """A copy of the disk was damaged, to see what a store makes of it."""

    kind: str
    place: str


@attrs.frozen(kw_only=True)
class LevelShape:
    """The tables of one level."""

    level: int
    tables: int
    bytes: int


@attrs.frozen(kw_only=True)
class Shape(Event):
    """What the store is made of, from now on."""

    levels: tuple[LevelShape, ...]
    memtable_bytes: int


@attrs.frozen(kw_only=True)
class Dark(Event):
    """The process ends here: `kind` is "power cut" or "kill"."""

    kind: str


@attrs.frozen(kw_only=True)
class FileFate:
    """What a crash made of one file, in bytes of what could be seen before it.

    `runs` are stretches of it, in order: (sort, bytes), where a sort is one of `SORTS`.
    """

    path: str
    written: int
    synced: int
    lost: int
    runs: tuple[tuple[str, int], ...]
    fate: str


SORTS = {
    "synced": "durable before the crash",
    "kept": "never synced, and still there",
    "lost": "never synced, and gone",
    "spoiled": "torn, or bytes that nobody wrote",
}


@attrs.frozen(kw_only=True)
class DiskAtCrash(Event):
    """Every file at the moment of a crash, and what the next life finds of it."""

    files: tuple[FileFate, ...]


@attrs.frozen(kw_only=True)
class Violated(Event):
    """Something that must hold did not. `epoch` counts the recoveries seen before it."""

    name: str
    detail: str
    epoch: int


@attrs.frozen(kw_only=True)
class Looked(Event):
    """The whole store was read and explained; writes are counted anew from here."""

    epoch: int


@attrs.frozen(kw_only=True)
class LifeEnded(Event):
    """Everything of this process has unwound."""

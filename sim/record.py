"""Listen to a run: every event in order, for the console and for reports.

    recorder = Recorder()
    result = run(script, recorder)
    recorder.events

Without one a run tells an `Observer`, which does nothing.

Invariants
- Listening changes nothing: a run has the same digest with a recorder and without.
- Events are in the order in which they happened, and so are their moments.
- A crash ends every operation: what a dead process still asks for, and is told, is not kept.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import trio

from io_backends import Op, VirtualDisk
from sim import events
from sim.aftermath import compare_disks
from sim.events import BACKGROUND, OPEN, WORLD, Event
from sim.faults import name_of
from sim.model import Model, Write
from sim.operations import Operation
from sim.oracle import Violation, leaves
from sim.wording import counted

if TYPE_CHECKING:
    from sim.digest import WatchedIo
    from sim.script import Life
    from tempest import Store


class Observer:
    """Hears what happens in a run, and does nothing with it."""

    def start(self, now: Callable[[], float], model: Model) -> None:
        """Hear of the clock and the model, before anything happens."""

    def life_begun(self, number: int, life: "Life", io: "WatchedIo") -> None: ...

    def phase(self, name: str) -> None:
        """Hear what the world does from now on."""

    def opened(self, store: "Store") -> None: ...

    def looked(self) -> None:
        """Hear that the whole store was read and explained."""

    def begin(self, client: int, operation: Operation) -> None: ...

    def error(self, error: BaseException) -> None:
        """Hear what an operation raised, before its answer."""

    def answer(self, name: str, answer: str) -> None: ...

    def see(self, values: Sequence[bytes | None]) -> None:
        """Hear what an operation read, before its answer."""

    def io_begun(self, op: Op) -> None: ...

    def io_ended(self, op: Op, answer: str) -> None: ...

    def planted(self, name: str) -> None:
        """Hear that something was done to the disk, or that a fault is counted."""

    def dark(self, before: VirtualDisk, after: VirtualDisk) -> None:
        """Hear of a crash, while the disk before it still stands."""

    def life_ended(self) -> None: ...

    def tried(self, kind: str, place: str) -> None:
        """Hear that a copy of the disk was damaged, to see what becomes of it."""

    def failing(self, error: BaseException) -> None:
        """Hear what ends a life, before everything unwinds."""

    def violated(self, violation: Violation) -> None: ...


OBSERVER = Observer()


@attrs.define(eq=False)
class _Asked:
    """An operation that has not been answered."""

    number: int
    operation: Operation
    writes: list[Write]  # those of its client, to which it may add
    first: int
    answer: str = ""
    error: str = ""
    saw: list[bytes | None] = attrs.field(factory=list)


class Recorder(Observer):
    """Hears what happens in a run, and keeps it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._now: Callable[[], float] = float
        self._model: Model | None = None
        self._life = 0
        self._ending = ""
        self._number = 0
        self._epoch = 0
        self._io: WatchedIo | None = None
        self._hits_seen = 0
        self._store: Store | None = None
        self._shape: object = None
        self._lanes: dict[trio.lowlevel.Task | None, int] = {}
        self._asked: dict[int, _Asked] = {}
        self._io_open: dict[int, int] = {}  # index of an operation, and its lane
        self._is_over = self._is_dark = self._is_violated = False
        self._culprit = WORLD

    # A run and its lives.

    def start(self, now: Callable[[], float], model: Model) -> None:
        self._now, self._model = now, model

    def life_begun(self, number: int, life: "Life", io: "WatchedIo") -> None:
        self._life, self._io, self._hits_seen = number, io, 0
        self._culprit = WORLD
        self._store = self._shape = None
        self._is_over = self._is_dark = False
        ending = life.ending
        text = "until it is closed"
        self._ending = "power cut" if ending.kind == "cut" else ending.kind
        if ending.kind != "close":
            text = (
                f"until a {self._ending} {ending.when} Io operation {ending.io} "
                f"after operation {ending.operations}"
            )
        self._add(events.LifeBegun, text=text)

    def phase(self, name: str) -> None:
        if not self._is_dark:
            self._add(events.Phase, name=name)

    def opened(self, store: "Store") -> None:
        self._store = store
        self._add(events.Opened, text=_recovery(store))
        self._look_at_shape()

    def looked(self) -> None:
        self._epoch += 1
        self._add(events.Looked, epoch=self._epoch)

    def planted(self, name: str) -> None:
        if not self._is_over:  # afterwards faults are only counted
            self._add(events.FaultPlanted, name=name)

    def dark(self, before: VirtualDisk, after: VirtualDisk) -> None:
        self._look_at_hits()
        self._store = None
        self._end_all()
        self._is_dark = True
        self._add(events.Dark, kind=self._ending)
        self._add(events.DiskAtCrash, files=compare_disks(before, after))

    def life_ended(self) -> None:
        if self._is_over:
            return
        self._look_at_hits()
        self._store = None
        self._end_all()
        for index, lane in self._io_open.items():
            self._add(events.IoEnded, lane, index=index, answer=OPEN)
        self._io_open.clear()
        self._lanes.clear()
        self._add(events.LifeEnded)
        self._is_over = True

    def tried(self, kind: str, place: str) -> None:
        self._add(events.Tried, kind=kind, place=place)

    def failing(self, error: BaseException) -> None:
        """Keep who failed first, since what others do then is cancelled."""
        if self._culprit == WORLD and not self._is_dark:
            self._culprit = self._lanes.get(_task(), WORLD)
        for leaf in leaves(error):
            if isinstance(leaf, Violation):
                self.violated(leaf)

    def violated(self, violation: Violation) -> None:
        """Keep the first violation, as the verdict does."""
        if self._is_violated:
            return
        self._is_violated = True
        self._add(
            events.Violated,
            self._culprit,
            name=violation.name,
            detail=violation.detail,
            epoch=self._epoch,
        )

    # Clients.

    def begin(self, client: int, operation: Operation) -> None:
        self._lanes[_task()] = client
        if self._is_dark:
            return  # nobody hears what a dead process asks for
        self._look_at_shape()
        assert self._model is not None, "a run starts first"
        writes = self._model.tracks[client].writes
        self._number += 1
        self._asked[client] = _Asked(self._number, operation, writes, len(writes))
        self._add(
            events.OperationBegun, client, number=self._number, operation=operation
        )

    def error(self, error: BaseException) -> None:
        asked = self._asked.get(self._lane())
        if asked is not None:
            asked.error = f"{type(error).__name__}: {error}"

    def see(self, values: Sequence[bytes | None]) -> None:
        asked = self._asked.get(self._lane())
        if asked is not None:
            asked.saw += values

    def answer(self, name: str, answer: str) -> None:
        client = self._lane()
        asked = self._asked.get(client)
        if asked is None:
            return
        if name != type(asked.operation).__name__:
            asked.answer = answer  # of the operation inside
        else:
            self._end(client, asked.answer or answer)
        self._look_at_shape()

    def _end_all(self) -> None:
        for client in list(self._asked):
            self._end(client, OPEN)

    def _end(self, client: int, answer: str) -> None:
        asked = self._asked.pop(client)
        written = asked.writes[asked.first :]
        values = [value for write in written for value in write.entries.values()]
        self._add(
            events.OperationEnded,
            client,
            number=asked.number,
            answer=answer,
            error=asked.error,
            saw=tuple(asked.saw),
            writes=tuple(write.index for write in written),
            values=tuple(value for value in values if value is not None),
        )

    # The disk.

    def io_begun(self, op: Op) -> None:
        lane = self._lane()
        self._look_at_hits()
        self._look_at_shape()
        self._io_open[op.index] = lane
        self._add(
            events.IoBegun,
            lane,
            index=op.index,
            kind=op.kind.value,
            path=op.path,
            offset=op.offset,
            length=op.length,
            target=op.target,
        )

    def io_ended(self, op: Op, answer: str) -> None:
        if op.index not in self._io_open:
            return  # it ended with its life
        self._look_at_hits()
        lane = self._io_open.pop(op.index)
        self._add(events.IoEnded, lane, index=op.index, answer=answer)

    # How it hears what nobody tells it.

    def _look_at_hits(self) -> None:
        if self._io is None:
            return
        hits = self._io.log.hits
        for hit in hits[self._hits_seen :]:
            name = name_of(hit)
            self._add(
                events.FaultHit,
                self._io_open.get(hit.op.index, BACKGROUND),
                index=hit.op.index,
                name=self._ending if name == "power cut" else name,
                text=f"{hit.fault} met {hit.op}",
            )
        self._hits_seen = len(hits)

    def _look_at_shape(self) -> None:
        if self._store is None:
            return
        stats = self._store.statistics()
        levels = tuple(
            events.LevelShape(level=part.level, tables=part.tables, bytes=part.bytes)
            for part in stats.levels
        )
        if (levels, stats.memtable_bytes) != self._shape:
            self._shape = levels, stats.memtable_bytes
            memtable_bytes = stats.memtable_bytes
            self._add(events.Shape, levels=levels, memtable_bytes=memtable_bytes)

    def _lane(self) -> int:
        return self._lanes.get(_task(), BACKGROUND)

    def _add(self, kind: type[Event], lane: int = WORLD, /, **parts: object) -> None:
        at = self._now()
        event = kind(at=at, life=self._life, lane=lane, **parts)
        self.events.append(event)


def _task() -> trio.lowlevel.Task | None:
    return trio.lowlevel.current_task() if trio.lowlevel.in_trio_run() else None


def _recovery(store: "Store") -> str:
    """Say what recovery did, in a few words."""
    report = store.statistics().recovery
    parts = ["nothing to replay"]
    if report.entries:
        frames = counted(report.frames, "frame")
        parts = [f"{report.entries} entries of {frames} replayed"]
    if report.torn_bytes:
        parts.append(f"{report.torn_bytes} torn bytes left out")
    if report.rewritten_frames:
        parts.append(f"{counted(report.rewritten_frames, 'frame')} written again")
    if report.orphans_removed:
        parts.append(f"{counted(report.orphans_removed, 'orphan')} removed")
    return ", ".join(parts)

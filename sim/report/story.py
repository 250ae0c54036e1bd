"""The events of a run, put together: lives, and in them spans from a begin to its end.

Invariants
- `start` and `end` of a span are places in the list of events, so spans fit on any axis over it.
"""

from collections.abc import Sequence
from functools import partial

import attrs

from sim import events
from sim.events import OPEN, Event
from sim.operations import Operation


@attrs.frozen(kw_only=True)
class Span:
    """Something with a begin and an end."""

    start: int
    end: int
    at: float
    until: float
    lane: int
    answer: str


@attrs.frozen(kw_only=True)
class OperationSpan(Span):
    """An operation of a client."""

    life: int
    number: int
    operation: Operation
    error: str
    saw: tuple[bytes | None, ...]
    writes: tuple[int, ...]
    values: tuple[bytes, ...]
    epoch: int


@attrs.frozen(kw_only=True)
class IoSpan(Span):
    """An Io operation."""

    index: int
    kind: str
    path: str
    text: str


@attrs.frozen(kw_only=True)
class FaultSpan(Span):
    """A fault, for as long as the Io operation that it met."""

    name: str
    text: str


@attrs.define
class LifePart:
    """One life: `start` and `end` are places among all events, `end` left out."""

    number: int
    text: str
    start: int
    end: int = 0
    operations: list[OperationSpan] = attrs.field(factory=list)
    io: list[IoSpan] = attrs.field(factory=list)
    faults: list[FaultSpan] = attrs.field(factory=list)
    shapes: list[tuple[int, events.Shape]] = attrs.field(factory=list)
    recovery: str = ""
    dark: tuple[int, events.Dark] | None = None
    disk: events.DiskAtCrash | None = None
    violated: tuple[int, events.Violated] | None = None


@attrs.define
class Story:
    """A run that can be told."""

    run: Sequence[Event]
    lives: list[LifePart]
    clients: int

    @property
    def operations(self) -> list[OperationSpan]:
        return [span for life in self.lives for span in life.operations]

    @property
    def violated(self) -> events.Violated | None:
        found = [life.violated[1] for life in self.lives if life.violated]
        return found[0] if found else None


def read_story(run: Sequence[Event]) -> Story:
    """Put the events of a run together."""
    reader = _Reader()
    for place, event in enumerate(run):
        reader.take(place, event)
    lanes = [event.lane for event in run if event.lane >= 0]
    return Story(run, reader.lives, max(lanes, default=0) + 1)


class _Reader:
    """Takes events one by one."""

    def __init__(self) -> None:
        self.lives: list[LifePart] = []
        self._epoch = 0
        self._operations: dict[int, tuple[int, events.OperationBegun]] = {}
        self._io: dict[int, tuple[int, events.IoBegun]] = {}
        self._hits: dict[int, list[partial[FaultSpan]]] = {}

    def take(self, place: int, event: Event) -> None:
        if isinstance(event, events.LifeBegun):
            self.lives.append(LifePart(event.life, event.text, place))
            self._io.clear()
        if not self.lives:
            return
        life = self.lives[-1]
        life.end = place + 1
        match event:
            case events.OperationBegun(number=number):
                self._operations[number] = place, event
            case events.OperationEnded():
                life.operations.append(self._operation(place, event))
            case events.IoBegun(index=index):
                self._io[index] = place, event
            case events.IoEnded():
                self._end_io(life, place, event)
            case events.FaultHit():
                self._hit(life, place, event)
            case _:
                self._mark(life, place, event)

    def _mark(self, life: LifePart, place: int, event: Event) -> None:
        match event:
            case events.FaultPlanted(name=name):
                life.faults.append(_planted(place, event, name))
            case events.Shape():
                life.shapes.append((place, event))
            case events.Opened(text=text):
                life.recovery = text
            case events.Looked(epoch=epoch):
                self._epoch = epoch
            case _:
                _end(life, place, event)

    def _operation(self, place: int, event: events.OperationEnded) -> OperationSpan:
        start, begun = self._operations.pop(event.number)
        return OperationSpan(
            start=start,
            end=place,
            at=begun.at,
            until=event.at,
            lane=event.lane,
            answer=event.answer,
            life=event.life,
            number=event.number,
            operation=begun.operation,
            error=event.error,
            saw=event.saw,
            writes=event.writes,
            values=event.values,
            epoch=self._epoch,
        )

    def _end_io(self, life: LifePart, place: int, event: events.IoEnded) -> None:
        start, begun = self._io.pop(event.index)
        span = IoSpan(
            start=start,
            end=place,
            at=begun.at,
            until=event.at,
            lane=begun.lane,
            answer=event.answer,
            index=begun.index,
            kind=begun.kind,
            path=begun.path,
            text=_io_text(begun),
        )
        life.io.append(span)
        for hit in self._hits.pop(event.index, ()):
            life.faults.append(hit(end=place, until=event.at))

    def _hit(self, life: LifePart, place: int, event: events.FaultHit) -> None:
        start, begun = self._io.get(event.index, (place, event))
        make = partial(
            FaultSpan,
            start=start,
            at=begun.at,
            lane=event.lane,
            answer=OPEN,
            name=event.name,
            text=event.text,
        )
        if event.index in self._io:
            self._hits.setdefault(event.index, []).append(make)
        else:
            life.faults.append(make(end=place, until=event.at))


def _end(life: LifePart, place: int, event: Event) -> None:
    match event:
        case events.Dark():
            life.dark = place, event
        case events.DiskAtCrash():
            life.disk = event
        case events.Violated():
            life.violated = place, event
        case _:
            pass


def _planted(place: int, event: Event, name: str) -> FaultSpan:
    return FaultSpan(
        start=place,
        end=place,
        at=event.at,
        until=event.at,
        lane=event.lane,
        answer="",
        name=name,
        text="done to the disk or the clock between two operations",
    )


def _io_text(begun: events.IoBegun) -> str:
    place = f" at {begun.offset}, {begun.length} bytes" if begun.length else ""
    target = f" to {begun.target}" if begun.target else ""
    return f"{begun.kind} {begun.path}{target}{place}"

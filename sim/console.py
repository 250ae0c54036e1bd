"""A run on the console: one row an event, in fixed columns, and rules where a life ends.

         time life 0 1 2 b       operation                        answer
     0.642678    3 · > │ ·    17 Put k00.0 8 B disk
     0.642993    3 · < │ ·    17 Put k00.0 8 B disk               done

`>` begins, `<` is done, `x` failed, `~` was given up, `?` was cut off; `!` is a fault, `=` the
store itself, `.` an Io operation. A bar is a client that waits for its answer, or work of the store under way.

Invariants
- Plain text unless colour is asked for; every row but those of a violation is one line.
"""

from collections.abc import Iterator
from textwrap import wrap

import attrs

from sim import events
from sim.events import BACKGROUND, OPEN, Event
from sim.operations import Operation
from sim.oracle import ORACLES
from sim.record import Recorder
from sim.wording import describe, name_of, values

IO_SIGN = "."
IDLE, BUSY = "·", "│"
SIGNS = {
    "done": "<",
    "failed": "x",
    "cancelled": "~",
    "throttled": "~",
    "refused": "~",
    "would block": "~",
    OPEN: "?",
}
OPERATION_WIDTH = 50
RED, GREEN, YELLOW, BLUE, DIM = "31", "32", "33", "34", "2"
COLOURS = {"<": GREEN, "x": YELLOW, "~": YELLOW, "?": RED, "!": YELLOW, "=": BLUE}


def render(
    recorder: Recorder, *, io: bool = False, colour: bool = False, width: int = 120
) -> Iterator[str]:
    """Yield the lines of a run; with `io`, those of every Io operation, too."""
    return _Console(recorder, colour=colour, width=width).lines(io=io)


@attrs.define
class _Row:
    """What stands in the last columns of a line."""

    sign: str
    number: str
    text: str
    answer: str = ""


class _Console:
    """What is on the screen so far."""

    def __init__(self, recorder: Recorder, *, colour: bool, width: int) -> None:
        self._events = recorder.events
        self._is_coloured = colour
        self._width = width
        clients = [event.lane for event in self._events if event.lane >= 0]
        self._clients = max(clients, default=0) + 1
        self._busy = [False] * self._clients
        self._io_open = 0
        self._operations: dict[int, Operation] = {}
        self._io: dict[int, str] = {}
        self._levels: tuple[events.LevelShape, ...] = ()

    def lines(self, *, io: bool) -> Iterator[str]:
        yield self._heading()
        for event in self._events:
            row = self._row(event)
            if row is not None and (io or row.sign != IO_SIGN):
                yield self._line(event, row)
            yield from self._rules(event)

    def _rules(self, event: Event) -> Iterator[str]:
        """Yield what stands across all columns."""
        match event:
            case events.LifeBegun(life=life, text=text):
                self._io.clear()
                self._io_open, self._levels = 0, ()
                yield self._rule("─", f"life {life}, {text}", "")
            case events.Dark(at=at, kind=kind, life=life):
                text = f"{kind.upper()}: life {life} ends at {at:.6f} s"
                yield self._rule("━", text, f"1;{RED}")
            case events.DiskAtCrash(files=files):
                yield from self._disk(files)
            case events.Violated():
                yield from self._violation(event)
            case _:
                pass

    # Rows.

    def _row(self, event: Event) -> _Row | None:
        match event:
            case events.OperationBegun(number=number, operation=operation):
                self._operations[number] = operation
                self._busy[event.lane] = True
                return _Row(">", str(number), _operation(operation))
            case events.OperationEnded(number=number):
                self._busy[event.lane] = False
                sign = SIGNS.get(event.answer, "<")
                text = _operation(self._operations[number])
                return _Row(sign, str(number), text, _answer(event))
            case events.IoBegun() | events.IoEnded():
                return self._io_row(event)
            case events.Shape(levels=levels) if levels != self._levels:
                self._levels = levels
                return _Row("=", "", "levels", _shape(event))
            case _:
                return _world_row(event)

    def _io_row(self, event: events.IoBegun | events.IoEnded) -> _Row:
        number = f"#{event.index}"
        if isinstance(event, events.IoBegun):
            self._io_open += event.lane == BACKGROUND
            place = f" {event.offset}+{event.length}" if event.length else ""
            target = f" -> {event.target}" if event.target else ""
            self._io[event.index] = f"{event.kind} {event.path}{target}{place}"
            return _Row(IO_SIGN, number, self._io[event.index])
        self._io_open -= event.lane == BACKGROUND
        return _Row(IO_SIGN, number, self._io.get(event.index, ""), event.answer)

    def _line(self, event: Event, row: _Row) -> str:
        lanes = [BUSY if busy else IDLE for busy in self._busy]
        lanes.append(BUSY if self._io_open > 0 else IDLE)
        place = event.lane if event.lane >= 0 else len(lanes) - 1
        lanes[place] = row.sign
        head = f"{event.at:>13.6f} {event.life:>4} {' '.join(lanes)} {row.number:>5} "
        text = _cut(row.text, OPERATION_WIDTH)
        line = _cut(f"{head}{text:<{OPERATION_WIDTH}} {row.answer}", self._width)
        return self._painted(
            line, COLOURS.get(row.sign, DIM if row.sign == IO_SIGN else "")
        )

    def _heading(self) -> str:
        lanes = " ".join([*(str(n % 10) for n in range(self._clients)), "b"])
        head = f"{'time':>13} life {lanes} {'':>5} "
        return self._painted(f"{head}{'operation':<{OPERATION_WIDTH}} answer", "1")

    # What the eye has to find.

    def _disk(self, files: tuple[events.FileFate, ...]) -> Iterator[str]:
        for file in files:
            if file.fate == "whole":
                continue
            text = (
                f"{'':>13} {file.path.strip('/'):<34} {file.written:>8} written "
                f"{file.synced:>8} synced {file.lost:>8} lost  {file.fate}"
            )
            yield self._painted(text[: self._width], RED if file.lost else "")

    def _violation(self, event: events.Violated) -> Iterator[str]:
        yield self._rule("█", f"VIOLATED: {event.name}", f"1;{RED}")
        told = f"{ORACLES[event.name]}. {event.detail}"
        for line in wrap(told, self._width - 4):
            yield self._painted(f"  {line}", RED)
        yield self._rule("█", f"at {event.at:.6f} s in life {event.life}", f"1;{RED}")

    def _rule(self, stroke: str, text: str, colour: str) -> str:
        line = f"{stroke * 3} {text} "
        return self._painted(f"{line:{stroke}<{self._width}}"[: self._width], colour)

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._is_coloured and colour else text


def _world_row(event: Event) -> _Row | None:
    match event:
        case events.FaultHit(index=index, name=name, text=text):
            return _Row("!", f"#{index}", name, text.partition(" met #")[2])
        case events.FaultPlanted(name=name):
            return _Row("!", "", name)
        case events.Opened(text=text):
            return _Row("=", "", "open", text)
        case _:
            text = _told(event)
            return _Row("=", "", text) if text else None


def _told(event: Event) -> str:
    match event:
        case events.Tried(kind=kind, place=place):
            return f"damage to a copy: {kind} {place}"
        case events.Phase(name=name):
            return name
        case events.Looked():
            return "everything was read and explained"
        case _:
            return ""


def _cut(text: str, width: int) -> str:
    text = text.rstrip()
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _operation(operation: Operation) -> str:
    return f"{name_of(operation)} {describe(operation)}".rstrip()


def _answer(event: events.OperationEnded) -> str:
    if event.error:
        return f"{event.answer}: {event.error}"
    if event.saw:
        return f"{event.answer}: {values(event.saw)}"
    return event.answer


def _shape(event: events.Shape) -> str:
    return ", ".join(
        f"L{part.level}: {part.tables} of {part.bytes} B" for part in event.levels
    )

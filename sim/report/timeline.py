"""Lanes of a run on its time axis: clients, the store's own work, faults, crashes, levels.

    overview(story, ...)    all lives, one after the other
    life_lanes(story, ...)  one life, with every Io operation

Invariants
- All parts of a picture share one axis.
"""

from collections.abc import Iterable

import attrs

from sim.report.axis import Axis
from sim.report.blame import Blame
from sim.report.kinds import KIND_CLASSES, group_of, path_group
from sim.report.levels import draw_levels, levels_height
from sim.report.markup import Html, element, join
from sim.report.story import FaultSpan, IoSpan, LifePart, OperationSpan, Story
from sim.wording import describe, name_of

WIDTH, LEFT, RIGHT = 1180.0, 92.0, 1168.0
TOP, LANE, BAR = 30.0, 20.0, 12.0
IO_LANE, IO_BAR = 11.0, 7.0
LABEL_CHARACTER = 5.6
NUMBER_ROOM = 15.0
TICKS = 9


def overview(story: Story, guilt: Blame) -> Html:
    """Draw all lives on one axis."""
    first, last = story.lives[0].start, story.lives[-1].end
    axis = _axis(story, first, last, io_room=0.06)
    return _Picture(story, story.lives, axis, guilt, is_overview=True).draw()


def life_lanes(story: Story, life: LifePart, guilt: Blame) -> Html:
    """Draw one life with its Io operations."""
    axis = _axis(story, life.start, _last(life) + 1, io_room=0.3)
    return _Picture(story, [life], axis, guilt, is_overview=False).draw()


def _axis(story: Story, start: int, end: int, *, io_room: float) -> Axis:
    width = RIGHT - LEFT
    return Axis(story.run, start, end, left=LEFT, width=width, io_room=io_room)


@attrs.define
class _Picture:
    """One drawing: lanes from top to bottom."""

    story: Story
    lives: list[LifePart]
    axis: Axis
    guilt: Blame
    is_overview: bool

    def draw(self) -> Html:
        lanes = TOP + LANE * self.story.clients
        io_top = lanes + 4
        levels_top = io_top + IO_LANE * len(KIND_CLASSES) + 12
        bottom = levels_top + levels_height(self.lives)
        parts = [
            *self._lives(bottom),
            *self._faults(bottom),
            *self._grid(bottom),
            *self._labels(io_top),
            *self._operations(),
            *self._io(io_top),
            draw_levels(self.lives, self.axis, levels_top),
            *self._ends(bottom),
        ]
        height = bottom + 20
        return element(
            "svg",
            *parts,
            class_="timeline",
            view_box=f"0 0 {WIDTH:.0f} {height:.0f}",
            role="img",
            aria_label="operations of each client on the axis of virtual time",
        )

    # What lies behind the lanes.

    def _lives(self, bottom: float) -> Iterable[Html]:
        free = 0.0
        for life in self.lives if self.is_overview else ():
            x, end = self.axis.x(life.start), self.axis.x(life.end - 1)
            parts: list[Html] = []
            if life.number % 2:
                parts.append(_rect(x, TOP - 6, end - x, bottom - TOP + 6, "life"))
            if x > free:
                parts.append(_text(x + 3, 20, str(life.number), "life-number"))
                free = x + NUMBER_ROOM
            yield element("a", *parts, href=f"#life-{life.number}")

    def _faults(self, bottom: float) -> Iterable[Html]:
        free = 0.0
        for life in self.lives:
            for fault in life.faults:
                if fault.name not in ("power cut", "kill"):
                    x = self.axis.x(fault.start)
                    is_named = x > free and not self.is_overview
                    yield self._fault(fault, bottom, is_named=is_named)
                    if is_named:
                        free = x + LABEL_CHARACTER * len(fault.name) + 6

    def _fault(self, fault: FaultSpan, bottom: float, *, is_named: bool) -> Html:
        x = self.axis.x(fault.start)
        width = max(3.0, self.axis.x(fault.end) - x)
        title = element("title", f"{fault.name}\n{fault.text}")
        parts = [_rect(x, TOP - 6, width, bottom - TOP + 6, "fault")]
        if is_named:
            parts.append(_text(x + 2, TOP - 9, fault.name, "fault-name"))
        return element("g", title, *parts, class_="hover")

    def _grid(self, bottom: float) -> Iterable[Html]:
        for x, text in self.axis.ticks(TICKS):
            yield _line(x, TOP - 6, x, bottom, "tick")
            anchor = "end" if x > RIGHT - 40 else "start"
            place = x - 2 if anchor == "end" else x
            yield _text(place, bottom + 13, text, "tick-label", anchor=anchor)

    def _labels(self, io_top: float) -> Iterable[Html]:
        for client in range(self.story.clients):
            y = TOP + LANE * client
            yield _line(LEFT, y + LANE - 1.5, RIGHT, y + LANE - 1.5, "lane")
            yield _text(LEFT - 8, y + 13, f"client {client}", "label", anchor="end")
        for row, name in enumerate(KIND_CLASSES):
            y = io_top + IO_LANE * row + 8
            yield _text(LEFT - 8, y, name, "label small", anchor="end")

    # What happens.

    def _operations(self) -> Iterable[Html]:
        for life in self.lives:
            for span in life.operations:
                yield self._operation(span)

    def _operation(self, span: OperationSpan) -> Html:
        x, end = self.axis.x(span.start), self.axis.x(span.end)
        y = TOP + LANE * span.lane + 2
        role = self.guilt.roles.get(span.number)
        name = name_of(span.operation)
        classes = f"op {group_of(span.operation)} {span.answer.replace(' ', '-')}"
        parts = [_rect(x, y, max(1.2, end - x), BAR, classes)]
        if not self.is_overview and end - x > LABEL_CHARACTER * len(name) + 4:
            parts.append(_text(x + 3, y + 9, name, "op-name"))
        if role is not None:
            middle = (x + max(x + 1.2, end)) / 2
            parts.append(_pointer(middle, y - 1, role))
        title = element("title", f"{span.number} {name} {describe(span.operation)}")
        return element("g", title, *parts, class_="hover", data_o=str(span.number))

    def _io(self, top: float) -> Iterable[Html]:
        rows = {name: row for row, name in enumerate(KIND_CLASSES)}
        for life in self.lives:
            if self.is_overview:
                yield self._io_path(life, top)
                continue
            for span in life.io:
                if span.start < _last(life):
                    row = rows[path_group(span.path)]
                    yield self._one_io(life, span, top + IO_LANE * row)

    def _io_path(self, life: LifePart, top: float) -> Html:
        """Draw all Io operations of a life as one path a row: too many to tell apart."""
        rows: dict[str, list[str]] = {name: [] for name in KIND_CLASSES}
        for span in life.io:
            x = self.axis.x(span.start)
            width = max(0.6, self.axis.x(span.end) - x)
            rows[path_group(span.path)].append(f"M{x:.1f} 0h{width:.1f}")
        paths = [
            element(
                "path",
                d="".join(moves),
                class_="io-path",
                transform=f"translate(0 {top + IO_LANE * row + 4.5:.1f})",
            )
            for row, moves in enumerate(rows.values())
            if moves
        ]
        return join(paths)

    def _one_io(self, life: LifePart, span: IoSpan, y: float) -> Html:
        x = self.axis.x(span.start)
        bad = " bad" if span.answer.endswith("Error") and not _is_dark(span) else ""
        return element(
            "rect",
            x=x,
            y=y + 1,
            width=max(1.0, self.axis.x(span.end) - x),
            height=IO_BAR,
            class_=f"hover io {span.kind.removesuffix('_nowait')}{bad}",
            data_i=f"{life.number}.{span.index}",
        )

    def _ends(self, bottom: float) -> Iterable[Html]:
        for life in self.lives:
            if life.dark is not None:
                yield self._end(life.dark[0], life.dark[1].kind, bottom, "crash")
            if life.violated is not None:
                name = life.violated[1].name
                yield self._end(life.violated[0], name, bottom, "violation")

    def _end(self, place: int, text: str, bottom: float, name: str) -> Html:
        x = self.axis.x(place)
        classes = f"{name} {text.replace(' ', '-')}"
        high = 2 if name == "violation" else 14 if self.is_overview else 4
        line = _line(x, high, x, bottom, classes)
        if self.is_overview and name == "crash":
            return element("g", element("title", text), line, class_="hover")
        anchor = "end" if x > (LEFT + RIGHT) / 2 else "start"
        place_x = x - 5 if anchor == "end" else x + 5
        y = 8 if self.is_overview else 11
        return join([line, _text(place_x, y, text, f"{name}-name", anchor=anchor)])


def _last(life: LifePart) -> int:
    """Return the last event that is shown: what a dead process does is not."""
    return life.dark[0] if life.dark else life.end - 1


def _is_dark(span: IoSpan) -> bool:
    """Whether an operation came too late: the power had gone."""
    return span.answer == "PowerLostError"


def _rect(
    x: float,
    y: float,
    width: float,
    height: float,
    classes: str,
) -> Html:
    return element(
        "rect",
        x=x,
        y=y,
        width=max(0.0, width),
        height=height,
        class_=classes,
    )


def _line(x: float, y: float, x2: float, y2: float, classes: str) -> Html:
    return element("line", x1=x, y1=y, x2=x2, y2=y2, class_=classes)


def _text(
    x: float, y: float, text: str, classes: str, *, anchor: str = "start"
) -> Html:
    end = None if anchor == "start" else anchor
    return element("text", text, x=x, y=y, class_=classes, text_anchor=end)


def _pointer(x: float, y: float, role: str) -> Html:
    """Point at an operation from above."""
    points = f"{x - 4:.1f},{y - 6:.1f} {x + 4:.1f},{y - 6:.1f} {x:.1f},{y:.1f}"
    return element("polygon", points=points, class_=f"pointer {role}")

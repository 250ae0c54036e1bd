"""The shape of the levels over time: one row a level, its bytes as a step line, its tables named.

Invariants
- All rows of a picture share one scale, so that levels can be compared.
"""

from sim import events
from sim.report.axis import Axis
from sim.report.markup import Html, element, join
from sim.report.numbers import bytes_text
from sim.report.story import LifePart

ROW, BAR = 24.0, 19.0
LABEL_ROOM = 26.0
MEMTABLE = -1


def levels_of(lives: list[LifePart]) -> list[int]:
    """Return the rows of a picture: the memtable, then each level that there ever was."""
    found = {
        part.level
        for life in lives
        for _, shape in life.shapes
        for part in shape.levels
    }
    return [MEMTABLE, *sorted(found)] if any(life.shapes for life in lives) else []


def levels_height(lives: list[LifePart]) -> float:
    """Return how much room the rows take."""
    return ROW * len(levels_of(lives)) + 4


def draw_levels(lives: list[LifePart], axis: Axis, top: float) -> Html:
    """Draw a row for each level, on the axis of the lanes above."""
    rows = levels_of(lives)
    most = max(
        (
            part.bytes
            for life in lives
            for _, shape in life.shapes
            for part in shape.levels
        ),
        default=0,
    )
    memory = max(
        (shape.memtable_bytes for life in lives for _, shape in life.shapes), default=0
    )
    parts: list[Html] = []
    for place, level in enumerate(rows):
        y = top + ROW * place
        scale = memory if level == MEMTABLE else most
        parts.append(_row(lives, axis, level, y, scale or 1))
    return join(parts)


def _row(lives: list[LifePart], axis: Axis, level: int, y: float, most: int) -> Html:
    name = "memtable" if level == MEMTABLE else f"level {level}"
    bottom = y + ROW - 3
    parts = [
        element(
            "text", name, x=axis.left - 8, y=y + 15, class_="label", text_anchor="end"
        ),
        element(
            "line", x1=axis.left, x2=axis.right, y1=bottom, y2=bottom, class_="lane"
        ),
    ]
    for life in lives:
        parts += _steps(life, axis, level, bottom, most)
    return element("g", *parts)


def _steps(
    life: LifePart, axis: Axis, level: int, bottom: float, most: int
) -> list[Html]:
    """Draw one life's part of a row: an area of steps, and counts where they change."""
    end = axis.x(life.dark[0] if life.dark else life.end - 1)
    path = ""
    labels: list[Html] = []
    last_label, tables = -LABEL_ROOM, 0
    for place, shape in life.shapes:
        x = axis.x(place)
        count, size = _at(shape, level)
        y = bottom - BAR * size / most
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {bottom:.1f}V{y:.1f}"
        if level != MEMTABLE and count != tables:
            tables = count
            if x - last_label >= LABEL_ROOM and count and x < end - 8:
                last_label = x
                text_y = bottom - 4
                labels.append(
                    element("text", str(count), x=x + 3, y=text_y, class_="count")
                )
    if not path:
        return []
    title = element("title", _title(life, level))
    area = element("path", d=f"{path}H{end:.1f}V{bottom:.1f}Z", class_=_class(level))
    return [element("g", title, area, *labels, class_="hover")]


def _at(shape: events.Shape, level: int) -> tuple[int, int]:
    if level == MEMTABLE:
        return 0, shape.memtable_bytes
    for part in shape.levels:
        if part.level == level:
            return part.tables, part.bytes
    return 0, 0


def _title(life: LifePart, level: int) -> str:
    found = [_at(shape, level) for _, shape in life.shapes]
    size = bytes_text(max(size for _, size in found))
    if level == MEMTABLE:
        return f"memtables of life {life.number}\nup to {size}"
    tables = max(count for count, _ in found)
    return f"level {level} of life {life.number}\nup to {tables} tables, {size}"


def _class(level: int) -> str:
    return "memtable" if level == MEMTABLE else "level"

"""The disk at a crash: every file as a bar of what was synced, kept by luck, lost or spoiled.

Invariants
- All bars of one crash share a scale, so that lengths compare.
"""

from sim import events
from sim.events import SORTS
from sim.report.markup import Html, element, join
from sim.report.numbers import NOTHING, bytes_text, count_text
from sim.report.skeleton import cell, table
from sim.report.story import LifePart
from sim.wording import counted

BAR_WIDTH, BAR_HEIGHT = 420.0, 12.0
HEADS = [
    *(("file", ""), ("", "strip"), ("written", "n"), ("synced", "n"), ("kept", "n")),
    *(("lost", "n"), ("what the next life finds", "")),
]


def draw_disk(disk: events.DiskAtCrash, detail: str) -> Html:
    """Draw the files of one crash; those that a violation names stand out."""
    most = max((file.written for file in disk.files), default=0) or 1
    if not disk.files:
        return element("p", "There was no file yet.", class_="note")
    return table(HEADS, [_row(file, most, detail) for file in disk.files])


def disk_note(life: LifePart) -> str:
    """Say in a few words what a crash took."""
    if life.disk is None:
        return ""
    lost = sum(file.lost for file in life.disk.files)
    hurt = sum(file.fate != "whole" for file in life.disk.files)
    if not hurt:
        return f"{counted(len(life.disk.files), 'file')}, all whole"
    return f"{counted(len(life.disk.files), 'file')}, {hurt} changed, {bytes_text(lost)} lost"


def disk_legend() -> Html:
    """Say what the colours of the bars mean."""
    items = [
        element("span", element("i", class_=name), f"{name}: {text}")
        for name, text in SORTS.items()
    ]
    return element("div", *items, class_="legend")


def _row(file: events.FileFate, most: int, detail: str) -> Html:
    path = file.path.strip("/")
    name = path.rpartition("/")[2]
    kept = sum(size for sort, size in file.runs if sort == "kept")
    numbers = [file.written, file.synced, kept, file.lost]
    kind = "named" if name in detail else "quiet" if file.fate == "whole" else None
    return element(
        "tr",
        cell(path, "mono"),
        cell(_bar(file, most), "strip"),
        *(cell(count_text(count) if count else NOTHING, "n") for count in numbers),
        cell(file.fate),
        class_=kind,
    )


def _bar(file: events.FileFate, most: int) -> Html:
    x = 0.0
    parts: list[Html] = []
    for sort, size in file.runs:
        width = BAR_WIDTH * size / most
        parts.append(
            element("rect", x=x, y=2.0, width=width, height=BAR_HEIGHT - 4, class_=sort)
        )
        x += width
    return element(
        "svg",
        join(parts),
        class_="bar",
        view_box=f"0 0 {BAR_WIDTH:.0f} {BAR_HEIGHT:.0f}",
        preserveAspectRatio="none",
    )

"""The ratios as bars: one look tells where Tempest stands. Plain SVG, nothing needed to draw it."""

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from benchmarks.peers.ratios import Ratio, Verdict, short, summary

COLOURS = {
    Verdict.MET: "#2e8b57",
    Verdict.NEAR: "#e0a100",
    Verdict.MISSED: "#c8413b",
    Verdict.NO_TARGET: "#8a94a6",
}
WORDS = {
    Verdict.MET: "target met",
    Verdict.NEAR: "within 20 % of it",
    Verdict.MISSED: "missed",
    Verdict.NO_TARGET: "no target",
}
WIDTH = 1080
LEFT = 290  # names
RIGHT = 300  # figures
TOP = 92
LINE = 20
BAR = 13
LOWEST, HIGHEST = 0.05, 50.0  # what lies beyond is cut off at the edge
GRID = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
FONTS = "Helvetica, Arial, DejaVu Sans, sans-serif"
INK, PALE = "#1f2937", "#6b7280"


def across(ratio: float) -> float:
    """Return where a ratio lies on the logarithmic scale."""
    held = min(max(ratio, LOWEST), HIGHEST)
    share = math.log(held / LOWEST) / math.log(HIGHEST / LOWEST)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def text(  # noqa: PLR0913, the attributes of one element
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    anchor: str = "start",
    colour: str = INK,
    weight: str = "normal",
) -> str:
    """Return one piece of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{colour}" font-weight="{weight}">{escape(words)}</text>'
    )


def line(x: float, top: float, bottom: float, colour: str, width: float) -> str:
    """Return one vertical line."""
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def bar(ratio: Ratio, y: float) -> Iterator[str]:
    """Yield one row: its name, its bar from 1, the tick of its target, its figures."""
    row = ratio.row
    start, end = sorted((across(1.0), across(ratio.ratio)))
    middle = y + BAR - 2.5
    yield text(LEFT - 10, middle, row.name, anchor="end")
    yield (
        f'<rect x="{start:.1f}" y="{y:.1f}" width="{max(end - start, 1.5):.1f}" '
        f'height="{BAR}" rx="1.5" fill="{COLOURS[ratio.verdict]}"/>'
    )
    yield line(across(ratio.low), y + 4, y + BAR - 4, INK, 1)
    yield line(across(ratio.high), y + 4, y + BAR - 4, INK, 1)
    if row.target is not None:
        yield line(across(row.target), y - 2.5, y + BAR + 2.5, INK, 2.5)
    x = WIDTH - RIGHT + 16
    yield text(x + 38, middle, f"{ratio.ratio:.2f}", anchor="end", weight="bold")
    unit = "" if row.unit == "x" else f" {row.unit}"
    figures = f"{short(ratio.mine)} / {short(ratio.best)}{unit} {ratio.best_name}"
    yield text(x + 48, middle, figures, size=11, colour=PALE)


def head(title: str, ratios: Sequence[Ratio], bottom: float) -> Iterator[str]:
    """Yield title, legend and grid."""
    yield text(16, 24, title, size=16, weight="bold")
    yield text(16, 44, summary(ratios), colour=PALE)
    x = 16.0
    for verdict, words in WORDS.items():
        yield f'<rect x="{x}" y="56" width="12" height="12" fill="{COLOURS[verdict]}"/>'
        yield text(x + 17, 66, words, size=11, colour=PALE)
        x += 120 if verdict is Verdict.NEAR else 90
    yield line(x + 4, 54, 70, INK, 2.5)
    yield text(x + 12, 66, "target", size=11, colour=PALE)
    yield text(WIDTH - RIGHT + 64, 66, "Tempest / best peer", size=11, colour=PALE)
    for mark in GRID:
        one = mark == 1
        yield line(across(mark), TOP - 8, bottom, INK if one else "#e5e7eb", 1 + one)
        yield text(across(mark), TOP - 12, f"{mark:g}", size=11, anchor="middle")


def picture(ratios: Sequence[Ratio], title: str) -> str:
    """Return the whole picture."""
    rows: list[str] = []
    y = float(TOP)
    section = ""
    for ratio in ratios:
        if ratio.row.section != section:
            section = ratio.row.section
            y += 8 if rows else 0
            rows.append(text(16, y + BAR, section, weight="bold"))
            y += LINE
        rows += bar(ratio, y)
        y += LINE
    height = y + 12
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="{FONTS}">'
    )
    return "\n".join(
        [
            frame,
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>',
            *head(title, ratios, y),
            *rows,
            "</svg>",
            "",
        ]
    )

"""A small histogram: how many seeds had how much of something.

Invariants
- All histograms of a page have one size, so that their shapes compare.
"""

from collections.abc import Sequence

from sim.report.markup import Html, element
from sim.report.numbers import count_text, percentile

WIDTH, HEIGHT, BINS = 180.0, 54.0, 24


def histogram(name: str, values: Sequence[float]) -> Html:
    """Draw one, from 0 to its largest value, and write median and largest below."""
    ordered = sorted(values)
    largest = ordered[-1] or 1
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(BINS * value / largest))] += 1
    most = max(counts)
    width = WIDTH / BINS
    bars = [
        element(
            "rect",
            x=width * place,
            y=HEIGHT - HEIGHT * count / most,
            width=width - 1,
            height=HEIGHT * count / most,
            class_="bin",
        )
        for place, count in enumerate(counts)
    ]
    base = element("line", x1=0, x2=WIDTH, y1=HEIGHT, y2=HEIGHT, class_="lane")
    svg = element("svg", *bars, base, view_box=f"0 0 {WIDTH:.0f} {HEIGHT + 1:.0f}")
    told = f"median {_text(percentile(ordered, 0.5))}, most {_text(ordered[-1])}"
    return element(
        "figure", element("figcaption", name), svg, element("p", told, class_="note")
    )


def _text(value: float) -> str:
    return count_text(value) if isinstance(value, int) else f"{value:.1f}"

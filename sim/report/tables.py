"""The tables of a run: latency of each kind of operation, properties, faults that hit.

Invariants
- Latencies are virtual seconds of operations that were answered; what a crash cut off has none.
"""

from collections import defaultdict
from collections.abc import Callable
from math import log10

from sim.events import OPEN
from sim.oracle import ORACLES
from sim.record import Recorder
from sim.report.kinds import group_of
from sim.report.markup import Html, element, join
from sim.report.numbers import NOTHING, count_text, percentile, seconds_text
from sim.report.properties import count_checks
from sim.report.skeleton import cell, table
from sim.report.story import OperationSpan, Story
from sim.wording import name_of
from sim.world import RunResult

STRIP_WIDTH, STRIP_HEIGHT = 320.0, 16.0
STRIP_BOX = "0 0 320 16"
FASTEST_SECONDS = 1e-5


def latency_table(story: Story) -> Html:
    """Return count, median, 99th percentile and maximum of each kind, and every one as a dot."""
    kinds: dict[str, list[OperationSpan]] = defaultdict(list)
    for span in story.operations:
        if span.answer != OPEN:
            kinds[name_of(span.operation)].append(span)
    if not kinds:
        return element("p", "No operation was answered.", class_="note")
    slowest = max(s.until - s.at for part in kinds.values() for s in part)
    heads = [
        *(("operation", ""), ("count", "n"), ("p50", "n"), ("p99", "n")),
        *(("max", "n"), ("each of them, on a scale of powers of ten", "strip")),
    ]
    rows = [
        _latency_row(name, kinds[name], slowest)
        for name in sorted(kinds, key=lambda name: -len(kinds[name]))
    ]
    return table(heads, [*rows, _scale_row(slowest)])


def _latency_row(name: str, spans: list[OperationSpan], slowest: float) -> Html:
    took = sorted(span.until - span.at for span in spans)
    numbers = [percentile(took, 0.5), percentile(took, 0.99), took[-1]]
    return element(
        "tr",
        cell(name),
        cell(count_text(len(took)), "n"),
        *(cell(seconds_text(seconds), "n") for seconds in numbers),
        cell(_strip(took, slowest, group_of(spans[0].operation)), "strip"),
    )


def _scale_row(slowest: float) -> Html:
    """Say what the ticks of the strips mean."""
    x, powers = _scale(slowest)
    labels = [
        element(
            "text",
            seconds_text(FASTEST_SECONDS * 10**power),
            x=x(FASTEST_SECONDS * 10**power),
            y=10,
            class_="tick-label",
            text_anchor="middle" if power else None,
        )
        for power in range(powers + 1)
    ]
    svg = element("svg", *labels, class_="strip", view_box=STRIP_BOX)
    return element("tr", *(cell("") for _ in range(5)), cell(svg, "strip"))


def _scale(slowest: float) -> tuple[Callable[[float], float], int]:
    """Return where a latency stands, and how many powers of ten there are."""
    span = max(1.0, log10(max(slowest, FASTEST_SECONDS) / FASTEST_SECONDS))

    def x(seconds: float) -> float:
        share = log10(max(seconds, FASTEST_SECONDS) / FASTEST_SECONDS) / span
        return 4 + (STRIP_WIDTH - 8) * share

    return x, int(span)


def _strip(took: list[float], slowest: float, group: str) -> Html:
    middle = STRIP_HEIGHT / 2
    x, powers = _scale(slowest)
    decades = [
        element("line", x1=at, x2=at, y1=0, y2=STRIP_HEIGHT, class_="tick")
        for at in (x(FASTEST_SECONDS * 10**power) for power in range(1, 1 + powers))
    ]
    dots = [
        element("circle", cx=x(one), cy=middle, r=2.5, class_=f"dot {group}")
        for one in took
    ]
    median = x(percentile(took, 0.5))
    return element(
        "svg",
        element("line", x1=4, x2=STRIP_WIDTH - 4, y1=middle, y2=middle, class_="lane"),
        join(decades),
        join(dots),
        element(
            "line", x1=median, x2=median, y1=2, y2=STRIP_HEIGHT - 2, class_="median"
        ),
        class_="strip",
        view_box=STRIP_BOX,
    )


def property_table(recorder: Recorder, result: RunResult) -> Html:
    """Return every oracle with its occasions, the violated one first."""
    checks = count_checks(recorder.events)
    names = sorted(ORACLES, key=lambda name: (name != result.verdict, not checks[name]))
    heads = [("property", ""), ("looked at", "n"), ("", ""), ("what must hold", "")]
    return table(
        heads, [_property_row(n, checks[n], is_bad=n == result.verdict) for n in names]
    )


def _property_row(name: str, checks: int, *, is_bad: bool) -> Html:
    word = "violated" if is_bad else "held" if checks else "not looked at"
    kind = "is-bad" if is_bad else "is-good" if checks else ""
    return element(
        "tr",
        cell(name),
        cell(count_text(checks) if checks else NOTHING, "n"),
        cell(element("span", word, class_=kind)),
        cell(ORACLES[name]),
        class_="named" if is_bad else None if checks else "quiet",
    )


def fault_table(story: Story) -> Html:
    """Return every fault that hit, in order."""
    rows = [
        element(
            "tr",
            cell(f"{fault.at:.6f}", "n mono"),
            cell(str(life.number), "n"),
            cell(fault.name),
            cell(fault.text.rpartition(" met #")[2], "mono"),
        )
        for life in story.lives
        for fault in life.faults
    ]
    if not rows:
        return element("p", "None.", class_="note")
    heads = [("virtual seconds", "n"), ("life", "n"), ("fault", ""), ("met", "")]
    return table(heads, rows)

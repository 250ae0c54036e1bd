"""Many runs as one page: the grid of seeds, what failed, and what was never put to the test.

Invariants
- Every failing seed is listed with the command that repeats it, however many seeds there are.
"""

from collections import Counter
from collections.abc import Sequence

from sim.marks import SITUATIONS
from sim.oracle import ORACLES
from sim.report.coverage import fault_matrix
from sim.report.grid import seed_grid
from sim.report.histogram import histogram
from sim.report.markup import Html, element
from sim.report.numbers import count_text, seconds_text
from sim.report.skeleton import (
    cell,
    command,
    facts,
    page,
    section,
    table,
    versions_of_here,
)
from sim.world import RunResult

FAILURES_MAX = 500
DETAIL_CHARACTERS_MAX = 400
RARE_SHARE = 0.01


def write_sweep_report(
    results: Sequence[RunResult], *, seconds: float | None = None
) -> str:
    """Return a page about many runs; `seconds` is how long they took on the wall."""
    failed = [result for result in results if result.verdict != "ok"]
    parts = [
        _header(results, failed, seconds),
        _failures(failed),
        _seeds(results),
        _numbers(results),
        section(
            "Faults",
            "Each kind of fault and the place that it met: in how many seeds.",
            fault_matrix(results),
            name="faults",
        ),
        _situations(results),
        _properties(failed),
    ]
    title = f"{len(results)} seeds, {len(failed)} failed"
    data = {
        "seeds": len(results),
        "failed": [
            {"seed": r.seed, "verdict": r.verdict, "digest": r.digest} for r in failed
        ],
    }
    return page(title, *parts, data=data)


def _header(
    results: Sequence[RunResult], failed: list[RunResult], seconds: float | None
) -> Html:
    told = f"{count_text(len(failed))} failed" if failed else "all well"
    totals = {
        "seeds": count_text(len(results)),
        "crashes": count_text(sum(r.crashes for r in results)),
        "operations": count_text(sum(r.operations for r in results)),
        "Io operations": count_text(sum(r.io_calls for r in results)),
        "virtual time": seconds_text(sum(r.virtual_seconds for r in results)),
    }
    if seconds:
        totals["wall time"] = seconds_text(seconds)
        totals["seeds a second"] = f"{len(results) / seconds:.1f}"
    seeds = [result.seed for result in results]
    again = "python -m sim run --seeds 0:1"
    if seeds:
        again = f"python -m sim run --seeds {min(seeds)}:{max(seeds) + 1}"
    return element(
        "header",
        element("p", "Sweep of simulated runs of Tempest", class_="over"),
        element("h1", told, class_="is-bad" if failed else "is-good"),
        facts(totals),
        command(again),
        versions_of_here(),
        class_="failed" if failed else "",
    )


def _failures(failed: list[RunResult]) -> Html:
    if not failed:
        return Html()
    rows = [
        element(
            "tr",
            cell(str(result.seed), "n"),
            cell(element("span", result.verdict, class_="is-bad")),
            cell(result.detail[:DETAIL_CHARACTERS_MAX]),
            cell(f"python -m sim run --seed {result.seed}", "mono"),
            id=f"seed-{result.seed}",
        )
        for result in failed[:FAILURES_MAX]
    ]
    heads = [("seed", "n"), ("violated", ""), ("detail", ""), ("again", "")]
    left = len(failed) - FAILURES_MAX
    note = f"The first {FAILURES_MAX}; {left} more." if left > 0 else "Each by itself."
    return section(
        "Failures", note, table(heads, rows, "wide failures"), name="failures"
    )


def _seeds(results: Sequence[RunResult]) -> Html:
    note = (
        "A cell a seed, in order. What failed is red; a cell leads to the command that "
        "repeats it."
    )
    return section("Seeds", note, seed_grid(results), name="seeds")


def _numbers(results: Sequence[RunResult]) -> Html:
    if not results:
        return Html()
    charts = [
        histogram("operations", [r.operations for r in results]),
        histogram("Io operations", [r.io_calls for r in results]),
        histogram("crashes", [r.crashes for r in results]),
        histogram("virtual seconds", [r.virtual_seconds for r in results]),
        histogram("faults that hit", [sum(r.faults.values()) for r in results]),
        histogram("situations", [len(r.situations) for r in results]),
    ]
    note = "How seeds differ: each picture counts seeds, from few to many of something."
    return section(
        "Sizes", note, element("div", *charts, class_="multiples"), name="sizes"
    )


def _situations(results: Sequence[RunResult]) -> Html:
    seen = Counter(name for result in results for name in result.situations)
    names = sorted(SITUATIONS | set(seen), key=lambda name: (seen[name], name))
    never = sum(not seen[name] for name in names)
    items = [
        element(
            "li",
            element("span", name),
            element(
                "span", count_text(seen[name]) if seen[name] else "never", class_="n"
            ),
            class_="never"
            if not seen[name]
            else "rare"
            if seen[name] < RARE_SHARE * len(results)
            else None,
        )
        for name in names
    ]
    note = (
        f"{len(names) - never} of {len(names)} happened, with the number of seeds that saw "
        "them, the rarest first."
    )
    return section(
        "Situations", note, element("ul", *items, class_="marks"), name="situations"
    )


def _properties(failed: list[RunResult]) -> Html:
    found = Counter(result.verdict for result in failed)
    rows = [
        element(
            "tr",
            cell(name),
            cell(
                element(
                    "span",
                    f"violated by {count_text(found[name])}" if found[name] else "held",
                    class_="is-bad" if found[name] else "is-good",
                )
            ),
            cell(ORACLES[name]),
            class_="named" if found[name] else None,
        )
        for name in sorted(ORACLES, key=lambda name: -found[name])
    ]
    heads = [("property", ""), ("", ""), ("what must hold", "")]
    note = "What was watched in every seed."
    return section("Properties", note, table(heads, rows), name="properties")

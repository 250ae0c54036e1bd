"""Which kind of fault met which place, in how many seeds: blank cells are blind spots.

Invariants
- Every kind that has a contract has a row, also if it never hit.
"""

from collections import Counter
from collections.abc import Sequence

from sim.faults import CONTRACTS
from sim.report.markup import Html, element
from sim.report.numbers import count_text, short_count
from sim.report.skeleton import cell
from sim.world import RunResult

TINTS = 5
NOWHERE = "no one place"


def fault_matrix(results: Sequence[RunResult]) -> Html:
    """Return a table: a row a kind, a column a place."""
    seeds = Counter(kind for result in results for kind in result.faults)
    met: Counter[tuple[str, str]] = Counter()
    for result in results:
        met.update(dict.fromkeys(_places(result), 1))
    kinds = sorted(set(CONTRACTS) | set(seeds), key=lambda kind: (-seeds[kind], kind))
    total = Counter(place for _, place in met.elements())
    places = sorted(total, key=lambda place: (-total[place], place))
    head = element(
        "tr",
        element("th", "fault"),
        element("th", "seeds", class_="n"),
        *(element("th", element("span", place), class_="place") for place in places),
    )
    most = max([*met.values(), 1])
    rows = [_row(kind, seeds[kind], places, met, most) for kind in kinds]
    return element(
        "div",
        element(
            "table",
            element("thead", head),
            element("tbody", *rows),
            class_="matrix",
        ),
        class_="scroll",
    )


def _row(
    kind: str,
    seeds: int,
    places: list[str],
    met: Counter[tuple[str, str]],
    most: int,
) -> Html:
    cells = [_met(met[kind, place], most) for place in places]
    count = cell(count_text(seeds) if seeds else "never", "n" if seeds else "n is-bad")
    name = element("td", kind, title=CONTRACTS.get(kind))
    return element("tr", name, count, *cells, class_=None if seeds else "never")


def _met(count: int, most: int) -> Html:
    if not count:
        return cell("·", "cell none")
    tint = 1 + min(TINTS - 1, int(TINTS * count / (most + 1)))
    return cell(short_count(count), f"cell tint-{tint}")


def _places(result: RunResult) -> list[tuple[str, str]]:
    """Return (kind, place) of everything that hit."""
    return [
        (kind, place or NOWHERE)
        for kind, places in result.fault_places.items()
        for place in places
    ]

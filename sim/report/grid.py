"""The grid of seeds: a cell each, or a cell for several where there are too many to see.

Invariants
- A cell is red if any of its seeds failed.
"""

from collections.abc import Sequence

from sim.report.markup import Html, element
from sim.world import RunResult

CELLS_MAX = 5000
LARGE_CELLS_MAX = 600


def seed_grid(results: Sequence[RunResult]) -> Html:
    """Return the cells, and the place where the script shows a command."""
    size = -(-len(results) // CELLS_MAX) or 1
    cells = [
        _cell(results[start : start + size]) for start in range(0, len(results), size)
    ]
    note = f"Each cell stands for {size} seeds." if size > 1 else ""
    kind = "grid" if len(cells) <= LARGE_CELLS_MAX else "grid fine"
    grid = element("div", *cells, class_=kind)
    chosen = element("p", note, class_="note mono", id="chosen")
    return element("div", grid, chosen)


def _cell(part: Sequence[RunResult]) -> Html:
    failed = [result for result in part if result.verdict != "ok"]
    first = (failed or list(part))[0]
    seeds = again = str(part[0].seed)
    if len(part) > 1:
        seeds = f"{part[0].seed} to {part[-1].seed}"
        again = f"{part[0].seed}:{part[-1].seed + 1}"
    verdict = ", ".join(sorted({result.verdict for result in failed})) or "ok"
    return element(
        "a",
        href=f"#seed-{first.seed}" if failed else "#chosen",
        class_="failed" if failed else None,
        title=f"seed {seeds}: {verdict}",
        data_seed=again,
    )

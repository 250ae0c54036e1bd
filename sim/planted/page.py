"""The public page on planted bugs: the code writes it, and a test holds it to the code.

as_page(surveys)    docs/planted-bugs.md
"""

from collections.abc import Iterable

from sim.planted.bug import Planted
from sim.planted.search import Survey

HEAD = """\
# Planted bugs

The simulator is tested like anything else. Each row is a bug that is planted in the real engine,
journal or backend: one rule broken, as small as the mistake that somebody makes. Five searches far
apart look for it under a workload of its own; it is caught if each finds a seed that fails with the
bug and is "ok" without it. *Seeds* is the median of what the searches took, *seconds* the time of
all five on one core, when this page was written.

`python -m sim planted` searches for all of them, `python -m sim planted NAME` for one;
`python -m sim planted --page` writes this page, and `tests/sim/test_planted.py` holds it to the code.

| bug | rule that it breaks | oracle | seeds | seconds |
|---|---|---|---:|---:|"""


def as_page(pairs: Iterable[tuple[Planted, Survey]]) -> str:
    """Return the page for bugs and what it took to find them."""
    rows = [f"{row_of(bug)} {_found(survey)} |" for bug, survey in pairs]
    return "\n".join((HEAD, *rows, ""))


def row_of(bug: Planted) -> str:
    """Return a row of the table up to what was measured."""
    return f"| `{bug.name}` | {bug.rule.replace('|', chr(92) + '|')} |"


def _found(survey: Survey) -> str:
    if not survey.caught:
        return f"not caught ({survey.oracle}) | | "
    return f"{survey.oracle} | {survey.median_seeds:g} | {survey.seconds:.1f}"

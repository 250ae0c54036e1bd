"""A folder of scripts that failed: what a soak leaves, and what can be loaded again.

    FOLDER/seed-7/script.txt        the script as Python: `python -m sim replay --script ...`
                  result.json       what became of it, and of the shrunk one
                  shrunk.txt        the same failure, with as little around it as was found
                  test_shrunk.py    that as a test to paste
                  report.html       what happens in the shrunk one, on one page

Invariants
- A script that is kept can be run again without the seed that it was drawn from.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import attrs

from sim.runner import Timed
from sim.script import Script, parse
from sim.shrink import Shrunk, as_pytest, literal

SCRIPT = "script.txt"
SHRUNK = "shrunk.txt"
TEST = "test_shrunk.py"
REPORT = "report.html"
RESULT = "result.json"


@attrs.frozen
class Kept:
    """A script in a folder."""

    path: Path
    script: Script


def keep(folder: Path, script: Script, timed: Timed) -> Path:
    """Keep the script of a seed that failed; return its own folder."""
    place = folder / f"seed-{timed.result.seed}"
    place.mkdir(parents=True, exist_ok=True)
    (place / SCRIPT).write_text(literal(script) + "\n", encoding="utf-8")
    document = timed.as_json() | {"detail": timed.result.detail}
    (place / RESULT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return place


def keep_small(place: Path, shrunk: Shrunk, page: str) -> None:
    """Keep, beside a script, what it was shrunk to and the page about that."""
    (place / SHRUNK).write_text(literal(shrunk.script) + "\n", encoding="utf-8")
    (place / TEST).write_text(as_pytest(shrunk), encoding="utf-8")
    (place / REPORT).write_text(page, encoding="utf-8")


def load(folder: Path) -> Iterator[Kept]:
    """Give every script that was kept in a folder, by name."""
    for path in sorted(folder.glob("*/*.txt")):
        if path.name in (SCRIPT, SHRUNK):
            yield Kept(path, parse(path.read_text(encoding="utf-8")))

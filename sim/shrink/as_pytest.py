"""A shrunk script as a test to paste: its imports, the script, what has to hold.

Invariants
- The test needs nothing but what is installed: no file, no seed to draw from.
"""

from collections import defaultdict

from sim.literal import WIDTH, literal, names_in
from sim.shrink.rounds import Shrunk

INDENT = 4
OPERATIONS = ("sim.operations", "sim.services")


def as_pytest(shrunk: Shrunk) -> str:
    """Return a function of pytest that fails as long as the script does."""
    story = " ".join(shrunk.detail.split()) or "it fails"
    what = f"{shrunk.verdict}: {story}"
    body = literal(shrunk.script, INDENT, WIDTH - INDENT - len("script = "))
    name = shrunk.verdict.replace("-", "_")
    return "\n".join(
        (
            *_imports(shrunk),
            "",
            "",
            f"def test_{name}_{shrunk.seed}() -> None:",
            f"    script = {body}",
            "",
            "    result = run(script)",
            "",
            f"    # {_short(what)}",
            '    assert (result.verdict, result.detail) == ("ok", "")',
            "",
        )
    )


def _imports(shrunk: Shrunk) -> list[str]:
    names: defaultdict[str, set[str]] = defaultdict(set)
    names["sim"].add("run")
    for name, module in names_in(shrunk.script).items():
        names[_door(module)].add(name)
    lines: list[str] = []
    for module in sorted(names):
        listed = sorted(names[module], key=lambda name: (name.islower(), name))
        line = f"from {module} import {', '.join(listed)}"
        if len(line) > WIDTH:
            inside = "".join(f"    {name},\n" for name in listed)
            line = f"from {module} import (\n{inside})"
        lines.append(line)
    return lines


def _door(module: str) -> str:
    """Return where a name is imported from: a front door, or a module of operations."""
    return module if module in OPERATIONS else module.partition(".")[0]


def _short(text: str) -> str:
    room = WIDTH - len("    # ")
    return text if len(text) <= room else text[: room - 3] + "..."

"""The shape of the codebase, checked like any other property.

Packages form a line; each imports only those below it, and only through their
front door: `from journal import Journal`, never `from journal.framing import`.
Inside tempest the modules form steps, imports go down the stairs, and the
sub-packages (table, log, version, ...) have front doors of their own.
Only the real filesystem and the command line see the operating system.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("io_backends", "journal", "tempest", "sim")
STEPS = (
    {
        *("errors", "translate", "options", "keys", "header", "wakeup", "fairness"),
        *("position", "lanes", "entry", "leftovers"),
    },
    {
        "columns",
        "batch",
        "iterator",
        "health",
        "ordered_keys",
        "pointers",
        "read_cache",
    },
    {"memtable", "memtable_cursor", "memory", "table", "log", "sorted_runs"},
    {"row_heads", "row_merger", "short_scan"},
    {"version"},
    {
        "flush",
        "compaction",
        "snapshot",
        "segments",
        "segment_files",
        "coordinator",
        "zeros",
    },
    {
        *(
            "backup",
            "check",
            "checkpoint",
            "collection",
            "committer",
            "evidence",
            "inspection",
            "maintenance",
            "reader",
            "recovery",
        ),
        *(
            "session_serials",
            "replay",
            "streams",
            "log_tail",
            "changes",
            "rows",
            "scan",
            "throttle",
            "upkeep",
            "spot",
            "values",
            "writer",
        ),
    },
    {
        *("engine", "control", "view", "statistics", "store", "opening"),
        *("session", "session_face", "collection_face", "backup_face", "changes_face"),
    },
    {"__init__"},
    {"cli"},
)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50

# What would make a run depend on the machine, and the names of it that do not.
OUTSIDE_WORLD = {
    "multiprocessing": set[str](),
    "os": {"PathLike", "fspath"},
    "pathlib": set[str](),
    "random": {"Random"},
    "secrets": set[str](),
    "shutil": set[str](),
    "signal": set[str](),
    "socket": set[str](),
    "subprocess": set[str](),
    "tempfile": set[str](),
    "threading": set[str](),
    "time": set[str](),
    "uuid": set[str](),
}
SEES_OUTSIDE = {
    "io_backends.file": set(OUTSIDE_WORLD),
    "tempest.cli": set(OUTSIDE_WORLD) - {"random", "threading", "time"},
    "sim.commands": {"os", "pathlib", "signal"},
    "sim.kept": {"pathlib"},
    "sim.soak": {"pathlib"},
    "sim.workers": {"multiprocessing", "signal"},
    "sim.stopwatch": {"time"},
}

SOURCES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
BESIDE = [
    path
    for folder in ("tests", "benchmarks", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
TEMPEST_SOURCES = [path for path in SOURCES if ROOT / "tempest" in path.parents]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for each import; the name is empty for `import module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "a relative import"
            assert node.level == 0, "a relative import"
            yield from ((node.module, alias.name) for alias in node.names)


def used_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for each name imported from a module or taken from it."""
    tree = ast.parse(path.read_text())
    modules = {module for module, name in imported_names(path) if not name}
    yield from ((module, name) for module, name in imported_names(path) if name)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (
                module in modules
            ):
                yield module, name


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the modules imported, `from package import module` counted as such."""
    for module, name in imported_names(path):
        inner = f"{module}.{name}" if name else module
        yield inner if is_module(inner) else module


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def step_of(module: str) -> int:
    part = module.split(".")[1]
    for rank, names in enumerate(STEPS):
        if part in names:
            return rank
    raise AssertionError(f"tempest.{part} stands on no step: give it one in STEPS")


every_source = pytest.mark.parametrize("path", SOURCES, ids=module_name)
every_file = pytest.mark.parametrize("path", SOURCES + BESIDE, ids=module_name)
every_tempest_source = pytest.mark.parametrize("path", TEMPEST_SOURCES, ids=module_name)


@every_source
def test_packages_import_downward_by_the_front_door(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    below = LAYERS[: LAYERS.index(layer)]

    for module in imported_modules(path):
        package, _, inside = module.partition(".")
        if package in LAYERS and package != layer:
            assert package in below, f"{layer} may not import {package}"
            assert not inside, f"import {package}, not {module}"


@every_tempest_source
def test_tempest_imports_go_down_the_stairs(path: Path) -> None:
    here = module_name(path)

    for module in imported_modules(path):
        if module == "tempest":
            assert step_of(here) > step_of("tempest.__init__"), "the door leads upward"
        elif module.startswith("tempest."):
            assert step_of(module) <= step_of(here), f"{here} -> {module}"


@every_tempest_source
def test_tempest_sub_packages_are_entered_by_the_front_door(path: Path) -> None:
    here = module_name(path).split(".")[1]

    for module in imported_modules(path):
        if module.startswith("tempest.") and module.split(".")[1] != here:
            assert module.count(".") == 1, f"import {module.rpartition('.')[0]}"


@every_source
def test_only_the_edges_see_the_outside_world(path: Path) -> None:
    here = module_name(path)
    allowed = {
        module
        for edge, modules in SEES_OUTSIDE.items()
        if here == edge or here.startswith(f"{edge}.")
        for module in modules
    }

    for module, name in used_names(path):
        package = module.partition(".")[0]
        if package in OUTSIDE_WORLD and package not in allowed:
            assert name in OUTSIDE_WORLD[package], f"{here} -> {module} {name}"


@every_file
def test_files_stay_small(path: Path) -> None:
    assert path.read_text().count("\n") <= FILE_LINES_MAX


@every_source
def test_functions_stay_small(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


@every_source
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("layer", LAYERS)
def test_every_package_is_typed(layer: str) -> None:
    assert (ROOT / layer / "py.typed").is_file()


def test_the_four_packages_are_shipped_and_nothing_else() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    targets = settings["tool"]["hatch"]["build"]["targets"]

    assert targets["wheel"]["packages"] == list(LAYERS)
    assert set(targets["sdist"]["only-include"]) == {*LAYERS, "README.md", "LICENSE"}


def test_the_locked_versions_name_versions_and_nothing_else() -> None:
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    locked = [line for line in lines if not line.startswith("#")]

    assert locked == sorted(locked, key=str.lower)
    for line in locked:
        name, _, version = line.partition("==")
        assert name.replace("-", "").replace("_", "").isalnum(), line
        assert version.replace(".", "").isalnum(), line

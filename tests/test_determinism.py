"""What keeps a run a function of its seed, checked in the source.

The engine, the journal and the virtual disk see no clock, thread or chance; nothing happens when
the collector finds something; and no answer depends on the order of a set. A set may be built
inside `sorted`, or where `SETS` says why its order cannot matter.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REAL_WORLD = (
    "io_backends/file",
    "tempest/cli",
)  # the edges: real files, real terminals
SOURCES = [
    path
    for layer in ("io_backends", "journal", "tempest")
    for path in sorted((ROOT / layer).rglob("*.py"))
    if not path.relative_to(ROOT).as_posix().startswith(REAL_WORLD)
]

BANNED_MODULES = {
    *("asyncio", "concurrent", "contextvars", "ctypes", "gc", "getpass"),
    *("mmap", "multiprocessing", "platform", "resource", "secrets", "select"),
    *("signal", "socket", "subprocess", "tempfile", "threading", "time", "uuid"),
    *("shutil", "glob", "pathlib", "locale"),
}
BANNED_NAMES = {
    *("trio.to_thread", "trio.from_thread", "trio.open_process", "trio.run_process"),
    *("trio.open_file", "trio.Path", "trio.run", "trio.open_signal_receiver"),
    *("random.random", "random.choice", "random.shuffle", "random.seed"),
    *("sys.argv", "sys.exit", "sys.getrefcount", "sys.stdin", "sys.stdout"),
    *("datetime.now", "datetime.today", "datetime.utcnow", "date.today"),
    *("random.SystemRandom", "os.urandom", "os.getpid", "os.environ", "os.listdir"),
    *("weakref.finalize", "atexit.register"),
}
BANNED_CALLS = {"open", "input", "hash", "id", "breakpoint"}

# Where an address of an object is used: never ordered, never written, only looked up.
IDS = {
    "tempest.version.manifest:Manifest": "pins are counted by the version's identity"
}

# Where a hash is used: it chooses one of several dicts, which nobody walks over.
HASHES = {
    "tempest.table.row_cache:RowCache": "rows are asked for by key",
    "tempest.view:View": "the same, on the hot path",
}

SETS = {
    "io_backends.conformance:_tokens_never_repeat": "counted",
    "io_backends.disk:VirtualDisk.clone": "a copy, only asked for membership",
    "io_backends.disk:VirtualDisk.crash_keeping": "only asked for membership",
    "io_backends.disk:VirtualDisk.unsynced_units": "a union, sorted where it is walked",
    "io_backends.disk:VirtualDisk._settle": "empty",
    "io_backends.disk:_reachable": "a closure: what is found does not depend on the way",
    "io_backends.handles:OpenFiles._open_numbers": "a union, only asked for membership",
    "io_backends.inode:FileNode.copy": "a copy, sorted where it is walked",
    "io_backends.inode:FileNode.truncate": "sorted where it is walked",
    "io_backends.inode:FileNode.drop_pages": "sorted where it is walked",
    "io_backends.inode:FolderNode.referenced": "a union, only asked for membership",
    "io_backends.inode:_touched": "sorted where it is walked",
    "io_backends.settle:file_units": "sorted where it is walked",
    "io_backends.settle:name_units": "only asked for membership",
    "io_backends.tree:Tree.__init__": "empty, only asked for membership",
    "io_backends.tree:Tree.sync_dir": "only asked for membership",
    "io_backends.tree:Tree.walk": "only asked for membership",
    "io_backends.tree:Tree._walk": "only asked for membership",
    "io_backends.tree:Tree._open_numbers": "empty",
    "io_backends.tree:Tree._collect": "only asked for membership",
    "tempest.check:_Verification.run": "only asked for membership",
    "tempest.columns:make_columns": "only asked for membership",
    "tempest.reader:Reader._newest_in": "keys that are taken out of dicts",
    "tempest.table.cache:BlockCache.index": "counted",
    "tempest.columns:wide_columns": "only asked for membership",
    "tempest.compaction.policy:older_keys": "only asked for membership",
    "tempest.compaction.policy:choice_problems": "sorted where it is printed",
    "tempest.coordinator:": "only asked for membership",
    "tempest.coordinator:Coordinator.__init__": "empty, only asked for membership",
    "tempest.evidence:check_nothing_is_lost": "only asked for membership",
    "tempest.maintenance:": "only asked for membership",
    "tempest.table.block:shadowed_in": "counted",
    "tempest.table.properties:": "only asked for membership",
    "tempest.view:View.get_many": "only compared",
    "tempest.version.invariants:pointer_problems": "only asked for membership",
    "tempest.version.manifest:Manifest._what_may_go": "only asked for membership",
    "tempest.version.manifest:Manifest.take_obsolete": "only asked for membership",
    "tempest.version.version:Version.retired_segments": "only asked for membership",
    "tempest.version.version:_edit_segments": "only asked for membership",
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def walk(
    node: ast.AST, place: tuple[str, ...] = (), within: tuple[ast.AST, ...] = ()
) -> Iterator[tuple[ast.AST, str, tuple[ast.AST, ...]]]:
    """Yield each node, the class and function it stands in, and what stands around it."""
    yield node, ".".join(place), within
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        place = (*place, node.name)
    for child in ast.iter_child_nodes(node):
        yield from walk(child, place, (*within, node))


def nodes(path: Path) -> Iterator[tuple[ast.AST, str, tuple[ast.AST, ...]]]:
    here = module_name(path)
    for node, place, within in walk(ast.parse(path.read_text())):
        yield node, f"{here}:{place}", within


def is_call(node: ast.AST, *names: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in names
    )


def builds_set(node: ast.AST) -> bool:
    return isinstance(node, ast.Set | ast.SetComp) or is_call(node, "set", "frozenset")


def unsorted_sets(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the places and lines of sets that are built outside of `sorted`."""
    for node, place, within in nodes(path):
        if builds_set(node) and not any(is_call(outer, "sorted") for outer in within):
            yield place, getattr(node, "lineno", 0)


every_source = pytest.mark.parametrize("path", SOURCES, ids=module_name)


@every_source
def test_no_clock_thread_or_chance_is_imported(path: Path) -> None:
    for node, place, _ in nodes(path):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), names=names):
                found = [module, *(f"{module}.{alias.name}" for alias in names)]
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                found = [f"{module}.{name}"]
            case _:
                continue
        for name in found:
            assert name not in BANNED_NAMES, f"{place} uses {name}"
            if not isinstance(node, ast.Attribute):
                top = name.partition(".")[0]
                assert top not in BANNED_MODULES, f"{place} imports {name}"


@every_source
def test_nothing_depends_on_addresses_or_hashes(path: Path) -> None:
    for node, place, _ in nodes(path):
        if is_call(node, *BANNED_CALLS):
            where = place.rpartition(".")[0]
            is_known = (where in IDS and is_call(node, "id")) or (
                where in HASHES and is_call(node, "hash")
            )
            assert is_known, f"{place}: {ast.unparse(node)}"


@every_source
def test_nothing_happens_when_the_collector_finds_something(path: Path) -> None:
    for node, place, _ in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.name != "__del__", place
        if isinstance(node, ast.Attribute):
            assert node.attr != "finalize", place


@every_source
def test_async_generators_are_context_managers(path: Path) -> None:
    """A bare one that nobody closes is finished by the collector, at a time of its own."""
    for node, place, within in nodes(path):
        if not isinstance(node, ast.Yield):
            continue
        inner = [
            n for n in within if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        if isinstance(inner[-1], ast.AsyncFunctionDef):
            decorators = [ast.unparse(name) for name in inner[-1].decorator_list]
            assert decorators == ["asynccontextmanager"], place


@every_source
def test_async_comprehensions_stand_in_async_functions(path: Path) -> None:
    """An async generator expression is a bare async generator in disguise."""
    for node, place, _ in nodes(path):
        if isinstance(node, ast.GeneratorExp):
            assert not any(part.is_async for part in node.generators), place


@every_source
def test_every_set_is_sorted_or_known(path: Path) -> None:
    for place, line in unsorted_sets(path):
        assert place in SETS, f"{place} (line {line}): sort it, or say in SETS why not"


def test_the_lists_name_only_what_is_there() -> None:
    built = {place for path in SOURCES for place, _ in unsorted_sets(path)}
    classes = {place for path in SOURCES for _, place, _ in nodes(path)}

    assert set(SETS) <= built
    assert set(IDS) | set(HASHES) <= classes

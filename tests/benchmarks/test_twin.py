"""The plain twins are what is measured of synchronous engines: current, and plain indeed."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.peers import bodies, engines, lifecycle, meter, tapes
from benchmarks.peers.data import Data
from benchmarks.peers.engine import TrioEngine
from benchmarks.peers.twin import plain, plain_source

ASYNCHRONOUS = (ast.Await, ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith)
SOURCE = """
async def work(db):
    async with db.batch() as batch:
        await batch.put(await db.get(1))
    async for row in db.scan():
        yield row
    return [await db.get(key) async for key in db.keys()]
"""
PLAIN = """
def work(db):
    with db.batch() as batch:
        batch.put(db.get(1))
    for row in db.scan():
        yield row
    return [db.get(key) for key in db.keys()]
"""


def test_what_is_asynchronous_becomes_plain() -> None:
    assert ast.unparse(plain_source(SOURCE)) == PLAIN.strip()


@pytest.mark.parametrize("module", [bodies, lifecycle])
def test_nothing_asynchronous_is_left(module: ModuleType) -> None:
    tree = plain_source(Path(inspect.getfile(module)).read_text())

    left = [node for node in ast.walk(tree) if isinstance(node, ASYNCHRONOUS)]
    assert left == []


def test_a_twin_runs_without_an_event_loop_and_lines_stay() -> None:
    engine = engines.load("dict")
    assert not isinstance(engine, TrioEngine)
    db = engine.open("", sync=False)
    gauge = meter.Meter(10.0, "")
    data = Data(100)

    plain(bodies.puts)(db, data, gauge, tapes.fill_in_order(data, 100))

    assert gauge.operations == 100
    assert db.get(data.key(7)) == data.value(7, 0)
    source = inspect.getsourcelines(bodies.puts)[1]
    assert plain(bodies.puts).__code__.co_firstlineno == source

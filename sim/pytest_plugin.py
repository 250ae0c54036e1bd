"""Crash tests under pytest: `pytest_plugins = ("sim.pytest_plugin",)`, or `-p sim.pytest_plugin`.

    --sim-seeds N      run N seeds of every crash test
    --sim-seed N       run only this one, to see a failure again
    --sim-plan PLAN    run only this plan
    crash_world        a fixture that runs any `Program`: `crash_world.run(program, seeds=100)`

The options are there for `-p` and for a `conftest.py` at the root; a plugin that a test module
names comes too late for them, and every line that a failure prints has its `-p`. Functions
decorated with `sim.crash_test` are ordinary tests, with or without this plugin and pytest-trio;
they may ask for fixtures after their `world`.
"""

import shlex
from collections.abc import Generator
from typing import TypeVar

import pytest

from sim.crash_testing import Hardship, Session, session, survive, survive_all
from sim.program import Program

S = TypeVar("S")


class Crasher:
    """Runs programs through crashes; a broken promise fails the test and says how to see it again."""

    def run(
        self,
        program: Program[S],
        *,
        seeds: int = 100,
        lives: int = 4,
        errors: bool = True,
        late: bool = False,
    ) -> int:
        """Run a program through drawn plans; return how many."""
        hardship = Hardship(seeds=seeds, lives=lives, errors=errors, late=late)
        return survive(lambda _: program, hardship)

    def explore(self, program: Program[S], *, nested: bool = False) -> int:
        """Do everything that can happen to a small program; return how many disks that left."""
        return survive_all(program, nested=nested)


@pytest.fixture
def crash_world() -> Crasher:
    """Run any program over `Io` through power cuts and failing disks."""
    return Crasher()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of crash tests."""
    group = parser.getgroup("sim", "crash tests")
    group.addoption("--sim-seeds", type=int, metavar="N", help="run N seeds of each")
    group.addoption("--sim-seed", type=int, metavar="N", help="run only this seed")
    group.addoption("--sim-plan", metavar="PLAN", help="run only this plan")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Tell the test what the command line said, and what to type to run it again."""
    told = Session(
        seeds=item.config.getoption("--sim-seeds", default=None),
        seed=item.config.getoption("--sim-seed", default=None),
        plan=item.config.getoption("--sim-plan", default=None),
        command=f"pytest -p sim.pytest_plugin {shlex.quote(item.nodeid)}",
        outcomes=(pytest.fail.Exception,),
    )
    with session(told):
        return (yield)

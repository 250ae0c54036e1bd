"""What it costs to begin: importing the package, making a store, opening one with few or many tables.

Opening after a kill is in `benchmarks/opening.py` and in `make bench`.
"""

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from shutil import rmtree

import trio

import tempest
from benchmarks.parts.stores import MIB, ONE_TABLE, put_all, rows_of
from benchmarks.parts.turns import Way, medians, tell
from benchmarks.peers.data import Data
from tempest import Durability, Options

KIB = 1024
OPENINGS = 10
MANY = Options(
    durability=Durability.OS, table_bytes_max=32 * KIB, level_bytes_base=256 * MIB
)


def run_python(*words: str) -> None:
    """Run the interpreter, as a program that begins."""
    subprocess.run([sys.executable, *words], check=True)


async def imported(statement: str) -> Sequence[object]:
    """Run a program that only imports."""
    await trio.to_thread.run_sync(run_python, "-c", statement)
    return [None]


async def opened(folder: Path, options: Options, data: Data) -> Sequence[object]:
    """Open, get one key, close, several times."""
    found = []
    for index in range(OPENINGS):
        async with tempest.open_store(folder, options=options) as store:
            found.append(await store.get(data.key(index)))
    return found


async def made(folder: Path) -> Sequence[object]:
    """Make a new store."""
    async with tempest.open_store(folder):
        return [None]


async def fill(folder: Path, options: Options, data: Data) -> int:
    """Load everything and compact it; return how many tables that made."""
    async with tempest.open_store(folder, options=options) as store:
        rows = rows_of(data, data.permutation(1))
        for half in rows[::2], rows[1::2]:  # one alone would be moved as it is
            await put_all(store, half)
            await store.flush()
        await store.compact()
        return sum(level.tables for level in store.statistics().levels)


async def measure(folder: Path, data: Data) -> None:
    """Measure and print."""
    programs = ("pass", "import trio", "import tempest")
    ways = [Way(program, partial(imported, program)) for program in programs]
    tell("a program", await medians(ways), "ms")
    few = await fill(folder / "few", ONE_TABLE, data)
    several = await fill(folder / "many", MANY, data)
    values = [data.value(index, 0) for index in range(OPENINGS)]
    new = folder / "new"

    async def remove() -> None:
        if new.exists():
            await trio.to_thread.run_sync(rmtree, new)

    ways = [
        Way("a new store", partial(made, new), prepare=remove),
        Way(
            f"{data.count:,} entries, {few} table",
            partial(opened, folder / "few", ONE_TABLE, data),
            values,
        ),
        Way(
            f"{data.count:,} entries, {several} tables",
            partial(opened, folder / "many", MANY, data),
            values,
        ),
    ]
    tell("opening, a get, closing", await medians(ways), "ms")

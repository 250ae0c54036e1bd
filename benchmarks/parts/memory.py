"""How many bytes an entry of 116 takes in memory, and how many the store counts for it.

Each is measured in a process of its own, as what it holds more than before:

    python -m benchmarks.parts.memory memtable FOLDER COUNT     # one of PLACES, prints JSON
"""

import gc
import json
import math
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

import tempest
from benchmarks.parts.stores import (
    MIB,
    make_one_table,
    put_all,
)
from benchmarks.peers.data import Data
from benchmarks.peers.meter import Usage
from tempest import Durability, Options, Store

STEP = 1000
TABLE = "table"
UNFLUSHED = Options(durability=Durability.OS, memtable_bytes_max=256 * MIB)
ROOMY = Options(durability=Durability.OS, cache_bytes_max=256 * MIB)


async def fill_memtable(store: Store, data: Data) -> int:
    """Write everything and flush nothing."""
    for start in range(0, data.count, STEP):
        await put_all(store, data.rows(start, start + STEP))
    return store.statistics().memtable_bytes


async def fill_blocks(store: Store, _: Data) -> int:
    """Scan everything: blocks are kept, and no rows."""
    async with store.scan() as rows:
        async for chunk in rows.chunks(STEP):
            del chunk
    return store.statistics().block_cache_bytes


async def fill_rows(store: Store, data: Data) -> int:
    """Get everything: blocks are kept, and their rows by key."""
    for index in range(data.count):
        assert await store.get(data.key(index)) is not None
    return store.statistics().block_cache_bytes


Fill = Callable[[Store, Data], Awaitable[int]]
PLACES: dict[str, tuple[str, str, Options, Fill]] = {
    "memtable": ("in a memtable", "new", UNFLUSHED, fill_memtable),
    "blocks": ("in blocks of the cache", TABLE, ROOMY, fill_blocks),
    "rows": ("in blocks, and as rows", TABLE, ROOMY, fill_rows),
}


async def inside(place: str, folder: Path, data: Data) -> None:
    """Fill one place and print what it took."""
    _, name, options, fill = PLACES[place]
    async with tempest.open_store(folder / name, options=options) as store:
        usage = Usage()
        counted = await fill(store, data)
        gc.collect()
        held = usage.memory().get("rss_mib", math.nan) * MIB
    print(json.dumps({"held": held / data.count, "counted": counted / data.count}))


def ask(place: str, folder: Path, count: int) -> dict[str, float]:
    """Let a process of its own find out."""
    words = ("-m", "benchmarks.parts.memory", place, str(folder), str(count))
    command = [sys.executable, *words]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(ended.stdout)
    return told


async def measure(folder: Path, data: Data) -> None:
    """Measure and print."""
    await make_one_table(folder / TABLE, data)
    print(f"\n{'bytes an entry of 116':<46}{'held':>10}{'counted':>9}")
    for place, (label, *_) in PLACES.items():
        told = await trio.to_thread.run_sync(ask, place, folder, data.count)
        print(f"  {label:<44}{told['held']:>10.0f}{told['counted']:>9.0f}")


if __name__ == "__main__":
    trio.run(inside, sys.argv[1], Path(sys.argv[2]), Data(int(sys.argv[3])))

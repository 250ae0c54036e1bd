"""What a put costs at each durability level, side by side in one run.

    python benchmarks/durability.py [FOLDER]

One store with default options, keys of 16 bytes and values of 100. The levels take turns, round
after round, so that all of them meet the same machine; the median round counts. A bare append of
one sector and its `fdatasync` show what the disk itself takes. FOLDER says which disk (default:
where the system keeps temporary files; if that is memory, the figures mean nothing).
"""

import os
import platform
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import trio

import tempest
from tempest import Durability, Store

ROUNDS = 9
SECTOR = bytes(4096)
WRITERS = 64

Row = tuple[bytes, bytes]
Work = Callable[[list[Row]], Awaitable[None]]


def one_writer(store: Store, level: Durability) -> Work:
    """Await each put before the next."""

    async def work(rows: list[Row]) -> None:
        put = store.put
        for key, value in rows:
            await put(key, value, durability=level)

    return work


def many_writers(store: Store, writers: int, level: Durability) -> Work:
    """Several tasks, each of which awaits each of its puts."""

    async def work(rows: list[Row]) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(writers):
                nursery.start_soon(one_writer(store, level), rows[number::writers])

    return work


def bare_syncs(path: Path) -> Work:
    """Append a sector and sync it, with nothing in between."""

    async def work(rows: list[Row]) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for _ in rows:
            os.write(file, SECTOR)
            os.fdatasync(file)
        os.close(file)

    return work


async def measure(folder: Path) -> list[tuple[str, float]]:
    """Return microseconds a put by what was done."""
    draw = Random(1).randbytes
    async with tempest.open_store(folder / "store") as store:
        contests: list[tuple[str, Work, int]] = [
            ("MEMORY", one_writer(store, Durability.MEMORY), 5000),
            ("OS", one_writer(store, Durability.OS), 2000),
            ("DISK", one_writer(store, Durability.DISK), 50),
            (
                f"DISK, {WRITERS} writers",
                many_writers(store, WRITERS, Durability.DISK),
                20 * WRITERS,
            ),
            ("bare append and fdatasync", bare_syncs(folder / "bare"), 50),
        ]
        seconds: dict[str, list[float]] = {name: [] for name, _, _ in contests}
        for _ in range(ROUNDS):
            for name, work, count in contests:
                rows = [(draw(16), draw(100)) for _ in range(count)]
                await store.sync()
                started = perf_counter()
                await work(rows)
                seconds[name].append((perf_counter() - started) / count)
    return [(name, 1e6 * median(rounds)) for name, rounds in seconds.items()]


def main(arguments: list[str]) -> None:
    """Measure and print."""
    above = arguments[0] if arguments else None
    with tempfile.TemporaryDirectory(prefix="tempest-bench-", dir=above) as folder:
        costs = trio.run(measure, Path(folder))
    least = costs[0][1]
    print(f"{platform.platform()}, {os.cpu_count()} processors, Python {sys.version}\n")
    print(f"{'':<28}{'us a put':>10}{'ratio':>9}{'a second':>10}")
    for name, cost in costs:
        print(f"{name:<28}{cost:>10.1f}{cost / least:>9.1f}{1e6 / cost:>10.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""How long other tasks wait while a store is loaded: the latest wake-ups of a 1 ms sleeper.

    python benchmarks/responsiveness.py [FOLDER]

Loads 64 MiB in several ways. A gap is the time between two wake-ups of a task that does nothing
but sleep for a millisecond; one that sleeps beside an idle loop shows what the machine does.
"""

import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from time import perf_counter

import trio

import tempest
from tempest import Durability, Store

LOAD_BYTES = 64 << 20
SLEEP_SECONDS = 0.001
SHARES = (0.5, 0.99, 0.999, 1.0)

Load = Callable[[Store], Awaitable[None]]


def puts(value_bytes: int, level: Durability) -> Load:
    """One writer, put by put."""

    async def load(store: Store) -> None:
        random = Random(1)
        value = random.randbytes(value_bytes)
        for _ in range(LOAD_BYTES // value_bytes):
            await store.put(random.randbytes(16), value, durability=level)

    return load


def batches(value_bytes: int, batch_bytes: int) -> Load:
    """One writer, batch by batch, each on the disk before the next."""

    async def load(store: Store) -> None:
        random = Random(1)
        value = random.randbytes(value_bytes)
        for _ in range(LOAD_BYTES // batch_bytes):
            async with store.batch() as batch:
                for _ in range(batch_bytes // value_bytes):
                    batch.put(random.randbytes(16), value)
                    await (
                        trio.lowlevel.checkpoint()
                    )  # ours; what is measured is the store's

    return load


async def idle(_: Store) -> None:
    """Nothing at all, for a second."""
    await trio.sleep(1)


LOADS: tuple[tuple[str, Load], ...] = (
    ("nothing, for a second", idle),
    ("puts of 100 B, MEMORY", puts(100, Durability.MEMORY)),
    ("puts of 4 KiB, OS", puts(4096, Durability.OS)),
    ("puts of 1 MiB, DISK", puts(1 << 20, Durability.DISK)),
    ("batches of 1 MiB of 4 KiB", batches(4096, 1 << 20)),
    ("batches of 32 MiB of 1 KiB", batches(1024, 32 << 20)),
)


async def gaps_of(folder: Path, load: Load) -> list[float]:
    """Return every gap, in milliseconds, while a fresh store is loaded."""
    gaps: list[float] = []

    async def sleep_on() -> None:
        woken = perf_counter()
        while True:
            await trio.sleep(SLEEP_SECONDS)
            before, woken = woken, perf_counter()
            gaps.append(1000 * (woken - before))

    async with tempest.open_store(folder) as store, trio.open_nursery() as nursery:
        nursery.start_soon(sleep_on)
        await load(store)
        nursery.cancel_scope.cancel()
    return gaps


def main(arguments: list[str]) -> None:
    """Measure and print."""
    above = arguments[0] if arguments else None
    print(f"{'gaps in ms':<28}{'median':>8}{'p99':>8}{'p99.9':>8}{'max':>8}")
    for name, load in LOADS:
        with tempfile.TemporaryDirectory(prefix="tempest-bench-", dir=above) as folder:
            gaps = trio.run(gaps_of, Path(folder) / "store", load)
        gaps.sort()
        figures = [gaps[int(share * (len(gaps) - 1))] for share in SHARES]
        print(f"{name:<28}" + "".join(f"{figure:>8.1f}" for figure in figures))


if __name__ == "__main__":
    main(sys.argv[1:])

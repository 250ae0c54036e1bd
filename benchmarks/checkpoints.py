"""What a full checkpoint costs those who write meanwhile, side by side in one run.

    python benchmarks/checkpoints.py [FOLDER] [ENTRIES]

A store of a million entries (keys of 16 bytes, values of 100). One task puts at OS level without
a pause and notes how long each put took. Stretches of equally many puts without and with a FULL
checkpoint take turns; in the second kind one begins with the stretch, and a further one whenever
one ends. Printed for each style: puts a second, their ratio, the slowest put in a thousand and
the slowest of all.
"""

import sys
import tempfile
from functools import partial
from random import Random
from statistics import median
from time import perf_counter

import attrs
import trio

import tempest
from tempest import CheckpointKind, CheckpointStyle, Durability, Store

ENTRIES = 1_000_000
BATCH = 2_000
STRETCH = 60_000
ROUNDS = 5


@attrs.frozen
class Stretch:
    """Puts in a row: how long each took, in seconds, and all of them together."""

    latencies: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


async def fill(store: Store, entries: int) -> None:
    """Put so many rows, in batches."""
    for start in range(0, entries, BATCH):
        async with store.batch(durability=Durability.OS) as batch:
            for number in range(start, start + BATCH):
                batch.put(b"%016d" % number, b"%0100d" % number)


async def write(store: Store, random: Random, entries: int) -> Stretch:
    """Put one row after the other, and note how long each took."""
    put = store.put
    latencies = []
    started = before = perf_counter()
    for _ in range(STRETCH):
        key = b"%016d" % random.randrange(entries)
        await put(key, b"%0100d" % random.getrandbits(40), durability=Durability.OS)
        now = perf_counter()
        latencies.append(now - before)
        before = now
    return Stretch(latencies, before - started)


async def checkpoint_again_and_again(store: Store, style: CheckpointStyle) -> None:
    """Take one checkpoint after the other; none is kept."""
    while True:
        token = await store.checkpoint(CheckpointKind.FULL, style)
        await store.drop_checkpoint(token)


async def write_beside_checkpoints(
    store: Store, random: Random, entries: int, style: CheckpointStyle
) -> Stretch:
    """Do as `write` does while checkpoints are taken."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checkpoint_again_and_again, store, style)
        stretch = await write(store, random, entries)
        nursery.cancel_scope.cancel()
    return stretch


def slowest(stretches: list[Stretch]) -> tuple[float, float]:
    """Return the 99.9th percentile and the maximum, in milliseconds."""
    latencies = sorted(x for stretch in stretches for x in stretch.latencies)
    return latencies[len(latencies) * 999 // 1000] * 1e3, latencies[-1] * 1e3


async def main(folder: str, entries: int) -> None:
    """Fill a store, then let the two kinds of stretches take turns."""
    random = Random(1)
    async with tempest.open_store(folder) as store:
        await fill(store, entries)
        await store.flush()
        for style in CheckpointStyle:
            alone: list[Stretch] = []
            beside: list[Stretch] = []
            with_checkpoints = partial(write_beside_checkpoints, style=style)
            await write(store, random, entries)  # warm
            for _ in range(ROUNDS):
                alone.append(await write(store, random, entries))
                beside.append(await with_checkpoints(store, random, entries))
            plain, loaded = (median(s.rate for s in part) for part in (alone, beside))
            print(
                f"{style.name}: {loaded / plain:.2f} of the puts a second without one"
            )
            for label, rate, part in (
                ("without", plain, alone),
                ("with", loaded, beside),
            ):
                high, most = slowest(part)
                print(
                    f"  {label:8} {rate:9,.0f} puts/s   99.9 %: {high:7.3f} ms"
                    f"   slowest: {most:7.1f} ms"
                )


if __name__ == "__main__":
    place = sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else ENTRIES
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        trio.run(main, f"{scratch}/store", count)

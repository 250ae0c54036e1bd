"""What goes on behind the writers: flush and compaction, bytes rewritten, slowed writes, the collector.

Flush and compaction are timed alone, in worker processes and in the program itself, once the workers
have started. Then everything is overwritten five times, as fast as it goes, in a store with small
memtables, so that all of it runs at once: what each put took, what was written for it, and how long
Python's collector of cycles held the program up.
"""

import gc
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns

import attrs

import tempest
from benchmarks.parts.stores import MIB, put_all, rows_of
from benchmarks.parts.turns import Cost, tell
from benchmarks.peers.data import Data
from tempest import Durability, Options, Store

FLUSHES = 4
ROUNDS = 3
OVERWRITES = 5
ENTRY_BYTES = 116
SHARES = (0.5, 0.99, 0.999, 0.9999, 1.0)
SMALL = Options(durability=Durability.OS, memtable_bytes_max=8 * MIB)


async def flush_and_compact(
    folder: Path, data: Data, *, inline: bool
) -> tuple[list[float], float]:
    """Return the seconds of each flush of everything, and of merging these tables."""
    options = Options(
        durability=Durability.MEMORY,
        memtable_bytes_max=256 * MIB,
        level0_tables_max=2 * FLUSHES,
        compaction_inline=inline,
    )
    async with tempest.open_store(folder, options=options) as store:
        for value in b"starts", b"both workers":
            await store.put(b"first", value)
            await store.flush()
        await store.compact()
        flushes = []
        for version in range(FLUSHES):
            await put_all(store, rows_of(data, data.permutation(version), version))
            started = perf_counter()
            await store.flush()
            flushes.append(perf_counter() - started)
        started = perf_counter()
        await store.compact()
        return flushes, perf_counter() - started


async def throughput(folder: Path, data: Data) -> None:
    """Print what flush and compaction take for an entry."""
    flushes: dict[bool, list[float]] = {False: [], True: []}
    merges: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(ROUNDS):
        for inline in (False, True):
            place = folder / f"{turn} {inline}"
            taken, merge = await flush_and_compact(place, data, inline=inline)
            flushes[inline] += [1e6 * seconds / data.count for seconds in taken]
            merges[inline].append(1e6 * merge / (FLUSHES * data.count))
    for title, taken_by in (
        ("a flush, an entry of 116 bytes", flushes),
        (f"a merge of {FLUSHES} tables into one level", merges),
    ):
        names = {False: "in a worker", True: "in the program"}
        tell(title, [Cost(names[i], median(each)) for i, each in taken_by.items()])


@attrs.define
class Pauses:
    """How long the collector ran, by generation, in nanoseconds."""

    ns: dict[int, list[int]] = attrs.field(factory=lambda: {0: [], 1: [], 2: []})
    _started: int = 0

    def note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = perf_counter_ns()
        else:
            self.ns[info["generation"]].append(perf_counter_ns() - self._started)


@contextmanager
def collector() -> Iterator[Pauses]:
    """Watch it; what was made before is left alone by it."""
    pauses = Pauses()
    gc.collect()
    gc.freeze()
    gc.callbacks.append(pauses.note)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(pauses.note)
        gc.unfreeze()


async def overwrite(store: Store, data: Data, version: int) -> "array[int]":
    """Put everything once; return what each put took, in nanoseconds."""
    took = array("Q")
    for index in data.permutation(version):
        key, value = data.key(index), data.value(index, version)
        started = perf_counter_ns()
        await store.put(key, value)
        took.append(perf_counter_ns() - started)
    return took


async def everything_at_once(folder: Path, data: Data) -> None:
    """Print what a put took, what was rewritten, and what the collector did."""
    took = array("Q")
    async with tempest.open_store(folder, options=SMALL) as store:
        with collector() as pauses:
            for version in range(1 + OVERWRITES):
                took += await overwrite(store, data, version)
        told = store.statistics()
    ordered = sorted(took)
    print(f"\n{'a put while flush and compaction run':<46}{'us':>10}")
    for share in SHARES:
        figure = ordered[int(share * (len(ordered) - 1))] / 1e3
        print(f"  {f'{share:.2%} of them at most':<44}{figure:>10.1f}")
    print(f"  {'waited for room so many times':<44}{told.stalls:>10}")
    slowed = f"{1000 * told.delayed_seconds:.0f} ms"
    print(f"  {'slowed down for':<44}{slowed:>10}")
    entered = len(took) * ENTRY_BYTES
    print(f"\n{'bytes written for a byte put':<46}")
    for name, written in (
        ("log", told.log_bytes_written),
        (f"{told.flushes} flushes", told.flush_bytes),
        (f"{told.compactions} compactions", told.compaction_bytes_out),
    ):
        print(f"  {name:<44}{written / entered:>10.2f}")
    print(f"\n{'collector of cycles':<34}{'runs':>10}{'longest':>10}{'in all':>10}  ms")
    for generation, each in pauses.ns.items():
        longest, whole = max(each, default=0) / 1e6, sum(each) / 1e6
        line = f"{len(each):>10}{longest:>10.2f}{whole:>10.1f}"
        print(f"  {f'generation {generation}':<32}{line}")


async def measure(folder: Path, data: Data) -> None:
    """Measure and print."""
    await throughput(folder, data)
    await everything_at_once(folder / "everything", data)

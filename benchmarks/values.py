"""How many bytes reach the disk for each byte stored, with large values, and how much space they take.

    python benchmarks/values.py [FOLDER] [--count N] [--size KIB] [--all]

A store with default options is loaded with values (default: 1,000 of 100 KiB; `--all` adds 300 of
1 MiB and 24 of 16 MiB), then every value is overwritten five times in random order, and `collect`
runs. For each of the two moments it prints

    written   bytes written for each byte that was stored since the store was made
    space     bytes of all its files for each byte of its live values

where written counts all files, tables and collection included: once as the system accounts for the
process and its workers (`write_bytes` in /proc; nothing on a file system in memory), once as the
sum of what the store's statistics claim. The aims: written < 1.3 after loading and < 2.5 at the
end, space < 1.5. At the end every value is read back and compared.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter

import trio

import tempest
from tempest import Durability, Store

KIB = 1024
SHAPES = ((1000, 100 * KIB), (300, 1024 * KIB), (24, 16 * 1024 * KIB))
OVERWRITES = 5
AIM_LOADED, AIM_END, AIM_SPACE = 1.3, 2.5, 1.5


def value_of(number: int, turn: int, size: int) -> bytes:
    """A value that no compression shrinks, made again for the comparison."""
    return Random(number << 8 | turn).randbytes(size)


def key_of(number: int) -> bytes:
    """The key of a value."""
    return b"value-%06d" % number


def system_bytes() -> int:
    """Bytes that this process and its workers caused to be written to the disk."""
    total = 0
    pids = ["self"]
    for children in Path("/proc/self/task").glob("*/children"):
        pids += children.read_text().split()
    for pid in pids:
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            name, _, number = line.partition(": ")
            if name == "write_bytes":
                total += int(number)
    return total


def claimed_bytes(store: Store, folder: Path) -> int:
    """Bytes that the store says it has written; the manifest counts as long as it is now."""
    s = store.statistics()
    manifest = sum(path.stat().st_size for path in folder.glob("manifest-*"))
    tables = s.flush_bytes + s.compaction_bytes_out
    return s.log_bytes_written + tables + s.collection.done.bytes_written + manifest


def folder_bytes(folder: Path) -> int:
    """Bytes of all files of the store."""
    return sum(path.stat().st_size for path in folder.iterdir())


async def put_all(
    store: Store, numbers: list[int], turns: list[int], size: int
) -> None:
    """Overwrite values, each with the next of its own turns."""
    for number in numbers:
        turns[number] += 1
        value = value_of(number, turns[number], size)
        await store.put(key_of(number), value, durability=Durability.OS)


async def check(store: Store, turns: list[int], size: int) -> None:
    """Read every value back."""
    for number, turn in enumerate(turns):
        found = await store.get(key_of(number))
        if found != value_of(number, turn, size):
            raise AssertionError(f"value {number} is not what was written last")


def report(
    moment: str, store: Store, folder: Path, since: int, sizes: tuple[int, int]
) -> tuple[float, float]:
    """Print one line; return the larger count of what was written, and the space."""
    stored, live = sizes
    claimed = claimed_bytes(store, folder) / stored
    system = (system_bytes() - since) / stored
    space = folder_bytes(folder) / live
    print(f"  {moment:<24}{system:>10.3f}{claimed:>10.3f}{space:>10.3f}")
    return max(claimed, system), space


async def measure(folder: Path, count: int, size: int) -> bool:
    """Load, overwrite, collect; say whether every aim was reached."""
    live = count * size
    turns = [0] * count
    since, started = system_bytes(), perf_counter()
    print(f"{count} values of {size // KIB} KiB: {live / 2**20:.0f} MiB")
    print(f"  {'':<24}{'system':>10}{'claimed':>10}{'space':>10}")
    async with tempest.open_store(folder) as store:
        await put_all(store, list(range(count)), turns, size)
        await store.flush()
        loaded, _ = report("loaded", store, folder, since, (live, live))
        order = list(range(count)) * OVERWRITES
        Random(1).shuffle(order)
        await put_all(store, order, turns, size)
        await store.flush()
        sizes = (live * (1 + OVERWRITES), live)
        report("overwritten five times", store, folder, since, sizes)
        began = perf_counter()
        await store.collect()
        seconds = perf_counter() - began
        await trio.sleep(
            0.5
        )  # files that nobody needs are removed by a task of its own
        end, space = report("collected", store, folder, since, sizes)
        done = store.statistics().collection
        print(
            f"  collection: {done.done.runs} steps, {done.done.values_copied} values copied,"
            f" {done.value_segments} value segments; the last one took {seconds:.2f} s"
        )
        await check(store, turns, size)
    print(f"  {perf_counter() - started:.1f} s in all")
    return loaded < AIM_LOADED and end < AIM_END and space < AIM_SPACE


def main() -> None:
    """Measure every shape that was asked for, each on a fresh store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", default=None)
    parser.add_argument("--count", type=int, default=SHAPES[0][0])
    parser.add_argument("--size", type=int, default=SHAPES[0][1] // KIB, metavar="KIB")
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    shapes = [(arguments.count, arguments.size * KIB)]
    if arguments.all:
        shapes += SHAPES[1:]
    reached = True
    for count, size in shapes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            reached &= trio.run(measure, Path(folder) / "store", count, size)
    aims = f"written < {AIM_LOADED} and < {AIM_END}, space < {AIM_SPACE}"
    print(f"{aims}: {'reached' if reached else 'MISSED'}")
    sys.exit(not reached)


if __name__ == "__main__":
    main()

"""How long opening takes after a kill: with an index checkpoint, and by replaying the whole log.

    python benchmarks/opening.py [FOLDER] [MILLIONS ...]

A child process fills a store (keys of 16 bytes, values of 100), takes an INDEX checkpoint, goes
on with one minute of writes at a thousand puts a second (60,000 puts, handed to the operating
system one by one) and kills itself. Then the store is opened, and closed without a word, several
times over copies of the folder; the median counts. Stores differ in how many entries lie below
the checkpoint (default: 0.1, 1 and 5 million). Beside them, in the same run: a store of one
million entries, written in the same way and never flushed, so that all of its log is replayed.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import trio

import tempest
from tempest import CheckpointKind, Durability, Options

ROUNDS = 5
MINUTE_ENTRIES = 60_000
REPLAYED_ENTRIES = 1_000_000
BATCH = 2_000
MILLIONS = (0.1, 1.0, 5.0)
UNFLUSHED = Options(memtable_bytes_max=2 << 30, memory_bytes_max=6 << 30)


def row(number: int) -> tuple[bytes, bytes]:
    """Keys in an order that is not theirs: a multiplicative walk."""
    return b"%016d" % (number * 7_919_777 % 999_999_937), b"%0100d" % number


async def fill(folder: str, below: int, above: int) -> None:
    """Write a store and die in the midst of it. No entries below means: nothing is flushed."""
    options = Options() if below else UNFLUSHED
    async with tempest.open_store(folder, options=options) as store:
        for start in range(0, below, BATCH):
            async with store.batch(durability=Durability.OS) as batch:
                for number in range(start, min(start + BATCH, below)):
                    batch.put(*row(number))
        if below:
            await store.checkpoint(CheckpointKind.INDEX)
        for number in range(below, below + above):
            await store.put(*row(number), durability=Durability.OS)
        os.kill(os.getpid(), signal.SIGKILL)


def make(folder: Path, below: int, above: int) -> None:
    """Let a child fill a store, as a program that is killed would."""
    child = [sys.executable, __file__, "--fill", str(folder), str(below), str(above)]
    ended = subprocess.run(child, check=False)
    assert ended.returncode == -signal.SIGKILL, f"the child ended with {ended}"


async def open_once(folder: Path, options: Options) -> tuple[float, int]:
    """Return the seconds from the call to a store that answers, and the entries replayed."""
    started = perf_counter()
    async with tempest.open_store(folder, options=options) as store:
        await store.get(row(1)[0])
        seconds = perf_counter() - started
        return seconds, store.statistics().recovery.entries


def measure(folder: Path, options: Options) -> tuple[float, int]:
    """Open copies of a store that was killed; return the median of the seconds."""
    seconds = []
    entries = 0
    copy = folder.with_name("copy")
    for _ in range(ROUNDS):
        shutil.copytree(folder, copy, copy_function=os.link)
        one, entries = trio.run(open_once, copy, options)
        seconds.append(one)
        shutil.rmtree(copy)
    return median(seconds), entries


def report(label: str, seconds: float, entries: int, whole: float) -> None:
    """Print one row; the last column says how much faster than a whole replay."""
    print(
        f"{label:34} {seconds:8.3f} s {entries:>12,} replayed {whole / seconds:8.1f}x"
    )


def main(folder: Path, millions: list[float]) -> None:
    """Make each store in turn and measure it."""
    whole = folder / "replayed"
    make(whole, 0, REPLAYED_ENTRIES)
    baseline, entries = measure(whole, UNFLUSHED)
    report("whole log of a million", baseline, entries, baseline)
    shutil.rmtree(whole)
    for count in millions:
        store = folder / "indexed"
        make(store, int(count * 1e6), MINUTE_ENTRIES)
        seconds, entries = measure(store, Options())
        label = f"index checkpoint over {count} million"
        report(label, seconds, entries, baseline)
        shutil.rmtree(store)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fill"]:
        trio.run(fill, sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        place = sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()
        wanted = [float(text) for text in sys.argv[2:]] or list(MILLIONS)
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            main(Path(scratch), wanted)

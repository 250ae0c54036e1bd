"""Log bytes of read-modify-write on hot counters, by level, and what a checkpoint promises of them.

    python benchmarks/counters.py [FOLDER]

10,000 counters are each counted up two hundred times by `update`. At MEMORY level that happens in
place in the open frame, so the log gets one version of each counter for every commit; at DISK level
it gets every update (once by one writer, a frame each, and once by 64 that share their frames, which
is what the target is held against; both for fewer updates). The stores have default options.

Then a process of its own counts on at MEMORY level and takes a checkpoint: it notes what it had
counted before it asked and when it was told, counts on, and is killed with SIGKILL. Read at the
checkpoint, every counter lies between these two notes, and all of them are those of *one* moment;
the store that opens after the crash is not behind the checkpoint; restored to it, it is equal.

Exits with status 1 if a target is missed. FOLDER says which disk (default: where the system keeps
temporary files).
"""

import json
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import attrs
import trio

import tempest
from tempest import CheckpointKind, Durability, Store

COUNTERS = 10_000
ROUNDS = 200
DISK_ROUNDS = 2
ALONE = 1000  # counters that are counted up by one writer at DISK level
WRITERS = 64
RATIO_MAX = 1 / 100
KEYS = [b"counter-%08d" % number for number in range(COUNTERS)]
MEMORY, DISK = Durability.MEMORY, Durability.DISK


def one_more(old: bytes | None) -> bytes:
    """Count up."""
    return b"%d" % (int(old or b"0") + 1)


async def count_up(store: Store, keys: list[bytes], level: Durability) -> None:
    """Count each of these up by one."""
    for key in keys:
        await store.update(key, one_more, durability=level)


@attrs.frozen
class Contest:
    """So many rounds over the first `counters`, by so many writers."""

    name: str
    level: Durability
    rounds: int
    writers: int = 1
    counters: int = COUNTERS

    @property
    def updates(self) -> int:
        return self.rounds * self.counters

    async def run(self, folder: Path) -> tuple[float, float]:
        """Return log bytes and microseconds an update, the last sync included."""
        keys = KEYS[: self.counters]
        async with tempest.open_store(folder / self.name) as store:
            before = store.statistics().log_bytes_written
            started = perf_counter()
            for _ in range(self.rounds):
                async with trio.open_nursery() as nursery:
                    for number in range(self.writers):
                        part = keys[number :: self.writers]
                        nursery.start_soon(count_up, store, part, self.level)
            await store.sync()
            seconds = perf_counter() - started
            written = store.statistics().log_bytes_written - before
            assert sum(await values_of(store)) == self.updates, "counted wrong"
        return written / self.updates, 1e6 * seconds / self.updates


IN_MEMORY = Contest("MEMORY", MEMORY, ROUNDS)
SHARED = Contest(f"DISK, {WRITERS} writers", DISK, DISK_ROUNDS, WRITERS)
CONTESTS = (IN_MEMORY, Contest("DISK, 1 writer", DISK, 1, 1, ALONE), SHARED)


async def values_of(store: Store) -> list[int]:
    """Return what every counter is."""
    return [int(value or b"0") for value in await store.get_many(KEYS)]


async def count_until_killed(folder: str) -> None:
    """Count, take a checkpoint meanwhile, say what it has to hold, and count on."""
    counted = 0
    async with tempest.open_store(folder) as store, trio.open_nursery() as nursery:

        async def checkpoint() -> None:
            await trio.sleep(0.5)
            least = counted
            token = await store.checkpoint(CheckpointKind.FULL)
            promise = {"token": token.decode(), "least": least, "most": counted}
            print(json.dumps(promise), flush=True)

        nursery.start_soon(checkpoint)
        while True:
            for key in KEYS:
                await store.update(key, one_more, durability=MEMORY)
                counted += 1


def crash(folder: Path) -> dict[str, str]:
    """Run that in a process and kill it a moment after its promise; return the promise."""
    command = [sys.executable, __file__, "--count-until-killed", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        promise: dict[str, str] = json.loads(process.stdout.readline())
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    return promise


def updates_in(values: list[int]) -> int:
    """Return how many updates, in the order of the keys, give these values; refuse any others."""
    total = sum(values)
    rounds, rest = divmod(total, COUNTERS)
    expected = [rounds + 1] * rest + [rounds] * (COUNTERS - rest)
    assert values == expected, "these are not the counters of one moment"
    return total


async def check_promise(folder: Path) -> str:
    """Crash a store after a checkpoint, and hold it to its promise."""
    promise = crash(folder)
    token = promise["token"].encode()
    least, most = int(promise["least"]), int(promise["most"])
    async with tempest.open_store(folder, read_only=True, checkpoint=token) as store:
        at_checkpoint = updates_in(await values_of(store))
    async with tempest.open_store(folder) as store:
        after_crash = updates_in(await values_of(store))
    await tempest.restore_checkpoint(folder, token)
    async with tempest.open_store(folder) as store:
        restored = updates_in(await values_of(store))
    assert least <= at_checkpoint <= most, "the checkpoint is of another moment"
    assert after_crash >= at_checkpoint, "the store went back behind its checkpoint"
    assert restored == at_checkpoint, "what was restored is not the checkpoint"
    return (
        f"checkpoint of {at_checkpoint} updates (promised {least} to {most}); "
        f"after the crash {after_crash}, restored {restored}"
    )


async def measure_all(folder: Path) -> bool:
    """Measure and print; say whether the targets are reached."""
    print(f"{'':<20}{'updates':>10}{'log bytes each':>17}{'us each':>10}")
    written: dict[Contest, float] = {}
    for contest in CONTESTS:
        written[contest], cost = await contest.run(folder)
        row = f"{contest.name:<20}{contest.updates:>10}{written[contest]:>17.3f}"
        print(f"{row}{cost:>10.1f}")
    ratio = written[IN_MEMORY] / written[SHARED]
    print(
        f"\nMEMORY writes 1/{1 / ratio:.0f} of the log bytes of {SHARED.name}", end=" "
    )
    print(f"(target: at most 1/{1 / RATIO_MAX:.0f})")
    print(await check_promise(folder / "crash"))
    return ratio <= RATIO_MAX


def main(arguments: list[str]) -> int:
    """Measure, check and print; return the exit status."""
    if arguments[:1] == ["--count-until-killed"]:
        trio.run(count_until_killed, arguments[1])
    above = arguments[0] if arguments else None
    print(f"{platform.platform()}, Python {sys.version}\n")
    with tempfile.TemporaryDirectory(prefix="tempest-bench-", dir=above) as folder:
        return 0 if trio.run(measure_all, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

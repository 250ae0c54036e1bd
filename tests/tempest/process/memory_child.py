"""A process that loads or reads a store and says how much memory that took.

    python -m tests.tempest.process.memory_child load|read STORE BYTES BUDGET_BYTES VALUE_BYTES

`load` ends without closing the store, as a killed process does, so `read` has to recover it. The
budget is shared half and half by memtable and cache. Linux only: sizes come from /proc.
"""

import json
import os
import sys
from pathlib import Path
from random import Random

import trio

import tempest
from tempest import Durability, Options


def main(arguments: list[str]) -> None:
    command, store, *numbers = arguments
    load_bytes, budget_bytes, value_bytes = map(int, numbers)
    options = Options(
        memtable_bytes_max=budget_bytes // 2, cache_bytes_max=budget_bytes // 2
    )
    before = peak_bytes("self")
    count = load_bytes // value_bytes
    work = load if command == "load" else read
    trio.run(work, store, options, before, count, value_bytes)


async def load(
    path: str, options: Options, before: int, count: int, value_bytes: int
) -> None:
    filler = Random(1).randbytes(value_bytes - 8)
    async with tempest.open_store(path, options=options) as store:
        for number in range(count):
            key = b"key-%012d" % (number * 2654435761 % count)
            value = number.to_bytes(8) + filler
            await store.put(key, value, durability=Durability.OS)
        report(before, count)
        os._exit(0)


async def read(
    path: str, options: Options, before: int, _: int, value_bytes: int
) -> None:
    async with tempest.open_store(path, options=options) as store:
        rows_count = 0
        async with store.scan() as rows:
            async for _key, value in rows:
                rows_count += len(value) == value_bytes
        report(before, rows_count)


def report(before: int, rows: int) -> None:
    workers = [peak_bytes(pid) for pid in children()]
    peaks = {"before": before, "peak": peak_bytes("self"), "workers": workers}
    sys.stdout.write(json.dumps({**peaks, "rows": rows}))
    sys.stdout.flush()


def peak_bytes(pid: str) -> int:
    """Return the most that a process has had in memory so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def children() -> list[str]:
    return [
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]


if __name__ == "__main__":
    main(sys.argv[1:])

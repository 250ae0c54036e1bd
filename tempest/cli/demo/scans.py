"""A few prefix scans over the loaded tree, timed and checked against the plan."""

import os
from collections import Counter

import attrs
import trio

import tempest
from tempest.cli.demo.plan import Plan
from tempest.cli.text import show

SCANS_MAX = 4


@attrs.frozen
class PrefixScan:
    """One scan: what it asked, what came back, how long it took."""

    prefix: str
    rows: int
    bytes: int
    seconds: float
    complete: bool


async def scan_prefixes(store: tempest.Store, plan: Plan) -> tuple[PrefixScan, ...]:
    """Scan the folders with the most files; each must give exactly its files, in order."""
    found = []
    for folder in largest_folders(plan):
        prefix = os.fsencode(f"{folder}/")
        started = trio.current_time()
        async with store.scan(prefix=prefix) as rows:
            read = [row async for row in rows]
        found.append(
            PrefixScan(
                prefix=show(prefix),
                rows=len(read),
                bytes=sum(len(value) for _, value in read),
                seconds=trio.current_time() - started,
                complete=[key for key, _ in read] == expected_keys(plan, prefix),
            )
        )
    return tuple(found)


def largest_folders(plan: Plan) -> list[str]:
    """Return the folders directly below the tree that hold the most files."""
    counts = Counter(name.partition("/")[0] for name in plan.files if "/" in name)
    return sorted(folder for folder, _ in counts.most_common(SCANS_MAX))


def expected_keys(plan: Plan, prefix: bytes) -> list[bytes]:
    """Return the keys under `prefix`, in order."""
    keys = (plan.key(index) for index in range(len(plan.files)))
    return sorted(key for key in keys if key.startswith(prefix))

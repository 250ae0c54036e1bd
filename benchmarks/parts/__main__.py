"""Measure some parts, or all of them, and print what they cost."""

import argparse
import platform
import tempfile
from pathlib import Path

import trio

from benchmarks.parts import background, memory, opening, reads, snapshots
from benchmarks.peers.data import Data

PARTS = {
    "reads": reads.measure,
    "snapshots": snapshots.measure,
    "background": background.measure,
    "opening": opening.measure,
    "memory": memory.measure,
}


def main(words: list[str] | None = None) -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks.parts", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--n", type=int, default=100_000, help="entries")
    parser.add_argument("--folder", help="for stores; default: the temporary one")
    asked = parser.parse_args(words)
    unknown = sorted(set(asked.parts) - set(PARTS))
    if unknown:
        parser.error(
            f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}"
        )
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for name in asked.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="tempest-", dir=asked.folder) as folder:
            trio.run(PARTS[name], Path(folder), Data(asked.n))


if __name__ == "__main__":
    main()

"""The loader that the demo kills: `python -m tempest.cli.demo.child STORE PLAN ACKS`.

It goes on where the acknowledgement log ends, and ends with its parent: when stdin is
closed, nobody is left to kill it.
"""

import os
import sys
from pathlib import Path

import trio

import tempest
from tempest.cli.demo.acks import Acks, AckWriter, Mark
from tempest.cli.demo.plan import Plan, read_plan
from tempest.cli.demo.writer import GroupWriter

KIB = 1024
ORPHANED = 3
OPTIONS = tempest.Options(  # small, so that every life flushes and compacts
    memtable_bytes_max=2048 * KIB,
    segment_bytes_max=4096 * KIB,
    table_bytes_max=1024 * KIB,
    level_bytes_base=4096 * KIB,
    level_growth=4,
)


def main(arguments: list[str]) -> None:
    """Load what is not acknowledged yet; what the store complains of goes to stderr."""
    store, plan, acks = arguments
    try:
        trio.run(load, store, read_plan(Path(plan)), Path(acks))
    except* tempest.TempestError as group:
        sys.exit(str(first_of(group)))


def first_of(error: BaseException) -> BaseException:
    """Return the first error inside groups of groups: the others are its echoes."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def load(path: str, plan: Plan, acks_path: Path) -> None:
    """Write group after group, each to its last acknowledgement."""
    acks = AckWriter(acks_path)
    acks.write(Mark.OPENING)
    index = first_index(acks_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_with_parent)
        async with tempest.open_store(path, options=OPTIONS) as store:
            while index < len(plan.files):
                group = plan.group(index)
                await GroupWriter(store, plan, group, acks).write()
                index = group.stop
        nursery.cancel_scope.cancel()
    acks.close()


def first_index(acks_path: Path) -> int:
    """Return the first file that is not acknowledged."""
    acks = Acks(acks_path)
    acks.read_more()
    index = 0
    while index in acks.acknowledged:
        index += 1
    return index


async def end_with_parent() -> None:
    """End at once, as a killed process does, when the parent is gone."""
    await trio.lowlevel.wait_readable(sys.stdin.fileno())
    os._exit(ORPHANED)


if __name__ == "__main__":
    main(sys.argv[1:])

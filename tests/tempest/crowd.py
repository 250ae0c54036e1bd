"""Writers that wait together, and what each of them was told."""

from collections.abc import Awaitable, Callable

import attrs
import trio
import trio.testing

from io_backends import FaultPlan, FaultyIo
from io_backends.faults import Fault
from tempest import Store, TempestError

LOG = "*/log-*"
Outcomes = dict[int, TempestError | None]


def strike(io: FaultyIo, *faults: Fault) -> None:
    """Let these faults come from now on, and no others."""
    io.plan = FaultPlan(faults)
    io.log = io.plan.new_log()


@attrs.frozen
class Crowd:
    """Writers that all write in one way, each what its number says."""

    write: Callable[[Store, int], Awaitable[None]]

    async def put(self, store: Store, number: int, outcomes: Outcomes) -> None:
        """Write, and note what came of it."""
        try:
            await self.write(store, number)
        except TempestError as error:
            outcomes[number] = error
        else:
            outcomes[number] = None

    async def start_all(
        self, writers: trio.Nursery, store: Store, numbers: range, outcomes: Outcomes
    ) -> None:
        """Let these wait together, entered in this order."""
        for number in numbers:
            writers.start_soon(self.put, store, number, outcomes)
            await trio.testing.wait_all_tasks_blocked()

    async def put_all(self, store: Store, numbers: range, outcomes: Outcomes) -> None:
        """Let these wait together until all have ended."""
        async with trio.open_nursery() as writers:
            await self.start_all(writers, store, numbers, outcomes)

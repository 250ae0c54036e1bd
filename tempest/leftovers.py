"""What nobody needs any more is freed a little at a time.

Whoever drops the last reference to 45,000 frames or versions frees all of them in one step, some
12 ms. Freed between other tasks, 2048 frames (550 us) or 256 versions (60 us) at a time, they were
what most of the latest thousandth of all puts waited for when they gave way. So it is who writes
on the spot that frees, a few with every eighth write (3 us); where nobody does, a task does.

Invariants
- What is added is freed, however little happens: the task goes on while writers do not.
"""

from collections.abc import Iterator
from typing import TypeVar

import trio

from tempest.wakeup import Wakeup

WRITES_A_PIECE = 8
PIECE = 10  # freed with so many writes, of each: more than they leave behind
PIECES_AT_ONCE = 25  # by the task
PAUSE_SECONDS = 0.1  # between two looks of the task whether writers still free

T = TypeVar("T")


class Leftovers:
    """What goes: each is an iterator, which frees a piece whenever it is asked for more."""

    def __init__(self) -> None:
        self.going: list[Iterator[None]] = []
        self._writers_free = False
        self._wakeup = Wakeup()

    def add(self, going: Iterator[None]) -> None:
        """Free what this iterator frees."""
        self.going.append(going)
        self._wakeup.set()

    def free_some(self) -> None:
        """Free a piece of each: what writers do."""
        self._writers_free = True
        self._free()

    async def run(self) -> None:
        """Free what writers do not. Runs until cancelled."""
        while True:
            await self._wakeup.wait()
            while self.going:
                if self._writers_free:
                    self._writers_free = False
                    await trio.sleep(PAUSE_SECONDS)
                    continue
                # More of each the more there is: who writes batches seldom gives way.
                for _ in range(PIECES_AT_ONCE * len(self.going)):
                    self._free()
                await trio.lowlevel.checkpoint()

    def _free(self) -> None:
        for each in self.going:
            for _ in each:
                break
            else:
                self.going.remove(each)
                break


def emptied(items: list[T]) -> Iterator[None]:
    """Empty a list that nobody else has."""
    while items:
        del items[-PIECE:]
        yield

"""Walk over the versions of a memtable, for whoever merges it with tables.

Invariants
- What is written while it walks is not seen: it reads at one sequence.
"""

import trio

from tempest.columns import Columns
from tempest.memtable import CHUNK_KEYS, Memtable


class MemtableCursor:
    """A source of chunks over [start, stop) of one memtable, as it was at a sequence."""

    def __init__(
        self,
        table: Memtable,
        start: bytes,
        stop: bytes | None,
        *,
        at: int,
    ) -> None:
        self._table = table
        self._start = start
        self._stop = stop
        self._at = at
        self._done = False

    async def next_chunk(self) -> Columns | None:
        """Return the next versions in key order; None at the end."""
        while not self._done:
            await trio.lowlevel.checkpoint_if_cancelled()
            await self._table.settle()
            keys = self._table.keys(self._start, self._stop, reverse=False)
            self._done = len(keys) < CHUNK_KEYS
            if not self._done:
                self._start = keys[-1] + b"\0"
            columns = self._table.columns(keys, self._at)
            if columns.keys:
                return columns
            await trio.lowlevel.checkpoint()  # all of them are too new, maybe many more
        return None

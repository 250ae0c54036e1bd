"""The memtables of an open store: one that takes writes, and those that wait for their flush.

Invariants
- Memtables cover the log's addresses from the start of replay to its tail, in order, no gap.
  The first may begin below that, with marks only.
- A waiting memtable never changes; its `stop` is known once its last frame has its addresses.
- A memtable is dropped only after the version that holds its table is current.
"""

from collections.abc import Sequence
from itertools import islice

import trio

from tempest.entry import Entry
from tempest.memtable import NO_ROWS, Memtable
from tempest.wakeup import Wakeup

PIECE_ENTRIES = 256
PIECES_AT_ONCE = 2  # made in a step; to make one takes less than to free one
_Piece = tuple[list[bytes], list[Entry]]


class Memtables:
    """Newest version of anything that is not in a table yet."""

    def __init__(self, first: int) -> None:
        self.active = Memtable(first)
        self.waiting: list[Memtable] = []  # oldest first
        self.rows = NO_ROWS
        self.leftovers = Leftovers()

    @property
    def held_bytes(self) -> int:
        """Bytes held by all of them."""
        return self.active.bytes + sum(table.bytes for table in self.waiting)

    @property
    def entries(self) -> int:
        return len(self.active) + sum(map(len, self.waiting))

    @property
    def newest_first(self) -> Sequence[Memtable]:
        return (self.active, *reversed(self.waiting))

    def get(self, key: bytes, at: int) -> Entry | None:
        """Return the newest version of `key` at or below `at` that is in memory."""
        entry = self.active.get(key, at)
        if entry is None and self.waiting:
            for table in reversed(self.waiting):
                entry = table.get(key, at)
                if entry is not None:
                    return entry
        return entry

    def has(self, key: bytes) -> bool:
        """Say whether any version of `key` is in memory."""
        return any(key in table.newest for table in self.newest_first)

    def switch(self) -> None:
        """Let the active memtable wait for its flush; `bound` says later where it ends."""
        self.waiting.append(self.active)
        self.active = Memtable(-1)
        self.active.rows = self.rows

    def bound(self, address: int) -> None:
        """The log's frames so far end at `address`: so does a memtable switched before."""
        if self.active.first < 0:
            self.active.first = address
            self.waiting[-1].stop = address

    def drop_oldest(self) -> None:
        """Forget the oldest waiting memtable: its table is in the current version."""
        self.leftovers.add(self.waiting.pop(0))


class Leftovers:
    """Frees memtables that were dropped, a few hundred entries at a time.

    Whoever drops the last reference to one frees all of it in one step: 8 ms for 53,000 entries,
    and 40 where none of it is in the processor's caches any more. Held by pieces of its keys and
    versions that takes 0.7. A piece takes 0.06 to 0.1 ms, and a writer who gives way waits for
    one: of 4096 entries it was 1 ms, and the latest ten thousandth of all puts were those. The
    more memtables wait, the more is freed at a time: who writes batches seldom gives way. A
    reader who still has the memtable notices nothing.
    """

    def __init__(self) -> None:
        self._dropped: list[Memtable] = []
        self._wakeup = Wakeup()

    def add(self, memtable: Memtable) -> None:
        """Free this one, which never changes again."""
        self._dropped.append(memtable)
        self._wakeup.set()

    async def run(self) -> None:
        """Free what was dropped, step by step. Runs until cancelled."""
        while True:
            await self._wakeup.wait()
            while self._dropped:
                pieces = await self._pieces(self._dropped[0])
                del self._dropped[0]
                while pieces:
                    del pieces[-self._at_once :]
                    await trio.lowlevel.checkpoint()

    @property
    def _at_once(self) -> int:
        return 1 + len(self._dropped)

    async def _pieces(self, memtable: Memtable) -> list[_Piece]:
        """Return the keys and the versions of a memtable in bounded lists."""
        pieces: list[_Piece] = []
        keys, versions = iter(memtable.newest), iter(memtable.newest.values())
        while some := list(islice(keys, PIECE_ENTRIES)):
            pieces.append((some, list(islice(versions, PIECE_ENTRIES))))
            if not len(pieces) % (PIECES_AT_ONCE * self._at_once):
                await trio.lowlevel.checkpoint()
        return pieces

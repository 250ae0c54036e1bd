"""The ordered index of a stretch of the log that is still in memory.

For each key it holds the newest version, and
beside it the older versions that some reader position may still ask for. `sessions` says how far
the stretch has brought each session that writes in it.

Invariants
- A version is forgotten only when no reader position lies between it and its successor, and
  none can come to lie there: the visible sequence may still stop at any pending version.
- Versions of one key have distinct sequences; the newest is in `newest`, older ones ascend.
- `bytes` counts what is held, so that a budget can be kept: keys, values and bookkeeping.
- A key that comes in has no row in `rows` any more, the newest values that were read from tables.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import compress

import trio

from tempest.columns import Columns, make_columns
from tempest.entry import Entry
from tempest.ordered_keys import OrderedKeys
from tempest.table import RowCache

ENTRY_BYTES = (
    200  # dict slot, version, integer, two bytes headers, place in the order: measured
)
CHUNK_KEYS = 256
NO_ROWS = RowCache(0)


class Memtable:
    """Versions by key. `first` is the log address at which its stretch begins."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.stop: int | None = (
            None  # address behind its last frame, once it is switched
        )
        self.last_sequence = 0
        self.bytes = 0
        self.calm_bytes = -1  # up to here no writer is slowed: see `Throttle.may_pass`
        self.largest_value_bytes = 0  # of any value that ever came in
        self.newest: dict[bytes, Entry] = {}
        self.sessions: dict[bytes, int | None] = {}  # serials; None: forgotten
        self._older: dict[bytes, list[Entry]] = {}
        self._order = OrderedKeys(self.newest.keys())
        self.rows = NO_ROWS

    def __len__(self) -> int:
        return len(self.newest)

    def __bool__(self) -> bool:
        return bool(self.newest or self.sessions)

    def count(self, name: bytes, serial: int | None, sequence: int) -> None:
        """Note that a session has come to a serial with the write of this sequence."""
        self.sessions[name] = serial
        self.last_sequence = max(self.last_sequence, sequence)

    def put(
        self, key: bytes, entry: Entry, visible: int, taken: Sequence[int]
    ) -> Entry | None:
        """Add a version; return the one before it if some reader may still ask for that.

        `visible` is the sequence that readers see once this call's caller gives way: the new
        version's own if it is visible at once. `taken` are the other reader positions, ascending.
        """
        newest = self.newest
        old = newest.get(key)
        newest[key] = entry
        self.last_sequence = entry.sequence
        value = entry.value
        size = len(value) if value else 0
        if size > self.largest_value_bytes:  # noqa: PLR1730 - a call costs more than the rest
            self.largest_value_bytes = size
        if old is None:
            if self.rows.is_used:
                self.rows.forget(key)
            self.bytes += len(key) + ENTRY_BYTES + size
            return None
        if entry.sequence > visible or (taken and taken[-1] >= old.sequence):
            self._chain(key, old, visible, taken)
            self.bytes += ENTRY_BYTES + size
            return old
        gone = old.value
        self.bytes += size - (len(gone) if gone else 0)
        return None

    def put_new(
        self, keys: Collection[bytes], versions: list[Entry], size: int, largest: int
    ) -> bool:
        """Add versions in sequence order, of `size` bytes; the largest value has `largest`.

        False, and nothing is added, if one of the keys has an older version here. A few C calls
        for all of them: 0.2 us an entry, against 0.5 for a `put` each.
        """
        newest = self.newest
        if not newest.keys().isdisjoint(keys):
            return False
        newest.update(zip(keys, versions, strict=True))
        if self.rows.is_used:
            self.rows.forget_all(keys)
        self.last_sequence = versions[-1].sequence
        self.largest_value_bytes = max(self.largest_value_bytes, largest)
        self.bytes += size + ENTRY_BYTES * len(versions)
        return True

    def _chain(
        self, key: bytes, old: Entry, visible: int, taken: Sequence[int]
    ) -> None:
        """Keep `old` beside the newest; drop chained ones that nobody can ask for any more."""
        chain = self._older.get(key)
        if chain is None:
            self._older[key] = [old]
            return
        while (
            chain
            and old.sequence <= visible
            and not _seen(chain[-1].sequence, old.sequence, taken)
        ):
            gone = chain.pop().value
            self.bytes -= ENTRY_BYTES + (len(gone) if gone else 0)
        chain.append(old)

    def get(self, key: bytes, at: int) -> Entry | None:
        """Return the newest version at or below `at`, or None if none is here."""
        entry = self.newest.get(key)
        if entry is None or entry.sequence <= at:
            return entry
        for older in reversed(self._older.get(key, ())):
            if older.sequence <= at:
                return older
        return None

    def load(self, columns: Columns) -> None:
        """Add a replayed run, newer than all that is here; nobody reads yet."""
        keys, newest = columns.keys, self.newest
        values: list[bytes | None] = list(columns.values)
        if columns.kinds:
            for index in compress(range(len(values)), columns.kinds):
                values[index] = None
        newest.update(zip(keys, map(Entry, columns.sequences(), values), strict=True))
        sizes = list(map(len, columns.values))
        self.largest_value_bytes = max(self.largest_value_bytes, max(sizes, default=0))
        self.last_sequence = max(self.last_sequence, columns.sequence_max())
        self.bytes += sum(sizes) + sum(map(len, keys)) + ENTRY_BYTES * len(keys)

    def settle_some(self) -> bool:
        """Sort in keys for one step; say whether all that were added are sorted in now."""
        return self._order.settle()

    async def settle(self) -> None:
        """Sort in every key added so far, a step at a time."""
        while not self._order.settle():
            await trio.lowlevel.checkpoint()

    def keys(
        self,
        start: bytes,
        stop: bytes | None,
        *,
        reverse: bool,
        count: int = CHUNK_KEYS,
    ) -> list[bytes]:
        """Return up to `count` settled keys of [start, stop) from one end, ascending."""
        read = self._order.backward if reverse else self._order.forward
        return read(start, stop, count)

    def columns(self, keys: list[bytes], at: int) -> Columns:
        """Return the versions at or below `at` of these keys."""
        found = [
            (key, entry) for key in keys if (entry := self.get(key, at)) is not None
        ]
        return make_columns(
            [key for key, _ in found],
            [entry.value or b"" for _, entry in found],
            [entry.sequence for _, entry in found],
            bytes([entry.value is None for _, entry in found]),
        )


def _seen(sequence: int, successor: int, taken: Sequence[int]) -> bool:
    """Say whether some position shows this version and not its successor."""
    index = bisect_left(taken, sequence)
    return index < len(taken) and taken[index] < successor


def held_bytes(columns: Columns) -> int:
    """Return what `Memtable.load` counts for a run."""
    return columns.payload_bytes() + ENTRY_BYTES * len(columns.keys)

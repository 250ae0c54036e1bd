"""The open frame: writes that are gathered in memory and updated in place until they are sealed.

Invariants
- Each key's newest version is held once; a version that it chained is kept for its address.
- Sealing hands out the entries in sequence order and leaves nothing behind.
- However much has gathered, no step handles more than a few thousand entries: taking it out is
  an exchange, and it is read out run by run.
"""

from collections.abc import Collection, Iterator
from heapq import merge
from itertools import islice
from operator import attrgetter

import attrs

from tempest.columns import Columns, ascending_columns
from tempest.entry import Entry
from tempest.log.serials import SessionEntry, session_run

Pair = tuple[bytes, Entry]

FRAME_ENTRY_BYTES = 16
RUN_ENTRIES_MAX = 2048
RUN_BYTES = 256 << 10
_SEQUENCE, _VALUE = attrgetter("sequence"), attrgetter("value")


@attrs.frozen
class GatheredFrame:
    """What was taken out of the open frame; `chained` are sorted pieces of older versions."""

    newest: dict[bytes, Entry]
    chained: list[list[Pair]]
    sessions: dict[bytes, SessionEntry]
    last_sequence: int
    bytes: int

    def __len__(self) -> int:
        return len(self.newest) + sum(map(len, self.chained))

    @property
    def run_entries(self) -> int:
        """Entries that make a run of about a quarter of a megabyte, a few thousand at most."""
        average = max(1, self.bytes // max(1, len(self)))
        return max(1, min(RUN_ENTRIES_MAX, RUN_BYTES // average))

    def runs(self) -> Iterator[Columns]:
        """Yield the entries as runs in sequence order, then the serials of sessions as one."""
        count = self.run_entries
        if self.chained:
            pairs: Iterator[Pair] = iter(self.newest.items())
            pairs = merge(pairs, *self.chained, key=_sequence)
            while step := list(islice(pairs, count)):
                yield _run([key for key, _ in step], [entry for _, entry in step])
        else:
            # No pairs, and no `zip` that takes a list apart: 0.09 us an entry, against 0.3.
            keys, entries = iter(self.newest), iter(self.newest.values())
            while some := list(islice(keys, count)):
                yield _run(some, list(islice(entries, count)))
        if self.sessions:
            yield session_run(self.sessions)


class OpenFrame:
    """Gathers versions by key; sequences only rise."""

    def __init__(self) -> None:
        self.newest: dict[bytes, Entry] = {}
        self._chained: list[Pair] = []
        self._pieces: list[list[Pair]] = []
        self._sessions: dict[bytes, SessionEntry] = {}
        self.last_sequence = 0
        self.bytes = 0

    def __len__(self) -> int:
        pieces = sum(map(len, self._pieces)) if self._pieces else 0
        return len(self.newest) + len(self._chained) + pieces

    def __bool__(self) -> bool:
        return bool(self.newest or self._sessions)

    def put(self, key: bytes, entry: Entry, kept: Entry | None) -> None:
        """Add a version; `kept` is the one before it if a reader still needs that."""
        newest = self.newest
        old = newest.get(key)
        value = entry.value
        self.bytes += len(key) + FRAME_ENTRY_BYTES + (len(value) if value else 0)
        if old is not None:
            # Taken out first, so that the dict stays in sequence order.
            del newest[key]
            if old is kept:
                self._chained.append((key, old))
                if len(self._chained) >= RUN_ENTRIES_MAX:
                    self._end_piece()
            else:
                gone = old.value
                self.bytes -= len(key) + FRAME_ENTRY_BYTES + (len(gone) if gone else 0)
        newest[key] = entry
        self.last_sequence = entry.sequence

    def put_new(
        self, keys: Collection[bytes], versions: list[Entry], size: int
    ) -> None:
        """Add versions of keys that are not here, of `size` bytes in keys and values."""
        assert self.newest.keys().isdisjoint(keys), "each key is held once"
        self.newest.update(zip(keys, versions, strict=True))
        self.last_sequence = versions[-1].sequence
        self.bytes += size + FRAME_ENTRY_BYTES * len(versions)

    def count(self, name: bytes, entry: SessionEntry) -> None:
        """Note which serial a session has come to; a frame holds the newest only."""
        if name not in self._sessions:
            self.bytes += len(name) + FRAME_ENTRY_BYTES
        self._sessions[name] = entry
        self.last_sequence = entry[0]

    def take(self) -> GatheredFrame:
        """Take everything out."""
        self._end_piece()
        gathered = GatheredFrame(
            self.newest,
            self._pieces,
            self._sessions,
            self.last_sequence,
            self.bytes,
        )
        self.newest, self._pieces, self._sessions, self.bytes = {}, [], {}, 0
        return gathered

    def _end_piece(self) -> None:
        if self._chained:
            self._pieces.append(sorted(self._chained, key=_sequence))
            self._chained = []


def _run(keys: list[bytes], entries: list[Entry]) -> Columns:
    sequences, values = list(map(_SEQUENCE, entries)), list(map(_VALUE, entries))
    return ascending_columns(keys, values, sequences)


def _sequence(pair: Pair) -> int:
    return pair[1].sequence

"""The open frame: writes that are gathered in memory and updated in place until they are sealed.

Invariants
- Each key's newest version is held once; a version that it chained is kept for its address.
- Sealing hands out the entries in sequence order and leaves nothing behind.
"""

import attrs

from tempest.columns import Columns, Kind, make_columns

Entry = tuple[int, bytes | None]

_ENTRY_BYTES = 16
RUN_ENTRIES_MAX = 2048
RUN_BYTES = 256 << 10


@attrs.frozen
class GatheredFrame:
    """What was taken out of the open frame: entries in order, their newest sequence, bytes."""

    keys: list[bytes]
    entries: list[Entry]
    last_sequence: int
    bytes: int

    @property
    def run_entries(self) -> int:
        """Entries that make a run of about a quarter of a megabyte, a few thousand at most."""
        average = max(1, self.bytes // max(1, len(self.keys)))
        return max(1, min(RUN_ENTRIES_MAX, RUN_BYTES // average))

    def run(self, start: int, count: int) -> Columns:
        """Return up to `count` entries from `start` on as a run."""
        keys = self.keys[start : start + count]
        entries = self.entries[start : start + count]
        kinds = b""
        if None in [entry[1] for entry in entries]:
            kinds = bytes([_kind(entry) for entry in entries])
        return make_columns(
            keys,
            [entry[1] or b"" for entry in entries],
            [entry[0] for entry in entries],
            kinds,
        )


class OpenFrame:
    """Gathers `(sequence, value)` by key; sequences only rise."""

    def __init__(self) -> None:
        self._newest: dict[bytes, Entry] = {}
        self._chained: list[tuple[bytes, Entry]] = []
        self.last_sequence = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._newest) + len(self._chained)

    def put(self, key: bytes, entry: Entry, kept: Entry | None) -> None:
        """Add a version; `kept` is the one before it if a reader still needs that."""
        newest = self._newest
        old = newest.get(key)
        value = entry[1]
        self.bytes += len(key) + _ENTRY_BYTES + (len(value) if value else 0)
        if old is not None:
            # Taken out first, so that the dict stays in sequence order.
            del newest[key]
            if old is kept:
                self._chained.append((key, old))
            else:
                gone = old[1]
                self.bytes -= len(key) + _ENTRY_BYTES + (len(gone) if gone else 0)
        newest[key] = entry
        self.last_sequence = entry[0]

    def take(self) -> GatheredFrame:
        """Take everything out, in sequence order."""
        keys, entries = list(self._newest), list(self._newest.values())
        if self._chained:
            pairs = sorted(
                [*zip(keys, entries, strict=True), *self._chained],
                key=lambda pair: pair[1][0],
            )
            keys = [key for key, _ in pairs]
            entries = [entry for _, entry in pairs]
        gathered = GatheredFrame(keys, entries, self.last_sequence, self.bytes)
        self._newest, self._chained, self.bytes = {}, [], 0
        return gathered


def _kind(entry: Entry) -> int:
    return Kind.DELETE if entry[1] is None else Kind.PUT

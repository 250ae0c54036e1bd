"""Rows that were read one by one, where the blocks of all tables find no room in the cache.

A read that finds its block neither here nor indexed decodes it, takes one row out of it and lets
go of the rest: so the room of one block serves as many rows as a block has, each one asked for.

Rows go by generations: what is read comes among the young ones; once these have filled their
part, the old ones go, and the young ones are old. An old row that is read is young again. That
is nearly "least recently used", for one dict lookup a hit and nothing at all when a row goes.
Cut by a checksum, which is the same in every process, into parts of about `ROWS_A_PART` rows, so
that none that goes takes a millisecond.

Invariants
- `bytes` counts the rows of both generations of all parts, and is at most `bytes_max`.
- A key is in one generation at most.
"""

from xxhash import xxh3_64_intdigest as checksum

ROW_BYTES = 150  # beside key and value: two objects, and the place in a dict
ROWS_A_PART = 2048


class LoneRows:
    """Values by key, within a budget of bytes."""

    __slots__ = (
        "_bytes_a_part",
        "_bytes_max",
        "_held",
        "_mask",
        "_old",
        "_young",
        "bytes",
    )

    def __init__(self, bytes_max: int) -> None:
        """Hold at most `bytes_max` bytes; nothing if that is 0. Later bounds are lower."""
        count = 1
        while 2 * count * ROWS_A_PART * (ROW_BYTES + 100) < bytes_max:
            count *= 2
        self._mask = count - 1
        self._bytes_max = bytes_max
        self._bytes_a_part = bytes_max // (2 * count)  # of one generation
        self._young: list[dict[bytes, bytes]] = [{} for _ in range(count)]
        self._old: list[dict[bytes, bytes]] = [{} for _ in range(count)]
        self._held = [[0, 0] for _ in range(count)]  # bytes of the young and the old
        self.bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._young)) + sum(map(len, self._old))

    def bound(self, bytes_max: int) -> None:
        """Hold at most so many bytes from now on: old rows go first, a part at a time."""
        self._bytes_max = bytes_max
        self._bytes_a_part = bytes_max // (2 * len(self._held))
        for part in range(len(self._held)):
            if self.bytes <= bytes_max:
                return
            self._drop_old(part)
        if self.bytes > bytes_max:
            self.clear()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None if it is not here."""
        part = checksum(key) & self._mask
        value = self._young[part].get(key)
        if value is None and self._old[part]:
            value = self._old[part].pop(key, None)
            if value is not None:
                size = len(key) + len(value) + ROW_BYTES
                self._held[part][1] -= size
                self.bytes -= size
                self.put(key, value)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a row that is not here, if there is any room for it."""
        part = checksum(key) & self._mask
        size = len(key) + len(value) + ROW_BYTES
        held = self._held[part]
        if size > self._bytes_a_part:
            return
        if held[0] + size > self._bytes_a_part:
            self.bytes -= held[1]
            self._old[part], self._young[part] = self._young[part], {}
            held[:] = 0, held[0]
        self._young[part][key] = value
        held[0] += size
        self.bytes += size
        if self.bytes > self._bytes_max:  # other parts are as large as an earlier bound
            self._drop_old(part)
            if self.bytes > self._bytes_max:
                self.forget(key)

    def forget(self, key: bytes) -> None:
        """Take out the row of a key."""
        part = checksum(key) & self._mask
        for generation, rows in enumerate((self._young[part], self._old[part])):
            value = rows.pop(key, None)
            if value is not None:
                size = len(key) + len(value) + ROW_BYTES
                self._held[part][generation] -= size
                self.bytes -= size

    def _drop_old(self, part: int) -> None:
        held = self._held[part]
        self.bytes -= held[1]
        self._old[part], held[1] = {}, 0

    def clear(self) -> None:
        """Let go of all rows."""
        for part, held in enumerate(self._held):
            self._young[part], self._old[part] = {}, {}
            held[:] = 0, 0
        self.bytes = 0

"""Writes that take effect together: all of them or none.

Invariants
- Everything is checked while the batch is filled: applying a batch cannot be refused.
- The last write to a key is the one that counts.
"""

from collections.abc import Iterable

from tempest.errors import InvalidError
from tempest.keys import check_key, check_value
from tempest.options import KEY_BYTES_MAX, VALUE_BYTES_MAX

ROOM_BYTES = KEY_BYTES_MAX


class Batch:
    """Gathers puts and deletes. Nothing is applied before the `async with` block ends well."""

    def __init__(self, bytes_max: int) -> None:
        self.entries: dict[bytes, bytes | None] = {}
        self._bytes_max = bytes_max
        self._room = 0  # for usual entries without another look; -1: the batch is over
        self._left = bytes_max  # beside the room

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def size(self) -> int:
        """Bytes of all keys and values."""
        return self._bytes_max - self._left - self._room

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key. Raises `InvalidError` if it would make the batch too large."""
        entries = self.entries
        if type(key) is bytes and type(value) is bytes and key not in entries:
            # Nothing unusual: 0.19 us, against 0.6 for the general way. What the room takes is
            # no longer than a key may be, and the batch has that much left.
            size = len(key) + len(value)
            if size <= self._room:
                self._room -= size
                entries[key] = value
                return
        check_value(value)
        self._add(key, value)

    def put_many(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Set many keys, in their order, as `put` does each; a few C calls for all of them.

        Where one is refused, those before it are in the batch.
        """
        # 0.16 us a row, against 0.23.
        rows = list(rows)
        if self._room < 0 or not self._take(rows):
            for key, value in rows:
                self.put(key, value)

    def delete(self, key: bytes) -> None:
        """Remove a key; one that is not there is no error."""
        self._add(key, None)

    def close(self) -> None:
        """Refuse further writes."""
        self._left += self._room + 1
        self._room = -1

    def _take(self, rows: list[tuple[bytes, bytes]]) -> bool:
        """Set keys that are not here yet; False, and nothing happened, for anything unusual."""
        try:
            fresh: dict[bytes, bytes | None] = dict(rows)
            longest = max(map(len, fresh), default=0)
            size = sum(map(len, fresh)) + sum(map(len, filter(None, fresh.values())))
        except (TypeError, ValueError):
            return False
        types = [*map(type, fresh), *map(type, fresh.values())]
        left = self._left + self._room - size
        if (
            types.count(bytes) < len(types)
            or longest > KEY_BYTES_MAX
            or size > VALUE_BYTES_MAX
            or left < 0
            or not self.entries.keys().isdisjoint(fresh)
        ):
            return False
        self._room = min(left, ROOM_BYTES)
        self._left = left - self._room
        self.entries.update(fresh)
        return True

    def _add(self, key: bytes, value: bytes | None) -> None:
        check_key(key)
        if self._room < 0:
            raise InvalidError(
                "the batch is over", "Open another one with store.batch()"
            )
        old = self.entries.get(key)
        grown = len(value or b"") - len(old or b"")
        if key not in self.entries:
            grown += len(key)
        left = self._left + self._room - grown
        if left < 0:
            raise InvalidError(
                f"the batch would have {self.size + grown} bytes and at most "
                f"{self._bytes_max} are allowed (batch_bytes_max)",
                "Split it",
            )
        self._room = min(left, ROOM_BYTES)
        self._left = left - self._room
        self.entries[key] = value

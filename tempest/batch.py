"""Writes that take effect together: all of them or none.

Invariants
- Everything is checked while the batch is filled: applying a batch cannot be refused.
- The last write to a key is the one that counts.
"""

from tempest.errors import InvalidError
from tempest.keys import check_key, check_value
from tempest.options import KEY_BYTES_MAX, VALUE_BYTES_MAX


class Batch:
    """Gathers puts and deletes. Nothing is applied before the `async with` block ends well."""

    def __init__(self, bytes_max: int) -> None:
        self.entries: dict[bytes, bytes | None] = {}
        self.bytes = 0  # of all keys and values
        self._bytes_max = bytes_max
        self._limit = bytes_max  # negative once the batch is closed

    def __len__(self) -> int:
        return len(self.entries)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key. Raises `InvalidError` if it would make the batch too large."""
        entries = self.entries
        if (
            type(key) is type(value) is bytes
            and key not in entries
            and len(key) <= KEY_BYTES_MAX
            and len(value) <= VALUE_BYTES_MAX
        ):
            # Nothing unusual: 0.2 us, against 0.6 for the general way.
            size = self.bytes + len(key) + len(value)
            if size <= self._limit:
                self.bytes = size
                entries[key] = value
                return
        check_value(value)
        self._add(key, value)

    def delete(self, key: bytes) -> None:
        """Remove a key; one that is not there is no error."""
        self._add(key, None)

    def close(self) -> None:
        """Refuse further writes."""
        self._limit = -1

    def _add(self, key: bytes, value: bytes | None) -> None:
        check_key(key)
        if self._limit < 0:
            raise InvalidError(
                "the batch is over", "Open another one with store.batch()"
            )
        old = self.entries.get(key)
        grown = len(value or b"") - len(old or b"")
        if key not in self.entries:
            grown += len(key)
        if self.bytes + grown > self._bytes_max:
            raise InvalidError(
                f"the batch would have {self.bytes + grown} bytes and at most "
                f"{self._bytes_max} are allowed (batch_bytes_max)",
                "Split it",
            )
        self.bytes += grown
        self.entries[key] = value

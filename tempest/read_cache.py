"""Values that were read from segments, kept for reads, within a budget of bytes.

Eviction is the clock: values queue up as they came, the oldest goes unless it was asked for since
it was last looked at (its second chance). A scan, which touches a value once, does not push out
what is asked for often.

Invariants
- What is kept adds up to at most `bytes_max` whenever a call has returned.
- Nothing here is ever stale: the key is a log address, and no address ever gets other bytes.
"""

from collections import OrderedDict

VALUE_BYTES = (
    200  # what a value costs beside its bytes: two dict slots, numbers, a list
)


class ReadCache:
    """Values by log address. One task at a time: no awaits."""

    __slots__ = ("_bytes", "_bytes_max", "_values", "hits", "misses")

    def __init__(self, bytes_max: int) -> None:
        """Keep at most `bytes_max` bytes; 0 keeps nothing."""
        self._bytes_max = bytes_max
        self._bytes = 0
        self._values: OrderedDict[int, _Kept] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def bytes_used(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._values)

    def get(self, address: int) -> bytes | None:
        """Return the value that begins at this address, if it is kept."""
        kept = self._values.get(address)
        if kept is None:
            return None
        self.hits += 1
        kept.is_used = True
        return kept.value

    def keep(self, address: int, value: bytes) -> None:
        """Keep a value that had to be read and was verified, unless it fits no budget."""
        self.misses += 1
        charge = len(value) + VALUE_BYTES
        if charge > self._bytes_max or address in self._values:
            return
        self._make_room(charge)
        self._values[address] = _Kept(value)
        self._bytes += charge

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._bytes = 0

    def _make_room(self, charge: int) -> None:
        values = self._values
        while self._bytes + charge > self._bytes_max:
            address, kept = values.popitem(last=False)
            if kept.is_used:
                kept.is_used = False
                values[address] = kept
            else:
                self._bytes -= len(kept.value) + VALUE_BYTES


class _Kept:
    """A value, and whether it was asked for since the clock last looked at it."""

    __slots__ = ("is_used", "value")

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.is_used = False

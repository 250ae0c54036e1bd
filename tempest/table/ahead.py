"""Read the blocks of a table in a row, more and more of them with one call.

One read of 64 KiB costs half of what its blocks of 8 KiB cost one by one out of the system's
cache (0.6 us a block instead of 2), and about as much as one of them from a device. What was read
ahead stays packed until it is asked for: then it is verified and decoded, block by block.

Invariants
- Nothing but the block that is asked for is verified, so none fails for one behind it.
- The first read is of one block: who wants few rows reads no more.
"""

from bisect import bisect_left, bisect_right

import trio

from io_backends import IoError
from tempest.columns import Columns
from tempest.errors import CorruptionError
from tempest.table.reader import Table

_BYTES_MIN = 16 << 10
_BYTES_MAX = 64 << 10


class Ahead:
    """The packed bytes of blocks [low, high) of the table at hand."""

    __slots__ = ("_bytes_max", "_bytes_wanted", "_data", "_high", "_low", "_reverse")

    def __init__(self, *, reverse: bool, is_wanted: bool) -> None:
        self._reverse = reverse
        self._bytes_max = _BYTES_MAX if is_wanted else 0
        self._low = self._high = 0
        self._data = b""
        self._bytes_wanted = 0

    def forget(self) -> None:
        """Forget the bytes: another table comes."""
        self._low = self._high = 0
        self._data = b""

    def block_nowait(self, table: Table, index: int, others: range) -> Columns:
        """Return block `index`, or raise `trio.WouldBlock` if that needs the device.

        `others` are the blocks that may be asked for afterwards.
        """
        columns = table.held_block(index)
        if columns is not None:
            return columns
        if not self._low <= index < self._high:
            low, high = self._span(table, index, others)
            try:
                data = table.read_nowait(low, high)
            except (trio.WouldBlock, CorruptionError, IoError):
                if high - low == 1:
                    raise
                low, high = index, index + 1
                data = table.read_nowait(low, high)
            self._keep(low, high, data)
        return self._unpacked(table, index)

    async def block(self, table: Table, index: int, others: range) -> Columns:
        """Return block `index`; a checkpoint only if it has to be read from the device."""
        try:
            return self.block_nowait(table, index, others)
        except trio.WouldBlock:
            pass
        low, high = self._span(table, index, others)
        try:
            data = await table.read(low, high)
        except (CorruptionError, IoError):
            if high - low == 1:
                raise
            low, high = index, index + 1
            data = await table.read(low, high)
        self._keep(low, high, data)
        return self._unpacked(table, index)

    def _unpacked(self, table: Table, index: int) -> Columns:
        """Return a block of those that were read; if they are damaged they are read anew."""
        try:
            return table.block_from(index, self._low, self._data)
        except CorruptionError:
            self.forget()
            raise

    def _keep(self, low: int, high: int, data: bytes) -> None:
        self._low, self._high, self._data = low, high, data
        self._bytes_wanted = min(
            max(_BYTES_MIN, 2 * self._bytes_wanted), self._bytes_max
        )

    def _span(self, table: Table, index: int, others: range) -> tuple[int, int]:
        """Return which adjacent blocks to read: `index`, and some that come after it."""
        offsets, wanted = table.offsets, self._bytes_wanted
        low, high = index, index + 1
        if self._reverse:
            least = bisect_left(offsets, offsets[high] - wanted, others.start, index)
            while low > least and not table.holds(low - 1):
                low -= 1
        else:
            most = bisect_right(offsets, offsets[low] + wanted, high, others.stop + 1)
            while high < most - 1 and not table.holds(high):
                high += 1
        return low, high

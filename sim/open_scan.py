"""A scan that is under way, and the rows that it gave so far."""

from typing import TYPE_CHECKING

from sim import operations as ops
from tempest import Snapshot, Store

if TYPE_CHECKING:
    from sim.sights import Lookout

View = Store | Snapshot


class OpenScan:
    """A scan that is under way, and the rows it gave."""

    def __init__(self, view: View, scan: ops.Scan) -> None:
        self.scan = scan
        self.rows = view.scan(
            prefix=scan.prefix,
            start=scan.start,
            stop=scan.stop,
            reverse=scan.reverse,
            limit=scan.limit,
            keys_only=scan.keys_only,
        )
        self.found: list[tuple[bytes, bytes] | bytes] = []
        self.lookout: Lookout | None = None

    async def read(self, count: int) -> None:
        """Read some rows, one by one."""
        for _ in range(count):
            async for row in self.rows:
                self.found.append(row)
                break

    async def read_all(self) -> None:
        """Read what is left."""
        if not self.scan.chunk:
            self.found += [row async for row in self.rows]
            return
        async for chunk in self.rows.chunks(self.scan.chunk):
            self.found += chunk

    def flat(self) -> list[bytes]:
        """Return every key and value in order."""
        flat: list[bytes] = []
        for row in self.found:
            flat += [row] if isinstance(row, bytes) else row
        return flat

"""Reader positions: the sequences at which somebody still reads.

A snapshot is nothing but a position: memtables, flush and compaction keep, for every position,
the newest version at or below it.

Invariants
- A position is released exactly as often as it was taken.
- `taken` ascends, and holds each position once.
"""

from bisect import bisect_left


class Positions:
    """The sequences that snapshots and scans read at."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self._counts: dict[int, int] = {}

    def take(self, sequence: int) -> int:
        """Keep what is visible at `sequence` until `release`."""
        count = self._counts.get(sequence, 0)
        self._counts[sequence] = count + 1
        if not count:
            self.taken.insert(bisect_left(self.taken, sequence), sequence)
        return sequence

    def release(self, sequence: int) -> None:
        """Let go of a position that was taken."""
        count = self._counts.pop(sequence) - 1
        if count:
            self._counts[sequence] = count
        else:
            self.taken.remove(sequence)

    def with_visible(self, visible: int) -> list[int]:
        """Return every position, the visible sequence among them, ascending."""
        taken = self.taken
        if taken and taken[-1] >= visible:
            return taken
        return [*taken, visible]

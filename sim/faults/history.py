"""What was written to each file and how much of it had been synced then: evidence for a judge.

Invariants
- A write is noted with what was known to be durable of its file when it began, not when it ended.
"""

from collections.abc import Mapping
from sys import maxsize

import attrs

from io_backends import WRITES, Op, OpKind
from sim.faults.contracts import file_kind

SECTOR_BYTES = 512
Contents = Mapping[str, bytes]


@attrs.frozen
class Written:
    """One write: where, what, and up to where its file had been synced when it began."""

    path: str
    offset: int
    data: bytes = attrs.field(repr=False)
    synced: int

    @property
    def end(self) -> int:
        return self.offset + len(self.data)

    def is_whole(self, contents: Contents) -> bool:
        """Whether a disk with these contents holds the bytes of this write."""
        content = contents.get(f"/{self.path}", b"")
        return content[self.offset : self.end] == self.data


@attrs.define
class History:
    """All writes of a run, by file; a file that is renamed takes its own along.

    A handle keeps the name under which it was opened, so later writes may come under the old one.
    """

    writes: dict[str, list[Written]] = attrs.field(factory=dict)
    _written: dict[str, int] = attrs.field(factory=dict)
    _synced: dict[str, int] = attrs.field(factory=dict)
    _renamed: dict[str, str] = attrs.field(factory=dict)
    _ahead: dict[tuple[str, int], None] = attrs.field(factory=dict)

    def note_write(self, path: str, offset: int, data: bytes) -> None:
        path = self._renamed.get(path, path)
        if not any(data):
            # Zeros ahead of a log say nothing of what is written over them later.
            self._ahead[path, offset] = None
            return
        self._ahead.pop((path, offset), None)
        synced = self._synced.get(path, 0)
        written = Written(path, offset, bytes(data), synced)
        self.writes.setdefault(path, []).append(written)

    def note_written(self, path: str, end: int) -> None:
        """Note that a write has returned."""
        path = self._renamed.get(path, path)
        self._written[path] = max(self._written.get(path, 0), end)

    def sync_mark(self, path: str) -> int:
        """Return up to where a sync that begins now makes a file durable."""
        return self._written.get(self._renamed.get(path, path), 0)

    def note_synced(self, path: str, mark: int) -> None:
        """Note that a sync that began at this mark has returned."""
        path = self._renamed.get(path, path)
        self._synced[path] = max(self._synced.get(path, 0), mark)

    def note_done(self, op: Op, mark: int) -> None:
        """Note that an operation has returned; a sync, with its mark."""
        if op.kind in WRITES:
            if (self._renamed.get(op.path, op.path), op.offset) in self._ahead:
                return
            self.note_written(op.path, op.offset + op.length)
        elif op.kind is OpKind.SYNC:
            self.note_synced(op.path, mark)
        elif op.kind is OpKind.RENAME:
            self.rename(op.path, op.target)

    def rename(self, source: str, target: str) -> None:
        self._renamed[source] = target
        for known in (self._written, self._synced):
            if source in known:
                known[target] = known.pop(source)
        moved = self.writes.pop(source, [])
        self.writes[target] = [attrs.evolve(one, path=target) for one in moved]

    def proven_until(self, contents: Contents, path: str) -> int:
        """Return up to where a disk with these contents proves that a file of it had been synced.

        A later write to the file that knew of it; or, for a segment, that the log has gone on
        behind a sync in a newer one; or that there is a newer manifest.
        """
        kind = file_kind(path)
        newer = [
            name.removeprefix("/")
            for name in contents
            if file_kind(name) == kind and name.removeprefix("/") > path
        ]
        if kind == "log":
            is_whole = any(
                one.offset >= SECTOR_BYTES
                and one.synced > SECTOR_BYTES
                and one.is_whole(contents)
                for name in newer
                for one in self._returned(name)
            )
        else:
            is_whole = kind == "table" or (kind == "manifest" and bool(newer))
        if is_whole:
            return maxsize
        known = [
            min(one.offset, one.synced)
            for one in self._returned(path)
            if one.is_whole(contents)
        ]
        return max(known, default=0)

    def _returned(self, path: str) -> list[Written]:
        """Return the writes to a file but those that the cut met: half of one proves nothing."""
        written = self._written.get(path, 0)
        return [one for one in self.writes.get(path, ()) if one.end <= written]

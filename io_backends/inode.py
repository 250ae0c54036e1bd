"""A file and a folder on a `VirtualDisk`: what is visible, what is durable, and what lies between.

    file   := visible bytes | durable bytes | pending changes, oldest first | lost sectors
    folder := visible names | durable names | pending changes, oldest first
    change of a file   := (offset, data)   bytes written; empty data: grown with zeros up to offset
                        | (length, None)   cut down to length
    change of a folder := NameChange

A *mark* counts all changes that an inode ever took. A sync makes durable what lies below the mark
that was taken when it began, so bytes written while it is under way stay unsynced.

Invariants
- durable + pending changes, in order = visible, except in lost sectors.
- A lost sector (a failed sync dropped it) is visible, but no later sync makes it durable, until a
  write touches it again: then the whole visible sector is pending.
- A node is changed only by the disk that owns it; other disks share it and copy it first.
"""

from collections.abc import Iterable

import attrs

from io_backends.crash import SECTOR_BYTES

Change = tuple[int, bytes | None]


def apply_change(content: bytearray, change: Change) -> None:
    """Do to `content` what the change says."""
    offset, data = change
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def sectors_of(change: Change) -> range:
    """Return the sectors whose bytes the change sets: of a cut, the one it cuts in two."""
    offset, data = change
    if data is None:
        first = offset // SECTOR_BYTES
        return range(first, first + (offset % SECTOR_BYTES > 0))
    if not data:
        return range(0)
    return range(offset // SECTOR_BYTES, (offset + len(data) - 1) // SECTOR_BYTES + 1)


@attrs.define(eq=False)
class FileNode:
    """A file without a name: bytes, and how durable they are."""

    number: int
    owner: object
    visible: bytearray = attrs.field(factory=bytearray)
    durable: bytearray = attrs.field(factory=bytearray)
    pending: list[Change] = attrs.field(factory=list)
    synced_count: int = 0
    lost: set[int] = attrs.field(factory=set)

    @property
    def mark(self) -> int:
        return self.synced_count + len(self.pending)

    @property
    def is_clean(self) -> bool:
        return not self.pending and not self.lost

    def copy(self, owner: object) -> "FileNode":
        return FileNode(
            self.number,
            owner,
            self.visible[:],
            self.durable[:],
            self.pending[:],
            self.synced_count,
            set(self.lost),
        )

    def write(self, offset: int, data: bytes) -> None:
        begin = min(offset, self._gap_start)
        change = (begin, bytes(offset - begin) + data)
        apply_change(self.visible, change)
        self.pending.append(self._with_lost_neighbours(change) if self.lost else change)

    @property
    def _gap_start(self) -> int:
        """Where a write behind the end begins to touch what is no file yet.

        The zeros between are written back with it, or are what the medium held before: ext4
        with data=writeback shows old blocks there after a power cut (`make realfs` found it).
        """
        return -(-len(self.visible) // SECTOR_BYTES) * SECTOR_BYTES

    def truncate(self, length: int) -> None:
        if length > len(self.visible):
            self._change((length, b""))
        elif length < len(self.visible):
            self._change((length, None))
            self.lost = {place for place in self.lost if place * SECTOR_BYTES < length}

    def sync(self, mark: int) -> None:
        """Make durable every change below the mark."""
        count = max(0, mark - self.synced_count)
        for change in self.pending[:count]:
            apply_change(self.durable, change)
        del self.pending[:count]
        self.synced_count += count

    def drop_pages(self, mark: int) -> None:
        """Forget, as a kernel does after a failed sync, that pages below the mark were dirty.

        Lengths and cuts are metadata: they stay pending.
        """
        count = max(0, mark - self.synced_count)
        dropped, later = self.pending[:count], self.pending[count:]
        gone = _touched(change for change in dropped if change[1] is not None)
        again = _touched(later)
        self.pending[:count] = [
            change if change[1] is None else (change[0] + len(change[1]), b"")
            for change in dropped
        ]
        gone = {place for place in gone if place * SECTOR_BYTES < len(self.visible)}
        self.lost |= gone - again
        self.pending += [self._whole_sector(place) for place in sorted(gone & again)]

    def _change(self, change: Change) -> None:
        apply_change(self.visible, change)
        self.pending.append(change)

    def _whole_sector(self, place: int) -> Change:
        start = place * SECTOR_BYTES
        return start, bytes(self.visible[start : start + SECTOR_BYTES])

    def _with_lost_neighbours(self, change: Change) -> Change:
        """A page is written back whole: widen the change if it touches a lost sector."""
        touched = sectors_of(change)
        if self.lost.isdisjoint(touched):
            return change
        self.lost.difference_update(touched)
        start = touched.start * SECTOR_BYTES
        return start, bytes(self.visible[start : touched.stop * SECTOR_BYTES])


def _touched(changes: Iterable[Change]) -> set[int]:
    return {place for change in changes for place in sectors_of(change)}


@attrs.frozen
class NameChange:
    """A name now stands for inode `number`, or for nothing.

    `operation` groups the two halves of a rename; `partner` is the folder of the other half.
    """

    name: str
    number: int | None
    operation: int
    partner: int | None = None


@attrs.define(eq=False)
class FolderNode:
    """A folder without a name: its entries, and how durable they are."""

    number: int
    owner: object
    visible: dict[str, int] = attrs.field(factory=dict)
    durable: dict[str, int] = attrs.field(factory=dict)
    pending: list[NameChange] = attrs.field(factory=list)
    synced_count: int = 0

    @property
    def mark(self) -> int:
        return self.synced_count + len(self.pending)

    @property
    def is_clean(self) -> bool:
        return not self.pending

    def copy(self, owner: object) -> "FolderNode":
        return FolderNode(
            self.number,
            owner,
            dict(self.visible),
            dict(self.durable),
            self.pending[:],
            self.synced_count,
        )

    def change(self, change: NameChange) -> None:
        apply_name(self.visible, change)
        self.pending.append(change)

    def sync(self, mark: int) -> list[NameChange]:
        """Make durable every change below the mark; return those."""
        count = max(0, mark - self.synced_count)
        synced = self.pending[:count]
        for change in synced:
            apply_name(self.durable, change)
        del self.pending[:count]
        self.synced_count += count
        return synced

    def referenced(self) -> set[int]:
        """Return the inodes that a name stands for, now or after some power cut."""
        numbers = set(self.visible.values()) | set(self.durable.values())
        numbers.update(
            change.number for change in self.pending if change.number is not None
        )
        return numbers


def apply_name(names: dict[str, int], change: NameChange) -> None:
    """Do to `names` what the change says."""
    if change.number is None:
        names.pop(change.name, None)
    else:
        names[change.name] = change.number


Node = FileNode | FolderNode

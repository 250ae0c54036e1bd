"""A disk that loses power on command: visible and durable bytes and names, in memory. Pure.

`VirtualDisk` is what `VirtualIo` works on, and what a test holds on to across crashes:

    disk.clone()                     the process was killed: all that was visible still is
    disk.crash(random, policy)       the power failed: any allowed outcome, drawn from `random`
    disk.crash_keeping(units)        the power failed: exactly these `unsynced_units()` were kept
    disk.explain(found)              the power failed: could it have left this? see `allowed`

All three give a new disk without open handles and locks, and leave this one as it was.

Invariants
- What was synced before a crash is there after it, byte for byte, name for name.
- Same disk, same `random` state, same policy: same new disk, on any machine and hash seed.
- Two disks never share a node that one of them may change.
"""

from collections.abc import Callable, Iterable
from copy import copy
from random import Random

import attrs

from io_backends.allowed import Found, explain_nodes
from io_backends.crash import (
    SECTOR_BYTES,
    Chooser,
    CrashPolicy,
    ExactChooser,
    RandomChooser,
    Unit,
    UnitKind,
)
from io_backends.errors import LockedError, NotAFolderError, NotFoundError
from io_backends.handles import OpenFiles
from io_backends.inode import (
    FileNode,
    FolderNode,
    Node,
    apply_change,
    sectors_of,
)
from io_backends.settle import file_units, name_units, settle_file, settle_names
from io_backends.tree import ROOT, path_parts


@attrs.frozen
class LockHolder:
    """Who holds a lock: process and time of taking it."""

    pid: int
    since: float


@attrs.frozen
class Page:
    """Bytes of a file, which is known by its inode so that a rename loses nothing."""

    number: int
    offset: int
    data: bytes = attrs.field(repr=False)


@attrs.frozen
class Survivor:
    """What of one file or folder a power cut may take away; lengths are bytes (or names)."""

    path: str
    length_durable: int
    length_visible: int
    changes: int
    sectors: tuple[int, ...] = ()
    lost_sectors: tuple[int, ...] = ()


class VirtualDisk(OpenFiles):
    """Files, folders, open handles and locks of one simulated disk."""

    def __init__(self, capacity_bytes: int | None = None) -> None:
        super().__init__(capacity_bytes)
        self._locks: dict[int, LockHolder] = {}
        self._tokens_taken = 0
        self._processes_started = 0

    def locked_paths(self) -> list[str]:
        """Return the paths of the lock files that are held now."""
        return [path for path, node in self.walk() if node.number in self._locks]

    def lock(self, path: str, holder: LockHolder) -> int:
        """Take the lock kept in a file, made if absent; return the key to `unlock` it."""
        try:
            number = self._number_of("lock", path)
        except NotFoundError:
            self.close(self.create(path))
            number = self._number_of("lock", path)
        if isinstance(self._nodes[number], FolderNode):
            raise NotAFolderError("lock", path, detail="it is a folder")
        taken = self._locks.setdefault(number, holder)
        if taken is not holder:
            raise LockedError(
                "lock", path, pid=taken.pid, host="virtual", since=taken.since
            )
        return number

    def unlock(self, key: int, holder: LockHolder) -> None:
        if self._locks.get(key) is holder:
            del self._locks[key]

    def take_token(self) -> bytes:
        self._tokens_taken += 1
        return self._tokens_taken.to_bytes(16, "big")

    def take_pid(self) -> int:
        self._processes_started += 1
        return self._processes_started

    # Crashes.

    def clone(self) -> "VirtualDisk":
        """Kill the process: everything visible stays so, and what was unsynced still is."""
        # Neither disk may now change a node in place: both become new owners.
        self._owner = object()
        return self._successor(dict(self._nodes), set(self._half_synced))

    def crash(
        self,
        random: Random,
        policy: CrashPolicy = CrashPolicy(),  # noqa: B008 frozen
    ) -> "VirtualDisk":
        """Cut the power; what was not synced meets a fate drawn from `random`."""
        chooser = RandomChooser(random, policy)
        return self._settle(chooser, rename_atomic=policy.rename_atomic)

    def crash_keeping(
        self, units: Iterable[Unit], *, rename_atomic: bool = True
    ) -> "VirtualDisk":
        """Cut the power; exactly these units are kept, whole, and all others dropped."""
        return self._settle(ExactChooser(frozenset(units)), rename_atomic=rename_atomic)

    def unsynced_units(self, *, rename_atomic: bool = True) -> tuple[Unit, ...]:
        """List what a cut may keep or drop, each by itself; names first."""
        paths = {node.number: path for path, node in self.walk()} | {ROOT: ""}
        folders = self._folders()
        units = list(
            name_units(folders, self._half_synced, paths, rename_atomic=rename_atomic)
        )
        named = set().union(*(folder.referenced() for folder in folders))
        for number in sorted(named):
            node = self._nodes[number]
            if isinstance(node, FileNode):
                units += file_units(node, paths.get(number, f"inode {number}"))
        return tuple(units)

    def explain(self, found: Found, *, garbage: bool = False) -> str | None:
        """Say why no power cut leaves these files (None: a folder), or None if one does."""
        halves = sorted(self._half_synced)
        return explain_nodes(self._nodes, ROOT, halves, found, garbage=garbage)

    def survivors(self) -> tuple[Survivor, ...]:
        """Describe, for reports, every visible file and folder with unsynced state."""
        root = self._nodes[ROOT]
        dirty = [("/", root), *self.walk()]
        return tuple(_survivor(path, node) for path, node in dirty if not node.is_clean)

    def restart(self, nodes: dict[int, Node], half_synced: set[int]) -> None:
        super().restart(nodes, half_synced)
        self._locks = {}

    def _successor(
        self, nodes: dict[int, Node], half_synced: set[int]
    ) -> "VirtualDisk":
        """Return a disk with these nodes, this one's capacity, and counters that go on."""
        disk = copy(self)
        disk.restart(nodes, half_synced)
        return disk

    def _settle(self, chooser: Chooser, *, rename_atomic: bool) -> "VirtualDisk":
        names = settle_names(
            self._folders(), self._half_synced, chooser, rename_atomic=rename_atomic
        )
        self._owner = object()  # Clean nodes are shared, so none is this disk's alone.
        nodes: dict[int, Node] = {}
        for number in sorted(_reachable(names)):
            node = self._nodes[number]
            if isinstance(node, FolderNode):
                kept = names[number]
                node = FolderNode(number, None, dict(kept), dict(kept))
            elif not node.is_clean:
                content = settle_file(node, chooser)
                node = FileNode(number, None, content, content[:])
            nodes[number] = node
        return self._successor(nodes, set())

    # For tests: look at bytes, and damage them.

    def files(self) -> list[str]:
        """Return the paths of all visible files, sorted within each folder."""
        return [path for path, node in self.walk() if isinstance(node, FileNode)]

    def contents(self) -> dict[str, bytes]:
        """Return all visible files with their bytes."""
        return {
            path: bytes(node.visible)
            for path, node in self.walk()
            if isinstance(node, FileNode)
        }

    def read(self, path: str) -> bytes:
        """Return a file's visible bytes."""
        return bytes(self._named_file("read", path).visible)

    def durable(self, path: str) -> bytes:
        """Return what is under a durable name if nothing unsynced is kept; or `NotFoundError`."""
        number = ROOT
        for part in path_parts(path):
            folder = self._folder("durable", path, number)
            found = folder.durable.get(part)
            if found is None:
                raise NotFoundError("durable", path)
            number = found
        node = self._nodes[number]
        if isinstance(node, FolderNode):
            raise NotAFolderError("durable", path, detail="it is a folder")
        return bytes(node.durable)

    def corrupt(self, path: str, offset: int, xor: int = 1) -> None:
        """Rot: flip bits of one byte, on the medium and in the cache."""
        self.overwrite(path, offset, bytes([self.read(path)[offset] ^ xor]))

    def overwrite(self, path: str, offset: int, data: bytes) -> None:
        """Put bytes into a file behind the system's back: no change is pending after it."""
        node = self._file_for_change(self._named_file("overwrite", path).number)
        for content in (node.visible, node.durable):
            inside = data[: max(0, len(content) - offset)]
            content[offset : offset + len(inside)] = inside

    def dirty_pages(self, path: str) -> tuple[Page, ...]:
        """Return the sectors of a file that a sync would now make durable."""
        node = self._named_file("dirty_pages", path)
        changes = (change for change in node.pending if change[1] is not None)
        sectors = sorted({place for change in changes for place in sectors_of(change)})
        starts = (place * SECTOR_BYTES for place in sectors)
        return tuple(
            Page(node.number, at, bytes(node.visible[at : at + SECTOR_BYTES]))
            for at in starts
        )

    def page(self, path: str, offset: int, data: bytes) -> Page:
        """Return bytes for a place of the file that has this name now."""
        return Page(self._named_file("page", path).number, offset, data)

    def put_pages(self, pages: Iterable[Page]) -> int:
        """Make bytes durable as if they had been synced; return how many files were still there."""
        found = 0
        for page in pages:
            if not isinstance(self._nodes.get(page.number), FileNode):
                continue
            found += 1
            node = self._file_for_change(page.number)
            for content in (node.visible, node.durable):
                apply_change(content, (page.offset, page.data))
        return found

    def freeze(self) -> Callable[[], list[str]]:
        """Take down the disk as it is; what is returned tells what has changed since."""
        self._owner = object()  # From now on every node is copied before it is changed.
        frozen = dict(self._nodes)

        def changed() -> list[str]:
            paths = {node.number: path for path, node in self.walk()} | {ROOT: "/"}
            return [
                paths.get(number, f"inode {number}")
                for number, node in self._nodes.items()
                if frozen.get(number) is not node
            ]

        return changed

    def sync_everything(self) -> None:
        """Make all that is visible durable, lost sectors too: a clean start for a test."""
        for number in sorted(self._nodes):
            if isinstance(self._nodes[number], FolderNode):
                folder = self._folder_for_change(number)
                folder.sync(folder.mark)
            else:
                node = self._file_for_change(number)
                node.sync(node.mark)
                node.lost.clear()
                node.durable[:] = node.visible
        self._half_synced.clear()
        self._collect()

    def _named_file(self, operation: str, path: str) -> FileNode:
        node = self._nodes[self._number_of(operation, path)]
        if isinstance(node, FolderNode):
            raise NotAFolderError(operation, path, detail="it is a folder")
        return node


def _reachable(names: dict[int, dict[str, int]]) -> set[int]:
    found = {ROOT}
    waiting = [ROOT]
    while waiting:
        children = set(names.get(waiting.pop(), {}).values()) - found
        found |= children
        waiting.extend(children)
    return found


def _survivor(path: str, node: Node) -> Survivor:
    if isinstance(node, FolderNode):
        sectors: tuple[int, ...] = ()
        lost: tuple[int, ...] = ()
    else:
        units = file_units(node, path)
        sectors = tuple(u.index for u in units if u.kind is UnitKind.SECTOR)
        lost = tuple(sorted(node.lost))
    return Survivor(
        path, len(node.durable), len(node.visible), len(node.pending), sectors, lost
    )

"""Open files of a `VirtualDisk`: reading, writing and syncing by handle, and the space they take.

Invariants
- A handle outlives the names of its file; the last one to close takes an unnamed file with it.
- A sync makes durable only what was written before its mark.
- A change either fits into the capacity whole or leaves the file as it was.
"""

from typing import NoReturn

import attrs

from io_backends.errors import (
    AccessError,
    ClosedFileError,
    DeviceError,
    EndOfFileError,
    IoError,
    NoSpaceError,
    NotAFolderError,
    TooManyFilesError,
)
from io_backends.inode import FileNode, FolderNode, Node
from io_backends.tree import Tree

_UNLIMITED_BYTES = 1 << 62
_NO_SPACE = 28  # ENOSPC
_FILE_TOO_LARGE = 27  # EFBIG
_TOO_MANY_FILES = 24  # EMFILE
_INVALID_ARGUMENT = 22  # EINVAL


@attrs.frozen(eq=False)
class Handle:
    """An open file of one disk."""

    number: int
    path: str
    is_writable: bool


class OpenFiles(Tree):
    """A name space whose files can be opened.

    `capacity_bytes`, `file_bytes_max` and `handles_max` limit it while they are not None; `refused`
    keeps every error that one of them was the reason for.
    """

    def __init__(self, capacity_bytes: int | None = None) -> None:
        super().__init__()
        self.capacity_bytes = capacity_bytes
        self.file_bytes_max: int | None = None
        self.handles_max: int | None = None
        self.refused: list[IoError] = []
        self._handles: dict[Handle, None] = {}

    def restart(self, nodes: dict[int, Node], half_synced: set[int]) -> None:
        self._handles = {}
        self.refused = []
        super().restart(nodes, half_synced)

    def open(self, path: str, *, writable: bool = False) -> Handle:
        number = self._number_of("open", path)
        if isinstance(self._nodes[number], FolderNode):
            raise NotAFolderError("open", path, detail="it is a folder")
        self._check_handles("open", path)
        return self._new_handle(number, path, writable=writable)

    def create(self, path: str) -> Handle:
        folder, name = self._new_entry("create_exclusive", path)
        self._check_handles("create_exclusive", path)
        node = FileNode(self._take_number(), self._owner)
        self._nodes[node.number] = node
        self._enter(folder, name, node.number)
        return self._new_handle(node.number, path, writable=True)

    def close(self, handle: Handle) -> None:
        """Let go of a handle; idempotent. An unnamed file goes with its last handle."""
        self._handles.pop(handle, None)
        number = handle.number
        if number in self._orphans and number not in self._open_numbers():
            self._orphans.discard(number)
            self._nodes.pop(number, None)

    def read_at(self, handle: Handle, offset: int, length: int) -> bytes:
        visible = self._opened("read_at", handle).visible
        _check_not_negative("read_at", handle, min(offset, length))
        if offset + length > len(visible):
            raise EndOfFileError("read_at", handle.path, detail=f"at {offset}+{length}")
        return bytes(visible[offset : offset + length])

    def size(self, handle: Handle) -> int:
        return len(self._opened("size", handle).visible)

    def write_at(self, handle: Handle, offset: int, data: bytes) -> None:
        node = self._writable("write_at", handle)
        _check_not_negative("write_at", handle, offset)
        if data:
            self._charge("write_at", handle, node, offset + len(data))
            node.write(offset, data)

    def truncate(self, handle: Handle, length: int) -> None:
        node = self._writable("truncate", handle)
        _check_not_negative("truncate", handle, length)
        self._charge("truncate", handle, node, length)
        node.truncate(length)

    def allocate(self, handle: Handle, length: int) -> None:
        """Grow with zeros up to `length`; never shrinks."""
        if length > len(self._writable("allocate", handle).visible):
            self.truncate(handle, length)

    def sync_mark(self, handle: Handle) -> int:
        """Begin a sync: return how many changes the file has taken."""
        return self._opened("sync", handle).mark

    def sync(self, handle: Handle, mark: int | None = None) -> None:
        """Make durable every change, or those made before the mark."""
        node = self._opened("sync", handle)
        if node.pending:
            self._file_for_change(handle.number).sync(
                node.mark if mark is None else mark
            )

    def fail_sync(
        self, handle: Handle, *, drop_pages: bool = True, synced_share: float = 0.0
    ) -> None:
        """Do what a failing sync does: first sync a share of the pending changes, in order.

        With `drop_pages` (ext4) the rest is lost: visible in this boot, never durable unless
        written again, though later syncs succeed. Without (XFS, btrfs) it stays pending.
        """
        node = self._opened("sync", handle)
        if not node.pending:
            return
        mark = node.mark
        node = self._file_for_change(handle.number)
        node.sync(node.synced_count + int(synced_share * len(node.pending)))
        if drop_pages:
            node.drop_pages(mark)

    @property
    def used_bytes(self) -> int:
        """Bytes of all files that have a visible name or an open handle."""
        alive = self._open_numbers()
        for folder in self._folders():
            alive.update(folder.visible.values())
        nodes = (self._nodes[number] for number in alive)
        return sum(len(node.visible) for node in nodes if isinstance(node, FileNode))

    @property
    def free_bytes(self) -> int:
        if self.capacity_bytes is None:
            return _UNLIMITED_BYTES
        return max(0, self.capacity_bytes - self.used_bytes)

    @property
    def live_handles(self) -> int:
        return len(self._handles)

    def open_paths(self) -> list[str]:
        """Return the path of each open handle, in the order of opening: what a test calls a leak."""
        return [handle.path for handle in self._handles]

    def _new_handle(self, number: int, path: str, *, writable: bool) -> Handle:
        handle = Handle(number, path, writable)
        self._handles[handle] = None
        return handle

    def _open_numbers(self) -> set[int]:
        return {handle.number for handle in self._handles}

    def _opened(self, operation: str, handle: Handle) -> FileNode:
        if handle not in self._handles:
            raise ClosedFileError(operation, handle.path)
        node = self._nodes[handle.number]
        assert isinstance(node, FileNode)
        return node

    def _writable(self, operation: str, handle: Handle) -> FileNode:
        self._opened(operation, handle)
        if not handle.is_writable:
            raise AccessError(operation, handle.path, detail="it was opened to be read")
        return self._file_for_change(handle.number)

    def _charge(
        self, operation: str, handle: Handle, node: FileNode, length: int
    ) -> None:
        """Refuse to let a file grow to a length that the disk or a file may not have."""
        growth = length - len(node.visible)
        if growth <= 0:
            return
        if self.file_bytes_max is not None and length > self.file_bytes_max:
            self._refuse(NoSpaceError(operation, handle.path, _FILE_TOO_LARGE))
        if self.capacity_bytes is not None and growth > self.free_bytes:
            self._refuse(NoSpaceError(operation, handle.path, _NO_SPACE))

    def _check_handles(self, operation: str, path: str) -> None:
        if self.handles_max is not None and len(self._handles) >= self.handles_max:
            self._refuse(TooManyFilesError(operation, path, _TOO_MANY_FILES))

    def _refuse(self, error: IoError) -> NoReturn:
        self.refused.append(error)
        raise error


def _check_not_negative(operation: str, handle: Handle, number: int) -> None:
    if number < 0:
        raise DeviceError(operation, handle.path, _INVALID_ARGUMENT, f"{number} < 0")

"""Names on a `VirtualDisk`: folders, files, and the paths that lead to them.

Paths are `/`-separated and all start at the root folder, which is number 0 and always durable.

Invariants
- A node lives as long as a name stands for it, visibly or after some power cut, or a handle is open.
- Nodes are shared between clones: `_file` and `_folder_for_change` copy what another disk owns.
- Numbers rise with creation and are never used twice, so number order is creation order.
"""

from collections.abc import Iterator

from io_backends.errors import (
    AccessError,
    DeviceError,
    ExistsError,
    NotAFolderError,
    NotFoundError,
)
from io_backends.inode import FileNode, FolderNode, NameChange, Node
from io_backends.protocol import Stat

ROOT = 0
_INVALID_ARGUMENT = 22  # EINVAL


def path_parts(path: str) -> list[str]:
    """Split a path into names; `.` and empty names vanish, `..` goes up."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


class Tree:
    """The name space of a virtual disk; every change is visible at once and pending."""

    def __init__(self) -> None:
        self._owner = object()
        self._nodes: dict[int, Node] = {}
        self._nodes[ROOT] = FolderNode(ROOT, self._owner)
        self._number_next = 1
        self._operation_next = 1
        self._half_synced: set[int] = set()
        self._orphans: set[int] = set()  # alive only because a handle is open

    def restart(self, nodes: dict[int, Node], half_synced: set[int]) -> None:
        """Begin a new life with these nodes, of which none may be changed in place."""
        self._owner = object()
        self._nodes = nodes
        self._half_synced = half_synced
        self._collect()

    def make_dir(self, path: str) -> None:
        folder, name = self._new_entry("make_dir", path)
        node = FolderNode(self._take_number(), self._owner)
        self._nodes[node.number] = node
        self._enter(folder, name, node.number)

    def rename(self, source: str, target: str) -> None:
        source_folder, source_name = self._entry("rename", source)
        number = self._number_of("rename", source)
        target_folder, target_name = self._entry("rename", target)
        replaced = self._folder("rename", target, target_folder).visible.get(
            target_name
        )
        if replaced == number:
            return
        self._check_replace(source, number, target, replaced)
        operation = self._take_operation()
        for folder, name, result, partner in (
            (target_folder, target_name, number, source_folder),
            (source_folder, source_name, None, target_folder),
        ):
            self._change(folder, NameChange(name, result, operation, partner))

    def remove(self, path: str) -> None:
        number = self._number_of("remove", path)
        if isinstance(self._nodes[number], FolderNode):
            raise NotAFolderError("remove", path, detail="it is a folder")
        folder, name = self._entry("remove", path)
        self._enter(folder, name, None)

    def link(self, source: str, target: str) -> None:
        number = self._number_of("link", source)
        if isinstance(self._nodes[number], FolderNode):
            raise NotAFolderError("link", source, detail="it is a folder")
        folder, name = self._new_entry("link", target)
        self._enter(folder, name, number)

    def list_dir(self, path: str) -> list[str]:
        """Return the names in a folder, sorted."""
        number = self._number_of("list", path)
        return sorted(self._folder("list", path, number).visible)

    def stat(self, path: str) -> Stat:
        node = self._nodes[self._number_of("stat", path)]
        if isinstance(node, FolderNode):
            return Stat(0, is_dir=True)
        return Stat(len(node.visible), is_dir=False)

    def dir_mark(self, path: str) -> tuple[int, int]:
        """Begin a sync: return the folder's number and how many changes it has taken."""
        number = self._number_of("sync_dir", path)
        return number, self._folder("sync_dir", path, number).mark

    def sync_dir(self, path: str, mark: tuple[int, int] | None = None) -> None:
        """Make the folder's names durable: all, or those changed before `dir_mark`."""
        number, upto = mark or self.dir_mark(path)
        synced = self._folder_for_change(number).sync(upto)
        for change in synced:
            if change.partner not in (None, number):
                self._half_synced ^= {change.operation}
        if any(
            change.number is None or change.partner is not None for change in synced
        ):
            self._collect()

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield every visible path below the root and its node, in path order of each folder."""
        yield from self._walk(ROOT, "", {ROOT})

    def _walk(
        self, number: int, path: str, seen: set[int]
    ) -> Iterator[tuple[str, Node]]:
        folder = self._nodes[number]
        assert isinstance(folder, FolderNode)
        for name, child in sorted(folder.visible.items()):
            node = self._nodes[child]
            yield f"{path}/{name}", node
            if isinstance(node, FolderNode) and child not in seen:
                yield from self._walk(child, f"{path}/{name}", seen | {child})

    def _folders(self) -> list[FolderNode]:
        nodes = (self._nodes[number] for number in sorted(self._nodes))
        return [node for node in nodes if isinstance(node, FolderNode)]

    def _number_of(self, operation: str, path: str) -> int:
        return self._follow(operation, path, path_parts(path))

    def _follow(self, operation: str, path: str, parts: list[str]) -> int:
        number = ROOT
        for part in parts:
            found = self._folder(operation, path, number).visible.get(part)
            if found is None:
                raise NotFoundError(operation, path)
            number = found
        return number

    def _folder(self, operation: str, path: str, number: int) -> FolderNode:
        node = self._nodes[number]
        if isinstance(node, FolderNode):
            return node
        raise NotAFolderError(operation, path)

    def _entry(self, operation: str, path: str) -> tuple[int, str]:
        """Return the folder (it exists) and the name that `path` means in it."""
        parts = path_parts(path)
        if not parts:
            raise AccessError(operation, path, detail="it is the root folder")
        number = self._follow(operation, path, parts[:-1])
        self._folder(operation, path, number)
        return number, parts[-1]

    def _new_entry(self, operation: str, path: str) -> tuple[int, str]:
        if not path_parts(path):
            raise ExistsError(operation, path)
        folder, name = self._entry(operation, path)
        if name in self._folder(operation, path, folder).visible:
            raise ExistsError(operation, path)
        return folder, name

    def _check_replace(
        self, source: str, number: int, target: str, replaced: int | None
    ) -> None:
        node = self._nodes[number]
        if isinstance(node, FolderNode) and self._leads_through(target, number):
            raise DeviceError(
                "rename", source, _INVALID_ARGUMENT, f"{target!r} is inside"
            )
        if replaced is None:
            return
        old = self._nodes[replaced]
        if isinstance(node, FolderNode) != isinstance(old, FolderNode):
            raise NotAFolderError("rename", target)
        if isinstance(old, FolderNode) and old.visible:
            raise ExistsError("rename", target, detail="the folder is not empty")

    def _leads_through(self, path: str, number: int) -> bool:
        parts = path_parts(path)
        return any(
            self._follow("rename", path, parts[:count]) == number
            for count in range(len(parts))
        )

    def _enter(self, folder: int, name: str, number: int | None) -> None:
        self._change(folder, NameChange(name, number, self._take_operation()))

    def _change(self, folder: int, change: NameChange) -> None:
        self._folder_for_change(folder).change(change)

    def _folder_for_change(self, number: int) -> FolderNode:
        node = self._nodes[number]
        assert isinstance(node, FolderNode)
        if node.owner is not self._owner:
            node = self._nodes[number] = node.copy(self._owner)
        return node

    def _file_for_change(self, number: int) -> FileNode:
        node = self._nodes[number]
        assert isinstance(node, FileNode)
        if node.owner is not self._owner:
            node = self._nodes[number] = node.copy(self._owner)
        return node

    def _take_number(self) -> int:
        self._number_next += 1
        return self._number_next - 1

    def _take_operation(self) -> int:
        self._operation_next += 1
        return self._operation_next - 1

    def _open_numbers(self) -> set[int]:
        """Return the inodes that open handles keep alive."""
        return set()

    def _collect(self) -> None:
        """Forget every node that nothing leads to any more."""
        alive = {ROOT}
        for folder in self._folders():
            alive |= folder.referenced()
        self._orphans = self._open_numbers() - alive
        alive |= self._orphans
        if len(alive) < len(self._nodes):
            self._nodes = {n: node for n, node in self._nodes.items() if n in alive}

"""What the demo loads, in which order, and how each group of files is written.

Files are taken in sorted order and cut into groups of eight. Groups take turns in how
they are written, so that every kill has a chance to meet every way of writing:

    BATCH    one atomic batch, synced
    PUTS     eight writers at once, each synced (they share a sync: group commit)
    OS       eight writes handed to the operating system, not synced

Invariants
- The plan is fixed before the first write; a life that begins later follows the same one.
- A group is written whole before the next begins; a life begins with a whole group.
"""

import os
import sysconfig
from enum import Enum
from pathlib import Path

import attrs
import msgspec

from tempest.cli.output import UsageError
from tempest.cli.sources import tree_files

GROUP_FILES = 8
BYTES_MAX = 64 * 1024 * 1024
INSTALLED = {"site-packages", "dist-packages"}


class Manner(Enum):
    """How a group of files is written."""

    BATCH = "batch"
    PUTS = "puts"
    OS = "os"


@attrs.frozen
class Plan:
    """A tree and the files of it that are loaded, as paths below it."""

    tree: str
    files: tuple[str, ...]
    bytes_total: int

    def key(self, index: int) -> bytes:
        return os.fsencode(self.files[index])

    def read(self, index: int) -> bytes:
        return Path(self.tree, self.files[index]).read_bytes()

    def group(self, index: int) -> range:
        """Return the indexes of the group that `index` belongs to."""
        first = index - index % GROUP_FILES
        return range(first, min(first + GROUP_FILES, len(self.files)))

    def manner(self, index: int) -> Manner:
        manners = tuple(Manner)
        return manners[index // GROUP_FILES % len(manners)]


def make_plan(tree: str | None) -> Plan:
    """Choose the files: of `tree`, or of the running interpreter's standard library."""
    root = Path(tree or sysconfig.get_path("stdlib"))
    if not root.is_dir():
        raise UsageError(f"{str(root)!r} is no folder: name one with --tree.")
    found = tree_files(root) if tree else stdlib_sources(root)
    files, size = [], 0
    for relative, file_size in found:
        if size + file_size > BYTES_MAX:
            break
        files.append(relative)
        size += file_size
    if not files:
        raise UsageError(f"{str(root)!r} holds no files to load: name another --tree.")
    return Plan(str(root.absolute()), tuple(files), size)


def write_plan(plan: Plan, path: Path) -> None:
    """Leave the plan where the loader finds it; names that are no UTF-8 survive."""
    path.write_bytes(
        msgspec.msgpack.encode(
            (plan.tree, [os.fsencode(name) for name in plan.files], plan.bytes_total)
        )
    )


def read_plan(path: Path) -> Plan:
    """Read the plan that `write_plan` left."""
    tree, names, size = msgspec.msgpack.decode(
        path.read_bytes(), type=tuple[str, list[bytes], int]
    )
    return Plan(tree, tuple(os.fsdecode(name) for name in names), size)


def stdlib_sources(root: Path) -> list[tuple[str, int]]:
    """List the standard library's own Python files; what was installed is no part of it."""
    found = tree_files(root, skip=INSTALLED)
    return [(name, size) for name, size in found if name.endswith(".py")]

"""Whether what is found on a disk after a power cut is something that a cut could have left. Pure.

    disk.explain(found)    None if the rules of a cut allow it; else why not, in a sentence

`found` maps each path (`"store/a"`) to its bytes, or to None for a folder. The question is the
converse of `VirtualDisk.crash`: not what may be left, but whether this may. It is how the rules are
held against real filesystems.

Rules, per inode, as in `CrashPolicy`; only with `garbage` may a written sector hold anything
- A file is what some number of its changes made of it, in order; or a mixture, where each
  truncation was kept or dropped, the length is the old, the new or between, and each sector is the
  old one, any that was written, or one cut in two between these.
- A name stands for what was durable or for what any change since made of it; a rename is kept
  or dropped as a whole.

Invariants
- Every outcome of `crash` without garbage is allowed; so is every outcome of `crash_keeping`.
- What is synced is not negotiable: another byte, length or name there is never allowed.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product

import attrs

from io_backends.crash import SECTOR_BYTES, Unit, UnitKind
from io_backends.inode import FileNode, FolderNode, Node, apply_change
from io_backends.settle import file_units, mixture_of, sector_at

Found = Mapping[str, bytes | None]
CHOICES_MAX = 12  # renames or truncations that are pending at once


def explain_nodes(
    nodes: Mapping[int, Node],
    root: int,
    half_synced: Sequence[int],
    found: Found,
    *,
    garbage: bool,
) -> str | None:
    """Say why no power cut leaves `found` of these inodes, or None if one does."""
    folders = [node for node in nodes.values() if isinstance(node, FolderNode)]
    pending = chain.from_iterable(folder.pending for folder in folders)
    renames = sorted({c.operation for c in pending if c.partner is not None})
    free = [operation for operation in renames if operation not in half_synced]
    if len(free) > CHOICES_MAX:
        raise ValueError(f"{len(free)} renames are pending; sync before that")
    problem = "nothing was found"
    for answers in product((True, False), repeat=len(free)):
        kept = dict.fromkeys(half_synced, True) | dict(zip(free, answers, strict=True))
        reason = _Match(nodes, found, kept, garbage).folder(root, "")
        if reason is None:
            return None
        problem = reason
    return problem


@attrs.frozen
class _Match:
    """One answer for every pending rename, held against what was found."""

    nodes: Mapping[int, Node]
    found: Found
    renames: Mapping[int, bool]
    garbage: bool

    def folder(self, number: int, path: str) -> str | None:
        """Say what under a folder is not allowed."""
        folder = self.nodes[number]
        assert isinstance(folder, FolderNode)
        names = dict.fromkeys((*folder.durable, *(c.name for c in folder.pending)))
        names |= dict.fromkeys(_names_in(self.found, path))
        for name in names:
            inner = f"{path}/{name}" if path else name
            reason = self._name(self._meanings(folder, name), inner)
            if reason is not None:
                return reason
        return None

    def _meanings(self, folder: FolderNode, name: str) -> list[int | None]:
        """List what the name may stand for."""
        meanings = [folder.durable.get(name)]
        for change in folder.pending:
            if change.name != name:
                continue
            if change.partner is None:
                meanings.append(change.number)
            elif self.renames[change.operation]:
                meanings = [change.number]
        return meanings

    def _name(self, meanings: list[int | None], path: str) -> str | None:
        if path not in self.found:
            return None if None in meanings else f"{path} is gone, but its name is safe"
        reasons = [f"{path} is there, but no such name was ever made"]
        for number in meanings:
            if number is None:
                continue
            reason = self._inode(number, path)
            if reason is None:
                return None
            reasons.append(reason)
        return reasons[-1]

    def _inode(self, number: int, path: str) -> str | None:
        node, content = self.nodes.get(number), self.found[path]
        if isinstance(node, FolderNode):
            return self.folder(number, path) if content is None else f"{path}: a file"
        if node is None or content is None:
            return f"{path} should be another file"
        if _is_prefix(node, content):
            return None
        reasons = [self._problem(node, kept, content) for kept in _cuts(node)]
        return None if None in reasons else f"{path}: {reasons[0]}"

    def _problem(
        self, node: FileNode, kept: Mapping[Unit, bool], content: bytes
    ) -> str | None:
        """Say why the content is no mixture of old and new sectors, given the truncations kept."""
        mixture = mixture_of(node, kept.__getitem__)
        lengths = sorted((mixture.old_length, len(mixture.written)))
        if not lengths[0] <= len(content) <= lengths[1]:
            return f"{len(content)} bytes long, not {lengths[0]} to {lengths[1]}"
        for sector in range(-(-len(content) // SECTOR_BYTES)):
            found = content[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES]
            old = sector_at(mixture.old, sector)
            versions = mixture.versions.get(sector, [])
            if self.garbage and versions:
                continue
            if not _is_version(found, old, versions):
                return f"sector {sector} holds what was never written there"
        return None


def _names_in(found: Found, path: str) -> list[str]:
    start = f"{path}/" if path else ""
    inner = (name[len(start) :] for name in found if name.startswith(start))
    return [name for name in inner if name and "/" not in name]


def _is_prefix(node: FileNode, content: bytes) -> bool:
    """Say whether some number of changes, in order, make this content."""
    made = node.durable[:]
    if made == content:
        return True
    for change in node.pending:
        apply_change(made, change)
        if made == content:
            return True
    return False


def _cuts(node: FileNode) -> Iterator[dict[Unit, bool]]:
    """Yield every choice of the truncations that are kept."""
    cuts = [unit for unit in file_units(node, "") if unit.kind is UnitKind.CUT]
    if len(cuts) > CHOICES_MAX:
        raise ValueError(f"{len(cuts)} truncations are pending; sync before that")
    for answers in product((True, False), repeat=len(cuts)):
        yield dict(zip(cuts, answers, strict=True))


def _is_version(found: bytes, old: bytes, versions: Sequence[bytes]) -> bool:
    """Say whether a sector is old, new, or cut in two between these; it may be cut short."""
    size = len(found)
    if found == old[:size]:
        return True
    return any(
        found == new[:size] or _is_torn(found, old, new) or _is_torn(found, new, old)
        for new in versions
    )


def _is_torn(found: bytes, first: bytes, second: bytes) -> bool:
    """Say whether `found` begins as one and goes on as the other."""
    same = 0
    while same < len(found) and found[same] == first[same]:
        same += 1
    return found[same:] == second[same : len(found)]

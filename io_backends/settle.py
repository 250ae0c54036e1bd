"""Settle unsynced changes as a power cut does: ask a `Chooser`, build what is left. Pure.

Invariants
- Folders and files are asked in the order of inode numbers, changes in the order they were made.
- A kept truncation takes away what lay beyond it: those sectors never come back as they were.
- Atomic rename: one answer for both halves, and "kept" without asking once a half is durable.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set as AbstractSet

import attrs

from io_backends.crash import SECTOR_BYTES, Chooser, Unit, UnitKind
from io_backends.inode import (
    FileNode,
    FolderNode,
    apply_change,
    apply_name,
    sectors_of,
)


def settle_file(node: FileNode, chooser: Chooser) -> bytearray:
    """Return the bytes that a cut leaves of a file."""
    content = node.durable[:]
    if not node.pending:
        return content
    kept = chooser.kept_in_order(len(node.pending))
    if kept is None:
        return _mix(node, chooser)
    for change in node.pending[:kept]:
        apply_change(content, change)
    return content


@attrs.frozen
class Mixture:
    """What a cut may mix, given the truncations that are kept: old bytes, and what writes made."""

    old: bytearray
    old_length: int
    written: bytearray
    versions: dict[int, list[bytes]]


def mixture_of(node: FileNode, keeps_cut: Callable[[Unit], bool]) -> Mixture:
    """Take a file's pending changes apart into the versions of each sector."""
    old, written = node.durable[:], node.durable[:]
    old_length = len(old)
    versions: dict[int, list[bytes]] = {}
    for place, change in enumerate(node.pending, node.synced_count):
        if change[1] is None:
            if not keeps_cut(Unit(UnitKind.CUT, node.number, place)):
                continue
            old_length = change[0]
            whole_sectors = -(-old_length // SECTOR_BYTES)
            del old[whole_sectors * SECTOR_BYTES :]
            versions = {s: v for s, v in versions.items() if s < whole_sectors}
        apply_change(written, change)
        for sector in sectors_of(change):
            versions.setdefault(sector, []).append(sector_at(written, sector))
    return Mixture(old, old_length, written, versions)


def _mix(node: FileNode, chooser: Chooser) -> bytearray:
    """Let each cut, the length and each sector find its own fate."""
    mixture = mixture_of(node, chooser.keeps_cut)
    left, written = mixture.old, mixture.written
    unit = Unit(UnitKind.LENGTH, node.number, 0)
    length = chooser.length(unit, mixture.old_length, len(written))
    left.extend(bytes(max(0, length - len(left))))
    for sector in sorted(mixture.versions):
        start = sector * SECTOR_BYTES
        if start < length:
            unit = Unit(UnitKind.SECTOR, node.number, sector)
            chosen = chooser.sector(
                unit, sector_at(left, sector), mixture.versions[sector]
            )
            left[start : start + SECTOR_BYTES] = chosen
    del left[length:]
    return left


def sector_at(content: bytearray, sector: int) -> bytes:
    """Return a sector of a file, filled up with zeros."""
    start = sector * SECTOR_BYTES
    return bytes(content[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")


def settle_names(
    folders: Sequence[FolderNode],
    half_synced: AbstractSet[int],
    chooser: Chooser,
    *,
    rename_atomic: bool,
) -> dict[int, dict[str, int]]:
    """Return the names that a cut leaves in each folder, by the folder's number."""
    renames = dict.fromkeys(half_synced, True) if rename_atomic else None
    return {
        folder.number: _settle_folder(folder, renames, chooser) for folder in folders
    }


def _settle_folder(
    folder: FolderNode, renames: dict[int, bool] | None, chooser: Chooser
) -> dict[str, int]:
    """Choose among one folder's changes; `renames` holds what was answered for renames so far."""
    names = dict(folder.durable)
    if not folder.pending:
        return names
    kept = chooser.kept_in_order(len(folder.pending))
    for index, change in enumerate(folder.pending):
        is_half = change.partner is not None and renames is not None
        answer = renames.get(change.operation) if is_half and renames else None
        if answer is None:
            unit = Unit(UnitKind.NAME, folder.number, folder.synced_count + index)
            answer = chooser.keeps_name(unit) if kept is None else index < kept
        if is_half and renames is not None:
            renames[change.operation] = answer
        if answer:
            apply_name(names, change)
    return names


def file_units(node: FileNode, path: str) -> Iterator[Unit]:
    """List what a cut may keep or drop of a file."""
    sectors: set[int] = set()
    for place, change in enumerate(node.pending, node.synced_count):
        sectors.update(sectors_of(change))
        if change[1] is None:
            yield Unit(UnitKind.CUT, node.number, place, path)
    if len(node.durable) != len(node.visible):
        yield Unit(UnitKind.LENGTH, node.number, 0, path)
    for sector in sorted(sectors):
        yield Unit(UnitKind.SECTOR, node.number, sector, path)


def name_units(
    folders: Sequence[FolderNode],
    half_synced: AbstractSet[int],
    paths: Mapping[int, str],
    *,
    rename_atomic: bool,
) -> Iterator[Unit]:
    """List the names that a cut may keep or drop; of an atomic rename only the half asked first."""
    asked = set(half_synced)
    for folder in folders:
        for place, change in enumerate(folder.pending, folder.synced_count):
            if rename_atomic and change.partner is not None:
                if change.operation in asked:
                    continue
                asked.add(change.operation)
            path = f"{paths.get(folder.number, '?')}/{change.name}"
            yield Unit(UnitKind.NAME, folder.number, place, path)

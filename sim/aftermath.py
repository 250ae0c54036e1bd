"""What a crash made of every file: the disk before it and the disk after it, held together.

Invariants
- Only bytes that could be seen before the crash are counted; each is of exactly one sort.
"""

from itertools import groupby

from io_backends import NotFoundError, VirtualDisk
from sim.events import FileFate

SECTOR_BYTES = 512


def compare_disks(before: VirtualDisk, after: VirtualDisk) -> tuple[FileFate, ...]:
    """Return the fate of every file that could be seen before or after."""
    seen, found = before.contents(), after.contents()
    fates = [_fate(before, path, seen[path], found.get(path)) for path in seen]
    fates += [
        FileFate(
            path=path,
            written=0,
            synced=0,
            lost=0,
            runs=(),
            fate="its removal was undone",
        )
        for path in found
        if path not in seen
    ]
    return tuple(sorted(fates, key=lambda fate: fate.path))


def _fate(
    disk: VirtualDisk, path: str, visible: bytes, found: bytes | None
) -> FileFate:
    try:
        durable = disk.durable(path)
        is_named = True
    except NotFoundError:
        durable, is_named = b"", False
    sorts = [
        (_sort(visible, durable, found, start), _size(visible, start))
        for start in range(0, len(visible), SECTOR_BYTES)
    ]
    runs = tuple(
        (sort, sum(size for _, size in part))
        for sort, part in groupby(sorts, key=lambda one: one[0])
    )
    return FileFate(
        path=path,
        written=len(visible),
        synced=_total(runs, "synced"),
        lost=_total(runs, "lost") + _total(runs, "spoiled"),
        runs=runs,
        fate=_tell(visible, found, is_named=is_named),
    )


def _sort(visible: bytes, durable: bytes, found: bytes | None, start: int) -> str:
    was = _sector(visible, start)
    if found is None:
        return "lost"
    now = _sector(found, start)[: len(was)]
    old = _sector(durable, start)[: len(was)]
    if now == was:
        return "synced" if old == was else "kept"
    return "lost" if now in (old, b"") else "spoiled"


def _sector(content: bytes, start: int) -> bytes:
    return content[start : start + SECTOR_BYTES]


def _size(content: bytes, start: int) -> int:
    return len(_sector(content, start))


def _total(runs: tuple[tuple[str, int], ...], sort: str) -> int:
    return sum(size for name, size in runs if name == sort)


def _tell(visible: bytes, found: bytes | None, *, is_named: bool) -> str:
    if found is None:
        return "gone" if is_named else "gone: its name was never synced"
    if found == visible:
        return "whole"
    if len(found) < len(visible):
        return f"{len(visible) - len(found)} bytes shorter"
    return "changed" if len(found) == len(visible) else "longer"

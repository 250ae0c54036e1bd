"""Files that prove that the manifest was longer once.

A manifest that was cut short reads like one whose end was torn by a power cut, and what it no
longer names would be swept away as left over. But files outlive it that cannot be left over:

    a file whose number or life the manifest has not reserved yet
    a newer segment than any it names, with frames written after the segment had been entered

Numbers, lives and segments are made durable in the manifest before they are used, so after a
power cut there is no such file.

A generation that a backup wrote says so in its header (`BACKUP`). It was published whole, so it
cannot be cut short; beside it such files are left over from a backup that did not end.

Invariants
- Only reads. What is not certainly a file of this store and life proves nothing.
"""

from collections.abc import Iterable

import attrs

from io_backends import Io, NotFoundError
from journal import Header, Loaded
from tempest.errors import CorruptionError, UnsupportedFormatError
from tempest.header import (
    HEADER_SIZE,
    FileHeader,
    FileKind,
    decode_header,
    place_seed,
)
from tempest.log import holds_entered_frames, segment_number
from tempest.table import table_number
from tempest.version import Version

BACKUP = 1  # the bit in `Header.compatible`


def is_backup(header: Header) -> bool:
    """Whether the generation is a backup's: nobody has opened the folder for writing since."""
    return bool(header.compatible & BACKUP)


async def check_nothing_is_lost(
    io: Io,
    folder: str,
    loaded: Loaded[Version],
    names: Iterable[str] | None = None,
) -> None:
    """Raise `CorruptionError` if a file in the folder proves that edits are missing.

    `names` are those in the folder, where the caller knows them.
    """
    if is_backup(loaded.header):
        return
    version = loaded.state
    named = set(version.numbers)
    newest_segment = max((segment.number for segment in version.segments), default=-1)
    for name in names or await io.list(folder):
        candidate = _candidate(name)
        if candidate is None or candidate.number in named:
            continue
        path = f"{folder}/{name}"
        header = await _read_header(io, path)
        expected = attrs.evolve(candidate, store_id=loaded.header.store_id)
        if header is None or not _is_same_file(header, expected):
            continue
        if (
            header.number >= version.number_ceiling
            or header.life > version.life
            or (
                header.kind is FileKind.LOG
                and header.number > newest_segment
                and await holds_entered_frames(io, path, place_seed(header))
            )
        ):
            raise CorruptionError(
                loaded.path,
                loaded.end,
                f"the edit that names {name!r} is missing, or a newer manifest is",
            )


def _candidate(name: str) -> FileHeader | None:
    """Return what the header of a file of this name would be, store and life left open."""
    for kind, number in (
        (FileKind.TABLE, table_number(name)),
        (FileKind.LOG, segment_number(name)),
    ):
        if number is not None:
            return FileHeader(kind, b"", 0, number)
    return None


def _is_same_file(found: FileHeader, expected: FileHeader) -> bool:
    return (found.kind, found.number, found.store_id) == (
        expected.kind,
        expected.number,
        expected.store_id,
    )


async def _read_header(io: Io, path: str) -> FileHeader | None:
    """Return the header of a file, or None if none verifies there."""
    try:
        file = await io.open(path)
    except NotFoundError:  # removed meanwhile
        return None
    try:
        data = await file.read_at(0, min(await file.size(), HEADER_SIZE))
    finally:
        await file.aclose()
    try:
        return decode_header(data, path)
    except (CorruptionError, UnsupportedFormatError):
        return None

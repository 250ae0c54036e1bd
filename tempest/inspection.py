"""What opening a store would find, use and replay, without opening it.

Manifest and log are read as recovery reads them; nothing is written and no lock is taken. Beside a
running writer it is a look at one moment, and what the writer overtakes may look damaged.

Invariants
- What is said of the log is what recovery would report: it is the same replay.
"""

import os

import attrs
import trio

from io_backends import FileIo, Io
from journal import Loaded
from tempest.checkpoint import CheckpointInfo, describe_all
from tempest.errors import NotAStoreError, TempestError
from tempest.evidence import check_nothing_is_lost, is_backup
from tempest.options import MIB
from tempest.recovery import check_tables, load_manifest, prepare_folder
from tempest.replay import Replay, Replayed
from tempest.translate import translate, translated
from tempest.version import Version


@attrs.frozen(kw_only=True)
class LogToReplay:
    """The stretch of log that opening would replay.

    Attributes:
        replay_from: the address at which it begins.
        index_checkpoint: token of the checkpoint that had moved it there, or nearly so.
        segments: files that are read for it.
        frames: whole frames in it.
        entries: entries in them.
        bytes: their size.
        torn_bytes: bytes behind the last whole frame, which are left out.
        rewritten_frames: frames that no mark vouches for: a writable open writes them again.
        is_clean: whether the store was closed.
    """

    replay_from: int
    index_checkpoint: str | None
    segments: int
    frames: int
    entries: int
    bytes: int
    torn_bytes: int
    rewritten_frames: int
    is_clean: bool


@attrs.frozen
class InspectedLevel:
    """Tables of one level: how many, their size and their entries."""

    level: int
    tables: int
    bytes: int
    entries: int


@attrs.frozen
class InspectedSession:
    """A session and its last serial that would survive."""

    name: str
    serial: int


@attrs.frozen(kw_only=True)
class Inspection:
    """A store that is not open.

    Attributes:
        path: its folder.
        store_id: its id, in hexadecimal digits.
        life: how often it was opened for writing (and how often its log had to move).
        generation: number of the manifest's newest generation.
        timeline: how often a checkpoint was restored; a backup begins one, too.
        is_backup: whether it is a backup that nobody has opened for writing.
        log_end: the address above every one that was used.
        log_segments: files of the log that are kept.
        value_segments: files with large values that are kept.
        values_bytes: bytes of large values that tables point to.
        log: what opening would replay; None if it would be refused.
        problem: why opening would be refused; None if it would not.
        levels: tables by level, empty levels left out.
        sessions: as of the end of the log, or of where replay starts if it would be refused.
        checkpoints: oldest first.
    """

    path: str
    store_id: str
    life: int
    generation: int
    timeline: int
    is_backup: bool
    log_end: int
    log_segments: int
    value_segments: int
    values_bytes: int
    problem: str | None
    log: LogToReplay | None
    levels: tuple[InspectedLevel, ...]
    sessions: tuple[InspectedSession, ...]
    checkpoints: tuple[CheckpointInfo, ...]


async def inspect_store(
    path: str | os.PathLike[str], *, io: Io | None = None
) -> Inspection:
    """Say what opening the store in a folder would use and replay.

    Reads the manifest and the log that would be replayed; no table is opened. Damage that opening
    would meet is in the report. Raises `NotAStoreError`, `CorruptionError` (of the manifest),
    `UnsupportedFormatError` or `StorageError`.
    """
    folder = os.fspath(path)
    if not isinstance(folder, str):
        raise TypeError(f"the path of a store must be text, not {folder!r}")
    await trio.lowlevel.checkpoint_if_cancelled()
    used = io or FileIo()
    try:
        with translated():
            return await _inspect(used, folder)
    finally:
        if io is None:
            with trio.CancelScope(shield=True):
                await used.aclose()


async def _inspect(io: Io, folder: str) -> Inspection:
    await prepare_folder(io, folder, create=False)
    loaded = await load_manifest(io, folder)
    if loaded is None:
        raise NotAStoreError(folder, "it was never finished being created")
    version, header = loaded.state, loaded.header
    replayed, problem = None, None
    try:
        replayed = await _replay(io, folder, loaded)
    except TempestError as error:
        problem = str(translate(error))
    serials = {mark.name: mark.serial for mark in version.sessions}
    if replayed is not None:
        serials = dict(replayed.sessions)
    return Inspection(
        path=folder,
        store_id=header.store_id.hex(),
        life=version.life,
        generation=loaded.generation,
        timeline=version.timeline,
        is_backup=is_backup(header),
        log_end=version.log_end,
        log_segments=len(version.segments),
        value_segments=len(version.value_segments),
        values_bytes=sum(sum(table.segment_bytes) for table in version.tables),
        problem=problem,
        log=None if replayed is None else _log_to_replay(version, replayed),
        levels=_levels(version),
        sessions=tuple(
            InspectedSession(name.decode(), serial)
            for name, serial in sorted(serials.items())
        ),
        checkpoints=tuple(describe_all(version)),
    )


async def _replay(io: Io, folder: str, loaded: Loaded[Version]) -> Replayed:
    """Do what recovery does before it writes anything."""
    version, store_id = loaded.state, loaded.header.store_id
    await check_nothing_is_lost(io, folder, loaded)
    await check_tables(io, folder, version)
    replay = Replay(io, folder, store_id, memtable_bytes_max=MIB)
    return await replay.run(version, read_only=False)


def _log_to_replay(version: Version, replayed: Replayed) -> LogToReplay:
    index = version.index_checkpoint
    start = version.replay_from
    read = [s for s in version.segments if s.end is None or s.end > max(s.first, start)]
    return LogToReplay(
        replay_from=start,
        index_checkpoint=None if index is None else index.token.decode(),
        segments=len(read),
        frames=replayed.frames,
        entries=replayed.entries,
        bytes=replayed.bytes,
        torn_bytes=replayed.torn_bytes,
        rewritten_frames=len(replayed.unconfirmed),
        is_clean=replayed.is_clean,
    )


def _levels(version: Version) -> tuple[InspectedLevel, ...]:
    return tuple(
        InspectedLevel(
            level,
            len(tables),
            sum(table.size for table in tables),
            sum(table.entries for table in tables),
        )
        for level, tables in enumerate(version.levels)
        if tables
    )

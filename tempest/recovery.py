"""From the bytes of a folder to the parts of an open store.

    1. take the lock                         5. a new life: a new generation of the manifest
    2. load the manifest                     6. files that nobody names are removed
    3. check that no file is missing         7. what is not known to be durable is written again
    4. replay the log into memory            8. a new segment to go on in

Steps 1-4 change nothing, so whatever they meet leaves the folder as it was.

Invariants
- Nothing of this life is served or acknowledged before its generation of the manifest is durable.
- Nothing recovered is served before it is durable.
- Files are removed only after a verified manifest, and only names that a store gives to its own.
"""

from contextlib import suppress

import attrs
import trio

from io_backends import ExistsError, Io, IoError, NotAFolderError, NotFoundError
from journal import Journal, JournalError, JournalSettings, Loaded
from tempest.errors import CorruptionError, NotAStoreError
from tempest.evidence import check_nothing_is_lost
from tempest.log import HybridLog, Visibility, segment_name, segment_number
from tempest.memory import Memtables
from tempest.options import Options
from tempest.replay import Replay, Replayed
from tempest.segments import SegmentKeeper
from tempest.table import table_name, table_number
from tempest.version import Manifest, Version

MANIFEST_PREFIX = "manifest"
LOCK_NAME = "lock"


@attrs.frozen
class RecoveryReport:
    """What opening the store took.

    Attributes:
        seconds: from the lock to a store that serves, on trio's clock.
        frames: log frames replayed.
        entries: entries in them.
        bytes: their size.
        torn_bytes: bytes behind the last whole frame that were left out.
        rewritten_frames: frames that were not known to be durable and were written again.
        tables: tables of the manifest.
        orphans_removed: files that nobody named.
        clean: whether the store had been closed.
    """

    seconds: float = 0.0
    frames: int = 0
    entries: int = 0
    bytes: int = 0
    torn_bytes: int = 0
    rewritten_frames: int = 0
    tables: int = 0
    orphans_removed: int = 0
    clean: bool = True


@attrs.frozen
class Recovered:
    """The parts of a store that recovery made."""

    store_id: bytes
    manifest: Manifest
    log: HybridLog
    visibility: Visibility
    memtables: Memtables
    report: RecoveryReport


async def load_manifest(io: Io, folder: str) -> Loaded[Version] | None:
    """Load the newest generation of the manifest; None if there is none."""
    return await Journal.load(io, folder, MANIFEST_PREFIX, Version)


async def prepare_folder(io: Io, folder: str, *, create: bool) -> None:
    """Make sure that the folder is a store or may become one, or raise `NotAStoreError`."""
    try:
        names = await io.list(folder)
    except NotAFolderError as error:
        raise NotAStoreError(folder, "it is not a folder") from error
    except NotFoundError as error:
        if not create:
            raise NotAStoreError(folder, "there is nothing under that name") from error
        await _make_folder(io, folder)
        names = []
    if any(_is_manifest(name) for name in names):
        return
    strange = [name for name in names if not _is_left_over(name)]
    if strange:
        known = [name for name in strange if table_number(name) or segment_number(name)]
        what = (
            "it has tables or log but no manifest" if known else "it holds other files"
        )
        raise NotAStoreError(folder, f"{what} ({strange[0]!r})")
    if not create:
        raise NotAStoreError(folder, "the folder is empty and nothing may be created")
    # Also if somebody else made it, or an earlier try failed here: its name has to last.
    await io.sync_dir(_parent(folder))


async def check_tables(io: Io, folder: str, version: Version) -> None:
    """Raise `CorruptionError` unless every table's file is there with its size."""
    for meta in version.tables:
        path = f"{folder}/{table_name(meta.number)}"
        try:
            size = (await io.stat(path)).size
        except NotFoundError as error:
            detail = "the manifest names this table and no such file exists"
            raise CorruptionError(path, 0, detail) from error
        if size != meta.size:
            detail = f"expected a table of {meta.size} bytes, found {size}"
            raise CorruptionError(path, min(size, meta.size), detail)


async def recover(io: Io, folder: str, options: Options) -> Recovered:
    """Open a store for writing, made if its folder is empty. The caller holds the lock."""
    started = trio.current_time()
    loaded = await load_manifest(io, folder)
    version = Version.initial() if loaded is None else loaded.state
    store_id = io.token() if loaded is None else loaded.header.store_id
    if loaded is not None:
        await check_nothing_is_lost(io, folder, loaded)
    await check_tables(io, folder, version)
    replay = Replay(io, folder, store_id, memtable_bytes_max=options.memtable_bytes_max)
    replayed = await replay.run(version, read_only=False)
    manifest = await _begin_life(io, folder, store_id, loaded, options)
    try:
        orphans_removed = await sweep_orphans(io, folder, manifest)
        log = await _continue_log(io, folder, store_id, manifest, replayed, options)
    except BaseException:
        with trio.CancelScope(shield=True):
            await _close_quietly(manifest)
        raise
    report = RecoveryReport(
        frames=replayed.frames,
        entries=replayed.entries,
        bytes=replayed.bytes,
        torn_bytes=replayed.torn_bytes,
        rewritten_frames=len(replayed.unconfirmed),
        tables=len(version.tables),
        orphans_removed=orphans_removed,
        clean=replayed.is_clean,
        seconds=trio.current_time() - started,
    )
    visibility = Visibility(manifest.current.first_sequence)
    return Recovered(store_id, manifest, log, visibility, replayed.memtables, report)


async def _begin_life(
    io: Io,
    folder: str,
    store_id: bytes,
    loaded: Loaded[Version] | None,
    options: Options,
) -> Manifest:
    version = Version.initial() if loaded is None else loaded.state
    version = attrs.evolve(version, life=version.life + 1)
    settings = JournalSettings(
        store_id=store_id,
        life=version.life,
        token=io.token(),
        rotation_bytes_min=options.manifest_rotation_bytes_min,
    )
    journal = await Journal.start(
        io, folder, MANIFEST_PREFIX, version, loaded, settings
    )
    return Manifest(journal)


async def _continue_log(
    io: Io,
    folder: str,
    store_id: bytes,
    manifest: Manifest,
    replayed: Replayed,
    options: Options,
) -> HybridLog:
    """Write again what is not known to be durable, and open a segment above all that ever was."""
    first = manifest.current.log_end
    log = HybridLog(io, folder, store_id, replayed.confirmed)
    keeper = SegmentKeeper(log, manifest, options.segment_bytes_max)
    try:
        for frame in replayed.unconfirmed:
            log.recover(frame)
        if replayed.unconfirmed:
            await keeper.carry_over()
        await keeper.roll(first)
    except BaseException:
        with trio.CancelScope(shield=True):
            await log.aclose()
        raise
    return log


async def sweep_orphans(io: Io, folder: str, manifest: Manifest) -> int:
    """Remove tables and segments that the manifest does not name; return how many went."""
    version = manifest.current
    named = {table_name(table.number) for table in version.tables}
    named |= {segment_name(segment.number) for segment in version.segments}
    removed = 0
    for name in await io.list(folder):
        number = table_number(name) or segment_number(name)
        if number is None or name in named:
            continue
        try:
            await io.remove(f"{folder}/{name}")
        except IoError:
            manifest.drop_again(number)
        else:
            removed += 1
    return removed


async def _make_folder(io: Io, folder: str) -> None:
    try:
        await io.make_dir(folder)
    except NotFoundError as error:
        detail = f"its parent {_parent(folder)!r} does not exist"
        raise NotAStoreError(folder, detail) from error
    except ExistsError as error:
        raise NotAStoreError(folder, "somebody else is making it") from error


def _parent(folder: str) -> str:
    above, slash, _ = folder.rstrip("/").rpartition("/")
    return above or slash or "."


async def _close_quietly(manifest: Manifest) -> None:
    with suppress(IoError, JournalError):
        await manifest.journal.aclose()


def _is_manifest(name: str) -> bool:
    digits = name.removeprefix(f"{MANIFEST_PREFIX}-")
    return digits != name and digits.isdecimal()


def _is_left_over(name: str) -> bool:
    """Whether a store that was never finished being created may have left this name."""
    temporary = name.startswith(f"{MANIFEST_PREFIX}-") and name.endswith(".tmp")
    return name == LOCK_NAME or temporary

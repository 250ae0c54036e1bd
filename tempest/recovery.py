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

from collections.abc import Iterable, Sequence
from contextlib import suppress

import attrs
import trio

from io_backends import (
    ExistsError,
    Io,
    IoError,
    Lock,
    NotAFolderError,
    NotFoundError,
)
from journal import Journal, JournalError, JournalSettings, Loaded
from tempest.errors import CorruptionError, LockedError, NotAStoreError
from tempest.evidence import check_nothing_is_lost, is_backup
from tempest.log import HybridLog, Visibility, segment_name, segment_number
from tempest.memory import Memtables
from tempest.options import Options
from tempest.replay import Replay, Replayed
from tempest.segments import SegmentKeeper
from tempest.session_serials import SessionSerials
from tempest.table import table_name, table_number
from tempest.translate import translate
from tempest.version import NUMBERS_STEP, Manifest, Version

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
        replay_from: the log address from which on it was replayed.
        index_checkpoint: token of the newest checkpoint that had made tables of all below an
            address, at or below `replay_from`; None if there is none. A LOG checkpoint makes none.
    """

    seconds: float = 0.0
    index_checkpoint: bytes | None = None  # before a field takes the name
    frames: int = 0
    entries: int = 0
    bytes: int = 0
    torn_bytes: int = 0
    rewritten_frames: int = 0
    tables: int = 0
    orphans_removed: int = 0
    clean: bool = True
    replay_from: int = 0


@attrs.frozen
class Recovered:
    """The parts of a store that recovery made."""

    store_id: bytes
    manifest: Manifest
    log: HybridLog
    visibility: Visibility
    memtables: Memtables
    report: RecoveryReport
    sessions: SessionSerials


async def load_manifest(io: Io, folder: str) -> Loaded[Version] | None:
    """Load the newest generation of the manifest; None if there is none."""
    return await Journal.load(io, folder, MANIFEST_PREFIX, Version)


async def prepare_folder(io: Io, folder: str, *, create: bool) -> list[str]:
    """Make sure that the folder is a store or may become one; return the names in it.

    Raises `NotAStoreError`.
    """
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
        return names
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
    return names


async def check_tables(io: Io, folder: str, version: Version) -> None:
    """Raise `CorruptionError` unless every table's file is there with its size.

    And so are the segments that tables point into, as far as they count.
    """
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
    for segment in version.pointed_segments:
        path = f"{folder}/{segment_name(segment.number)}"
        try:
            size = (await io.stat(path)).size
        except NotFoundError as error:
            detail = "a table points into this segment and no such file exists"
            raise CorruptionError(path, 0, detail) from error
        if segment.end is not None and size < segment.offset(segment.end):
            detail = f"expected {segment.offset(segment.end)} bytes, found {size}"
            raise CorruptionError(path, size, detail)


async def recover(
    io: Io, folder: str, options: Options, names: Sequence[str]
) -> Recovered:
    """Open a store for writing, made if its folder is empty.

    The caller holds the lock, and has seen these names since it does: they are all there are.
    """
    started = trio.current_time()
    loaded = await load_manifest(io, folder)
    version = Version.initial() if loaded is None else loaded.state
    store_id = io.token() if loaded is None else loaded.header.store_id
    if loaded is not None:
        await check_nothing_is_lost(io, folder, loaded, names)
    await check_tables(io, folder, version)
    share, page = options.memtable_share_bytes, options.log_page_bytes
    replay = Replay(io, folder, store_id, memtable_bytes_max=share, page_bytes=page)
    replayed = await replay.run(version, read_only=False)
    manifest = await begin_life(io, folder, store_id, loaded, options)
    try:
        orphans_removed = await sweep_orphans(io, folder, manifest, names)
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
        replay_from=version.replay_from,
        index_checkpoint=index.token if (index := version.index_checkpoint) else None,
        seconds=trio.current_time() - started,
    )
    visibility = Visibility(manifest.current.first_sequence)
    return Recovered(
        store_id,
        manifest,
        log,
        visibility,
        replayed.memtables,
        report,
        SessionSerials(replayed.sessions),
    )


async def take_lock(io: Io, folder: str) -> Lock:
    """Take the lock of a store, or raise `LockedError` that names its folder and holder."""
    try:
        return await io.lock(f"{folder}/{LOCK_NAME}")
    except IoError as error:
        held = translate(error)
        if isinstance(held, LockedError):
            held = LockedError(folder, held.pid, held.host, held.since)
        raise held from error


async def begin_life(
    io: Io,
    folder: str,
    store_id: bytes,
    loaded: Loaded[Version] | None,
    options: Options,
) -> Manifest:
    """Begin, durably, a life of the store that nobody has had before."""
    version = Version.initial() if loaded is None else loaded.state
    if loaded is not None and is_backup(loaded.header):
        await _sweep_backup(io, folder, version)
    unused = version.number_ceiling
    version = attrs.evolve(
        version,
        life=version.life + 1,
        begin=_beginning_of(version),
        number_ceiling=unused + NUMBERS_STEP,
    )
    settings = JournalSettings(
        store_id=store_id,
        life=version.life,
        token=io.token(),
        rotation_bytes_min=options.manifest_rotation_bytes_min,
    )
    journal = await Journal.start(
        io, folder, MANIFEST_PREFIX, version, loaded, settings
    )
    return Manifest(journal, unused)


def _beginning_of(version: Version) -> int:
    """Return where a version's log begins; one of the first format does not say.

    Nobody followed its log yet, so where its first segment begins is near enough.
    """
    if version.begin or version.consumers or not version.segments:
        return version.begin
    return min(version.segments[0].first, version.replay_from)


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


async def sweep_orphans(
    io: Io, folder: str, manifest: Manifest, names: Iterable[str] | None = None
) -> int:
    """Remove tables and segments that the manifest does not name; return how many went."""
    removed = 0
    for name, number in await orphans(io, folder, manifest.current, names):
        try:
            await io.remove(f"{folder}/{name}")
        except IoError:
            manifest.drop_again(number)
        else:
            removed += 1
    return removed


async def orphans(
    io: Io, folder: str, version: Version, names: Iterable[str] | None = None
) -> list[tuple[str, int]]:
    """Return name and number of every table and segment that the version does not name.

    `names` are those in the folder, where the caller knows them.
    """
    numbers = version.numbers
    known = (name(number) for number in numbers for name in (table_name, segment_name))
    named = dict.fromkeys(known)
    found = []
    for name in names or await io.list(folder):
        number = table_number(name) or segment_number(name)
        if number is not None and name not in named:
            found.append((name, number))
    return found


async def _sweep_backup(io: Io, folder: str, version: Version) -> None:
    """Remove, durably, what an unfinished backup left: later it would prove that edits are lost."""
    left = await orphans(io, folder, version)
    for name, _ in left:
        await io.remove(f"{folder}/{name}")
    if left:
        await io.sync_dir(folder)


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

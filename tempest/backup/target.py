"""The folder that a backup is made in: absent, empty, unfinished, or a backup of the same store.

    absent, empty                       becomes a backup
    files of this store, no manifest    left by a first backup that did not end: they go
    a backup of this store              is continued
    anything else                       is refused, and nothing in it is changed

A backup says what it is in its manifest (`tempest.evidence.BACKUP`). Whoever opens the folder for
writing begins a generation without that bit, and from then on it is a store of its own.

Invariants
- Nothing is removed before the folder was found to be ours, and nothing that a manifest names.
- What is continued is the past of the store that is being backed up, as far as files can tell.
"""

import attrs

from io_backends import ExistsError, Io, IoError, Lock, NotAFolderError, NotFoundError
from journal import Journal, JournalSettings, Loaded
from tempest.errors import BackupError, CorruptionError, UnsupportedFormatError
from tempest.evidence import BACKUP, is_backup
from tempest.header import HEADER_SIZE, decode_header
from tempest.log import segment_number
from tempest.recovery import LOCK_NAME, MANIFEST_PREFIX, load_manifest, orphans
from tempest.table import table_number
from tempest.translate import translate
from tempest.version import Version


@attrs.define
class Target:
    """A folder that a backup may be made in, locked. `loaded` is the backup that it holds."""

    io: Io
    folder: str
    store_id: bytes
    loaded: Loaded[Version] | None
    lock: Lock

    async def sweep(self) -> None:
        """Remove what an unfinished backup left."""
        version = Version.initial() if self.loaded is None else self.loaded.state
        for name, _ in await orphans(self.io, self.folder, version):
            await self.io.remove(f"{self.folder}/{name}")

    async def publish(self, version: Version) -> None:
        """Make `version` what the folder holds: the commit point, a generation of its own."""
        settings = JournalSettings(
            store_id=self.store_id,
            life=version.life,
            token=self.io.token(),
            compatible=BACKUP,
        )
        journal = await Journal.start(
            self.io, self.folder, MANIFEST_PREFIX, version, self.loaded, settings
        )
        await journal.aclose()

    def release(self) -> None:
        """Let somebody else use the folder."""
        self.lock.release()


async def open_target(io: Io, folder: str, store_id: bytes) -> Target:
    """Lock the folder, made if absent, and find out what it holds; `BackupError` if not ours."""
    names = await _names(io, folder)
    if names is None:
        await _make_folder(io, folder)
    elif not any(name.startswith(f"{MANIFEST_PREFIX}-") for name in names):
        await _check_unfinished(io, folder, names, store_id)
    else:
        await _load(io, folder, store_id)
    try:
        lock = await io.lock(f"{folder}/{LOCK_NAME}")
    except IoError as error:
        detail = f"it is in use ({translate(error)})"
        raise BackupError(folder, detail) from error
    try:
        # Looked at once more, now that nobody else can change it.
        loaded = await _load(io, folder, store_id)
        if loaded is None:
            names = await io.list(folder)
            await _check_unfinished(io, folder, names, store_id)
            # Also if an earlier try made it, or failed here: the folder's name has to last.
            await io.sync_dir(_parent(folder))
    except BaseException:
        lock.release()
        raise
    return Target(io, folder, store_id, loaded, lock)


def check_is_past(folder: str, past: Version, present: Version) -> None:
    """Raise `BackupError` if what a backup holds cannot be an older state of the store."""
    forks = past.forks[:-1]  # the last one is where the backup itself begins
    if (
        past.life > present.life
        or past.number_ceiling > present.number_ceiling
        or past.value_ceiling > present.value_ceiling
        or past.log_end > present.log_end
        or forks != present.forks[: len(forks)]
    ):
        detail = (
            "it holds a state that the store was never in, or is newer than the store"
        )
        raise BackupError(folder, detail)


async def _load(io: Io, folder: str, store_id: bytes) -> Loaded[Version] | None:
    loaded = await load_manifest(io, folder)
    if loaded is None:
        return None
    if loaded.header.store_id != store_id:
        raise BackupError(folder, "it holds another store")
    if not is_backup(loaded.header):
        raise BackupError(
            folder, "it is a store, or a backup that was written to since"
        )
    return loaded


async def _names(io: Io, folder: str) -> list[str] | None:
    try:
        return await io.list(folder)
    except NotAFolderError as error:
        raise BackupError(folder, "it is not a folder") from error
    except NotFoundError:
        return None


async def _make_folder(io: Io, folder: str) -> None:
    try:
        await io.make_dir(folder)
    except NotFoundError as error:
        raise BackupError(
            folder, "the folder that it lies in does not exist"
        ) from error
    except ExistsError as error:
        raise BackupError(folder, "somebody else is making it") from error


async def _check_unfinished(
    io: Io, folder: str, names: list[str], store_id: bytes
) -> None:
    """Refuse a folder without a manifest unless this store alone can have left what is in it."""
    for name in names:
        temporary = name.startswith(f"{MANIFEST_PREFIX}-") and name.endswith(".tmp")
        if name == LOCK_NAME or temporary:
            continue
        is_ours = table_number(name) is not None or segment_number(name) is not None
        if not is_ours or not await _may_be_of(io, f"{folder}/{name}", store_id):
            detail = f"it holds other files, {name!r} among them"
            raise BackupError(folder, detail)


async def _may_be_of(io: Io, path: str, store_id: bytes) -> bool:
    """Whether a file is of this store, or so short or torn that a crash while copying left it."""
    file = await io.open(path)
    try:
        data = await file.read_at(0, min(await file.size(), HEADER_SIZE))
    finally:
        await file.aclose()
    try:
        return decode_header(data, path).store_id == store_id
    except CorruptionError:
        return True
    except UnsupportedFormatError:
        return False


def _parent(folder: str) -> str:
    above, slash, _ = folder.rstrip("/").rpartition("/")
    return above or slash or "."

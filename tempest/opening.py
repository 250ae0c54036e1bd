"""Opening a store: `async with tempest.open_store("data") as store`.

The block owns the background tasks. The lock is taken and recovery is done before the nursery is
entered, so whatever they raise comes out as it is; the user's own exception leaves the block
unwrapped, and a failing close becomes a note on it.

Invariants
- Whatever fails or is cancelled on the way in, the lock is let go and every file is closed.
- Only an absent or empty folder is made a store, and never by a read-only open.
"""

import os
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import trio

from io_backends import FileIo, Io, Lock
from tempest.checkpoint import Shelf, find_recovery_point
from tempest.engine import (
    Engine,
    Place,
    Reading,
    make_caches,
)
from tempest.errors import (
    CorruptionError,
    InvalidError,
    NotAStoreError,
    StorageError,
    TempestError,
)
from tempest.evidence import check_nothing_is_lost
from tempest.fairness import Fairness
from tempest.health import HealthMonitor
from tempest.log import Visibility
from tempest.options import Options
from tempest.reader import Reader
from tempest.recovery import (
    RecoveryReport,
    check_tables,
    load_manifest,
    prepare_folder,
    recover,
    take_lock,
)
from tempest.replay import Replay
from tempest.session_serials import SessionSerials
from tempest.snapshot import Positions
from tempest.store import Store
from tempest.table import check_available
from tempest.translate import translated
from tempest.version import FixedVersion, Version

DEFAULT_OPTIONS = Options()
RACES_MAX = 20
RACE_SECONDS = 0.005  # more of it after each race that was lost


class OpenStore(AbstractAsyncContextManager[Store]):
    """What `open_store` returns: enter it once with `async with`."""

    def __init__(
        self,
        place: Place,
        options: Options,
        *,
        create: bool,
        read_only: bool,
        checkpoint: bytes | None = None,
    ) -> None:
        self._place = place
        self._checkpoint = checkpoint
        self._options = options
        self._create = create
        self._read_only = read_only
        self._store: Store | None = None
        self._nursery: AbstractAsyncContextManager[trio.Nursery] | None = None

    def __await__(self) -> Generator[None, None, Store]:
        """Refuse: a store needs a block that owns its background tasks."""
        raise TypeError(
            "open_store() cannot be awaited; write: async with tempest.open_store(...) as store"
        )

    async def __aenter__(self) -> Store:
        if self._store is not None:
            raise TypeError("a store is opened once; call open_store() again")
        await trio.lowlevel.checkpoint_if_cancelled()
        with translated():
            if self._read_only:
                self._store = await open_for_reading(
                    self._place, self._options, self._checkpoint
                )
                return self._store
            engine = await open_for_writing(
                self._place, self._options, create=self._create
            )
        self._nursery = trio.open_nursery()
        nursery = await self._nursery.__aenter__()
        engine.start(nursery)
        self._store = Store(engine.place, engine.reading, self._options, engine)
        return self._store

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._store is not None, "entered before it is left"
        failure: TempestError | None = None
        try:
            await self._store.aclose()
        except TempestError as error:
            failure = error
        if self._nursery is not None:
            # No exception goes in and none comes out: the tasks are supervised, and a nursery
            # that was told of no exception waits without being cancelled.
            await self._nursery.__aexit__(None, None, None)
        if failure is None:
            return
        if exc is None:
            raise failure
        exc.add_note(f"Closing the store failed, too: {failure}")


def open_store(
    path: str | os.PathLike[str],
    *,
    io: Io | None = None,
    options: Options = DEFAULT_OPTIONS,
    create: bool = True,
    read_only: bool = False,
    checkpoint: bytes | None = None,
) -> OpenStore:
    """Open the store in a folder, for the duration of an `async with` block.

    Args:
        path: the folder. Absent or empty, it is made a store (unless `create` is False).
        io: where files live; None is the real filesystem.
        options: how the store behaves.
        create: whether a store may be made.
        read_only: take no lock and write nothing; several processes may do so. Serves what the
            files prove to be durable when it is opened: beside a running writer the newest
            writes may be missing until the mark behind their sync is written.
        checkpoint: token of a checkpoint to read as it was; needs `read_only`.

    On entry it raises `NotAStoreError`, `LockedError` (naming the holder), `CorruptionError`
    (naming file and offset), `UnsupportedFormatError` or `StorageError`; the folder is then as
    it was. Leaving the block, also by exception or cancellation, makes everything acknowledged
    durable.
    """
    folder = os.fspath(path)
    if not isinstance(folder, str):
        raise TypeError(f"the path of a store must be text, not {folder!r}")
    if not isinstance(options, Options):
        raise TypeError(f"options must be Options, not {options!r}")
    check_available(options.compression)
    if checkpoint is not None and not isinstance(checkpoint, bytes):
        raise TypeError(f"checkpoint must be a token (bytes), not {checkpoint!r}")
    if checkpoint is not None and not read_only:
        raise InvalidError(
            "a checkpoint can only be read",
            "Open it with read_only=True, or restore it",
        )
    place = Place(io or FileIo(), folder, io is None, None)
    return OpenStore(
        place, options, create=create, read_only=read_only, checkpoint=checkpoint
    )


async def open_for_writing(place: Place, options: Options, *, create: bool) -> Engine:
    """Take the lock, recover, and put the engine together; nothing runs yet."""
    io, folder = place.io, place.folder
    lock: Lock | None = None
    try:
        await prepare_folder(io, folder, create=create)
        lock = await take_lock(io, folder)
        names = await prepare_folder(io, folder, create=create)
        recovered = await recover(io, folder, options, names)
    except BaseException:
        with trio.CancelScope(shield=True):
            await Place(io, folder, place.owns_io, lock).aclose()
        raise
    return Engine(Place(io, folder, place.owns_io, lock), recovered, options)


async def open_for_reading(
    place: Place, options: Options, checkpoint: bytes | None
) -> Store:
    """Read manifest and log, hold every table open, and write nothing.

    A running writer removes or overtakes what was just read about, and that looks like damage.
    But damage stays where it is: what is found twice is no race.
    """
    try:
        return await _open_between_changes(place, options, checkpoint)
    except BaseException:
        with trio.CancelScope(shield=True):
            await place.aclose()
        raise


async def _open_between_changes(
    place: Place, options: Options, checkpoint: bytes | None
) -> Store:
    found = ""
    for race in range(RACES_MAX):
        try:
            return await _open_for_reading(place, options, checkpoint)
        except CorruptionError as error:
            if str(error) == found:
                raise
            found = str(error)
            await trio.sleep(RACE_SECONDS * race)
    detail = f"a writer changed the store {RACES_MAX} times while it was being read"
    raise StorageError(place.folder, "open", None, detail)


async def _open_for_reading(
    place: Place, options: Options, checkpoint: bytes | None
) -> Store:
    io, folder = place.io, place.folder
    started = trio.current_time()
    await prepare_folder(io, folder, create=False)
    loaded = await load_manifest(io, folder)
    if loaded is None:
        raise NotAStoreError(folder, "it was never finished being created")
    version, store_id = loaded.state, loaded.header.store_id
    await check_nothing_is_lost(io, folder, loaded)
    if checkpoint is not None:
        version = version.at_checkpoint(find_recovery_point(version, checkpoint))
    await check_tables(io, folder, version)
    replay = Replay(io, folder, store_id, memtable_bytes_max=options.memtable_bytes_max)
    replayed = await replay.run(version, read_only=True)
    caches = make_caches(place, store_id, options, version)
    reader = Reader(
        replayed.memtables,
        FixedVersion(version),
        Visibility(replayed.last_sequence),
        caches.tables,
        caches.values,
        HealthMonitor(options.resume_seconds_max),
    )
    await _hold_open(reader, version)
    report = RecoveryReport(
        seconds=trio.current_time() - started,
        frames=replayed.frames,
        entries=replayed.entries,
        bytes=replayed.bytes,
        torn_bytes=replayed.torn_bytes,
        tables=len(version.tables),
        clean=replayed.is_clean,
        replay_from=version.replay_from,
        index_checkpoint=index.token if (index := version.index_checkpoint) else None,
    )
    sessions = SessionSerials(replayed.sessions)
    shelf = Shelf(io, folder, store_id, reader.manifest)
    reading = Reading(
        reader, Positions(), Fairness(), caches.blocks, report, sessions, shelf
    )
    return Store(place, reading, options, None)


async def _hold_open(reader: Reader, version: Version) -> None:
    """Open every file of the version: a writer may remove it, and an open handle reads on."""
    try:
        for meta in version.tables:
            await reader.tables.acquire(meta)
        await reader.values.hold(version.pointed_segments)
    except BaseException:
        with trio.CancelScope(shield=True):
            await reader.aclose()
        raise

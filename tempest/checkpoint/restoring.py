"""Go back to a checkpoint, while the store is closed: one edit that begins a new timeline.

    1. take the lock, load the manifest    4. the checkpoint's log becomes a table
    2. read the whole checkpoint back      5. a new segment, above every address ever used
    3. begin a new life                    6. one edit: its tables, that table, that segment

What the store held until then is gone after step 6, but for what other checkpoints hold: those
that were taken since stay readable, labelled as abandoned. Tables and log of the present state are
not read, so they may be damaged; the manifest may not.

Invariants
- Until the edit is durable the folder is the store that it was; after it, the restored one.
- Nothing is restored that could not be read back whole before.
- Falling back to an older checkpoint is only ever explicit, and says what was passed over.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from io_backends import FileIo, Io
from journal import Loaded
from tempest.checkpoint.info import (
    CheckpointInfo,
    describe,
    describe_all,
    find,
    find_recovery_point,
)
from tempest.checkpoint.validation import CheckpointReport, Validation, log_parts
from tempest.compaction import OutputPlan
from tempest.errors import CheckpointError, NotAStoreError
from tempest.evidence import check_nothing_is_lost
from tempest.flush import FlushJob, flush
from tempest.iterator import KeyRanges
from tempest.log import HybridLog, SegmentMeta, capacity_bytes
from tempest.options import Options
from tempest.recovery import (
    begin_life,
    load_manifest,
    prepare_folder,
    sweep_orphans,
    take_lock,
)
from tempest.table import TableMeta, TableOptions
from tempest.translate import translated
from tempest.version import (
    CheckpointMeta,
    Manifest,
    PlacedTable,
    Version,
    VersionEdit,
)

DEFAULT_OPTIONS = Options()
OnSkip = Callable[[CheckpointInfo, str], None]


async def list_checkpoints(
    path: str | os.PathLike[str], *, io: Io | None = None
) -> list[CheckpointInfo]:
    """Return what the manifest in a folder knows of its checkpoints, oldest first.

    Takes no lock, writes nothing, and reads nothing but the manifest. So after a kill it may name
    one that nobody was told of, and that a power cut before the next opening still takes away.
    Raises `NotAStoreError`, `CorruptionError` (of the manifest) or `StorageError`.
    """
    async with _folder(path, io, DEFAULT_OPTIONS) as place:
        return describe_all((await place.load()).state)


async def validate_checkpoint(
    path: str | os.PathLike[str], token: bytes, *, io: Io | None = None
) -> CheckpointReport:
    """Read back what restoring a checkpoint would need, of a store that nobody writes to."""
    async with _folder(path, io, DEFAULT_OPTIONS) as place:
        loaded = await place.load()
        return await place.validate(loaded, find(loaded.state, token))


async def restore_checkpoint(
    path: str | os.PathLike[str],
    token: bytes,
    *,
    io: Io | None = None,
    options: Options = DEFAULT_OPTIONS,
) -> CheckpointInfo:
    """Make a closed store what it was at a checkpoint; return that checkpoint.

    Args:
        path: the folder; the store's lock is held meanwhile (`LockedError`).
        token: of a FULL, LOG or INCREMENTAL checkpoint.
        io: where files live; None is the real filesystem.
        options: how the table made of its log is written, and whether in this process.

    The checkpoint is read back whole first; `CheckpointError` says what is missing, and nothing
    was changed then. Works when tables or log of the present state are damaged. Durable when it
    returns; cancelled or failed it has happened whole or not at all.
    """
    async with _folder(path, io, options) as place, place.locked():
        loaded = await place.load()
        meta = find_recovery_point(loaded.state, token)
        (await place.validate(loaded, meta)).check()
        await place.restore(loaded, meta)
        return describe(loaded.state, meta)


async def restore_newest_valid(
    path: str | os.PathLike[str],
    *,
    io: Io | None = None,
    options: Options = DEFAULT_OPTIONS,
    on_skip: OnSkip | None = None,
) -> CheckpointInfo:
    """Restore the newest checkpoint that is whole and not abandoned; return it.

    `on_skip` is told of each newer one that was passed over, and why. `CheckpointError` names
    them all if none is left. Otherwise as `restore_checkpoint`.
    """
    async with _folder(path, io, options) as place, place.locked():
        loaded = await place.load()
        version = loaded.state
        skipped: list[str] = []
        for meta in reversed(version.checkpoints):
            reason = _reason_to_skip(version, meta)
            if not reason:
                try:
                    (await place.validate(loaded, meta)).check()
                except CheckpointError as error:
                    reason = error.detail
                else:
                    await place.restore(loaded, meta)
                    return describe(version, meta)
            if on_skip is not None:
                on_skip(describe(version, meta), reason)
            skipped.append(f"{meta.token.decode(errors='replace')}: {reason}")
        found = "; ".join(skipped) or "there is none"
        raise CheckpointError(
            f"No checkpoint can be restored ({found})",
            "Restore a backup with restore_backup() or `tempest restore`",
        )


def _reason_to_skip(version: Version, meta: CheckpointMeta) -> str:
    if not meta.is_recovery_point:
        return "an INDEX checkpoint is no recovery point"
    if version.is_abandoned(meta):
        return "it was abandoned when an older one was restored"
    return ""


@asynccontextmanager
async def _folder(
    path: str | os.PathLike[str], io: Io | None, options: Options
) -> AsyncIterator["_Folder"]:
    """Give access to a store's folder, with errors translated and a backend of its own closed."""
    folder = os.fspath(path)
    if not isinstance(folder, str):
        raise TypeError(f"the path of a store must be text, not {folder!r}")
    await trio.lowlevel.checkpoint_if_cancelled()
    used = io or FileIo()
    try:
        with translated():
            yield _Folder(used, folder, options)
    finally:
        if io is None:
            with trio.CancelScope(shield=True):
                await used.aclose()


@attrs.frozen
class _Folder:
    """A store that is not open."""

    io: Io
    folder: str
    options: Options

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the store's lock."""
        await prepare_folder(self.io, self.folder, create=False)
        lock = await take_lock(self.io, self.folder)
        try:
            yield
        finally:
            lock.release()

    async def load(self) -> Loaded[Version]:
        await prepare_folder(self.io, self.folder, create=False)
        loaded = await load_manifest(self.io, self.folder)
        if loaded is None:
            raise NotAStoreError(self.folder, "it was never finished being created")
        await check_nothing_is_lost(self.io, self.folder, loaded)
        return loaded

    async def validate(
        self, loaded: Loaded[Version], meta: CheckpointMeta
    ) -> CheckpointReport:
        return await Validation(
            self.io, self.folder, loaded.header.store_id, loaded.state, meta
        ).run()

    async def restore(self, loaded: Loaded[Version], meta: CheckpointMeta) -> None:
        """Do steps 3 to 6, and remove what nobody needs any more."""
        io, folder, store_id = self.io, self.folder, loaded.header.store_id
        manifest = await begin_life(io, folder, store_id, loaded, self.options)
        try:
            await sweep_orphans(io, folder, manifest)
            tables = await self._flush_log(manifest, store_id, meta)
            segment = await self._make_segment(manifest, store_id)
            restored = manifest.current.at_checkpoint(meta)
            edit = VersionEdit(
                restored=meta.token,
                replay_from=segment.first,
                added=tuple(PlacedTable(0, table) for table in tables),
                segments_added=(segment,),
                segments_removed=restored.retired_segments(segment.first, added=tables),
            )
            with trio.CancelScope(shield=True):
                await manifest.append(edit)
            await sweep_orphans(io, folder, manifest)
        finally:
            with trio.CancelScope(shield=True):
                await manifest.journal.aclose()

    async def _flush_log(
        self, manifest: Manifest, store_id: bytes, meta: CheckpointMeta
    ) -> tuple[TableMeta, ...]:
        """Make a table of the log that belongs to the checkpoint; none if there is no log."""
        segments = tuple(log_parts(meta))
        if not segments:
            return ()
        tables = manifest.current.at_checkpoint(meta).tables
        job = FlushJob(
            segments=segments,
            start=meta.replay_from,
            stop=segments[-1].end or 0,
            positions=(meta.sequence,),
            older=KeyRanges.union((t.smallest, t.largest) for t in tables),
            outputs=OutputPlan(
                folder=self.folder,
                store_id=store_id,
                life=manifest.current.life,
                numbers=await manifest.reserve(1),
                table_bytes_max=self.options.table_bytes_max,
                options=TableOptions.of(self.options),
            ),
            separated_value_bytes_min=self.options.separated_value_bytes_min,
        )
        inline = self.options.compaction_inline
        return (await flush(self.io, job, inline=inline)).tables

    async def _make_segment(self, manifest: Manifest, store_id: bytes) -> SegmentMeta:
        """Make the first segment of the new timeline: empty, and closed already."""
        (number,) = await manifest.reserve(1)
        first = manifest.current.log_end
        limit = first + capacity_bytes(0, self.options.segment_bytes_max)
        meta = SegmentMeta(number, manifest.current.life, first, limit, first)
        log = HybridLog(self.io, self.folder, store_id, first)
        segment = await log.create_segment(meta)
        await segment.file.aclose()
        return meta

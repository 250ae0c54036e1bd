"""Make a store of a backup, in a folder of its own; the backup stays as it is.

Invariants
- The folder becomes a store in one step, when everything in it is there, durable and read.
- The state is the one that the backup's manifest names: no time stamp and no order of names counts.
"""

import os

import trio

from io_backends import FileIo, Io
from tempest.backup.making import BackupReport, fill, report_of
from tempest.backup.target import open_target
from tempest.backup.transfer import OnProgress, Transfer
from tempest.errors import BackupError
from tempest.evidence import is_backup
from tempest.recovery import load_manifest, prepare_folder
from tempest.translate import translated


async def restore_backup(
    backup: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    io: Io | None = None,
    verify: bool = True,
    on_progress: OnProgress | None = None,
) -> BackupReport:
    """Make a store in an absent or empty folder that is what the backup holds.

    Files get second names where the filesystem allows it, and are copied elsewhere. With `verify`
    every byte is read before the folder becomes a store. Positions in the log of the store that
    was backed up mean nothing in the new one: it begins a timeline of its own.

    Raises `NotAStoreError` or `BackupError` (which say what is in the way) with nothing changed,
    `CorruptionError` (the backup is damaged) or `StorageError`; then, and if it is cancelled, the
    folder is no store, and can be given again.
    """
    source, target_path = os.fspath(backup), os.fspath(folder)
    for path in (source, target_path):
        if not isinstance(path, str):
            raise TypeError(f"the path of a store must be text, not {path!r}")
    await trio.lowlevel.checkpoint_if_cancelled()
    used = io or FileIo()
    try:
        with translated():
            return await _restore(
                used, source, target_path, verify=verify, on_progress=on_progress
            )
    finally:
        if io is None:
            with trio.CancelScope(shield=True):
                await used.aclose()


async def _restore(
    io: Io,
    source: str,
    folder: str,
    *,
    verify: bool,
    on_progress: OnProgress | None,
) -> BackupReport:
    started = trio.current_time()
    await prepare_folder(io, source, create=False)
    loaded = await load_manifest(io, source)
    if loaded is None or not is_backup(loaded.header):
        detail = (
            "it is a store, or a backup that was written to since; open it as it is"
        )
        raise BackupError(source, detail)
    target = await open_target(io, folder, loaded.header.store_id)
    try:
        if target.loaded is not None:
            raise BackupError(folder, "it holds a store already")
        transfer = Transfer(io, source, folder)
        await fill(
            target, loaded.state, transfer, verify=verify, on_progress=on_progress
        )
    finally:
        target.release()
    return report_of(target, loaded.state, transfer, started, is_verified=verify)

"""What a store offers for backups: to make one, or to bring one up to date.

Invariants
- The store goes on as if nothing happened, whatever becomes of the backup.
"""

import os

from tempest.backup import BackupReport, OnProgress, make_backup
from tempest.engine import Engine, Reading
from tempest.translate import translated


class BackupFace:
    """Backing up a store that is open. Part of `Store`."""

    _reading: Reading

    async def backup(
        self,
        folder: str | os.PathLike[str],
        *,
        verify: bool = True,
        on_progress: OnProgress | None = None,
    ) -> BackupReport:
        """Make `folder` a store that is what this one is now, or bring an older backup up to date.

        It holds every write that had returned, whatever its level, with all checkpoints,
        sessions and large values, and opens by itself. Reads and writes go on. Files get second
        names (hard links) where the filesystem allows it and are copied elsewhere; those that
        an older backup has are kept, tables by their checksum, segments byte by byte. With
        `verify` (the default) every byte of it is read before it is published.
        `on_progress` is called with a `BackupProgress` as files are done; what it raises ends
        the backup.

        The folder may be absent or empty, or hold a backup of this store that nobody has
        written to since. At every moment, a power cut included, it holds the older backup or
        the new one, or, the first time, no store until the backup is whole and durable.
        Cancelled, or failed, it leaves the older backup. Two backups of one store are made one
        after the other. Opened for writing, a backup goes its own way, on a timeline of its own.

        Raises `BackupError` for a folder that is in the way, with nothing in it changed;
        `CorruptionError` naming the damaged file, of the store or of the older backup;
        `StorageError`; `BackgroundError` if the store only reads.
        """
        path = os.fspath(folder)
        if not isinstance(path, str):
            raise TypeError(f"the path of a backup must be text, not {path!r}")
        engine = self._writable("backup")
        await self._reading.fairness.begin()
        with translated():
            return await make_backup(
                engine.maintenance, path, verify=verify, on_progress=on_progress
            )

    def _writable(self, operation: str) -> Engine:
        raise NotImplementedError  # `Store` has it

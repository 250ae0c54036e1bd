"""`tempest backup` and `tempest restore`: a second folder that opens by itself, and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from rich.progress import DownloadColumn

import tempest
from tempest.cli.output import bytes_text, print_json, progress_bar, seconds_text

OnProgress = Callable[[tempest.BackupProgress], None]


def backup(
    store: str, folder: str, /, *, unverified: bool = False, json: bool = False
) -> int:
    """Make a backup of a store, or bring an older one up to date.

    The folder then opens by itself. Files get second names where the filesystem allows it and
    are copied elsewhere; what an older backup has is kept. The store must not be open in
    another process: that one can make the backup itself, while it works.

    Args:
        store: Folder of the store.
        folder: An absent or empty folder, or a backup of the same store.
        unverified: Do not read every byte of it before it is published.
        json: Print what was done as one JSON document.
    """

    async def run() -> tempest.BackupReport:
        with showing_progress() as on_progress:
            async with tempest.open_store(store, create=False) as opened:
                return await opened.backup(
                    folder, verify=not unverified, on_progress=on_progress
                )

    return _tell("backed up", trio.run(run), json=json)


def restore(
    backup: str, folder: str, /, *, unverified: bool = False, json: bool = False
) -> int:
    """Make a store of a backup, in an absent or empty folder.

    Args:
        backup: Folder of the backup; it stays as it is.
        folder: Where the store shall be.
        unverified: Do not read every byte of it before it becomes a store.
        json: Print what was done as one JSON document.
    """

    async def run() -> tempest.BackupReport:
        with showing_progress() as on_progress:
            return await tempest.restore_backup(
                backup, folder, verify=not unverified, on_progress=on_progress
            )

    return _tell("restored", trio.run(run), json=json)


@contextmanager
def showing_progress() -> Iterator[OnProgress]:
    """Show a bar for each stage on stderr while the block lasts, if that is a terminal."""
    with progress_bar(DownloadColumn()) as bar:
        tasks = {
            stage: bar.add_task(stage.value, total=None, visible=False)
            for stage in tempest.BackupStage
        }

        def show(progress: tempest.BackupProgress) -> None:
            bar.update(
                tasks[progress.stage],
                completed=progress.bytes,
                total=progress.bytes_total,
                visible=True,
            )

        yield show


def _tell(what: str, report: tempest.BackupReport, *, json: bool) -> int:
    if json:
        print_json(report)
        return 0
    size = report.bytes_linked + report.bytes_copied + report.bytes_kept
    kept = f", {report.files_kept} kept" if report.is_incremental else ""
    checked = "every byte read" if report.is_verified else "not verified"
    print(
        f"{report.files} files, {bytes_text(size)}, {what} to {report.path} "
        f"in {seconds_text(report.seconds)}: {report.files_linked} linked, "
        f"{report.files_copied} copied{kept}; {checked}"
    )
    return 0

"""Back up a store that is open, into a new folder or upon an older backup of it.

    roll      the log goes on in a new segment: everything written so far is in finished files
    files     those that are not there yet get a second name, or are copied
    verify    every byte of every file that the backup names is read
    publish   one new generation of the backup's manifest: the commit point
    sweep     what only the older backup needed goes

Writers go on throughout. The version is pinned, so no file of it goes meanwhile.

Invariants
- Before the commit point the folder holds the older backup, or is no store; after it the new one.
- A damaged file never replaces a whole one: what is published was read before.
- The backup is the state after a prefix of the log that holds every write that had returned.
"""

import attrs
import trio

from tempest.backup.target import Target, check_is_past, open_target
from tempest.backup.transfer import (
    BackupStage,
    Meter,
    OnProgress,
    Transfer,
    size_of,
    total_bytes,
    wanted_files,
)
from tempest.check import BAD, FileReport, verify_files
from tempest.coordinator import Work
from tempest.errors import CorruptionError, NotOpenError
from tempest.maintenance import Maintenance
from tempest.version import Fork, Version


@attrs.frozen(kw_only=True)
class BackupReport:
    """What a backup or a restore has done.

    Attributes:
        path: the folder that was made.
        address: the end of the log that is in it.
        files: tables and segments that it holds.
        files_linked: those that share their bytes with the source.
        files_copied: those that have bytes of their own.
        files_kept: those that were there from an older backup.
        bytes_linked: bytes of the first.
        bytes_copied: of the second.
        bytes_kept: of the third.
        checkpoints: how many it carries.
        seconds: how long it took, on trio's (monotonic) clock.
        is_incremental: whether the folder held an older backup.
        is_verified: whether every byte was read before it was published.
    """

    path: str
    address: int
    files: int
    files_linked: int
    files_copied: int
    files_kept: int
    bytes_linked: int
    bytes_copied: int
    bytes_kept: int
    checkpoints: int
    seconds: float
    is_incremental: bool
    is_verified: bool


def version_to_back_up(version: Version) -> Version:
    """Return the version without its last segment, as the beginning of another history."""
    closed = tuple(segment for segment in version.segments if segment.end is not None)
    address = max([version.replay_from, *(segment.end or 0 for segment in closed)])
    history = attrs.evolve(
        version,
        segments=closed,
        forks=(*version.forks, Fork(version.timeline, address, address)),
    )
    return Version.from_snapshot(history)  # which checks every rule


async def make_backup(
    maintenance: Maintenance,
    folder: str,
    *,
    verify: bool,
    on_progress: OnProgress | None,
) -> BackupReport:
    """Bring the state of an open store into a folder; `Store.backup` says what it promises."""
    started = trio.current_time()
    coordinator, committer = maintenance.coordinator, maintenance.committer
    manifest = committer.manifest
    committer.health.check_writable()

    def check_open() -> None:
        if coordinator.is_stopping:
            raise NotOpenError

    async with coordinator.turn(Work.BACKUP):
        target = await open_target(maintenance.io, folder, maintenance.store_id)
        try:
            pinned = await committer.roll()
            try:
                transfer = Transfer(
                    maintenance.io, maintenance.folder, folder, check_open
                )
                version = version_to_back_up(pinned)
                await fill(
                    target, version, transfer, verify=verify, on_progress=on_progress
                )
            finally:
                manifest.unpin(pinned)
        finally:
            target.release()
    return report_of(target, version, transfer, started, is_verified=verify)


async def fill(
    target: Target,
    version: Version,
    transfer: Transfer,
    *,
    verify: bool,
    on_progress: OnProgress | None,
) -> None:
    """Bring a version's files into the target and publish it there."""
    await target.sweep()
    past = None if target.loaded is None else target.loaded.state
    if past is not None:
        check_is_past(target.folder, past, version)
    wanted = wanted_files(version)
    present = {} if past is None else wanted_files(past)
    try:
        await transfer.bring(wanted, present, on_progress)
        if verify:
            await _verify(target, version, on_progress)
    except BaseException:
        await transfer.take_back()
        raise
    Meter(on_progress, BackupStage.PUBLISHING, len(wanted), 0).tell()
    await target.publish(version)
    gone = [name for name in present if name not in wanted]
    for name in gone:
        await target.io.remove(f"{target.folder}/{name}")
    if gone:
        await target.io.sync_dir(target.folder)


async def _verify(
    target: Target, version: Version, on_progress: OnProgress | None
) -> None:
    """Read every file that is about to be published; `CorruptionError` names the first bad one."""
    sizes = {
        f"{target.folder}/{name}": size_of(meta)
        for name, meta in wanted_files(version).items()
    }
    total = total_bytes(wanted_files(version).values())
    meter = Meter(on_progress, BackupStage.VERIFYING, len(sizes), total)

    def note(report: FileReport) -> None:
        if report.status in BAD:
            raise CorruptionError(report.path, 0, report.detail)
        meter.add(sizes.get(report.path, 0), files=1)

    await verify_files(target.io, target.folder, version, target.store_id, note)


def report_of(
    target: Target,
    version: Version,
    transfer: Transfer,
    started: float,
    *,
    is_verified: bool,
) -> BackupReport:
    """Say what was done."""
    return BackupReport(
        path=target.folder,
        address=version.forks[-1].first,
        files=len(wanted_files(version)),
        files_linked=transfer.linked,
        files_copied=transfer.copied,
        files_kept=transfer.kept,
        bytes_linked=transfer.bytes_linked,
        bytes_copied=transfer.bytes_copied,
        bytes_kept=transfer.bytes_kept,
        checkpoints=len(version.checkpoints),
        seconds=trio.current_time() - started,
        is_incremental=target.loaded is not None,
        is_verified=is_verified,
    )

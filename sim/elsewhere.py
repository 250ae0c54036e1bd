"""What other processes do with the files of a run: read a checkpoint or backup, restore one.

Invariants
- Reading changes nothing, and takes no time.
- A state that was restored is what the next opening is held against; if the power went while it
  was being restored, the timeline that is found says whether it was.
"""

from typing import TYPE_CHECKING

import tempest
from io_backends import (
    CrashPolicy,
    FaultPlan,
    FaultyIo,
    PowerCut,
    PowerLostError,
    VirtualDisk,
)
from sim.checkpoint_client import listed
from sim.faults import STORE
from sim.keepsakes import Content, Keepsake, Serials, backup_folder
from sim.oracle import Violation
from sim.script import Recover
from sim.seeds import Seeds
from tempest import FileStatus

if TYPE_CHECKING:
    from sim.life import LifeWorld


class Elsewhere:
    """Other processes, beside one life and before it."""

    def __init__(self, life: "LifeWorld") -> None:
        self._life = life
        self._successor: VirtualDisk | None = None

    async def read(
        self, folder: str, checkpoint: bytes | None, disk: VirtualDisk | None = None
    ) -> tuple[Content, Serials] | None:
        """Return what a store or checkpoint holds, or None if a writer was faster each time."""
        world = self._life.world
        opening = tempest.open_store(
            folder,
            io=world.process(disk or world.disk),
            options=self._life.options,
            create=False,
            read_only=True,
            checkpoint=checkpoint,
        )
        try:
            store = await opening.__aenter__()
        except tempest.StorageError as error:
            if "a writer changed the store" in error.detail:
                return None
            raise
        try:
            async with store.scan() as rows:
                content = {key: value async for key, value in rows}
            serials = await store.sessions()
        finally:
            await opening.__aexit__(None, None, None)
        self._life.see(*content.values())
        return content, serials

    async def read_kept(self, disk: VirtualDisk, which: int | None = None) -> None:
        """Read every checkpoint that is kept on a disk and every backup, or one of each."""
        disk = disk.clone()
        disk.capacity_bytes = disk.file_bytes_max = disk.handles_max = None
        keepsakes = self._life.keepsakes
        kept = [one for one in keepsakes.kept() if one.is_readable]
        if which is not None and kept:
            kept = [kept[which % len(kept)]]
        for one in kept:
            await self._read_checkpoint(one, disk)
        for number, backup in keepsakes.backups.items():
            if which in (None, number):
                await self._read_backup(number, backup, disk)

    async def _read_checkpoint(self, one: Keepsake, disk: VirtualDisk) -> None:
        try:
            found = await self.read(STORE, one.name, disk)
        except tempest.CheckpointError:
            if one.is_automatic:
                return  # there are newer ones
            raise
        if found is not None:
            one.check(*found)
            self._life.mark("a checkpoint is read after a crash")

    async def _read_backup(
        self, number: int, backup: Keepsake, disk: VirtualDisk
    ) -> None:
        """Read a backup, which has to open in any case; check it if nobody was at it."""
        found = await self.read(backup_folder(number), None, disk)
        if found is not None and backup.state == "kept":
            backup.check(*found)
            await self._check_files(backup_folder(number), disk)
            self._life.mark("a backup is read after a crash")

    async def _check_files(self, folder: str, disk: VirtualDisk) -> None:
        """Check that a backup is whole, and that nothing is too many."""
        report = await tempest.verify_store(self._life.world.process(disk), folder)
        unnamed = [
            file.path
            for file in report.files
            if file.status is FileStatus.UNNAMED and file.kind != "lock"
        ]
        # A manifest may be left, for which there is a next time.
        unnamed = [path for path in unnamed if "/manifest-" not in path]
        if unnamed or not report.whole:
            raise Violation("backup", f"{unnamed} are not named; {report}")

    # Between two lives.

    async def recover(self, recover: Recover) -> None:
        """Let the store become what was kept of it."""
        self._life.hazards.relieve()
        world = self._life.world
        if f"/{STORE}/lock" not in world.disk.files() or world.restored is not None:
            return
        try:
            infos = await tempest.list_checkpoints(STORE, io=world.process(world.disk))
        except tempest.NotAStoreError:
            return
        keepsakes = self._life.keepsakes
        certain = keepsakes.certain()
        keepsakes.listed(listed(infos), keepsakes.kept(), world.model, is_settled=True)
        match recover.what:
            case "backup":
                await self._restore_backup(recover)
            case _:
                await self._restore_checkpoint(recover)
        if not world.is_restored_for_sure:
            keepsakes.doubt(certain)

    async def _restore_checkpoint(self, recover: Recover) -> None:
        keepsakes, world = self._life.keepsakes, self._life.world
        wanted = keepsakes.choose(recover.which, readable=True)
        if wanted is None:
            return
        if recover.what == "newest valid":
            wanted = keepsakes.newest_valid()
        try:
            token = await self._restored(recover, wanted.name)
        except (tempest.TempestError, PowerLostError) as error:
            if self._successor is None:
                raise Violation(
                    "checkpoint", f"{wanted.name!r} is not restored: {error!r} {error}"
                ) from error
        else:
            if token != wanted.name:
                raise Violation(
                    "checkpoint", f"restored {token!r}, not {wanted.name!r}"
                )
            self._life.mark("a checkpoint is restored")
        world.is_restored_for_sure = self._successor is None
        if self._successor is not None:
            self._cut(self._successor)
        world.quiet_levels = world.race = None
        world.restored = wanted

    async def _restored(self, recover: Recover, token: bytes) -> bytes:
        """Restore a checkpoint, or the newest that can be; return which it was."""
        io, options = self._io(recover), self._life.options
        if recover.what == "newest valid":
            info = await tempest.restore_newest_valid(STORE, io=io, options=options)
        else:
            restore = tempest.restore_checkpoint
            info = await restore(STORE, token, io=io, options=options)
        return info.token

    def _io(self, recover: Recover) -> FaultyIo:
        world = self._life.world
        self._successor = None
        faults = () if recover.io is None else (PowerCut(at=recover.io),)

        def on_power_cut() -> None:
            random = Seeds(recover.seed).stream("crash")
            left = world.disk.crash(random, CrashPolicy())
            self._successor = self._life.hazards.put_back(left)
            world.disk.freeze()

        return FaultyIo(
            world.process(world.disk),
            FaultPlan(faults),
            delay=world.clock.delay,
            on_power_cut=on_power_cut,
        )

    def _cut(self, successor: VirtualDisk) -> None:
        world = self._life.world
        world.disk = successor
        world.is_power_lost = True
        world.crashes += 1
        world.note_fault("power cut", "restoring")
        self._life.mark("a cut while restoring")

    async def _restore_backup(self, recover: Recover) -> None:
        keepsakes, world = self._life.keepsakes, self._life.world
        kept = [n for n, one in keepsakes.backups.items() if one.state == "kept"]
        if not kept:
            return
        number = kept[recover.which % len(kept)]
        disk = world.disk
        for path in disk.files():
            if path.startswith(f"/{STORE}/"):
                disk.remove(path)
        disk.sync_everything()
        await tempest.restore_backup(
            backup_folder(number), STORE, io=world.process(disk)
        )
        backup = keepsakes.backups[number]
        keepsakes.restored_backup(backup)
        world.followers.clear()
        world.quiet_levels = world.race = None
        world.restored, world.is_restored_for_sure = backup, True
        self._life.mark("a backup is restored")

    # After an opening.

    def take_restored(self, timeline: int) -> Keepsake | None:
        """Return what the store became before it was opened, if it did."""
        world, keepsakes = self._life.world, self._life.keepsakes
        restored, world.restored = world.restored, None
        is_sure, world.is_restored_for_sure = world.is_restored_for_sure, False
        if restored is None:
            wanted = keepsakes.timeline
        elif restored.oracle == "backup":
            return restored
        else:
            wanted = keepsakes.timeline + (is_sure or timeline != keepsakes.timeline)
        if timeline != wanted:
            raise Violation(
                "checkpoint", f"the store is in timeline {timeline}, not in {wanted}"
            )
        if restored is not None and timeline == keepsakes.timeline:
            return None
        if restored is not None:
            keepsakes.restored(restored)
        return restored

"""The oracles that look at files: after a recovery, when all is quiet, after close, opened again.

A store that is open is looked at on a clone of its disk, as a kill would leave it.

Invariants
- Looking changes nothing: neither the disk of the run nor its model learns of it.
- What is looked at in an instant was taken in that instant: no task runs in between.
"""

from typing import TYPE_CHECKING

import attrs
import trio

import tempest
from io_backends import VirtualDisk
from sim.faults import STORE
from sim.model import Sight
from sim.operations import Scan
from sim.oracle import Violation
from sim.sights import Lookout
from tempest import (
    CollectionMethod,
    FileStatus,
    LevelStatistics,
    Statistics,
    Store,
    VerifyReport,
)

if TYPE_CHECKING:
    from sim.life import LifeWorld

LIVES_PER_CHECK = 4
QUIET_TRIES = 50
QUIET_SECONDS = 0.5  # virtual ones, between two tries
WHOLE = Scan()
Levels = tuple[LevelStatistics, ...]


@attrs.frozen
class Picture:
    """A store in the instant in which it was opened, and its levels at a cut before."""

    stats: Statistics
    before: Levels | None
    disk: VirtualDisk | None  # to be verified


class Structure:
    """Looks at the files of one life's store."""

    def __init__(self, life: "LifeWorld") -> None:
        self._life = life
        self._closed_levels: Levels | None = None

    def picture(self, store: Store) -> Picture:
        """Take in what was recovered, before any task runs that changes it."""
        life, world = self._life, self._life.world
        is_verified = (world.script.seed + life.number) % LIVES_PER_CHECK == 0
        disk = world.disk.clone() if is_verified and not life.is_damaged else None
        before, world.quiet_levels = world.quiet_levels, None
        return Picture(store.statistics(), before, disk)

    async def after_opening(self, picture: Picture) -> None:
        """Check that what was recovered is what the files say, and what it was before.

        Files are verified in one life of four: it takes as long as some twenty operations.
        """
        levels, before = picture.stats.levels, picture.before
        if before is not None:
            self._life.marks.sometimes("a quiet store is cut")
            if levels != before:
                raise Violation("structure", f"{before} became {levels}")
        if picture.disk is not None:
            report = await self._verify(picture.disk)
            if report is not None:
                check_levels(report, picture.stats)
                number = self._life.number % 3
                await self._life.elsewhere.read_kept(picture.disk, number)

    async def when_quiet(self, store: Store, *, is_cut_now: bool = False) -> None:
        """Check a store that rests; its levels are to be found again after a cut."""
        life, world = self._life, self._life.world
        if life.is_damaged or life.is_dark:
            return
        stats = store.statistics()
        if is_cut_now:
            world.quiet_levels = stats.levels
        report = await self._verify(world.disk.clone())
        if report is not None:
            if not any("/manifest-" in hit.op.path for hit in life.io.log.hits):
                # Else an edit may stand there that failed.
                check_levels(report, stats)
            await self._check_live_files_soon(report)
        if store.maintenance.is_paused:
            raise Violation("liveness", "upkeep is paused, and nobody pauses it")
        await self._check_estimates(store)
        if not life.is_troubled:
            await self._check_retention(store)

    async def _check_retention(self, store: Store) -> None:
        """Check that automatic checkpoints go: one may have been made a moment ago."""
        for _ in range(QUIET_TRIES):
            kept = [info for info in await store.checkpoints() if info.automatic]
            if len(kept) <= self._life.options.checkpoints_kept:
                return
            await trio.sleep(QUIET_SECONDS)
        raise Violation(
            "checkpoint", "more automatic ones are kept than were asked for"
        )

    async def _check_estimates(self, store: Store) -> None:
        """Check that what is live of each segment is the same, however it is counted.

        What is kept for streams may go while one counts, when a mark lets the log go on. So two
        that differ tell of an error if a scan after the lookup finds what the one before found.
        """
        life = self._life
        if "separated_value_bytes_min" not in dict(life.life.options):
            return
        scan = await store.should_collect(CollectionMethod.SCAN, 1.0)
        life.mark("estimates are compared", when=scan.is_worthwhile)
        while (
            lookup := await store.should_collect(CollectionMethod.LOOKUP, 1.0)
        ) != scan:
            again = await store.should_collect(CollectionMethod.SCAN, 1.0)
            if again == scan:
                raise Violation("values", f"by scan {scan}, by lookup {lookup}")
            scan = again

    def closed(self, store: Store) -> None:
        """Note what a store looks like that was closed without an error."""
        self._closed_levels = store.statistics().levels

    async def after_close(self) -> None:
        """Check that nothing is left open, all files verify, none is too many, and open again."""
        life = self._life
        disk = life.world.disk
        left = [*life.io.open_handles, *disk.open_paths(), *disk.locked_paths()]
        if left:
            raise Violation("leak", f"after close: {left}")
        report = await self._verify(disk)
        if report is None:
            return
        self._check_live_files(report)
        if not life.is_damaged:
            await self._open_again()

    async def _verify(self, disk: VirtualDisk) -> VerifyReport | None:
        life = self._life
        try:
            report = await tempest.verify_store(life.world.process(disk), STORE)
        except tempest.NotAStoreError:
            if life.is_troubled:
                return None
            raise
        if not report.whole:
            raise Violation("structure", f"{[f for f in report.files if f.detail]}")
        return report

    async def _check_live_files_soon(self, report: VerifyReport) -> None:
        """Check that no file is too many; one may be about to go, for upkeep never sleeps long."""
        for _ in range(QUIET_TRIES):
            if not _unnamed(report):
                break
            await trio.sleep(QUIET_SECONDS)
            report = await self._verify(self._life.world.disk.clone()) or report
        self._check_live_files(report)

    def _check_live_files(self, report: VerifyReport) -> None:
        """Check that no file is too many; one manifest may be, for which there is a next time."""
        unnamed = _unnamed(report)
        manifests = [path for path in unnamed if "/manifest-" in path]
        others = [path for path in unnamed if path not in manifests]
        if not self._life.is_troubled and (others or len(manifests) > 1):
            raise Violation("live-files", f"nobody names {unnamed}")

    async def _open_again(self) -> None:
        """Cut the power after the close, open, and check that all is there that was promised."""
        life, world = self._life, self._life.world
        disk = world.disk.clone() if world.lies else world.disk.crash_keeping(())
        disk.capacity_bytes = disk.file_bytes_max = disk.handles_max = None
        io = world.process(disk)
        closed = self._closed_levels
        is_clean = closed is not None  # else it may take a recovery to find all
        opening = tempest.open_store(
            STORE, io=io, options=life.options, create=False, read_only=is_clean
        )
        async with opening as store:
            stats = store.statistics()
            async with store.scan() as rows:
                found = [row async for row in rows]
            serials = await store.sessions()
        life.marks.sometimes("opened again after close")
        model = life.model
        sight = Sight.between(
            model.durable, model.asked(), "acknowledged-survives", "prefix-no-hole"
        )
        lookout = Lookout(model, sight)
        lookout.rows(WHOLE, found)
        lookout.sessions(serials)
        await life.elsewhere.read_kept(world.disk)
        if closed is not None and (stats.levels != closed or not stats.recovery.clean):
            raise Violation("structure", f"closed with {closed}, opened with {stats}")


def check_levels(report: VerifyReport, stats: Statistics) -> None:
    """Check that the tables that the manifest on disk names are those of the open store.

    Those that only checkpoints need are reported behind them.
    """
    tables = sum(level.tables for level in stats.levels)
    size = sum(level.bytes for level in stats.levels)
    sizes = [file.bytes for file in report.files if file.kind == "table"]
    if len(sizes) < tables or sum(sizes[:tables]) != size:
        raise Violation("structure", f"{stats.levels} are not the tables {sizes}")


def _unnamed(report: VerifyReport) -> list[str]:
    return [
        file.path
        for file in report.files
        if file.status is FileStatus.UNNAMED and file.kind != "lock"
    ]

"""Collection: values that are still wanted leave sparse segments, and those segments go.

A collection has two steps. Pointers to what was overwritten are compacted away where that costs
little; then the tables that point into sparse segments are rewritten where they are, with their
values copied into value segments, and one edit changes it all.

Invariants
- What a snapshot can see is copied with the rest; what replay, a reader of the log, a checkpoint
  or a pinned version needs keeps its file.
- Numbers and addresses are reserved durably before a job may use them.
- Asked for by hand, it looks only at what was there when it was asked, so it ends.
"""

from collections.abc import Mapping

import attrs
import trio

from tempest.collection import (
    COPY_BYTES_MAX,
    Census,
    CollectionChoice,
    CollectionEstimate,
    CollectionMethod,
    CollectionReport,
    LiveBytes,
    choose_sparse,
    collectable,
    is_worthwhile,
    sparse_segments,
)
from tempest.compaction import (
    Choice,
    CollectionJob,
    JobResult,
    Relocation,
    choose_stale,
    collect,
    make_rewrite,
    tables_of,
)
from tempest.coordinator import Work
from tempest.log import SegmentMeta
from tempest.options import KEY_BYTES_MAX
from tempest.upkeep.compacting import Compacting
from tempest.version import PlacedTable, Version, VersionEdit

COPY_BYTES_STEPS = (64 << 20, COPY_BYTES_MAX)  # small steps where they are worth it
STALE_GAIN_MIN = 4.0  # bytes of values for each byte of tables, where nobody asked
FRAME_BYTES_MAX = 4096  # what a frame costs beside its keys and values, at most


@attrs.define(eq=False)
class Collecting(Compacting):
    """Empties sparse segments."""

    collected: CollectionReport = attrs.field(factory=CollectionReport, init=False)
    _live: LiveBytes = attrs.field(factory=LiveBytes, init=False)

    async def collect(self, live_share_max: float | None = None) -> CollectionReport:
        """Empty every segment of which a smaller share is live; return what that did."""
        share = self._share(live_share_max)
        await self.flush_all()
        written = self.committer.visibility.visible
        while True:
            async with self.coordinator.turn(Work.COLLECTION):
                stale = self._choose_stale(1.0, 1, written)
                if stale is None:
                    break
                await self._compact(stale)
        numbers = [s.number for s in self.committer.manifest.current.all_segments]
        report = CollectionReport()
        while True:
            async with self.coordinator.turn(Work.COLLECTION):
                step = await self._collect_step(share, numbers)
                if step is None:
                    return report
                report += step

    async def should_collect(
        self, method: CollectionMethod, live_share_max: float | None = None
    ) -> CollectionEstimate:
        """Say what `collect` would do to the segments that are there now; changes nothing."""
        share = self._share(live_share_max)
        version, floor = self.committer.manifest.pin(), self.log_floor
        position = self.positions.take(self.committer.visibility.visible)
        try:
            live = await self._count(method, version, floor)
        finally:
            self.positions.release(position)
            self.committer.manifest.unpin(version)
        return CollectionEstimate.of(
            sparse_segments(version, share, floor=floor, live=live)
        )

    def is_collection_due(self) -> bool:
        """Say whether anything is to be collected without being asked for."""
        return self._choose_any() is not None

    async def collect_chosen(self, *, automatic: bool = True) -> bool:
        """Do one step of the collection that options ask for; say whether there was one."""
        async with self.coordinator.turn(Work.COLLECTION, automatic=automatic):
            match self._choose_any():
                case None:
                    return False
                case Choice() as stale:
                    await self._compact(stale)
                case CollectionChoice() as choice:
                    await self._collect(choice)
        return True

    def _share(self, live_share_max: float | None) -> float:
        if live_share_max is None:
            return self.committer.options.collection_live_share_max
        return live_share_max

    def _choose_any(self) -> Choice | CollectionChoice | None:
        options = self.committer.options
        share = options.collection_live_share_max
        if not share:
            return None
        version = self.committer.manifest.current
        live = self._live.of(version)
        if not live:
            return None
        stale = self._choose_stale(
            STALE_GAIN_MIN, options.segment_bytes_max, version.sequence_max
        )
        if stale is not None:
            return stale
        for copy_bytes_max in COPY_BYTES_STEPS:
            choice = choose_sparse(
                version,
                share,
                floor=self.log_floor,
                live=live,
                copy_bytes_max=copy_bytes_max,
            )
            if choice is None or is_worthwhile(choice):
                return choice
        return None

    def _choose_stale(
        self, gain_min: float, bytes_min: int, written: int
    ) -> Choice | None:
        return choose_stale(
            self.committer.manifest.current.levels,
            written=written,
            oldest=self._reader_positions()[0],
            gain_min=gain_min,
            bytes_min=bytes_min,
        )

    async def _collect_step(
        self, share: float, numbers: list[int]
    ) -> CollectionReport | None:
        """Drop what nothing points into, then empty some more; None when nothing is left."""
        version = self.committer.manifest.current
        choice = choose_sparse(version, share, floor=self.log_floor, among=numbers)
        if choice is not None:
            return await self._collect(choice)
        report: CollectionReport | None = None

        def change() -> VersionEdit | None:
            nonlocal report
            version = self.committer.manifest.current
            retired = version.retired_segments(
                version.replay_from, floor=self.log_floor
            )
            if not retired:
                return None
            report = CollectionReport.of(version, retired, None)
            return VersionEdit(segments_removed=retired)

        await self._change(change)
        if report is not None:
            self._note(report)
        return report

    async def _collect(self, choice: CollectionChoice) -> CollectionReport:
        """Do what was chosen from the current version, and publish it in one edit."""
        manifest = self.committer.manifest
        report = CollectionReport()
        job = await self._job(manifest.current, choice)
        inline = self.committer.options.compaction_inline

        def edit(result: JobResult) -> VersionEdit:
            nonlocal report
            change = self._edit(job, result)
            report = CollectionReport.of(
                manifest.current, change.segments_removed, result
            )
            return change

        await self._publish(
            job.numbers, lambda: collect(self.io, job, inline=inline), edit
        )
        self._note(report)
        return report

    async def _count(
        self, method: CollectionMethod, version: Version, floor: int | None
    ) -> Mapping[int, int] | None:
        """Return live bytes by segment, or None for what the tables say themselves."""
        if method is CollectionMethod.LIVENESS:
            return None
        census = Census(
            self.io,
            self.folder,
            self.store_id,
            version,
            self.committer.memtables,
            self._reader_positions(),
        )
        try:
            if method is CollectionMethod.SCAN:
                return await census.by_scan()
            return await census.by_lookup(collectable(version, floor))
        finally:
            with trio.CancelScope(shield=True):
                await census.aclose()

    async def _job(self, version: Version, choice: CollectionChoice) -> CollectionJob:
        positions, options = self._reader_positions(), self.committer.options
        rewrites = []
        for placed in choice.tables:
            size, table_bytes_max = placed.table.size, options.table_bytes_max
            plan = await self._plan(size // table_bytes_max + 2 if placed.level else 1)
            rewrites.append(
                make_rewrite(
                    version.levels, placed.level, placed.table, positions, plan
                )
            )
        targets = await self._targets(choice)
        relocation = Relocation(
            segments=choice.segments,
            targets=targets,
            segment_bytes_max=options.segment_bytes_max,
        )
        return CollectionJob(rewrites=tuple(rewrites), relocation=relocation)

    async def _targets(self, choice: CollectionChoice) -> tuple[SegmentMeta, ...]:
        """Reserve value segments: each with addresses enough for all that is copied."""
        manifest = self.committer.manifest
        segment_bytes_max = self.committer.options.segment_bytes_max
        numbers = await manifest.reserve(choice.bytes_to_copy // segment_bytes_max + 1)
        entries = sum(placed.table.entries for placed in choice.tables)
        size = choice.bytes_to_copy + entries * (KEY_BYTES_MAX + FRAME_BYTES_MAX)
        targets = []
        for number in numbers:
            first = await manifest.reserve_values(size)
            life = manifest.current.life
            targets.append(SegmentMeta(number, life, first, first + size))
        return tuple(targets)

    def _edit(self, job: CollectionJob, result: JobResult) -> VersionEdit:
        version = self.committer.manifest.current
        removed = tuple(table.number for table in job.tables)
        return VersionEdit(
            removed=removed,
            added=tuple(
                PlacedTable(rewrite.output_level, table)
                for rewrite in job.rewrites
                for table in tables_of(rewrite, result)
            ),
            value_segments_added=result.segments,
            segments_removed=version.retired_segments(
                version.replay_from,
                removed=removed,
                added=result.tables,
                floor=self.log_floor,
            ),
        )

    def _note(self, report: CollectionReport) -> None:
        self.collected += report
        self._shape_has_changed()

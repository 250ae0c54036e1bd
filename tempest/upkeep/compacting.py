"""Compaction: tables are merged level by level, as the policy chooses or as somebody asks.

Invariants
- One compaction or collection at a time chooses and publishes; what it made is checked first.
"""

import attrs

from tempest.compaction import Choice, Leveled, compact, make_job, numbers_wanted
from tempest.coordinator import Work
from tempest.upkeep.flushing import Flushing
from tempest.version import PlacedTable, VersionEdit


@attrs.define(eq=False)
class Compacting(Flushing):
    """Merges tables, of levels that grew too large or of a range that was asked for."""

    async def compact_range(self, start: bytes, stop: bytes | None) -> None:
        """Merge what is in a range as far down as it goes; waits until that is published."""
        await self.flush_all()
        written = self.committer.visibility.visible
        policy = Leveled.of(self.committer.options)
        while True:
            async with self.coordinator.turn(Work.COMPACTION):
                choice = policy.choose_range(
                    self.committer.manifest.current.levels,
                    start,
                    stop,
                    written=written,
                    oldest=self._reader_positions()[0],
                )
                if choice is None:
                    return
                await self._compact(choice)

    async def _compact_chosen(self, *, automatic: bool) -> bool:
        async with self.coordinator.turn(Work.COMPACTION, automatic=automatic):
            choice = self._choose()
            if choice is None:
                return False
            await self._compact(choice)
        return True

    def _choose(self) -> Choice | None:
        policy = Leveled.of(self.committer.options)
        levels = self.committer.manifest.current.levels
        return policy.choose(levels, self._reader_positions()[0])

    async def _compact(self, choice: Choice) -> None:
        manifest, options = self.committer.manifest, self.committer.options
        removed = tuple(table.number for table in choice.tables)
        if choice.is_move:
            added = tuple(PlacedTable(choice.output_level, t) for t in choice.tables)
            await self._append(VersionEdit(removed=removed, added=added))
            self.counters.moves += 1
        else:
            plan = await self._plan(numbers_wanted(choice, options.table_bytes_max))
            job = make_job(
                manifest.current.levels, choice, self._reader_positions(), plan
            )
            result = await self._publish(
                plan.numbers,
                lambda: compact(self.io, job, inline=options.compaction_inline),
                lambda result: VersionEdit(
                    removed=removed,
                    added=tuple(
                        PlacedTable(choice.output_level, table)
                        for table in result.tables
                    ),
                ),
            )
            self.counters.compactions += 1
            self.counters.compaction_bytes_in += result.bytes_in
            self.counters.compaction_bytes_out += result.bytes_out
        self._shape_has_changed()

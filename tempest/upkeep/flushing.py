"""Flush: memtables become tables of level 0, oldest first.

Invariants
- A memtable becomes a table only after its last frame is durable and visible; one edit adds the
  table, moves the start of replay and drops the segments below; then the memtable is forgotten.
- One that leaves values in the log waits until no late error can move those any more.
- A flush is never held back: writers wait for it, and so do checkpoints.
"""

import attrs
import trio

from io_backends import IoError
from tempest.compaction import JobResult
from tempest.coordinator import Work
from tempest.errors import BackgroundError, CorruptionError
from tempest.flush import FlushJob, flush, prepare_flush
from tempest.iterator import KeyRanges
from tempest.memtable import Memtable
from tempest.session_serials import forgotten_of, marks_of
from tempest.upkeep.publishing import Publishing
from tempest.version import PlacedTable, VersionEdit
from tempest.wakeup import Wakeup


@attrs.define(eq=False)
class Flushing(Publishing):
    """Turns memtables into tables."""

    flushes_here: bool = attrs.field(default=False, init=False)  # never in a worker
    _starting: trio.Lock = attrs.field(factory=trio.Lock, init=False)  # held meanwhile

    async def prepare(self, filling: Wakeup) -> None:
        """Have a worker ready once a memtable fills: the first one takes 0.3 s to start.

        Else the first memtables of a load wait for that, and writers for them.
        """
        await filling.wait()
        if not self.committer.options.compaction_inline:
            async with self._starting:
                try:
                    await self.io.run_job(prepare_flush, b"")
                except IoError as error:
                    self.committer.health.warn(Work.FLUSH.value, error)

    async def flush_all(self) -> None:
        """Turn everything in memory into tables; waits until that is published."""
        health, memtables = self.committer.health, self.committer.memtables
        health.check_writable()
        self.committer.ask(sync=True, switch=True)
        active = memtables.active
        wanted = [*memtables.waiting, *([active] if active else [])]
        while any(table in wanted for table in (*memtables.waiting, memtables.active)):
            await self.shape_changed.wait()
            health.check_writable()

    async def _flush_oldest(self, *, automatic: bool) -> bool:
        """Flush the oldest waiting memtable if it is durable; say whether there was one."""
        committer = self.committer
        waiting = committer.memtables.waiting
        if not waiting:
            return False
        memtable = waiting[0]
        stop = memtable.stop
        if (
            stop is None
            or stop > self._settled(memtable)
            or memtable.last_sequence > committer.visibility.visible
        ):
            committer.ask(sync=True)
            return False
        async with self.coordinator.turn(Work.FLUSH, automatic=automatic):
            await self._flush(memtable, stop)
        return True

    def _settled(self, memtable: Memtable) -> int:
        """Return up to which address the log is as safe as a flush of this memtable needs.

        A late error moves what is not confirmed to another segment, and pointers with it.
        """
        log = self.committer.log
        separates = (
            memtable.largest_value_bytes
            >= self.committer.options.separated_value_bytes_min
        )
        return log.confirmed if separates else log.durable

    async def _flush(self, memtable: Memtable, stop: int) -> None:
        committer, manifest = self.committer, self.committer.manifest
        plan = await self._plan(1)
        version = manifest.current
        job = FlushJob(
            segments=version.segments,
            start=memtable.first,
            stop=stop,
            positions=self._reader_positions(),
            older=KeyRanges.union((t.smallest, t.largest) for t in version.tables),
            outputs=plan,
            separated_value_bytes_min=committer.options.separated_value_bytes_min,
        )
        result = await self._publish(
            plan.numbers,
            lambda: self._run_flush(job),
            lambda result: VersionEdit(
                added=tuple(PlacedTable(0, table) for table in result.tables),
                replay_from=stop,
                sessions=marks_of(memtable.sessions),
                sessions_removed=forgotten_of(memtable.sessions, manifest.current),
                segments_removed=manifest.current.retired_segments(
                    stop, added=result.tables, floor=self.log_floor
                ),
            ),
        )
        committer.memtables.drop_oldest()
        for hook in self.flush_hooks:
            # Before any other task runs: the version is the one of this flush.
            hook(stop)
        self.counters.flushes += 1
        self.counters.flush_bytes += result.bytes_out
        self.counters.values_separated += result.separated
        self._shape_has_changed()

    async def _run_flush(self, job: FlushJob) -> JobResult:
        """Run the job; what a segment shows after the log has left it proves nothing."""
        committer = self.committer
        async with self._starting:
            pass  # or a second worker would be started beside the one on its way
        inline = committer.options.compaction_inline or self.flushes_here
        try:
            return await flush(self.io, job, inline=inline)
        except CorruptionError as error:
            if committer.log_has_moved(job.segments):
                detail = "the log moved to another segment while it was flushed"
                raise BackgroundError(detail) from error
            raise

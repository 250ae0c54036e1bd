"""What a store does by itself: flush memtables, compact levels, remove files nobody needs.

Each is one task that works while there is something to do, then sleeps until it is woken. A
failure is visible in the store's health and is retried with growing delay.

Invariants
- A memtable becomes a table only after its last frame is durable and visible; one edit adds the
  table, moves the start of replay and drops the segments below; then the memtable is forgotten.
- One compaction at a time publishes; what it made is checked first.
- The reader positions are handed to every flush and compaction, the visible sequence among them.
- Files are removed after the edit that drops them is durable, never while its outcome is unknown.
"""

from collections.abc import Awaitable, Callable

import attrs
import trio

from io_backends import Io, IoError, NotFoundError
from journal import JournalError
from tempest.committer import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN, Committer
from tempest.compaction import (
    Choice,
    JobResult,
    Leveled,
    OutputPlan,
    compact,
    make_job,
    numbers_wanted,
)
from tempest.errors import BackgroundError, CorruptionError, TempestError
from tempest.flush import FlushJob, flush
from tempest.iterator import KeyRanges
from tempest.log import segment_name
from tempest.memtable import Memtable
from tempest.snapshot import Positions
from tempest.table import TableCache, TableOptions, table_name
from tempest.throttle import Throttle
from tempest.version import PlacedTable, VersionEdit
from tempest.wakeup import Pulse, Wakeup


@attrs.define
class Counters:
    """How much maintenance has been done since the store was opened."""

    flushes: int = 0
    flush_bytes: int = 0
    compactions: int = 0
    moves: int = 0
    compaction_bytes_in: int = 0
    compaction_bytes_out: int = 0
    files_removed: int = 0


@attrs.define(eq=False)
class Maintenance:
    """The background work of one store."""

    io: Io
    folder: str
    store_id: bytes
    committer: Committer
    positions: Positions
    throttle: Throttle
    tables: TableCache
    counters: Counters = attrs.field(factory=Counters)
    shape_changed: Pulse = attrs.field(factory=Pulse)
    _flush_work: Wakeup = attrs.field(factory=Wakeup)
    _compact_work: Wakeup = attrs.field(factory=Wakeup)
    _sweep_work: Wakeup = attrs.field(factory=Wakeup)
    _publishing: trio.Lock = attrs.field(factory=trio.Lock)

    def wake(self) -> None:
        """Look for work: something is durable, or the shape of the store has changed.

        Every commit calls this, so only those who can find some are woken.
        """
        if self.committer.memtables.waiting:
            self._flush_work.set()
        if self.committer.manifest.has_dropped:
            self._sweep_work.set()
        self._compact_work.set()

    async def run_flush(self) -> None:
        """Flush memtables, oldest first. Runs until cancelled."""
        await self._retrying("flush", self._flush_work, self._flush_oldest)

    async def run_compaction(self) -> None:
        """Compact as the policy chooses. Runs until cancelled."""
        await self._retrying("compaction", self._compact_work, self._compact_chosen)

    async def run_sweep(self) -> None:
        """Remove files as they become obsolete. Runs until cancelled."""
        while True:
            await self._sweep_work.wait()
            await self.sweep()

    async def flush_all(self) -> None:
        """Turn everything in memory into tables; waits until that is published."""
        health, memtables = self.committer.health, self.committer.memtables
        health.check_writable()
        self.committer.ask(sync=True, switch=True)
        active = memtables.active
        wanted = [*memtables.waiting, *([active] if len(active) else [])]
        while any(table in wanted for table in (*memtables.waiting, memtables.active)):
            await self.shape_changed.wait()
            health.check_writable()

    async def compact_range(self, start: bytes, stop: bytes | None) -> None:
        """Merge what is in a range as far down as it goes; waits until that is published."""
        await self.flush_all()
        written = self.committer.visibility.visible
        policy = Leveled.of(self.committer.options)
        while True:
            async with self._publishing:
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

    async def _retrying(
        self, source: str, work: Wakeup, step: Callable[[], Awaitable[bool]]
    ) -> None:
        health = self.committer.health
        delay = RETRY_SECONDS_MIN
        while True:
            try:
                worked = await step()
            except (IoError, JournalError, TempestError) as error:
                health.trouble(source, error)
                self.shape_changed.fire()
                await trio.sleep(delay)
                delay = min(2 * delay, RETRY_SECONDS_MAX)
                continue
            health.recovered(source)
            delay = RETRY_SECONDS_MIN
            if not worked:
                await work.wait()

    def _reader_positions(self) -> tuple[int, ...]:
        return tuple(self.positions.with_visible(self.committer.visibility.visible))

    async def _plan(self, count: int) -> OutputPlan:
        manifest, options = self.committer.manifest, self.committer.options
        return OutputPlan(
            folder=self.folder,
            store_id=self.store_id,
            life=manifest.current.life,
            numbers=await manifest.reserve(count),
            table_bytes_max=options.table_bytes_max,
            options=TableOptions.of(options),
        )

    async def _flush_oldest(self) -> bool:
        """Flush the oldest waiting memtable if it is durable; say whether there was one."""
        committer = self.committer
        waiting = committer.memtables.waiting
        if not waiting:
            return False
        memtable = waiting[0]
        stop = memtable.stop
        if (
            stop is None
            or stop > committer.log.durable
            or memtable.last_sequence > committer.visibility.visible
        ):
            committer.ask(sync=True)
            return False
        await self._flush(memtable, stop)
        return True

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
        )
        result = await self._publish(
            plan,
            lambda: self._run_flush(job),
            lambda result: VersionEdit(
                added=tuple(PlacedTable(0, table) for table in result.tables),
                replay_from=stop,
                segments_removed=manifest.current.retired_segments(stop),
            ),
        )
        committer.memtables.drop_oldest()
        self.counters.flushes += 1
        self.counters.flush_bytes += result.bytes_out
        self._shape_has_changed()

    async def _run_flush(self, job: FlushJob) -> JobResult:
        """Run the job; what a segment shows after the log has left it proves nothing."""
        committer = self.committer
        try:
            return await flush(self.io, job, inline=committer.options.compaction_inline)
        except CorruptionError as error:
            if committer.log_has_moved(job.segments):
                detail = "the log moved to another segment while it was flushed"
                raise BackgroundError(detail) from error
            raise

    async def _compact_chosen(self) -> bool:
        if self._choose() is None:  # as at nearly every commit: ask before the lock
            return False
        async with self._publishing:
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
                plan,
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

    async def _publish(
        self,
        plan: OutputPlan,
        work: Callable[[], Awaitable[JobResult]],
        edit: Callable[[JobResult], VersionEdit],
    ) -> JobResult:
        """Do a job and publish its result in one edit; what a failed one left is removed."""
        manifest = self.committer.manifest
        try:
            result = await work()
            await self._append(edit(result))
        except BaseException:
            manifest.abandon(*plan.numbers)
            raise
        return result

    async def _append(self, edit: VersionEdit) -> None:
        """Publish what is done, also when cancelled.

        An edit left on its way would change the levels that the next choice is made from.
        """
        with trio.CancelScope(shield=True):
            await self.committer.manifest.append(edit)

    def _shape_has_changed(self) -> None:
        self.throttle.changed.fire()
        self.shape_changed.fire()
        self.wake()

    async def sweep(self) -> None:
        """Remove the files that nobody needs any more."""
        manifest = self.committer.manifest
        for number in manifest.take_obsolete():
            await self.tables.evict(number)
            for name in (table_name(number), segment_name(number)):
                try:
                    await self.io.remove(f"{self.folder}/{name}")
                    self.counters.files_removed += 1
                except NotFoundError:
                    continue
                except IoError:
                    manifest.drop_again(number)

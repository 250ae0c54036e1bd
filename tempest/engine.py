"""The parts of an open store, put together, set going and shut down in order.

Invariants
- Background tasks never let an exception out: failure is a state of health, not a crash of the
  host's nursery.
- Closing makes everything acknowledged durable, or says what prevented it; the lock is let go
  last, and in any case.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from io_backends import Io, Lock
from journal import JournalError
from tempest.checkpoint import (
    Checkpointer,
    Retention,
    Shelf,
    adopt_checkpoints,
)
from tempest.committer import Committer
from tempest.errors import BackgroundError
from tempest.fairness import Fairness
from tempest.health import LOG, HealthMonitor
from tempest.maintenance import Maintenance
from tempest.options import Options
from tempest.reader import Reader
from tempest.recovery import Recovered, RecoveryReport
from tempest.session_serials import SessionSerials
from tempest.snapshot import Positions
from tempest.streams import Streams
from tempest.table import BlockCache, TableCache
from tempest.throttle import Throttle
from tempest.translate import reason
from tempest.values import Values
from tempest.version import SegmentEnd, Version, VersionEdit
from tempest.writer import Writer

CLOSING_FILES_SECONDS_MAX = 5.0
ENDING_WORK_SECONDS_MAX = 1.0
CLOSING_DELAYS_SECONDS = (0.01, 0.1, 1.0)  # between tries to note the end of the log


@attrs.frozen
class Reading:
    """The parts that read; a read-only store has no others."""

    reader: Reader
    positions: Positions
    fairness: Fairness
    blocks: BlockCache
    report: RecoveryReport
    sessions: SessionSerials
    shelf: Shelf


@attrs.frozen
class Place:
    """Where a store lives. `owns_io` says who closes the backend."""

    io: Io
    folder: str
    owns_io: bool
    lock: Lock | None

    async def aclose(self) -> None:
        """Close the backend if it is the store's own, and let go of the lock in any case."""
        try:
            if self.owns_io:
                await self.io.aclose()
        finally:
            if self.lock is not None:
                self.lock.release()


@attrs.frozen
class Caches:
    """What is kept for reads: blocks, open tables, values and open segments."""

    blocks: BlockCache
    tables: TableCache
    values: Values


def make_caches(
    place: Place, store_id: bytes, options: Options, held: Version | None = None
) -> Caches:
    """Share the cache budget: open tables may use three quarters, blocks have what they leave.

    A quarter as many segments as tables are open at once; all files of a version that is to be
    `held` open fit in any case.
    """
    tables_max = options.tables_open_max
    files_max = max(1, tables_max // 4)
    if held is not None:
        tables_max = max(tables_max, len(held.tables))
        files_max = max(files_max, len(held.pointed_segments))
    # A read that has to open its table first costs 800 us, one that unpacks a block 15: so tables
    # come first, and blocks have what these leave, a quarter at least.
    own = options.cache_bytes_max // 4
    blocks = BlockCache(own, options.cache_bytes_max - own)
    tables = TableCache(
        place.io,
        place.folder,
        store_id,
        blocks,
        bytes_max=options.cache_bytes_max - own,
        tables_max=tables_max,
    )
    tables.lend()
    cached = options.read_cache_bytes_max
    values = Values(place.io, place.folder, store_id, cached, files_max)
    return Caches(blocks, tables, values)


class Engine:
    """A store that is open for writing."""

    def __init__(self, place: Place, recovered: Recovered, options: Options) -> None:
        self.place = place
        self.manifest = recovered.manifest
        self.health = HealthMonitor(options.resume_seconds_max)
        self.committer = Committer(
            log=recovered.log,
            visibility=recovered.visibility,
            memtables=recovered.memtables,
            manifest=recovered.manifest,
            health=self.health,
            options=options,
            sessions=recovered.sessions,
        )
        self.reading = _reading_of(place, recovered, options, self.health)
        reader, positions = self.reading.reader, self.reading.positions
        self.throttle = Throttle(
            recovered.memtables, recovered.manifest, self.health, options
        )
        self.writer = Writer(
            self.committer, reader, positions, self.throttle, self.reading.fairness
        )
        self.maintenance = Maintenance(
            place.io,
            place.folder,
            recovered.store_id,
            self.committer,
            positions,
            self.throttle,
            reader.tables,
            reader.values,
        )
        self.checkpointer = Checkpointer(self.maintenance)
        self.retention = Retention(
            self.reading.shelf,
            recovered.manifest,
            self.maintenance.coordinator,
            options.checkpoints_kept,
        )
        self.streams = Streams(self.committer)
        self._options = options
        self._scopes: list[trio.CancelScope] = []
        self._journal_scope = trio.CancelScope(shield=True)
        self._running = 0
        self._stopped = trio.Event()
        self._connect()

    def _connect(self) -> None:
        """Let the parts tell each other what has changed."""
        self.committer.on_durable = self._durable_has_moved
        self.maintenance.log_floors.append(self.streams.floor)
        self.manifest.on_change = self.maintenance.note_change
        self.health.on_read_only = self._fail_waiters
        adopt_checkpoints(self.maintenance, self.checkpointer, self.retention)

    def _durable_has_moved(self) -> None:
        self.streams.regions()  # no watermark may have moved back
        self.maintenance.note_durable()

    def start(self, nursery: trio.Nursery) -> None:
        """Set the background tasks going."""
        tasks: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            (LOG, self.committer.run),
            ("health", self.health.watch),
            ("checkpoint", self.checkpointer.run),
            ("memory", self.committer.memtables.leftovers.run),
            ("worker", partial(self.maintenance.prepare, self.throttle.filling)),
            *(
                (work.value, partial(self.maintenance.run, work))
                for work in self.maintenance.works
            ),
        )
        self._running = len(tasks)
        # Or whoever comes before that task could be cancelled in the middle of a commit.
        self.manifest.journal.leave_to_run()
        nursery.start_soon(
            self._supervise, "manifest", self.manifest.journal.run, self._journal_scope
        )
        for source, task in tasks:
            # Shielded: when the host is cancelled, closing still needs them to finish writes.
            scope = trio.CancelScope(shield=True)
            self._scopes.append(scope)
            nursery.start_soon(self._run, source, task, scope)
        self.maintenance.note_change()
        self.committer.work.set()

    async def sync(self) -> None:
        """Wait until everything that was written so far is durable and visible."""
        committer = self.committer
        sequence = committer.visibility.last
        committer.ask(sync=True)
        while committer.visibility.durable < sequence and not committer.is_drained:
            self.health.check_writable()
            await committer.progress.wait()
        if committer.visibility.visible < sequence:
            self.health.check_writable()  # what failed on the spot was never sealed
            await committer.visibility.wait(sequence)

    async def aclose(self) -> None:
        """Make everything durable and shut down; `BackgroundError` from what prevented it."""
        errors: list[Exception] = []
        seconds = self._options.close_seconds_max
        deadline = trio.current_time() + seconds
        soon = trio.current_time() + ENDING_WORK_SECONDS_MAX
        tidy = self.maintenance.leave_few_segments
        await self._until(min(deadline, soon), [], tidy)  # a convenience, it may fail
        self.health.close()
        self.committer.leaves_marks = False
        self.maintenance.coordinator.stop()
        self._wake_waiters()
        await self._until(deadline, errors, self._drain)
        await self._let_work_end(deadline)
        await self._stop()
        self.health.is_over = True
        self.committer.visibility.fail(self.health.outcome_unknown)
        if not errors:
            await self._until(deadline, errors, self._seal_log, self.maintenance.sweep)
        # Whatever was given up, every file is closed; what hangs has time of its own.
        reader, journal = self.reading.reader, self.manifest.journal
        log = self.committer.log
        for close in (journal.aclose, reader.aclose, log.aclose):
            limit = trio.current_time() + min(seconds, CLOSING_FILES_SECONDS_MAX)
            await self._until(max(deadline, limit), errors, close)
        self._journal_scope.cancel()
        with trio.CancelScope(shield=True):
            await self._attempt(self.place.aclose, errors)
        if errors:
            raise _closing_error(errors[0])

    async def _until(
        self,
        deadline: float,
        errors: list[Exception],
        *actions: Callable[[], Awaitable[None]],
    ) -> None:
        """Attempt one action after the other, and give up at the deadline."""
        with trio.CancelScope(deadline=deadline, shield=True) as scope:
            for action in actions:
                await self._attempt(action, errors)
        if scope.cancelled_caught:
            seconds = self._options.close_seconds_max
            errors.append(BackgroundError(f"closing took more than {seconds} seconds"))

    async def _drain(self) -> None:
        """Wait until everything that was written is durable, whatever a late error says.

        That holds for marks, too: what the manifest says of the log's end must not be a lie.
        """
        committer = self.committer
        while not committer.is_confirmed:
            if self.health.is_log_lost:
                raise self.health.background_error()
            committer.ask(sync=True)
            await committer.progress.wait()

    async def _let_work_end(self, deadline: float) -> None:
        """Give work that has begun a moment to end by itself; what takes longer is cancelled."""
        coordinator = self.maintenance.coordinator
        for _ in range(2):
            soon = trio.current_time() + ENDING_WORK_SECONDS_MAX
            with trio.CancelScope(deadline=min(deadline, soon), shield=True):
                await coordinator.wait_idle()
            coordinator.cancel()

    async def _seal_log(self) -> None:
        """Say in the manifest where the log ends: nothing above that was ever acknowledged."""
        for delay in CLOSING_DELAYS_SECONDS:
            try:
                await self.manifest.append(self._log_end())
            except JournalError:
                await trio.sleep(delay)
            else:
                return
        await self.manifest.append(self._log_end())

    def _log_end(self) -> VersionEdit:
        """Return the edit that closes the segment; the log may have been moving when it stopped."""
        end = self.committer.log.durable
        segments = self.manifest.current.segments
        closed = tuple(SegmentEnd(s.number, end) for s in segments if s.end is None)
        return VersionEdit(segments_closed=closed)

    async def _stop(self) -> None:
        """End the background tasks but the manifest's, which ends with its file."""
        for scope in self._scopes:
            scope.cancel()
        with trio.move_on_after(self._options.close_seconds_max, shield=True):
            await self._stopped.wait()
        if not self._stopped.is_set():
            self._journal_scope.cancel()  # somebody waits for an edit that does not come
        with trio.CancelScope(shield=True):
            await self._stopped.wait()

    async def _attempt(
        self, action: Callable[[], Awaitable[None]], errors: list[Exception]
    ) -> None:
        try:
            await action()
        except Exception as error:  # noqa: BLE001 - whatever it is, files are closed, and the lock is let go
            errors.append(error)

    async def _run(
        self, source: str, task: Callable[[], Awaitable[None]], scope: trio.CancelScope
    ) -> None:
        try:
            await self._supervise(source, task, scope)
        finally:
            self._running -= 1
            if not self._running:
                self._stopped.set()

    async def _supervise(
        self, source: str, task: Callable[[], Awaitable[None]], scope: trio.CancelScope
    ) -> None:
        try:
            with scope:
                await task()
        except Exception as error:  # noqa: BLE001 - a bug makes the store read-only, not the host crash
            self.health.broken(source, error)

    def _fail_waiters(self) -> None:
        """The store only reads from here on: nobody may wait for what will not come."""
        if self.health.is_log_lost:
            self.committer.visibility.fail(self.health.outcome_unknown)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        """Let everybody who waits look again."""
        self.committer.progress.fire()
        self.throttle.changed.fire()
        self.maintenance.shape_changed.fire()


def _reading_of(
    place: Place, recovered: Recovered, options: Options, health: HealthMonitor
) -> Reading:
    """Put together what reads a store that was recovered."""
    caches = make_caches(place, recovered.store_id, options)
    reader = Reader(
        recovered.memtables,
        recovered.manifest,
        recovered.visibility,
        caches.tables,
        caches.values,
        health,
    )
    return Reading(
        reader,
        Positions(),
        Fairness(),
        caches.blocks,
        recovered.report,
        recovered.sessions,
        Shelf(place.io, place.folder, recovered.store_id, recovered.manifest),
    )


def _closing_error(error: Exception) -> BackgroundError:
    if isinstance(error, BackgroundError):
        return error
    closing = BackgroundError(f"it could not be closed cleanly ({reason(error)})")
    closing.__cause__ = error
    return closing

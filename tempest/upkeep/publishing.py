"""How work changes which files there are: numbers reserved, work done, one edit, old files removed.

Flush, compaction, collection and log upkeep all publish here, in the order data, sync, edit,
sync, visible, remove.

Invariants
- An edit that is computed from the current version is computed and made durable before the next
  one is: `_change` lets one through at a time.
- An edit on its way is waited for, also when cancelled; what was not published is removed.
- The reader positions are handed to every flush and compaction, the visible sequence among them.
"""

from collections.abc import Awaitable, Callable, Sequence

import attrs
import trio

from io_backends import Io
from tempest.committer import Committer
from tempest.compaction import JobResult, OutputPlan
from tempest.coordinator import Coordinator, Work
from tempest.snapshot import Positions
from tempest.table import TableCache, TableOptions
from tempest.throttle import Throttle
from tempest.values import Values
from tempest.version import Version, VersionEdit
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
    values_separated: int = 0


def _wakeups() -> dict[Work, Wakeup]:
    return {work: Wakeup() for work in Work}


@attrs.define(eq=False)
class Publishing:
    """What all upkeep of one store shares: its parts, and the way to a new version."""

    io: Io
    folder: str
    store_id: bytes
    committer: Committer
    positions: Positions
    throttle: Throttle
    tables: TableCache
    values: Values
    counters: Counters = attrs.field(factory=Counters)
    coordinator: Coordinator = attrs.field(factory=Coordinator)
    shape_changed: Pulse = attrs.field(factory=Pulse)
    log_floors: list[Callable[[], int | None]] = attrs.field(factory=list)
    flush_hooks: list[Callable[[int], None]] = attrs.field(factory=list)
    _work: dict[Work, Wakeup] = attrs.field(factory=_wakeups)
    _editing: trio.Lock = attrs.field(factory=trio.Lock)
    _seen_whole: Version | None = None  # every reader sees all of its tables

    def wake(self, *works: Work) -> None:
        """Look for work of these kinds, now or once the work that runs has ended."""
        for work in works:
            self._work[work].set()

    def note_durable(self) -> None:
        """Look for what more durable log makes possible.

        Every commit calls this, so only those who can find some work are woken: a task that is
        woken for nothing takes 20 us of a lone writer's sync.
        """
        if self.committer.memtables.waiting:
            self._work[Work.FLUSH].set()
        if self.committer.manifest.has_dropped:
            self._work[Work.SWEEP].set()
        # What is chosen depends on the version, and on whether all readers are beyond a table.
        version = self.committer.manifest.current
        if version is not self._seen_whole:
            self._work[Work.COMPACTION].set()
            oldest = self._reader_positions()[0]
            if all(table.sequence_max <= oldest for table in version.tables):
                self._seen_whole = version

    def note_change(self) -> None:
        """Look for what another version, or the end of a reader of one, makes possible."""
        self.note_durable()
        self.wake(Work.LOG, Work.COLLECTION, Work.RETENTION)

    @property
    def log_floor(self) -> int | None:
        """The lowest address that somebody still wants to read the log from, or None."""
        floors = [floor() for floor in self.log_floors]
        return min((floor for floor in floors if floor is not None), default=None)

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

    async def _publish(
        self,
        numbers: Sequence[int],
        work: Callable[[], Awaitable[JobResult]],
        edit: Callable[[JobResult], VersionEdit],
    ) -> JobResult:
        """Do a job and publish its result in one edit; what a failed one left is removed.

        `numbers` are those that were reserved for the files that it makes.
        """
        manifest = self.committer.manifest
        try:
            result = await work()
            await self._change(lambda: edit(result))
        except BaseException:
            manifest.abandon(*numbers)
            raise
        return result

    async def _change(self, edit: Callable[[], VersionEdit | None]) -> None:
        """Make durable what `edit` makes of the current version, with no other in between.

        None says that there is nothing to change after all.
        """
        async with self._editing:
            change = edit()
            if change is not None:
                await self._append(change)

    async def _append(self, edit: VersionEdit) -> None:
        """Publish what is done, also when cancelled.

        An edit left on its way would change the levels that the next choice is made from.
        """
        with trio.CancelScope(shield=True):
            await self.committer.manifest.append(edit)

    def _shape_has_changed(self) -> None:
        self.throttle.changed.fire()
        self.shape_changed.fire()
        self.note_change()

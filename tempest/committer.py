"""The one task that seals, flushes and syncs, so that no caller's cancellation reaches the disk.

Writers put entries into the open frame and wait for the visible sequence; the committer takes
all that has gathered, makes it one frame, one write and, where somebody asked for it, one sync.
While it works, the next frame gathers: that is group commit.

Invariants
- Only this task moves the log's watermarks, but for the inline flush of a single small frame,
  which is allowed while nothing else is on its way (`can_flush_inline`).
- A failed write or sync is never retried on its file: the log moves to a new segment.
- What was gathered is sealed before anything can fail, so a failure loses nothing.
"""

from collections.abc import Callable

import attrs
import trio

from io_backends import IoError
from journal import JournalError
from tempest.health import LOG, HealthMonitor
from tempest.log import HybridLog, SegmentMeta, Visibility
from tempest.memory import Memtables
from tempest.options import Options
from tempest.segments import SegmentKeeper
from tempest.version import LIFE_SEQUENCES, Manifest, VersionEdit
from tempest.wakeup import Pulse, Wakeup

FRAME_BYTES_MAX = 256 << 10
RETRY_SECONDS_MIN = 0.01
RETRY_SECONDS_MAX = 1.0


def _nothing() -> None:
    pass


@attrs.define(eq=False)
class Committer:
    """Drives the log; `progress` fires, and `on_durable` is called, when more is durable."""

    log: HybridLog
    visibility: Visibility
    memtables: Memtables
    manifest: Manifest
    health: HealthMonitor
    options: Options
    progress: Pulse = attrs.field(factory=Pulse)
    on_durable: Callable[[], None] = _nothing
    work: Wakeup = attrs.field(factory=Wakeup)
    is_entering: bool = False  # a large batch is entering the open frame, step by step
    _flush_asked: bool = False
    _sync_asked: bool = False
    _sync_owed: bool = False  # asked for, and sealed since
    _switch_asked: bool = False
    _keeper: SegmentKeeper = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._keeper = SegmentKeeper(
            self.log, self.manifest, self.options.segment_bytes_max
        )

    @property
    def can_flush_inline(self) -> bool:
        """Whether a write may be sealed and handed to the operating system on the spot."""
        log = self.log
        return (
            not log.is_busy
            and not log.open
            and log.flushed == log.tail
            and self.visibility.is_current
            and self.health.is_healthy
        )

    @property
    def is_drained(self) -> bool:
        """Whether everything that was ever written is durable."""
        return not self.log.open and self.log.data_end <= self.log.durable

    @property
    def is_confirmed(self) -> bool:
        """Whether another sync has returned since: no late error can take it back."""
        return not self.log.open and self.log.data_end <= self.log.confirmed

    def log_has_moved(self, segments: tuple[SegmentMeta, ...]) -> bool:
        """Whether what was being written has failed since these were the segments."""
        active = self.log.segment
        failed = active is not None and active.is_failed
        return failed or segments[-1:] != self.manifest.current.segments[-1:]

    def ask(
        self, *, flush: bool = False, sync: bool = False, switch: bool = False
    ) -> None:
        """Ask for a commit of what has gathered: also with a sync, or a new memtable."""
        self._flush_asked |= flush
        self._sync_asked |= sync
        self._switch_asked |= switch
        self.work.set()

    def note_growth(self) -> None:
        """Wake the committer if enough has gathered without anybody asking."""
        if (
            self.log.open.bytes >= FRAME_BYTES_MAX
            or self.memtables.active.bytes >= self.options.memtable_bytes_max
            or self.log.unsynced_bytes >= self.options.unsynced_bytes_max
        ):
            self.work.set()

    def fail(self, error: Exception) -> None:
        """Note that a write on the spot has failed: the log must move on."""
        assert self.log.segment is not None, "a write needs a segment"
        self.log.segment.is_failed = True
        self.health.trouble(LOG, error)
        self.work.set()

    async def run(self) -> None:
        """Commit whenever there is something to commit. Runs until cancelled."""
        while True:
            await self.work.wait()
            while self._has_work():
                await self._commit_or_resume()
            await trio.lowlevel.checkpoint()
            if not self._has_work() and self.log.durable == self.log.flushed:
                self._mark()

    def _has_work(self) -> bool:
        log = self.log
        assert log.segment is not None, "an open store has a segment"
        if self.is_entering:
            return False
        return (
            log.segment.is_failed
            or self._switch_asked
            or (self._flush_asked and bool(log.open))
            or self._wants_sync()
            or log.flushed < log.tail
            or bool(log.open and not self.visibility.is_current)
            or log.open.bytes >= FRAME_BYTES_MAX
            or self.memtables.active.bytes >= self.options.memtable_bytes_max
        )

    def _wants_sync(self) -> bool:
        log = self.log
        if self._sync_asked or self._sync_owed or self.visibility.wants_sync:
            return True
        waiting = self.memtables.waiting
        return log.unsynced_bytes >= self.options.unsynced_bytes_max or bool(
            waiting and (waiting[-1].stop is None or waiting[-1].stop > log.durable)
        )

    async def _commit_or_resume(self) -> None:
        log = self.log
        log.is_busy = True
        try:
            await self._seal_open()
            if log.segment is not None and log.segment.is_failed:
                await self._resume()
            else:
                await self._commit()
        except (IoError, JournalError) as error:
            assert log.segment is not None, "an open store has a segment"
            log.segment.is_failed = True
            self.health.trouble(LOG, error)
        finally:
            log.is_busy = False

    async def _seal_open(self) -> None:
        """Take what has gathered and give it its addresses; switch the memtable if it is full."""
        log, memtables = self.log, self.memtables
        # Taken now: who asks from here on may mean an entry that this frame will not hold.
        self._sync_owed |= self._sync_asked
        self._sync_asked = self._flush_asked = False
        gathered = log.open.take() if log.open else None
        full = memtables.active.bytes >= self.options.memtable_bytes_max
        if (full or self._switch_asked) and len(memtables.active):
            memtables.switch()
        self._switch_asked = False
        if gathered is not None:
            payload = await log.encode(gathered)
            log.seal(payload, gathered.last_sequence)
        memtables.bound(log.tail)

    async def _commit(self) -> None:
        log, visibility = self.log, self.visibility
        await self._keep_life()
        if log.flushed < log.tail:
            if not log.has_room():
                await self._keeper.roll()
            await log.flush()
            visibility.flushed = max(visibility.flushed, log.flushed_sequence)
            visibility.advance()
        log.is_busy = False
        if self._wants_sync():
            self._sync_owed = False
            visibility.durable = max(visibility.durable, await log.sync())
            visibility.advance()
            self._durable_moved()

    async def _keep_life(self) -> None:
        """Begin another life before this one runs out of sequences."""
        life = self.manifest.current.life
        if self.visibility.last + LIFE_SEQUENCES // 2 >= (life + 1) * LIFE_SEQUENCES:
            await self.manifest.append(VersionEdit(life=life + 1))

    async def _resume(self) -> None:
        """Move on to a new segment, however often it takes; waiters succeed when it has."""
        delay = RETRY_SECONDS_MIN
        while True:
            try:
                await self._keeper.rewrite()
            except (IoError, JournalError) as error:
                self.health.trouble(LOG, error)
                await trio.sleep(delay)
                delay = min(2 * delay, RETRY_SECONDS_MAX)
            else:
                break
        self._sync_owed = False
        visibility = self.visibility
        durable = max(visibility.durable, self.log.flushed_sequence)
        visibility.flushed = visibility.durable = durable
        self.health.recovered(LOG)
        visibility.advance()
        self._durable_moved()

    def _durable_moved(self) -> None:
        self.progress.fire()
        self.on_durable()

    def _mark(self) -> None:
        try:
            self.log.mark_nowait(self.visibility.durable)
        except IoError as error:
            self.fail(error)

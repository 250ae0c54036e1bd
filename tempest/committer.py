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
from tempest.session_serials import SessionSerials
from tempest.version import LIFE_SEQUENCES, Manifest, SessionMark, Version, VersionEdit
from tempest.wakeup import Pulse, Wakeup
from tempest.zeros import ZerosAhead

LOG_BYTES_A_MEMTABLE_BYTE = 8
RETRY_SECONDS_MIN = 0.01
RETRY_SECONDS_MAX = 1.0


def _nothing() -> None:
    pass


@attrs.define(eq=False)
class _Roll:
    """A wish for the log to go on in another segment; `version` is pinned when it has."""

    version: Version | None = None


@attrs.frozen
class Cut:
    """A moment in log order: all up to `sequence`, and nothing else, lies below `address`.

    Marks alone do not move it: a later cut never has a lower address. `sessions` are the serials
    of what lies below.
    """

    address: int
    sequence: int
    sessions: tuple[SessionMark, ...]


@attrs.define(eq=False)
class Committer:
    """Drives the log; `progress` fires, and `on_durable` is called, when more is durable."""

    log: HybridLog
    visibility: Visibility
    memtables: Memtables
    manifest: Manifest
    health: HealthMonitor
    options: Options
    sessions: SessionSerials = attrs.field(factory=SessionSerials)
    progress: Pulse = attrs.field(factory=Pulse)
    on_durable: Callable[[], None] = _nothing
    on_growth: Callable[[], None] | None = (
        None  # called with every write if it is there
    )
    work: Wakeup = attrs.field(factory=Wakeup)
    leaves_marks: bool = (
        True  # behind an idle sync; not once the manifest will say where the log ends
    )
    is_entering: bool = False  # a large batch is entering the open frame, step by step
    settled: int = attrs.field(init=False)  # all below is durable, and visible
    frame_bytes_max: int = attrs.field(init=False)
    memtable_bytes_max: int = attrs.field(init=False)
    unsynced_bytes_max: int = attrs.field(init=False)
    _flush_asked: bool = False
    _sync_asked: bool = False
    _sync_owed: bool = False  # asked for, and sealed since
    _sync_covers: int = (
        0  # newest sequence that a sync owed, or under way, makes durable
    )
    _switch_asked: bool = False
    _room_asked: int = 0  # bytes that a write on the spot wants to find in the segment
    _cuts_asked: list[Callable[[Cut], None]] = attrs.field(factory=list)
    _rolls: list[_Roll] = attrs.field(factory=list)
    _rolls_due: list[_Roll] = attrs.field(
        factory=list
    )  # asked for before the last seal
    _keeper: SegmentKeeper = attrs.field(init=False)
    zeros: ZerosAhead = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        options = self.options
        share = int(options.mutable_fraction * options.memtable_bytes_max)
        self.frame_bytes_max = max(1, share)  # what gathers without being asked for
        self.memtable_bytes_max = options.memtable_share_bytes
        self.unsynced_bytes_max = options.unsynced_bytes_max
        self.settled = self.log.durable
        self.log.leftovers = self.memtables.leftovers
        self._keeper = SegmentKeeper(self.log, self.manifest, options.segment_bytes_max)
        self.zeros = ZerosAhead(self.log, self.health)

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
        """Whether another sync has returned since, marks included: no late error can take it back."""
        return not self.log.open and self.log.tail <= self.log.confirmed

    @property
    def _is_memtable_full(self) -> bool:
        """Whether the active memtable, or the log behind it, is large enough for a flush.

        Few keys that are written again and again fill the log and not the memtable.
        """
        active, full = self.memtables.active, self.memtable_bytes_max
        span = self.log.tail - active.first
        return active.bytes >= full or (
            bool(active) and span >= LOG_BYTES_A_MEMTABLE_BYTE * full
        )

    def log_has_moved(self, segments: tuple[SegmentMeta, ...]) -> bool:
        """Whether what was being written has failed since these were the segments."""
        active = self.log.segment
        failed = active is not None and active.is_failed
        return failed or segments[-1:] != self.manifest.current.segments[-1:]

    def ask(
        self,
        *,
        flush: bool = False,
        sync: bool = False,
        switch: bool = False,
        room: int = 0,
    ) -> None:
        """Ask for a commit of what has gathered: also with a sync, a new memtable, or room."""
        self._flush_asked |= flush
        self._sync_asked |= sync
        self._switch_asked |= switch
        self._room_asked = max(self._room_asked, room)
        self.work.set()

    def ask_durable(self, sequence: int) -> None:
        """Ask for a sync, unless one that is on its way will do for `sequence`."""
        if sequence > self._sync_covers:
            self.ask(sync=True)

    def cut(self, take: Callable[[Cut], None], *, switch: bool) -> None:
        """Seal what has gathered, also with a new memtable, and tell `take` where that ended."""
        self._cuts_asked.append(take)
        self.ask(sync=switch, switch=switch)  # a sync wakes the flush

    def note_growth(self) -> None:
        """Wake the committer if enough has gathered without anybody asking."""
        log = self.log
        if (
            log.open.bytes >= self.frame_bytes_max
            or self.memtables.active.bytes >= self.memtable_bytes_max
            or log.unsynced_bytes >= self.unsynced_bytes_max
        ):
            self.work.set()
        if self.on_growth is not None:
            self.on_growth()

    def fail(self, error: Exception) -> None:
        """Note that a write on the spot has failed: the log must move on."""
        assert self.log.segment is not None, "a write needs a segment"
        self.log.segment.is_failed = True
        self.health.trouble(LOG, error)
        self.work.set()

    async def roll(self) -> Version:
        """Let the log go on in a new segment; return the version of that moment, pinned.

        All that was written before is durable, confirmed and visible, and in files that are
        never written to again: nothing in the version needs its last segment, the only one
        without an end. The caller unpins it.
        """
        roll = _Roll()
        self._rolls.append(roll)
        self.work.set()
        try:
            while roll.version is None:
                self.health.check_writable()
                await self.progress.wait()
        except BaseException:
            if roll.version is not None:
                self.manifest.unpin(roll.version)
            else:
                waiting = self._rolls if roll in self._rolls else self._rolls_due
                waiting.remove(roll)
            raise
        return roll.version

    async def run(self) -> None:
        """Commit whenever there is something to commit. Runs until cancelled."""
        while True:
            await self.work.wait()
            while self._has_work():
                await self._commit_or_resume()
                await self._give_way()
            if self._is_idle and self.leaves_marks:
                self._mark()

    async def _give_way(self) -> None:
        """Let everybody run who was woken just now, so that what they write next comes along.

        Twice, as nobody knows in which order tasks run that are woken together. 64 writers make
        groups of 64 then, not of 32 by turns (13 us a put in place of 17); and a mark after
        every other sync of one writer took 10 us, and a write more for the next sync to carry.
        """
        await trio.lowlevel.checkpoint()
        if self.visibility.woken > 1 or self._is_idle:
            await trio.lowlevel.checkpoint()

    @property
    def _is_idle(self) -> bool:
        return not self._has_work() and self.log.durable == self.log.flushed

    def _has_work(self) -> bool:
        log = self.log
        assert log.segment is not None, "an open store has a segment"
        if self.is_entering:
            return False
        return (
            self._wants_sync()  # first: so it is for every DISK write
            or log.segment.is_failed
            or self._switch_asked
            or bool(self._rolls or self._rolls_due)
            or self._lacks_room
            or bool(self._cuts_asked)
            or (self._flush_asked and bool(log.open))
            or log.flushed < log.tail
            or bool(log.open and not self.visibility.is_current)
            or log.open.bytes >= self.frame_bytes_max
            or self._is_memtable_full
        )

    @property
    def _lacks_room(self) -> bool:
        """Whether what was asked for would find room in a new segment, and finds none in this."""
        log, room = self.log, self._room_asked
        if not room or log.segment is None:
            return False
        meta = log.segment.meta
        return log.data_end > meta.first and log.tail + room > meta.limit

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
        cuts, self._cuts_asked = self._cuts_asked, []
        self._rolls_due += self._rolls
        self._rolls = []
        sequence = self.visibility.last
        if self._sync_owed:
            self._sync_covers = sequence
        gathered = log.open.take() if log.open else None
        if (self._is_memtable_full or self._switch_asked) and memtables.active:
            memtables.switch()
        self._switch_asked = False
        if gathered is not None:
            payload = await log.encode(gathered)
            log.seal(payload, gathered.last_sequence)
            self.sessions.sealed(gathered.sessions)
        memtables.bound(log.tail)
        if cuts:
            active = memtables.active
            address = log.tail if active else active.first
            cut = Cut(address, sequence, self.sessions.serials())
            for take in cuts:
                take(cut)

    async def _commit(self) -> None:
        log, visibility = self.log, self.visibility
        await self._keep_life()
        if log.flushed < log.tail:
            if not log.has_room():
                await self._keeper.roll()
            await log.flush()
            visibility.flushed = max(visibility.flushed, log.flushed_sequence)
            visibility.advance()
        if self._rolls_due or self._lacks_room:
            await self._roll()
        self._room_asked = 0
        wants_sync = self._wants_sync()
        if wants_sync:
            await self.zeros.write()
        log.is_busy = False
        if wants_sync:
            self._sync_owed = False
            visibility.durable = max(visibility.durable, await log.sync())
            visibility.advance()
            self._durable_moved()

    async def _roll(self) -> None:
        """Go on in a new segment, unless nothing stands in this one, and tell who asked."""
        log, visibility = self.log, self.visibility
        assert log.segment is not None, "an open store has a segment"
        if log.data_end > log.segment.meta.first:  # else there are marks at most
            await self._keeper.roll()
        for roll in self._rolls_due:
            roll.version = self.manifest.pin()
        self._rolls_due.clear()
        visibility.durable = max(visibility.durable, log.flushed_sequence)
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
        self.settled = self.log.durable
        self.sessions.advance(self.visibility.durable)
        self.progress.fire()
        self.on_durable()

    def _mark(self) -> None:
        try:
            self.log.mark_nowait(self.visibility.durable)
        except IoError as error:
            self.fail(error)

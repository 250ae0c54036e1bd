"""How writes enter the store: one synchronous step into the open frame, then a wait for the level.

    MEMORY   in place in the open frame; visible at once if nothing before it is pending
    OS       sealed and handed to the operating system on the spot while nothing else is on its
             way, else by the committer
    DISK     by the committer's next sync, together with everybody who waits; the first of a group
             goes to the operating system on the spot

Invariants
- A write takes effect when it enters the open frame. Cancelled before: nothing happened.
  Cancelled after: it stays, in log order, and only the wait is given up.
- Nothing becomes visible before the level it promised, nor before what stands before it.
- A batch enters whole: while a large one enters step by step, no other write can, and no frame
  is sealed.
"""

from collections.abc import Callable
from itertools import islice

import attrs
import trio

from tempest.batch import Batch
from tempest.committer import Committer
from tempest.entry import Entry
from tempest.errors import ThrottledError
from tempest.fairness import (
    CALL_UNITS,
    WRITE_BYTES_A_UNIT,
    WRITE_UNITS,
    Fairness,
)
from tempest.log import Visibility
from tempest.options import Durability
from tempest.reader import Reader
from tempest.session_serials import NextSerial
from tempest.snapshot import Positions
from tempest.spot import INLINE_BYTES_MAX, Spot
from tempest.throttle import Throttle

STEP_ENTRIES = 512
ENTRIES_A_UNIT = 2
ROOM_BYTES = (
    1 << 10
)  # what a frame costs beside key and value: heads, a serial, a sector


@attrs.define(eq=False)
class Writer:
    """Puts entries into the open frame and waits for what they were promised."""

    committer: Committer
    reader: Reader
    positions: Positions
    throttle: Throttle
    fairness: Fairness
    spot: Spot = attrs.field(init=False)
    _gate: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.spot = Spot(self.committer, self.positions, self.throttle)

    @property
    def _visibility(self) -> Visibility:
        return self.committer.visibility

    def write_nowait(
        self,
        key: bytes,
        value: bytes | None,
        level: Durability,
        serial: NextSerial | None = None,
    ) -> None:
        """Write one key without waiting, or raise `trio.WouldBlock` and write nothing."""
        size = len(key) + (len(value) if value else 0)
        if self.committer.is_entering:
            raise ThrottledError("a large batch is entering")
        self.throttle.admit_nowait(size)
        if not self._visibility.is_current or level is Durability.DISK:
            raise trio.WouldBlock
        if level is Durability.MEMORY:
            self._enter(key, value, level, serial)
        else:
            if serial is None:
                sequence = self.spot.flush_inline(key, value)
            else:
                sequence = self.spot.flush_numbered(key, value, serial)
            if sequence is None:
                # What stands in the way is on its way then.
                room = size + ROOM_BYTES if size <= INLINE_BYTES_MAX else 0
                self.committer.ask(flush=True, room=room)
                raise trio.WouldBlock
            if self._visibility.visible < sequence:
                raise self.throttle.health.outcome_unknown()
        self.committer.note_growth()

    async def write(
        self,
        key: bytes,
        value: bytes | None,
        level: Durability,
        serial: NextSerial | None = None,
    ) -> None:
        """Write one key and wait for its level. `serial` is that of a session's write."""
        await self.fairness.begin()
        size = len(key) + (len(value) if value else 0)
        await self._admit(size)
        await self._write_admitted(key, value, size, level, serial)

    async def _write_admitted(
        self,
        key: bytes,
        value: bytes | None,
        size: int,
        level: Durability,
        serial: NextSerial | None,
    ) -> None:
        """Let a write that may go on take effect, and wait for its level."""
        sequence = None
        if level is Durability.OS:
            if serial is None:
                sequence = self.spot.flush_inline(key, value)
            else:
                sequence = self.spot.flush_numbered(key, value, serial)
        if sequence is None:
            sequence = self._enter(key, value, level, serial)
        await self._wait(sequence)
        await self.fairness.spend(WRITE_UNITS + size // WRITE_BYTES_A_UNIT)

    async def write_batch(
        self, batch: Batch, level: Durability, serial: NextSerial | None = None
    ) -> None:
        """Write all of a batch as one, and wait for its level."""
        await self.fairness.begin()
        if not batch.entries and serial is None:
            return
        await self._admit(batch.size)
        if serial is None and level is not Durability.DISK:
            last = self.spot.put_all(batch)
            if last is not None:
                await self._wait(last)
                await self.fairness.spend(len(batch) // ENTRIES_A_UNIT)
                return
        if serial is not None:
            self._take(serial, self._visibility.last + max(1, len(batch)))
        if not batch.entries:
            last = self._enter_mark(level)
        elif len(batch) <= STEP_ENTRIES:
            last = self._enter_all(batch, level)
            await self.fairness.spend(CALL_UNITS * len(batch))
        else:
            last = await self._enter_slowly(batch, level)
        await self._wait(last)

    async def update(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        level: Durability,
        serial: NextSerial | None = None,
    ) -> bytes | None:
        """Read, compute and write one key as one step in log order; return the new value."""
        await self.fairness.begin()
        await self._admit(len(key))
        old = await self.reader.newest(key)
        while self.committer.is_entering:
            await self._gate.wait()
            old = await self.reader.newest(key)
        self.throttle.health.check_writable()  # reading may have taken its time
        if serial is not None:
            serial.choose()
        derived_from = self._visibility.last
        try:
            value = function(old)
        except Exception:
            # What it was decided on must not be taken back.
            await self._wait(derived_from)
            raise
        await self.finish_update(key, old, value, level, serial)
        return value

    async def finish_update(
        self,
        key: bytes,
        old: bytes | None,
        value: bytes | None,
        level: Durability,
        serial: NextSerial | None = None,
    ) -> None:
        """Write what an update has made of a key's value, which was the newest just now."""
        stays_absent = value is None and old is None and level is Durability.MEMORY
        if stays_absent and serial is None:
            await self._wait(self._visibility.last)
            return
        # At other levels absence is promised, so a tombstone is written: what made the key
        # absent may be less safe than that.
        size = len(key) + (len(value) if value else 0)
        await self._write_admitted(key, value, size, level, serial)

    async def forget_session(self, name: bytes, level: Durability) -> None:
        """Forget a session that nobody uses, and wait for the level."""
        await self.fairness.begin()
        await self._admit(len(name))
        committer = self.committer
        if committer.sessions.forget(name):
            sequence = self._visibility.last + 1
            committer.memtables.active.count(name, None, sequence)
            committer.log.open.count(name, (sequence, None))
            await self._wait(self._enter_mark(level))

    async def wait_visible(self, sequence: int) -> None:
        """Wait until what was taken in with this sequence has reached its level."""
        await self.fairness.begin()
        await self._wait(sequence)

    async def _admit(self, size: int) -> None:
        await self.throttle.admit(size)
        while self.committer.is_entering:
            await self._gate.wait()
            self.throttle.health.check_writable()

    async def _wait(self, sequence: int) -> None:
        """Wake the committer if there is something for it, and wait until it has done it."""
        if self._visibility.visible < sequence:
            health = self.throttle.health
            if health.is_log_lost or health.is_over:
                raise health.outcome_unknown()
            self.committer.work.set()
            await self._visibility.wait(sequence)
        else:
            self.committer.note_growth()

    def _enter(
        self,
        key: bytes,
        value: bytes | None,
        level: Durability,
        serial: NextSerial | None = None,
    ) -> int:
        """Put one entry into memtable and open frame; return its sequence."""
        visibility = self._visibility
        if serial is not None:
            self._take(serial, visibility.last + 1)
        sequence = visibility.last = visibility.last + 1
        if level is not Durability.MEMORY:
            visibility.block(sequence, sequence, synced=level is Durability.DISK)
        elif visibility.is_current:
            visibility.visible = sequence
        self._place(key, Entry(sequence, value))
        return sequence

    def _take(self, serial: NextSerial, sequence: int) -> None:
        """Let a session's write have its serial: in this very step it enters the open frame."""
        committer = self.committer
        number = serial.take(sequence, self._visibility.visible)
        committer.memtables.active.count(serial.name, number, sequence)
        committer.log.open.count(serial.name, (sequence, number))

    def _enter_mark(self, level: Durability) -> int:
        """Give a sequence to what says something of sessions only. MEMORY counts as OS."""
        visibility = self._visibility
        sequence = visibility.last = visibility.last + 1
        visibility.block(sequence, sequence, synced=level is Durability.DISK)
        return sequence

    def _place(self, key: bytes, entry: Entry) -> None:
        committer = self.committer
        kept = committer.memtables.active.put(
            key, entry, committer.visibility.visible, self.positions.taken
        )
        committer.log.open.put(key, entry, kept)

    def _place_all(self, entries: dict[bytes, bytes | None], first: int) -> None:
        """Put the entries of a batch, or some of them, into memtable and open frame."""
        committer = self.committer
        sequences = range(first, first + len(entries))
        values = entries.values()
        versions = list(map(Entry, sequences, values))
        sizes = list(map(len, filter(None, values)))
        size, largest = sum(map(len, entries)) + sum(sizes), max(sizes, default=0)
        if committer.memtables.active.put_new(entries, versions, size, largest):
            committer.log.open.put_new(entries, versions, size)
            return
        for key, version in zip(entries, versions, strict=True):
            self._place(key, version)

    def _enter_all(self, batch: Batch, level: Durability) -> int:
        last = self._block_batch(batch, level)
        self._place_all(batch.entries, last - len(batch) + 1)
        return last

    async def _enter_slowly(self, batch: Batch, level: Durability) -> int:
        """Enter a large batch in steps that others run between; nobody sees it half."""
        committer = self.committer
        committer.is_entering = True
        self._gate = trio.Event()
        try:
            last = self._block_batch(batch, level)
            first = last - len(batch) + 1
            entries = iter(batch.entries.items())
            while step := dict(islice(entries, STEP_ENTRIES)):
                self._place_all(step, first)
                first += len(step)
                await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            committer.is_entering = False
            self._gate.set()
            committer.work.set()
        return last

    def _block_batch(self, batch: Batch, level: Durability) -> int:
        """Give a batch its sequences and hide them; return the last. MEMORY counts as OS."""
        visibility = self._visibility
        first = visibility.last + 1
        visibility.last += len(batch)
        visibility.block(first, visibility.last, synced=level is Durability.DISK)
        return visibility.last

"""Writes that take effect, and reach their level, in one synchronous step: on the spot.

    MEMORY   in place in the open frame, while nothing that stands before it is pending
    OS       sealed and handed to the operating system, while nothing else is on its way
    DISK     the same, or into the open frame: the committer's next sync completes it

`put_os`, `put_memory` and `put_disk` are the ways that nearly every write takes: one look at what
could stand in the way, then what must be done and nothing else. An awaited put costs 4.2 and 1.5 us
at OS and MEMORY level, against 9.9 and 4.5 in the general way, on a machine whose `pwrite` takes 1.0;
at DISK level about 40 beside the sync itself, against 75. Where anything is unusual they answer
None, have done nothing, and the general way decides: `Writer.write`, and below it `flush_inline`,
which also takes sessions and batches.

Invariants
- What a step leaves, in memory and in the file, is what the general way leaves.
- Nobody is let by whom `HealthMonitor.check_writable` would hold back, nor `Throttle.admit` for
  more than the few writes of a look.
"""

from collections.abc import Awaitable, Callable

import attrs
import trio

from io_backends import IoError
from tempest.batch import Batch
from tempest.columns import SEQUENCE_MAX, Columns, Kind, ascending_columns
from tempest.committer import Committer
from tempest.entry import Entry
from tempest.health import HealthMonitor
from tempest.leftovers import WRITES_A_PIECE
from tempest.log import (
    FRAME_ENTRY_BYTES,
    HybridLog,
    Visibility,
    encode_payload,
    session_run,
)
from tempest.memory import Memtables
from tempest.memtable import ENTRY_BYTES
from tempest.options import Durability
from tempest.session_serials import NextSerial
from tempest.snapshot import Positions
from tempest.throttle import Throttle

INLINE_BYTES_MAX = 16 << 10
BATCH_BYTES_MAX = 192 << 10  # encoded and handed over in some 100 us
BATCH_ENTRIES_MAX = 1024  # indexed in some 300 us

Step = Callable[[bytes, bytes | None], int | None]
Find = Callable[[bytes, int], bytes | None]


@attrs.define(eq=False)
class Spot:
    """Makes the writes that need not wait for anybody."""

    committer: Committer
    positions: Positions
    throttle: Throttle
    log: HybridLog = attrs.field(init=False)
    visibility: Visibility = attrs.field(init=False)
    memtables: Memtables = attrs.field(init=False)
    health: HealthMonitor = attrs.field(init=False)
    _calm_until: int = 0  # as `Throttle.calm_until`, or sooner

    def __attrs_post_init__(self) -> None:
        committer = self.committer
        self.log, self.visibility = committer.log, committer.visibility
        self.memtables, self.health = committer.memtables, committer.health

    def _may_pass(self, sequence: int) -> bool:
        """Ask for some writes at once, which free a piece of what nobody needs any more."""
        throttle, active = self.throttle, self.memtables.active
        if (
            sequence > throttle.calm_until or active.bytes > active.calm_bytes
        ) and not throttle.may_pass(sequence):
            return False
        self._calm_until = throttle.calm_until
        leftovers = self.memtables.leftovers
        if leftovers.going:
            leftovers.free_some()
            self._calm_until = min(self._calm_until, sequence + WRITES_A_PIECE)
        return True

    def step(self, level: object) -> Step:
        """Return what writes one key at this level on the spot, if anything does."""
        if level is Durability.OS:
            return self.put_os
        if level is Durability.DISK:
            return self.put_disk
        return self.put_memory if level is Durability.MEMORY else never

    def put_os(self, key: bytes, value: bytes | None) -> int | None:  # noqa: C901 - the hot path, in one piece
        """Write one key; return its sequence. None: it is for the general way, nothing is done.

        If handing it over fails it may have happened all the same: the entry stays, and is
        written again elsewhere. It is not visible then, and must be waited for.
        """
        log, visibility, active = self.log, self.visibility, self.memtables.active
        sequence = visibility.last + 1
        size = len(key) + (value_size := len(value) if value else 0)
        if (
            visibility.blockers
            or log.open.bytes
            or log.is_busy
            or log.flushed != log.tail
            or not self.health.is_whole
            or size > INLINE_BYTES_MAX
        ):
            return None
        if (
            active.bytes > active.calm_bytes or sequence > self._calm_until
        ) and not self._may_pass(sequence):
            return None
        try:
            if not log.append_nowait(key, value, sequence):
                return None
        except IoError as error:
            self.committer.fail(error)
            visibility.block(sequence, sequence, synced=False)
        else:
            visibility.flushed = visibility.visible = sequence
        visibility.last = sequence
        if active.newest.setdefault(key, entry := Entry(sequence, value)) is entry:
            # What `Memtable.put` does with a new key, in one piece: 0.2 us less, of 3.
            active.last_sequence = sequence
            if value_size > active.largest_value_bytes:  # noqa: PLR1730 - as in `put`
                active.largest_value_bytes = value_size
            if active.rows.is_used:
                active.rows.forget(key)
            active.bytes += size + ENTRY_BYTES
        else:
            active.put(key, entry, visibility.visible, self.positions.taken)
        committer = self.committer
        if (
            active.bytes >= committer.memtable_bytes_max
            or log.flushed - log.durable >= committer.unsynced_bytes_max
            or committer.on_growth is not None
        ):
            committer.note_growth()
        return sequence

    def put_memory(self, key: bytes, value: bytes | None) -> int | None:  # noqa: C901 - the hot path, in one piece
        """Write one key into the open frame; return its sequence, or None as `put_os` does."""
        visibility, active = self.visibility, self.memtables.active
        sequence = visibility.last + 1
        value_size = len(value) if value else 0
        size = len(key) + value_size
        if visibility.blockers or not self.health.is_whole or size > INLINE_BYTES_MAX:
            return None
        if (
            active.bytes > active.calm_bytes or sequence > self._calm_until
        ) and not self._may_pass(sequence):
            return None
        visibility.last = visibility.visible = sequence
        entry = Entry(sequence, value)
        gathering, committer, held = self.log.open, self.committer, active.newest
        # What `Memtable.put` and `OpenFrame.put` do where no version is chained, in one piece:
        # 0.3 us less, of 1.5.
        if (old := held.setdefault(key, entry)) is entry:
            if active.rows.is_used:
                active.rows.forget(key)
            active.bytes += size + ENTRY_BYTES
            gathering.bytes += size + FRAME_ENTRY_BYTES
            gathering.newest[key] = entry
        elif (taken := self.positions.taken) and taken[-1] >= old.sequence:
            gathering.put(key, entry, active.put(key, entry, sequence, taken))
        else:
            grown = value_size - (len(old.value) if old.value else 0)
            active.bytes += grown
            gathered = gathering.newest
            # Taken out first, so that the dict stays in sequence order.
            if gathered.pop(key, None) is None:
                grown = size + FRAME_ENTRY_BYTES
            gathering.bytes += grown
            held[key] = gathered[key] = entry
        active.last_sequence = gathering.last_sequence = sequence
        if value_size > active.largest_value_bytes:  # noqa: PLR1730 - as in `put`
            active.largest_value_bytes = value_size
        if (
            gathering.bytes >= committer.frame_bytes_max
            or active.bytes >= committer.memtable_bytes_max
            or committer.on_growth is not None
        ):
            committer.note_growth()
        return sequence

    def put_disk(self, key: bytes, value: bytes | None) -> int | None:
        """Let one key take effect; return its sequence, which must be waited for, or None."""
        log, visibility, active = self.log, self.visibility, self.memtables.active
        committer, sequence = self.committer, visibility.last + 1
        size = len(key) + (len(value) if value else 0)
        if committer.is_entering or not self.health.is_whole or size > INLINE_BYTES_MAX:
            return None
        if (
            active.bytes > active.calm_bytes or sequence > self._calm_until
        ) and not self._may_pass(sequence):
            return None
        is_sealed = not visibility.blockers and self._begin(key, value, sequence)
        visibility.last = sequence
        visibility.block(sequence, sequence, synced=True)
        entry = Entry(sequence, value)
        kept = active.put(key, entry, visibility.visible, self.positions.taken)
        if not is_sealed:
            log.open.put(key, entry, kept)
        return sequence

    def _begin(self, key: bytes, value: bytes | None, sequence: int) -> bool:
        """Seal and write the first of a group, and begin its sync, if it seems to be all of it.

        The committer need only wait for the sync: that spares a lone writer 60 us of 210. Where
        several were woken together, the first goes with the others. False: the entry is for the
        open frame.
        """
        log, visibility = self.log, self.visibility
        if (
            visibility.woken > 1
            or log.open.bytes
            or log.is_busy
            or log.flushed != log.tail
        ):
            return False
        try:
            if not log.append_nowait(key, value, sequence):
                return False
        except IoError as error:
            # It may be written, and is written again elsewhere.
            self.committer.fail(error)
        else:
            visibility.flushed = sequence
            self.committer.zeros.hasten_sync()
        return True

    def wait(self, sequence: int) -> Awaitable[object]:
        """Return what waits for a write that is not visible yet; await it at once."""
        health = self.health
        if not health.is_whole and (health.is_log_lost or health.is_over):
            raise health.outcome_unknown()
        self.committer.work.set()
        return self.visibility.reach(sequence)

    def newest(self, key: bytes, find: Find) -> Entry | None:
        """Return the newest version of a key, if that is known and settled, for an update.

        `find` asks memory and tables without waiting; what it answers is told with a sequence
        of 0. None: it is for the general way.
        """
        active, visibility = self.memtables.active, self.visibility
        if visibility.blockers or not self.health.is_whole:
            return None
        if (
            active.bytes > active.calm_bytes or visibility.last >= self._calm_until
        ) and not self._may_pass(visibility.last + 1):
            return None
        version = active.newest.get(key)
        if version is None:
            try:
                return Entry(0, find(key, SEQUENCE_MAX))
            except (trio.WouldBlock, IoError):
                return None
        return version

    def put_all(self, batch: Batch) -> int | None:
        """Write a batch at OS level; return its last sequence, or None as `put_os` does."""
        if len(batch) > BATCH_ENTRIES_MAX or batch.size > BATCH_BYTES_MAX:
            return None
        if not self.committer.can_flush_inline:
            return None
        visibility, entries = self.visibility, batch.entries
        sequences = range(visibility.last + 1, visibility.last + 1 + len(entries))
        keys, values = list(entries), list(entries.values())
        run = ascending_columns(keys, values, sequences)
        if not self._hand_over([run], sequences[0], sequences[-1]):
            return None
        versions = list(map(Entry, sequences, values))
        active, largest = self.memtables.active, max(map(len, run.values))
        if not active.put_new(keys, versions, batch.size, largest):
            visible, taken = visibility.visible, self.positions.taken
            for key, version in zip(keys, versions, strict=True):
                active.put(key, version, visible, taken)
        return sequences[-1]

    def flush_numbered(
        self, key: bytes, value: bytes | None, serial: NextSerial
    ) -> int | None:
        """Do what `flush_inline` does with a session's write: its serial is in the frame."""
        committer = self.committer
        sequence = self.visibility.last + 1
        run = session_run({serial.name: (sequence, serial.choose())})
        if self.flush_inline(key, value, (run,)) is None:
            return None
        number = serial.take(sequence, sequence - 1)
        self.memtables.active.count(serial.name, number, sequence)
        committer.sessions.sealed({serial.name: (sequence, number)})
        return sequence

    def flush_inline(
        self, key: bytes, value: bytes | None, beside: tuple[Columns, ...] = ()
    ) -> int | None:
        """Seal one entry and hand it to the operating system; return its sequence, or None."""
        size = len(key) + (len(value) if value else 0)
        if size > INLINE_BYTES_MAX or not self.committer.can_flush_inline:
            return None
        visibility = self.visibility
        sequence = visibility.last + 1
        kinds = b"" if value is not None else bytes([Kind.DELETE])
        run = Columns(0, [key], [value or b""], sequence, b"", kinds)
        if not self._hand_over([run, *beside], sequence, sequence):
            return None
        self.memtables.active.put(
            key, Entry(sequence, value), visibility.visible, self.positions.taken
        )
        return sequence

    def _hand_over(self, runs: list[Columns], first: int, last: int) -> bool:
        """Seal runs as one frame and hand it to the operating system.

        False if that is not possible now: nothing was written then. If the write fails it may
        have happened all the same, so the frame stays, and is written again elsewhere.
        """
        visibility, log = self.visibility, self.log
        frame = log.seal(encode_payload(runs), last)
        try:
            if log.has_room():
                log.flush_nowait(frame)
        except trio.WouldBlock:
            pass
        except IoError as error:
            self.committer.fail(error)
            visibility.block(first, last, synced=False)
        else:
            if log.flushed == frame.end:
                visibility.flushed = visibility.visible = last
        if visibility.visible < last and visibility.is_current:
            log.unseal(frame)
            return False
        visibility.last = last
        return True


def never(key: bytes, value: bytes | None) -> int | None:
    """Leave a write to the general way, at a level or in a store that has no other."""
    return None

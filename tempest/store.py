"""The public face of a store that is open: reads, writes, upkeep, and what it says of itself.

Invariants
- Every public coroutine checks for cancellation when it is called, and gives way to other tasks
  after about a millisecond of work.
- Nothing but `TempestError`, `trio.WouldBlock`, `TypeError` and cancellation leaves it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from trio.lowlevel import checkpoint_if_cancelled

from io_backends import IoError
from journal import JournalError
from tempest.backup_face import BackupFace
from tempest.batch import Batch
from tempest.changes_face import ChangesFace
from tempest.checkpoint import Checkpointer, CheckpointFace, Retention, Shelf
from tempest.collection_face import CollectionFace
from tempest.control import MaintenanceControl
from tempest.engine import Engine, Place, Reading
from tempest.errors import CorruptionError, NotOpenError, ReadOnlyError
from tempest.fairness import CALL_UNITS, WRITE_BYTES_A_UNIT, WRITE_UNITS, must_check
from tempest.health import Health
from tempest.keys import check_key, check_value
from tempest.memory import Memtables
from tempest.options import Durability, Options
from tempest.session_face import SessionFace
from tempest.spot import Step, never
from tempest.statistics import Statistics, describe
from tempest.table import RowCache
from tempest.translate import translate, translated
from tempest.view import Snapshot, View


class Store(
    BackupFace,
    ChangesFace,
    CheckpointFace,
    CollectionFace,
    SessionFace,
    View,
    trio.abc.AsyncResource,
):
    """An open store. Made by `open_store`; one trio thread uses it, any number of its tasks."""

    def __init__(
        self, place: Place, reading: Reading, options: Options, engine: Engine | None
    ) -> None:
        """Put a face on the parts; `engine` None makes it read-only."""
        reader = reading.reader
        super().__init__(reading, self._check, reader.rows, reader.memtables)
        self._place = place
        self._engine = engine
        self._options = options
        self._is_open = True
        self._closed = trio.Event()
        self._fairness = reading.fairness
        self._visibility = reading.reader.visibility
        self._find_nowait = reading.reader.get_nowait
        self._spot = None if engine is None else engine.writer.spot
        self._write_here = self._step(options.durability)
        self._write_now = self._step_nowait(options.durability)

    @property
    def path(self) -> str:
        """The folder of the store."""
        return self._place.folder

    @property
    def options(self) -> Options:
        """What the store was opened with."""
        return self._options

    async def put(
        self, key: bytes, value: bytes, *, durability: Durability | None = None
    ) -> None:
        """Set a key; return once the write has reached its level (default: the store's).

        Raises `BackgroundError` if the store only reads, `OutcomeUnknownError` if it became so
        while this write was on its way. Cancelled before the write was taken in, nothing
        happened; after, it stays in log order and only the wait is given up.
        """
        if type(key) is type(value) is bytes:
            # The way of nearly every write; what it costs, and why, is said in `tempest.spot`.
            if must_check():
                await checkpoint_if_cancelled()
            step = self._write_here if durability is None else self._step(durability)
            sequence = step(key, value)
            if sequence is not None:
                fairness = self._fairness
                fairness.left -= WRITE_UNITS + len(value) // WRITE_BYTES_A_UNIT
                if self._visibility.visible < sequence:
                    await self._reach(sequence)
                if fairness.left < 0:
                    await self._give_way()
                return
        check_value(value)
        await self._write(key, value, durability, "put")

    async def delete(self, key: bytes, *, durability: Durability | None = None) -> None:
        """Remove a key; one that is not there is no error. Otherwise as `put`."""
        if type(key) is bytes:
            if must_check():
                await checkpoint_if_cancelled()
            step = self._write_here if durability is None else self._step(durability)
            sequence = step(key, None)
            if sequence is not None:
                fairness = self._fairness
                fairness.left -= WRITE_UNITS
                if self._visibility.visible < sequence:
                    await self._reach(sequence)
                if fairness.left < 0:
                    await self._give_way()
                return
        await self._write(key, None, durability, "delete")

    def put_nowait(
        self, key: bytes, value: bytes, *, durability: Durability | None = None
    ) -> None:
        """Set a key at MEMORY or OS level without waiting, or raise `trio.WouldBlock`.

        At DISK level it always would block, and at OS level for more than 16 KiB or than a
        segment holds. `ThrottledError` (a `WouldBlock`) says that writers are slowed down: await
        `wait_writable` then.
        """
        if type(key) is type(value) is bytes:
            step = (
                self._write_now if durability is None else self._step_nowait(durability)
            )
            sequence = step(key, value)
            if sequence is not None:
                if self._visibility.visible < sequence:
                    raise self._reading.reader.health.outcome_unknown()
                return
        check_key(key)
        check_value(value)
        engine = self._writable("put_nowait")
        engine.writer.write_nowait(key, value, self._level(durability))

    @asynccontextmanager
    async def batch(
        self, *, durability: Durability | None = None
    ) -> AsyncIterator[Batch]:
        """Gather writes that take effect together when the block ends well, or not at all."""
        engine = self._writable("batch")
        level = self._level(durability)
        batch = Batch(self._options.batch_bytes_max)
        try:
            yield batch
        finally:
            batch.close()
        self._check()
        with translated():
            await engine.writer.write_batch(batch, level)

    async def update(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        *,
        durability: Durability | None = None,
    ) -> bytes | None:
        """Replace a key's value by `function(value)` as one step; return the new value.

        `function` gets None for a missing key; its None deletes, and a missing key is then as
        safely missing as was asked for. It runs once, synchronously, and sees every write before
        it, pending ones too. What it raises writes nothing.
        """
        if type(key) is bytes and self._spot is not None:
            if must_check():
                await checkpoint_if_cancelled()
            step = self._write_here if durability is None else self._step(durability)
            version = (
                self._spot.newest(key, self._find_nowait) if step is not never else None
            )
            if version is not None:
                value = function(version.value)
                sequence = step(key, value) if type(value) is bytes else None
                if sequence is None:
                    await self._finish_update(key, version.value, value, durability)
                    return value
                fairness = self._fairness
                fairness.left -= CALL_UNITS
                if self._visibility.visible < sequence:
                    await self._reach(sequence)
                if fairness.left < 0:
                    await self._give_way()
                return value
        return await self._update(key, function, durability)

    async def sync(self) -> None:
        """Make everything that was written so far durable, whatever its level."""
        engine = self._writable("sync")
        await self._reading.fairness.begin()
        await engine.sync()

    async def flush(self) -> None:
        """Turn everything that was written so far into tables, so that replay is short."""
        engine = self._writable("flush")
        await self._reading.fairness.begin()
        with translated():
            await engine.maintenance.flush_all()

    async def compact(
        self, start: bytes | None = None, stop: bytes | None = None
    ) -> None:
        """Merge the tables of [start, stop), or of everything, as far down as they go.

        What was overwritten or deleted is gone from disk afterwards, unless a snapshot can
        still see it. Cancellation leaves the steps that are done.
        """
        engine = self._writable("compact")
        for bound in (start, stop):
            if bound is not None:
                check_key(bound)
        await self._reading.fairness.begin()
        try:
            with translated():
                await engine.maintenance.compact_range(start or b"", stop)
        except CorruptionError as error:
            engine.health.trouble("damage", error)
            raise

    async def wait_writable(self) -> None:
        """Wait until a write would not be held back; `BackgroundError` if the store only reads."""
        engine = self._writable("wait_writable")
        await self._reading.fairness.begin()
        await engine.throttle.wait_writable()

    @property
    def maintenance(self) -> MaintenanceControl:
        """The background work: statistics by task, pause, resume, and run now."""
        engine = self._writable("maintenance")
        return MaintenanceControl(engine.maintenance, self._check)

    def snapshot(self) -> Snapshot:
        """Read the store as it is now, whatever is written: `async with store.snapshot() as view`."""
        self._check()
        return Snapshot(self._reading, self._check)

    def health(self) -> Health:
        """Say whether the store takes writes, and why not."""
        if self._engine is None:
            return self._reading.reader.health.report()
        return self._engine.health.report()

    def statistics(self) -> Statistics:
        """Return a picture of the store at this moment."""
        return describe(self._reading, self._engine)

    async def aclose(self) -> None:
        """Make everything durable and close. Idempotent; gives up after `close_seconds_max`.

        Closing the files takes a few seconds more where the disk hangs.
        Raises `BackgroundError` if something could not be made durable; closed it is anyway.
        """
        if not self._is_open:
            await self._closed.wait()
            return
        self._is_open = False
        # What these held says nothing any more.
        self._rows, self._memtables = RowCache(0), Memtables(0)
        try:
            if self._engine is not None:
                await self._engine.aclose()
            else:
                await self._close_reading()
        finally:
            self._closed.set()

    async def _close_reading(self) -> None:
        with trio.CancelScope(shield=True), translated():
            try:
                await self._reading.reader.aclose()
            finally:
                await self._place.aclose()

    async def _update(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        durability: Durability | None,
    ) -> bytes | None:
        """Update a key in the general way."""
        check_key(key)
        engine = self._writable("update")
        level = self._level(durability)

        def checked(old: bytes | None) -> bytes | None:
            value = function(old)
            if value is not None:
                check_value(value)
            return value

        with translated():
            return await engine.writer.update(key, checked, level)

    async def _finish_update(
        self,
        key: bytes,
        old: bytes | None,
        value: bytes | None,
        durability: Durability | None,
    ) -> None:
        """Write in the general way what an update has made of the newest value."""
        if value is not None:
            check_value(value)
        writer = self._writable("update").writer
        with translated():
            await writer.finish_update(key, old, value, self._level(durability))

    def _step_nowait(self, durability: Durability) -> Step:
        """Return what does so and leaves nothing to wait for."""
        return never if durability is Durability.DISK else self._step(durability)

    def _step(self, durability: Durability) -> Step:
        """Return what writes at a level that was asked for, if that can be on the spot."""
        return never if self._spot is None else self._spot.step(durability)

    def _reach(self, sequence: int) -> Awaitable[object]:
        """Return what waits for a write on the spot that is not visible yet; await it at once."""
        assert self._spot is not None, "nothing is written without an engine"
        return self._spot.wait(sequence)

    async def _give_way(self) -> None:
        """Let other tasks run after many writes on the spot."""
        assert self._engine is not None, "nothing is written without an engine"
        self._engine.committer.note_growth()
        await self._fairness.give_way()

    async def _write(
        self,
        key: bytes,
        value: bytes | None,
        durability: Durability | None,
        operation: str,
    ) -> None:
        check_key(key)
        engine = self._writable(operation)
        try:
            await engine.writer.write(key, value, self._level(durability))
        except (IoError, JournalError) as error:
            raise translate(error) from error

    def _level(self, durability: Durability | None) -> Durability:
        if durability is None:
            return self._options.durability
        if not isinstance(durability, Durability):
            raise TypeError(f"durability must be a Durability, not {durability!r}")
        return durability

    def _check(self) -> None:
        if not self._is_open:
            raise NotOpenError

    def _shelf(self) -> Shelf:
        self._check()
        return self._reading.shelf

    def _checkpointer(self, operation: str) -> Checkpointer:
        return self._writable(operation).checkpointer

    def _retention(self, operation: str) -> Retention:
        return self._writable(operation).retention

    def _writable(self, operation: str) -> Engine:
        self._check()
        if self._engine is None:
            raise ReadOnlyError(operation)
        return self._engine

"""Sessions: one client's writes in order, numbered, so that it can say what was taken in already.

    async with store.session("importer") as session:
        for number, line in lines_after(session.recovered_serial):
            await session.put(key_of(line), line, serial=number)

Each write takes the next serial number (or the one that it is given) in the step in which it
takes effect, and stands with it in one frame of the log. So the store always holds exactly the
writes up to the session's serial, and none behind it; after a crash `recovered_serial` says which
those are, at every durability level. The client goes on from there: nothing twice, nothing lost.

Invariants
- A write that is refused, or cancelled before it has taken effect, takes no serial; one that has
  taken effect keeps it.
- One client uses a session at a time, and no client ever waits for another's session.
- A session that was opened and never wrote leaves no trace.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import trio

from tempest.batch import Batch
from tempest.engine import Engine
from tempest.errors import InvalidError, NotOpenError
from tempest.keys import check_key, check_value
from tempest.options import Durability
from tempest.session_serials import NextSerial, Progress, SessionSerials
from tempest.translate import translated

NAME_BYTES_MAX = 255


class Session:
    """A named client of a store. Made by `store.session(name)`; enter it with `async with`.

    One task or several may use it; the serials of several come in the order in which their
    writes take effect, so a client that gives serials itself should await each write.
    """

    def __init__(
        self,
        name: str,
        writable: Callable[[str], Engine],
        level: Callable[[Durability | None], Durability],
    ) -> None:
        self._name = check_name(name)
        self._writable = writable
        self._level = level
        self._progress = Progress()
        self._recovered = 0
        self._sessions: SessionSerials | None = None
        self._is_open = False

    @property
    def name(self) -> str:
        return self._name.decode()

    @property
    def serial(self) -> int:
        """The last serial that was taken; 0 before the first. Later ones are yet to come."""
        return self._progress.serial

    @property
    def recovered_serial(self) -> int:
        """The last serial whose write was there when this block was entered; 0 if none was.

        After a crash: exactly the writes up to this one have survived.
        """
        return self._recovered

    @property
    def durable_serial(self) -> int:
        """The commit point: writes up to this serial survive a power cut, at whatever level.

        What the source of the data may forget. It moves when the store syncs, which
        `wait_durable`, `store.sync()` and every write at DISK level make it do.
        """
        return self._progress.durable

    async def __aenter__(self) -> Self:
        """Begin; wait until what an earlier user of the session wrote has reached its level.

        Raises `trio.BusyResourceError` if the session is open already, `InvalidError` if the
        store knows as many as it can keep, `BackgroundError` if the store only reads.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._sessions is not None:
            raise InvalidError(
                "the session was opened before", "Ask store.session() again"
            )
        engine = self._writable("session")
        engine.health.check_writable()
        sessions = engine.committer.sessions
        progress = sessions.open(self._name, self)
        try:
            with translated():
                await engine.writer.wait_visible(progress.sequence)
        except BaseException:
            sessions.close(self._name)
            raise
        self._progress, self._recovered = progress, progress.serial
        self._sessions, self._is_open = sessions, True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End: never waits, and takes nothing back. A write that has not entered yet is refused."""
        if self._is_open and self._sessions is not None:
            self._is_open = False
            self._sessions.close(self._name)

    async def put(
        self,
        key: bytes,
        value: bytes,
        *,
        serial: int | None = None,
        durability: Durability | None = None,
    ) -> int:
        """Set a key, as `Store.put` does, and return the write's serial.

        `serial` must be above the last one (`InvalidError` otherwise, and nothing is done); gaps
        are allowed, so it may be a line number or an offset. Default: the one after the last.
        Cancelled before the write was taken in, no serial was used; after, both stay.
        """
        check_value(value)
        return await self._write(key, value, serial, durability, "put")

    async def delete(
        self,
        key: bytes,
        *,
        serial: int | None = None,
        durability: Durability | None = None,
    ) -> int:
        """Remove a key; one that is not there is no error and takes its serial. As `put`."""
        return await self._write(key, None, serial, durability, "delete")

    def put_nowait(
        self,
        key: bytes,
        value: bytes,
        *,
        serial: int | None = None,
        durability: Durability | None = None,
    ) -> int:
        """Set a key without waiting, as `Store.put_nowait` does, and return the write's serial.

        `trio.WouldBlock` has written nothing and taken no serial.
        """
        check_key(key)
        check_value(value)
        engine, number = self._next("put_nowait", serial)
        engine.writer.write_nowait(key, value, self._level(durability), number)
        return number.taken

    @asynccontextmanager
    async def batch(
        self, *, serial: int | None = None, durability: Durability | None = None
    ) -> AsyncIterator[Batch]:
        """Gather writes that take effect together, with one serial, when the block ends well.

        `session.serial` is theirs then. An empty batch takes a serial, too: it notes that
        something was dealt with and changed nothing.
        """
        engine, number = self._next("batch", serial)
        level = self._level(durability)
        batch = Batch(engine.committer.options.batch_bytes_max)
        try:
            yield batch
        finally:
            batch.close()
        self._open_engine("batch")
        with translated():
            await engine.writer.write_batch(batch, level, number)

    async def update(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        *,
        serial: int | None = None,
        durability: Durability | None = None,
    ) -> bytes | None:
        """Replace a value by `function(value)`, as `Store.update` does; return the new value.

        A serial that is not above the last one is refused before `function` runs. What it
        raises writes nothing and takes no serial; a missing key that stays missing takes one.
        """
        check_key(key)
        engine, number = self._next("update", serial)
        level = self._level(durability)

        def checked(old: bytes | None) -> bytes | None:
            value = function(old)
            if value is not None:
                check_value(value)
            return value

        with translated():
            return await engine.writer.update(key, checked, level, number)

    async def wait_durable(self, serial: int | None = None) -> None:
        """Wait until the writes up to a serial (default: the last) survive a power cut.

        Asks for a sync. Raises `InvalidError` for a serial above the last one, `BackgroundError`
        if the store only reads. Cancellation gives up only the wait.
        """
        engine = self._open_engine("wait_durable")
        await engine.reading.fairness.begin()
        progress, committer = self._progress, engine.committer
        wanted = progress.serial if serial is None else _check_serial(serial)
        if wanted > progress.serial:
            raise InvalidError(
                f"serial {wanted} was not taken yet, the last one is {progress.serial}"
            )
        if progress.durable < wanted:
            committer.ask_durable(progress.sequence)
        while progress.durable < wanted:
            engine.health.check_writable()
            await committer.progress.wait()

    async def _write(
        self,
        key: bytes,
        value: bytes | None,
        serial: int | None,
        durability: Durability | None,
        operation: str,
    ) -> int:
        check_key(key)
        engine, number = self._next(operation, serial)
        with translated():
            await engine.writer.write(key, value, self._level(durability), number)
        return number.taken

    def _next(self, operation: str, serial: int | None) -> tuple[Engine, NextSerial]:
        """Return the serial for a write, once it was found to be above the last."""
        engine = self._open_engine(operation)
        wanted = None if serial is None else _check_serial(serial)
        number = NextSerial(self._name, self._progress, self, wanted)
        number.choose()
        return engine, number

    def _open_engine(self, operation: str) -> Engine:
        engine = self._writable(operation)
        if not self._is_open:
            raise NotOpenError("session")
        return engine


def check_name(name: str) -> bytes:
    """Return a session's name as it stands in the log, or raise `InvalidError` or `TypeError`."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a session must be text, not {name!r}")
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise InvalidError(f"{name!r} is not valid Unicode") from error
    if not 0 < len(encoded) <= NAME_BYTES_MAX:
        raise InvalidError(
            f"the name of a session has {len(encoded)} bytes and 1 to {NAME_BYTES_MAX} are allowed"
        )
    return encoded


def _check_serial(serial: object) -> int:
    if not isinstance(serial, int) or isinstance(serial, bool):
        raise TypeError(f"a serial must be a whole number, not {serial!r}")
    return serial

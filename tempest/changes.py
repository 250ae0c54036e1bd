"""The tail of the log as a stream: what was committed, frame by frame, from any kept position on.

    async with store.changes(consumer="indexer") as stream:
        async for frame in stream:
            apply(frame.changes)
            await stream.acknowledge(frame.position)

A frame is what became durable as one: the writes of one commit, with the versions that survived
it (of a key that was overwritten in place only the last), in the order of the log. It is given
out once it is durable and visible; at the end of the log the stream waits for more.

Invariants
- Every durable frame behind the stream's start is given out once, in log order, or an error says
  why not: `PositionLostError` for what is not kept, `CorruptionError` for damage.
- The position moves in the step in which a frame is handed over: a cancelled `__anext__` has
  taken nothing.
- An acknowledgement is durable when it returns, and never moves back.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import attrs
import msgspec
import trio

from tempest.columns import Columns, Kind
from tempest.errors import InvalidError, NotOpenError
from tempest.fairness import CALL_UNITS, Fairness
from tempest.log_tail import LogTail
from tempest.position import Position
from tempest.streams import Streams
from tempest.translate import translated
from tempest.version import Consumer, VersionEdit

CONSUMERS_MAX = 1024
CHANGES_A_UNIT = 4


class Change(msgspec.Struct, frozen=True, gc=False):
    """One version of a key. `value` None says that it was deleted."""

    key: bytes
    value: bytes | None
    sequence: int


class ChangeFrame(msgspec.Struct, frozen=True):
    """What became durable as one. `position` is where to resume after it."""

    position: Position
    changes: tuple[Change, ...]


@attrs.frozen
class ChangesParts:
    """What a stream is made of."""

    streams: Streams
    fairness: Fairness
    check_open: Callable[[], None]
    make_tail: Callable[[int], LogTail]
    on_progress: Callable[[], None]  # less of the log may be needed from here on


class Changes:
    """Frames from a position on: `async with store.changes(...) as stream`, then `async for`."""

    def __init__(
        self, parts: ChangesParts, start: Position | None, consumer: str | None
    ) -> None:
        """Begin at `start`, else where the consumer is, else now; entering opens it."""
        self._parts = parts
        self._start = start
        self._consumer = consumer
        self._tail: LogTail | None = None
        self._given = 0  # everything below was handed over
        self._acknowledged = 0
        self._held = ExitStack()
        self._nursery: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._reading = trio.Lock()
        self._reading_scope = trio.CancelScope()
        self._acknowledging = trio.Lock()

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._parts.check_open()
        if self._nursery is not None:
            raise InvalidError("the stream was opened before", "Make another one")
        with ExitStack() as held, translated():
            if self._consumer is not None:
                held.enter_context(self._parts.streams.owned(self._consumer))
            tail = self._parts.make_tail(self._first_address())
            held.enter_context(self._parts.streams.kept_for(tail))
            if self._consumer is not None:
                await self._register(self._consumer, tail.address)
            self._held = held.pop_all()
        # As in `open_store`: what reading ahead meets is kept for the reader, so this nursery has
        # nothing to raise, and the caller's own exception goes past it unwrapped.
        self._nursery = trio.open_nursery()
        tail.nursery = await self._nursery.__aenter__()
        self._tail, self._given = tail, tail.address
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._nursery is not None, "entered before it is left"
        try:
            await self.aclose()
        finally:
            await self._nursery.__aexit__(None, None, None)

    async def aclose(self) -> None:
        """Let go of what is kept for this stream. Idempotent; who waits gets `NotOpenError`."""
        tail, self._tail = self._tail, None
        if tail is None:
            return
        self._held.close()
        self._reading_scope.cancel()
        with trio.CancelScope(shield=True):
            async with self._reading:
                await tail.aclose()
        self._parts.on_progress()

    @property
    def position(self) -> Position:
        """Where the stream stands: everything below was given out."""
        self._open_tail()
        return self._at(self._given)

    @property
    def acknowledged(self) -> Position:
        """How far the consumer has acknowledged; `InvalidError` for a stream without a name."""
        self._named()
        return self._at(self._acknowledged)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChangeFrame:
        """Return the next durable frame; wait for it, cancellably, at the end of the log.

        Raises `PositionLostError` if the log went on without this stream by more than is kept,
        `CorruptionError` or `StorageError` if it cannot be read, `NotOpenError` once the stream
        or its store is closed.
        """
        while True:
            async with self._alone() as tail:
                frame = await self._poll(tail)
                if frame is not None:
                    return frame
                await self._parts.streams.committer.progress.wait()

    async def poll(self) -> ChangeFrame | None:
        """Return the next frame that is durable by now, or None; else as `__anext__`."""
        async with self._alone() as tail:
            await self._parts.fairness.spend()
            return await self._poll(tail)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[LogTail]:
        """Read, as the only task, until the stream is closed."""
        await trio.lowlevel.checkpoint_if_cancelled()
        tail = self._open_tail()
        try:
            self._reading.acquire_nowait()
        except trio.WouldBlock:
            raise trio.BusyResourceError("another task reads this stream") from None
        try:
            with translated(), trio.CancelScope() as self._reading_scope:
                yield tail
        finally:
            self._reading.release()
        self._open_tail()  # closed meanwhile

    async def _poll(self, tail: LogTail) -> ChangeFrame | None:
        runs = await tail.next()
        frame = None if runs is None else await self._frame(runs, tail.address)
        self._given = tail.address
        return frame

    async def _frame(self, runs: list[Columns], address: int) -> ChangeFrame:
        """Make a frame; others have a turn in between, nobody is cancelled."""
        changes: list[Change] = []
        for run in runs:
            changes += changes_of(run)
            await self._parts.fairness.spend(CALL_UNITS + len(run) // CHANGES_A_UNIT)
        return ChangeFrame(self._at(address), tuple(changes))

    async def acknowledge(self, position: Position | None = None) -> None:
        """Note, durably, that the consumer needs nothing below a position (default: all given out).

        One edit of the manifest and one sync, so not after every small frame. Raises
        `InvalidError` for a stream without a name, and for a position that was not given out or
        lies below one acknowledged before. Cancelled, it may still take effect.
        """
        name = self._named()
        await trio.lowlevel.checkpoint_if_cancelled()
        async with self._acknowledging:
            given = self.position
            wanted = given if position is None else position
            if not self._at(self._acknowledged) <= wanted <= given:
                raise InvalidError(
                    f"position {wanted} does not lie between {self._at(self._acknowledged)}, "
                    f"acknowledged before, and {given}, given out last"
                )
            if wanted.address > self._acknowledged:
                with translated():
                    await self._store(name, wanted.address)
                self._parts.on_progress()

    def _at(self, address: int) -> Position:
        return self._parts.streams.at(address)

    def _named(self) -> str:
        if self._consumer is None:
            raise InvalidError(
                "only a stream with a consumer's name acknowledges",
                "Name one: store.changes(consumer=...)",
            )
        return self._consumer

    def _open_tail(self) -> LogTail:
        self._parts.check_open()
        if self._tail is None:
            raise NotOpenError("stream")
        return self._tail

    def _first_address(self) -> int:
        """Return where to begin, which has to be kept."""
        streams = self._parts.streams
        start = self._start
        if start is None and self._consumer is not None:
            start = streams.consumers().get(self._consumer)
        if start is None:
            start = streams.settled
        streams.check(start)
        return start.address

    async def _register(self, name: str, address: int) -> None:
        """Make the consumer known, or move it to where it was told to begin."""
        consumers = self._parts.streams.consumers()
        if name not in consumers and len(consumers) >= CONSUMERS_MAX:
            raise InvalidError(
                f"there are {CONSUMERS_MAX} consumers already", "Forget some"
            )
        if consumers.get(name) != self._at(address):
            await self._store(name, address)
        self._acknowledged = address

    async def _store(self, name: str, address: int) -> None:
        streams = self._parts.streams
        consumer = Consumer(name.encode(), streams.version.timeline, address)
        edit = VersionEdit(consumers=(consumer,))
        await streams.committer.manifest.append(edit)
        self._acknowledged = address


def changes_of(run: Columns) -> Iterator[Change]:
    """Yield the versions in a run, in their order."""
    deletes = run.kinds
    for index, sequence in enumerate(run.sequences()):
        is_deleted = deletes and deletes[index] == Kind.DELETE
        value = None if is_deleted else run.values[index]
        yield Change(run.keys[index], value, sequence)

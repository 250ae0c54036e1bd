"""Keep a state alive on disk: validate edits, commit them in groups, move to new generations.

An edit is applied upon the edits queued before it, then queued; what is queued
becomes one write and one sync; then `state` moves. While `run` is running it leads every group;
while it is not (during recovery) `append` leads its own.

Invariants
- `state` is what a replay of the durable bytes gives. It moves in one step, after the sync.
- Whatever fails or is interrupted between write and sync ends the file: that group's outcome is
  unknown, and nothing is written before a new generation without it is durable.
- A caller that is cancelled while another task leads gives up its wait and nothing else.
- Every queued edit gets an outcome: applied, unknown, or refused with nothing written.
- At most `queue_edits_max` edits are on their way. Who has to wait for room is served in the order
  of the calls, and has queued nothing yet.
"""

from typing import TYPE_CHECKING, Generic, Self

import attrs
import trio

from io_backends import Io, IoError
from journal.errors import (
    JournalClosedError,
    JournalError,
    JournalOutcomeUnknownError,
    JournalUnsettledError,
)
from journal.generations import Generations, JournalSettings
from journal.reader import Loaded, load_newest
from journal.replayable import State, apply_edit, encode_edit, encode_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

_Refusal = JournalClosedError | JournalUnsettledError | JournalOutcomeUnknownError


@attrs.define(eq=False)
class _Queued(Generic[State]):
    """An edit on its way: what is written, the state it leads to, and how it ended."""

    payload: bytes
    successor: State
    done: trio.Event = attrs.Factory(trio.Event)
    error: JournalError | None = None
    cause: IoError | None = None


@attrs.define(eq=False)
class _Waiting(Generic[State]):
    """An edit for which the queue has no room yet."""

    edit: attrs.AttrsInstance
    decided: trio.Event = attrs.Factory(trio.Event)
    queued: _Queued[State] | None = None
    error: JournalError | None = None


def _nothing() -> None:
    pass


class Journal(Generic[State]):
    """A state on disk that this process alone changes; made by `start`, ended by `aclose`."""

    def __init__(self, state: State, generations: Generations) -> None:
        self.state = state  # after every edit that is durable; only this class sets it
        self._generations = generations
        self._group: list[_Queued[State]] = []  # being written
        self._queue: list[_Queued[State]] = []  # behind it
        self._waiting: list[_Waiting[State]] = []  # for room in the queue
        self._lock = trio.Lock()
        self._wake = trio.Event()
        self._is_led = self._is_running = False
        self._is_closing = self._is_closed = False
        self._cause: IoError | None = None
        # Called when the last edit on its way has landed: whoever made it may be gone by then.
        self.on_settled: Callable[[], None] = _nothing

    @staticmethod
    async def load(
        io: Io, folder: str, prefix: str, state_type: type[State]
    ) -> Loaded[State] | None:
        """Return what the newest generation holds, or None if none was begun. Changes nothing."""
        return await load_newest(io, folder, prefix, state_type)

    @classmethod
    async def start(
        cls,
        io: Io,
        folder: str,
        prefix: str,
        state: State,
        loaded: Loaded[State] | None,
        settings: JournalSettings,
    ) -> Self:
        """Begin, durably, a generation that holds `state`, above the one that was `loaded`.

        An `IoError` leaves the old generation or the new one to the next load.
        """
        newest = loaded.header if loaded else None
        generations = await Generations.above(io, folder, prefix, newest, settings)
        try:
            await generations.advance(encode_snapshot(state))
        except BaseException:
            await generations.aclose()
            raise
        return cls(state, generations)

    @property
    def is_settled(self) -> bool:
        """Whether every outcome is decided: no edit is in doubt, and none is on its way.

        Who gave up waiting for an append cannot tell otherwise whether it will still land.
        """
        return self._generations.is_settled and not (self._group or self._queue)

    @property
    def cause(self) -> IoError | None:
        """What last went wrong, until a generation is begun successfully."""
        return self._cause

    @property
    def generation(self) -> int:
        return self._generations.writer.name.number

    @property
    def path(self) -> str:
        return self._generations.path

    @property
    def size(self) -> int:
        """The bytes of the present generation's file."""
        return self._generations.writer.tail

    async def append(self, edit: attrs.AttrsInstance) -> None:
        """Make `edit` durable; when this returns, `state` holds it.

        Waits while `queue_edits_max` others are on their way; cancelled then, nothing of it is
        written. It is validated upon the edits that were queued before it.
        Raises `InvalidEditError`, `JournalUnsettledError` or `JournalClosedError` with nothing
        written, `JournalOutcomeUnknownError` if it may or may not come back after a restart.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._has_room and not self._waiting:
            queued = self._enqueue(edit)
        else:
            queued = await self._wait_for_room(edit)
        if self._is_led:
            self._wake.set()
        else:
            await self._lead_once(queued)
        await queued.done.wait()
        if queued.error is not None:
            raise queued.error from queued.cause

    def leave_to_run(self) -> None:
        """Let no caller lead from here on: a task that calls `run` is about to start."""
        self._is_led = True

    async def run(self) -> None:
        """Lead group commits until the journal is closed or this task is cancelled."""
        assert not self._is_running, "one task leads"
        self._is_led = self._is_running = True
        try:
            while not self._is_closing:
                await self._wake.wait()
                self._wake = trio.Event()
                async with self._lock:
                    await self._commit()
        finally:
            self._is_led = self._is_running = False
            if not self._is_closing:
                self._refuse(JournalClosedError)

    async def settle(self) -> None:
        """Move to a new generation if an earlier failure asks for one; `JournalUnsettledError`."""
        async with self._lock:
            self._check_open()
            await self._settle()

    async def aclose(self) -> None:
        """Commit what is queued, leave a mark behind it, close the file. Idempotent.

        Raises `JournalUnsettledError` if the disk fails; closed it is in any case.
        """
        self._is_closing = True
        self._wake.set()
        try:
            async with self._lock:
                if not self._is_closed:
                    await self._finish()
        finally:
            self._is_closed = True
            self._refuse(JournalClosedError)
            await self._generations.aclose()

    def _check_open(self) -> None:
        if self._is_closing:
            raise JournalClosedError(self.path)

    @property
    def _has_room(self) -> bool:
        most = self._generations.queue_edits_max
        return len(self._group) + len(self._queue) < most

    def _enqueue(self, edit: attrs.AttrsInstance) -> _Queued[State]:
        self._check_open()
        pending = self._queue or self._group
        newest = pending[-1].successor if pending else self.state
        queued = _Queued(encode_edit(edit), apply_edit(newest, edit))
        self._queue.append(queued)
        return queued

    async def _wait_for_room(self, edit: attrs.AttrsInstance) -> _Queued[State]:
        """Wait in line; whoever gives up before their turn has queued nothing."""
        self._check_open()
        waiting = _Waiting[State](edit)
        self._waiting.append(waiting)
        try:
            if not self._is_led:
                async with self._lock:
                    await self._commit()
            await waiting.decided.wait()
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
        if waiting.error is not None:
            raise waiting.error
        assert waiting.queued is not None, "it was let in or refused"
        return waiting.queued

    def _let_in(self) -> None:
        """Queue the edits of those who wait, in their order, as far as there is room."""
        while self._waiting and self._has_room:
            waiting = self._waiting.pop(0)
            try:
                waiting.queued = self._enqueue(waiting.edit)
            except JournalError as error:
                waiting.error = error
            waiting.decided.set()
        if self._queue:
            self._wake.set()  # who was let in may have given up the wait meanwhile

    async def _lead_once(self, queued: _Queued[State]) -> None:
        async with self._lock:
            if not queued.done.is_set():
                await self._commit()

    async def _commit(self) -> None:
        """Write all that is queued as one group and tell each waiter how that ended."""
        if not self._queue:
            return
        try:
            await self._make_ready()
        except JournalUnsettledError:
            self._refuse(JournalUnsettledError)
            return
        self._group, self._queue = self._queue, []
        if not self._group:
            return
        try:
            await self._generations.writer.append([q.payload for q in self._group])
        except BaseException as error:
            self._abandon(error if isinstance(error, IoError) else None)
            if not isinstance(error, IoError):
                raise
        else:
            self.state = self._group[-1].successor
            self._end(self._take_group())
            self._let_in()
            if self.is_settled:
                self.on_settled()

    async def _make_ready(self) -> None:
        await self._settle()
        if self._generations.is_rotation_due:
            try:
                await self._advance()
            except JournalUnsettledError:
                if not self._generations.is_settled:
                    raise
                self._generations.postpone_rotation()

    async def _settle(self) -> None:
        if not self._generations.is_settled:
            await self._advance()

    async def _advance(self) -> None:
        try:
            await self._generations.advance(encode_snapshot(self.state))
        except IoError as error:
            self._cause = error
            raise JournalUnsettledError(self.path) from error
        self._cause = None

    async def _finish(self) -> None:
        await self._commit()
        await self._settle()
        try:
            await self._generations.writer.mark()
        except IoError as error:
            self._abandon(error)
            await self._settle()

    def _abandon(self, cause: IoError | None) -> None:
        """Finish with the present file: the group may or may not be in it, nothing else will."""
        self._generations.is_settled = False
        self._cause = cause
        self._end(self._take_group(), JournalOutcomeUnknownError, cause)
        self._refuse(JournalUnsettledError)

    def _take_group(self) -> list[_Queued[State]]:
        group, self._group = self._group, []
        return group

    def _refuse(self, error: type[JournalClosedError | JournalUnsettledError]) -> None:
        """Tell everyone in the queue, or all who are closed out, that nothing was written."""
        refused, self._queue = self._queue, []
        self._end(refused, error, self._cause)
        if error is JournalClosedError:
            for waiting in self._waiting:
                waiting.error = error(self.path)
                waiting.decided.set()
            self._waiting.clear()
        self._let_in()

    def _end(
        self,
        ended: list[_Queued[State]],
        error: type[_Refusal] | None = None,
        cause: IoError | None = None,
    ) -> None:
        """Tell each waiter how its edit ended."""
        for queued in ended:
            queued.error = None if error is None else error(self.path)
            queued.cause = cause
            queued.done.set()

"""How far each session has come: its last serial number, and how much of that is safe.

A session's write takes its serial in the same synchronous step in which it enters the open frame,
and stands in the same frame of the log. So the serial that a crash leaves says exactly which of
the session's writes it left. Each mark moves through the same stages as its frame:

    entered     in the open frame; `last` is its serial
    sealed      its frame has its addresses: `serials` are those of everything below the log's tail
    durable     a sync of it has returned: the session's commit point

Nobody waits for a session here, so none can hold anything up: what is known of it is four numbers.

Invariants
- The serials of a session rise; one that was taken is never given back.
- `serials()` and the log's tail belong together at every moment: a checkpoint's cut needs no pause.
- A commit point never passes what a sync has made durable, and never moves backwards.
- What a session that was forgotten still has on its way counts for no other of that name.
"""

from collections import deque
from collections.abc import Mapping

import attrs
import trio

from tempest.columns import SEQUENCE_MAX
from tempest.errors import InvalidError, NotOpenError
from tempest.log import SessionEntry
from tempest.version import SessionMark, Version

Serials = dict[bytes, int]
Changes = Mapping[bytes, int | None]  # serials that are new; None: forgotten

SESSIONS_MAX = 4096
SERIAL_MAX = 2**63 - 1


@attrs.define(eq=False)
class Progress:
    """How far one session has come. Sequences are those of the writes that its serials count.

    Attributes:
        serial: the last one taken.
        sequence: of the write that took it.
        shown: one whose write was visible before the one that took `serial` entered.
        durable: the commit point.
        first: sequence of the write that made it; 0 for one that was recovered.
        user: who uses it now: a write of anybody else takes no serial.
    """

    serial: int = 0
    sequence: int = 0
    shown: int = 0
    durable: int = 0
    first: int = 0
    user: object = None


class SessionSerials:
    """What a store knows of its sessions, by name."""

    def __init__(self, serials: Mapping[bytes, int] | None = None) -> None:
        """Begin with what was recovered: all of it is durable."""
        self._sealed: Serials = dict(serials or {})
        self._live = {
            name: Progress(serial=serial, shown=serial, durable=serial)
            for name, serial in self._sealed.items()
        }
        self._pending: deque[tuple[int, bytes, int]] = deque()

    def serials(self) -> tuple[SessionMark, ...]:
        """Return the serials as of the log's tail, by name: without what the open frame holds."""
        return tuple(SessionMark(*item) for item in sorted(self._sealed.items()))

    def visible(self, sequence: int) -> dict[bytes, int]:
        """Return serials whose writes are visible when `sequence` is: the newest, as a rule."""
        found: dict[bytes, int] = {}
        for name, progress in sorted(self._live.items()):
            is_visible = progress.sequence <= sequence
            if serial := progress.serial if is_visible else progress.shown:
                found[name] = serial
        return found

    def open(self, name: bytes, user: object) -> Progress:
        """Let `user` use a session; `trio.BusyResourceError` if somebody does already."""
        progress = self._live.get(name)
        if progress is None:
            if len(self._live) >= SESSIONS_MAX:
                raise InvalidError(
                    f"there are {SESSIONS_MAX} sessions already, and no more are kept",
                    "Forget one that is over with store.forget_session()",
                )
            progress = self._live[name] = Progress(first=SEQUENCE_MAX)
        self._check_unused(name)
        progress.user = user
        return progress

    def close(self, name: bytes) -> None:
        """Nobody uses the session now. One that never wrote anything leaves no trace."""
        progress = self._live[name]
        progress.user = None
        if not progress.serial:
            del self._live[name]

    def forget(self, name: bytes) -> bool:
        """Forget a session that nobody uses; say whether there was one."""
        self._check_unused(name)
        return self._live.pop(name, None) is not None

    def sealed(self, entries: Mapping[bytes, SessionEntry]) -> None:
        """Note that the frame that holds these has its addresses."""
        for name, (sequence, serial) in entries.items():
            if serial is None:
                self._sealed.pop(name, None)
            else:
                self._sealed[name] = serial
                self._pending.append((sequence, name, serial))

    def advance(self, durable: int) -> None:
        """Move the commit points: everything up to this sequence is durable."""
        pending = self._pending
        while pending and pending[0][0] <= durable:
            sequence, name, serial = pending.popleft()
            progress = self._live.get(name)
            if progress is not None and sequence >= progress.first:
                progress.durable = serial

    def _check_unused(self, name: bytes) -> None:
        progress = self._live.get(name)
        if progress is not None and progress.user is not None:
            raise trio.BusyResourceError(
                f"the session {name.decode()!r} is open already: one client uses it at a time"
            )


@attrs.define(eq=False)
class NextSerial:
    """The serial of a write that is on its way; it is taken in the step in which that enters.

    `wanted` None is the one after the last. `taken` is 0 until the write has entered.
    """

    name: bytes
    progress: Progress
    user: object
    wanted: int | None
    taken: int = 0

    def take(self, sequence: int, visible: int) -> int:
        """Take the serial for the write with this sequence, which enters while `visible` is visible.

        Raises `InvalidError`, and takes none, as `choose` does.
        """
        progress = self.progress
        serial = self.choose()
        if not progress.serial:
            progress.first = sequence
        elif progress.sequence <= visible:
            progress.shown = progress.serial
        self.taken = progress.serial = serial
        progress.sequence = sequence
        return serial

    def choose(self) -> int:
        """Return the serial to take; `InvalidError` if the wanted one is not above the last.

        Raises `NotOpenError` if the session was closed while the write waited to enter.
        """
        if self.progress.user is not self.user:
            raise NotOpenError("session")
        last, serial = self.progress.serial, self.wanted
        if serial is None:
            serial = last + 1
        if not last < serial <= SERIAL_MAX:
            raise InvalidError(
                f"serial {serial} is not above {last}, the last one of this session",
                "A write that was taken in already must not be made again",
            )
        return serial


def marks_of(entries: Changes) -> tuple[SessionMark, ...]:
    """Return how far sessions have come, for a version edit; None is one that is forgotten."""
    return tuple(
        SessionMark(name, serial)
        for name, serial in sorted(entries.items())
        if serial is not None
    )


def forgotten_of(entries: Changes, version: Version) -> tuple[bytes, ...]:
    """Return which sessions of a version are to go."""
    known = [mark.name for mark in version.sessions]
    return tuple(
        name
        for name, serial in sorted(entries.items())
        if serial is None and name in known
    )


def apply_entries(serials: Serials, entries: Changes) -> None:
    """Bring serials up to date with what stands next in the log."""
    for name, serial in entries.items():
        if serial is None:
            serials.pop(name, None)
        else:
            serials[name] = serial

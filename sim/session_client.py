"""How a client writes through sessions, and what it holds against their serial numbers.

The model keeps the serial of a session like the value of a key: each write of the session sets
both, so what a crash leaves has to agree on one cut.

Invariants
- A serial is in the model, with its write, before the store hears of it.
"""

from collections.abc import Awaitable, Callable

import trio

from sim import services
from sim.model import Entries, Model, Sight
from sim.oracle import Violation
from sim.services import Level
from sim.sights import Lookout
from sim.surroundings import Surroundings
from sim.values import session_key, session_name
from tempest import Durability, Session, Store

Write = Callable[[Entries, Level, Callable[[], Awaitable[object]]], Awaitable[None]]


class SessionClient:
    """The part of a client that has sessions, one in each slot."""

    def __init__(
        self,
        world: Surroundings,
        number: int,
        store: Store,
        write: Write,
        value: Callable[[int], bytes],
    ) -> None:
        self._world = world
        self._number = number
        self._store = store
        self._write, self._value = write, value
        self._sessions: dict[int, Session] = {}

    @property
    def _model(self) -> Model:
        return self._world.model

    async def perform(self, operation: services.Service) -> None:
        """Perform one operation."""
        match operation:
            case services.SessionOpen(slot):
                await self.close(slot)
                await self._open(slot)
            case services.SessionClose(slot):
                await self.close(slot)
            case services.SessionPut(slot, key, size, level, gap):
                session = await self._session(slot)
                serial = session.serial + 1 + gap
                value = self._value(size)
                await self._change(session, {key: value}, serial, level)
            case services.SessionDelete(slot, key, level):
                session = await self._session(slot)
                await self._change(session, {key: None}, session.serial + 1, level)
            case services.SessionBatch(slot, writes, level):
                session = await self._session(slot)
                entries = {
                    key: None if size is None else self._value(size)
                    for key, size in writes
                }
                await self._batch(session, entries, level)
            case services.SessionWait(slot):
                await self._wait(await self._session(slot))
            case _:
                raise AssertionError(f"nobody performs {operation}")

    async def close(self, slot: int) -> None:
        """Leave the session of a slot, if one is open."""
        session = self._sessions.pop(slot, None)
        if session is not None:
            await session.__aexit__(None, None, None)

    async def let_go(self) -> None:
        """Leave every session but the first, which vanishes with its client."""
        for slot in list(self._sessions)[1:]:
            await self.close(slot)

    async def _session(self, slot: int) -> Session:
        if slot not in self._sessions:
            await self._open(slot)
        return self._sessions[slot]

    async def _open(self, slot: int) -> None:
        name = session_name(self._number, slot)
        lows = self._model.acknowledged()
        session = await self._store.session(name).__aenter__()
        self._sessions[slot] = session
        sight = Sight.between(lows, self._model.asked(), "session", "session")
        value = b"%d" % session.serial if session.serial else None
        Lookout(self._model, sight).value(session_key(name), value)
        if session.recovered_serial != session.serial:
            raise Violation(
                "session",
                f"{name!r} opened with {session.recovered_serial} of {session.serial}",
            )
        try:
            await self._store.session(name).__aenter__()
        except trio.BusyResourceError:
            return
        raise Violation("session", f"{name!r} was opened twice")

    async def _change(
        self, session: Session, entries: Entries, serial: int, level: Level
    ) -> None:
        ((key, value),) = entries.items()
        durability = Durability(level)
        wanted = None if serial == session.serial + 1 else serial

        async def call() -> None:
            if value is None:
                found = await session.delete(key, serial=wanted, durability=durability)
            else:
                found = await session.put(
                    key, value, serial=wanted, durability=durability
                )
            if found != serial:
                raise Violation(
                    "session", f"{session.name!r} took {found}, not {serial}"
                )

        await self._numbered(session, entries, serial, level, call)

    async def _batch(self, session: Session, entries: Entries, level: Level) -> None:
        serial = session.serial + 1

        async def call() -> None:
            async with session.batch(durability=Durability(level)) as batch:
                for key, value in entries.items():
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)

        await self._numbered(session, entries, serial, level, call)

    async def _numbered(
        self,
        session: Session,
        entries: Entries,
        serial: int,
        level: Level,
        call: Callable[[], Awaitable[None]],
    ) -> None:
        mark = {session_key(session.name): b"%d" % serial}
        await self._write({**entries, **mark}, level, call)
        if session.serial != serial and not self._world.is_dark:
            raise Violation(
                "session", f"{session.name!r} is at {session.serial}, not at {serial}"
            )

    async def _wait(self, session: Session) -> None:
        track = self._model.tracks[self._number]
        key = session_key(session.name)
        last = max(
            (w.index for w in track.of_key.get(key, ()) if w.is_certain), default=-1
        )
        serial = session.serial
        await session.wait_durable()
        if self._world.is_dark:
            return
        cuts = [0] * len(self._model.tracks)
        cuts[self._number] = last + 1
        self._model.promise(cuts)
        if session.durable_serial < serial:
            raise Violation(
                "session",
                f"{session.name!r} waited for {serial}, is durable up to "
                f"{session.durable_serial}",
            )

"""What a store offers for sessions: to open one, to list them, to forget one.

Invariants
- What is listed was visible when it was asked for.
"""

from tempest.engine import Engine, Reading
from tempest.options import Durability
from tempest.session import Session, check_name
from tempest.translate import translated


class SessionFace:
    """What a store says of its sessions. Part of `Store`."""

    _reading: Reading

    def session(self, name: str) -> Session:
        """Return a session to be entered: `async with store.session("importer") as session`.

        `name` has 1 to 255 bytes in UTF-8. What the store knows of it lasts until
        `forget_session`; at most 4,096 sessions are kept.
        """
        return Session(name, self._writable, self._level)

    async def sessions(self) -> dict[str, int]:
        """Return the last serial of every session that ever wrote, by name.

        A serial is shown no earlier than its write: what is still on its way to the disk may
        be missing. A session that is open and never wrote is not there.
        """
        self._check()
        reading = self._reading
        await reading.fairness.begin()
        serials = reading.sessions.visible(reading.reader.visibility.visible)
        return {name.decode(): serial for name, serial in serials.items()}

    async def forget_session(
        self, name: str, *, durability: Durability | None = None
    ) -> None:
        """Forget a session: the next one of that name begins at 0. Its writes stay.

        One that is not there is no error. Raises `trio.BusyResourceError` if it is open.
        Otherwise as `Store.delete`.
        """
        encoded = check_name(name)
        engine = self._writable("forget_session")
        with translated():
            await engine.writer.forget_session(encoded, self._level(durability))

    def _writable(self, operation: str) -> Engine:
        raise NotImplementedError  # `Store` has it

    def _check(self) -> None:
        raise NotImplementedError  # `Store` has it

    def _level(self, durability: Durability | None) -> Durability:
        raise NotImplementedError  # `Store` has it

"""Small workloads of sessions: their serials have to tell exactly which writes survived."""

import attrs

from tempest import Durability, Session, TempestError
from tests.tempest.crash.world import Client, World, Write

MEMORY, OS, DISK = Durability.MEMORY, Durability.OS, Durability.DISK


@attrs.define
class Numbered(Client):
    """Writes through a session, each with its number in the history as its serial."""

    session: Session

    async def _write(self, entries: Write, level: Durability) -> None:
        history = self.world.history
        number = len(history.writes)
        history.sessions[number] = self.session.name
        if len(entries) != 1:
            async with self.session.batch(serial=number, durability=level) as batch:
                for key, value in entries.items():
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)
            return
        ((key, value),) = entries.items()
        if value is None:
            await self.session.delete(key, serial=number, durability=level)
        else:
            await self.session.put(key, value, serial=number, durability=level)


async def two_sessions(world: World) -> None:
    """Two sessions take turns at all levels, in place, in batches, across a flush."""
    async with world.open() as client, client.store.session("a") as one:
        first = Numbered(world, client.store, one)
        await first.write({b"key": b"1"}, OS)
        async with client.store.session("b") as two:
            second = Numbered(world, client.store, two)
            for number in range(3):
                await first.write({b"key": b"%d" % number}, MEMORY)
                await second.write({b"key": b"x", b"b": b"%d" % number}, OS)
            await client.flush()
            await second.write({})
        await first.write({b"key": None}, MEMORY)
        await client.write({b"c": b"1"}, OS)
        await client.sync()
        await first.write({b"key": b"2"}, MEMORY)
    async with world.open() as client, client.store.session("b") as two:
        serials = world.history.serials(len(world.history.writes))
        assert two.recovered_serial == serials.get("b", 0)
        await Numbered(world, client.store, two).write({b"key": b"3"})


async def forgotten_sessions(world: World) -> None:
    """A session is forgotten, and another of its name begins; there are flushes between."""
    async with world.open() as client:
        async with client.store.session("a") as session:
            numbered = Numbered(world, client.store, session)
            await numbered.write({b"key": b"v"}, OS)
            await numbered.write({}, OS)
        await forget(client, "a")
        await client.flush()
        async with client.store.session("a") as session:
            await Numbered(world, client.store, session).write({b"key": b"w"}, OS)
        await client.flush()
        await forget(client, "a")


async def forget(client: Client, name: str) -> None:
    """Forget a session, as a write that changes nothing else."""
    history = client.world.history
    history.writes.append({})
    number = len(history.writes)
    history.forgotten[number] = name
    try:
        await client.store.forget_session(name)
    except TempestError as error:
        client._note(error, number)
    else:
        client.acknowledge(number, DISK)

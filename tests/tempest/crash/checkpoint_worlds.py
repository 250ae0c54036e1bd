"""Workloads that take, drop and restore checkpoints, and what has to be there after a crash.

The cookie of every checkpoint is the number of writes before it, so each says by itself what must
come back when it is read.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio

import tempest
from io_backends import FaultyIo, Io, VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import CheckpointKind, CheckpointStyle, Durability, Options
from tests.tempest.crash.workloads import key, value
from tests.tempest.crash.world import (
    NO_FAULTS,
    STORE,
    TINY,
    Client,
    Content,
    History,
    World,
    read_all,
)

MEMORY, OS = Durability.MEMORY, Durability.OS
FULL, INDEX, LOG, INCREMENTAL = CheckpointKind
FOLD_OVER, SNAPSHOT = CheckpointStyle
VALUES = attrs.evolve(TINY, separated_value_bytes_min=64)


@attrs.define(eq=False)
class Story:
    """A workload, and what it was promised: tokens that are there, or are gone."""

    tell: Callable[["Story", World], Awaitable[None]]
    promised: dict[bytes, None] = attrs.field(factory=dict)
    dropped: dict[bytes, None] = attrs.field(factory=dict)
    dropping: dict[bytes, None] = attrs.field(factory=dict)
    restoring: list[int] = attrs.field(
        factory=list
    )  # prefixes the store may have gone to

    @property
    def __name__(self) -> str:
        return self.tell.__name__

    async def __call__(self, world: World) -> None:
        self.promised.clear()
        self.dropped.clear()
        self.dropping.clear()
        self.restoring.clear()
        await self.tell(self, world)

    async def take(
        self,
        client: Client,
        kind: CheckpointKind = FULL,
        style: CheckpointStyle = FOLD_OVER,
    ) -> bytes:
        cookie = b"%d" % len(client.world.history.writes)
        token = await client.store.checkpoint(kind, style, cookie)
        client.acknowledge(int(cookie), Durability.DISK)
        self.promised[token] = None
        return token

    async def drop(self, client: Client, token: bytes) -> None:
        self.dropping[token] = None
        self.promised.pop(token)
        await client.store.drop_checkpoint(token)
        self.dropped[token] = None

    async def restore(self, world: World, token: bytes) -> None:
        """Go back; until it returns the store may be what it was, or what it will be."""
        found = await tempest.list_checkpoints(STORE, io=world.io)
        (count,) = [int(info.cookie) for info in found if info.token == token]
        self.restoring.append(count)
        await tempest.restore_checkpoint(
            STORE, token, io=world.io, options=world.options
        )
        writes = world.history.writes
        # From here on the history is the one that leads to the checkpoint.
        gone = world.history.content(len(writes))
        back = world.history.content(count)
        undo = {name: back.get(name) for name in {**gone, **back}}
        writes.append(undo)
        world.history.durable = len(writes)
        self.restoring.clear()


async def kinds(story: Story, world: World) -> None:
    """One of each kind, with writes at every level around them."""
    async with world.open() as client:
        for number, kind in enumerate((LOG, FULL, INCREMENTAL, INDEX)):
            await client.write({key(number): value(number)}, MEMORY)
            await client.write({key(number + 1): None, key(9): value(number)})
            await story.take(client, kind)
        await client.write({key(2): value(50)}, OS)


async def snapshots(story: Story, world: World) -> None:
    """Two that keep no log, the second as a difference, and a compaction between them."""
    async with world.open() as client:
        for number in range(3):
            await client.write({key(number): value(number)}, OS)
        await story.take(client, FULL, SNAPSHOT)
        await client.write({key(1): None}, MEMORY)
        await client.compact()
        await story.take(client, INCREMENTAL, SNAPSHOT)
        await client.write({key(0): value(7)})


async def dropping(story: Story, world: World) -> None:
    """The base of an incremental one goes, then the log that only a dropped one needed."""
    async with world.open() as client:
        await client.write({key(0): value(0)})
        base = await story.take(client)
        await client.write({key(1): value(1)})
        await story.take(client, INCREMENTAL)
        await story.drop(client, base)
        await client.write({key(0): None})
        await client.compact()


async def restoring(story: Story, world: World) -> None:
    """Back to a checkpoint that has log to be replayed, and on from there."""
    async with world.open() as client:
        await client.write({key(0): value(0)})
        await client.write({key(1): value(1)})
        token = await story.take(client, LOG)
        await client.write({key(0): None, key(2): value(2)})
    await story.restore(world, token)
    async with world.open() as client:
        await client.write({key(3): value(3)})


async def going_back_and_forth(story: Story, world: World) -> None:
    """Back to one, and from there to one of the timeline that was left."""
    async with world.open() as client:
        await client.write({key(0): value(0)})
        first = await story.take(client, FULL, SNAPSHOT)
        await client.write({key(0): value(1)})
        second = await story.take(client, INCREMENTAL)
        await client.write({key(1): value(2)})
    await story.restore(world, first)
    await story.restore(world, second)


async def large_values(story: Story, world: World) -> None:
    """Tables point into log that only a checkpoint needs in the end."""
    world.options = VALUES
    async with world.open() as client:
        await client.write({key(0): value(0, 300)})
        await client.flush()
        await client.write({key(1): value(1, 200)})
        token = await story.take(client)
        await client.write({key(0): None, key(1): None})
        await client.compact()
    await story.restore(world, token)


async def beside_writers(story: Story, world: World) -> None:
    """Writers go on through every phase: what they write after the cut is not in it."""
    async with world.open() as client, trio.open_nursery() as nursery:
        await client.write({key(0): value(0)})
        nursery.start_soon(_write_some, client)
        await client.store.checkpoint(FULL)
        await client.store.checkpoint(LOG)


async def _write_some(client: Client) -> None:
    for number in range(1, 6):
        await client.write({key(number): value(number)}, (OS, MEMORY)[number % 2])


STORIES = tuple(
    map(
        Story,
        (
            kinds,
            snapshots,
            dropping,
            restoring,
            going_back_and_forth,
            large_values,
            beside_writers,
        ),
    )
)


@attrs.define
class Found:
    """What a restart found: the store's content, and that of each checkpoint."""

    content: Content | None = None
    checkpoints: dict[bytes, tuple[bytes, Content | None]] = attrs.field(factory=dict)
    unnamed: list[str] = attrs.field(factory=list)


def look(disk: VirtualDisk, options: Options = TINY) -> Found:
    """Open the store for writing, then each checkpoint, and read all of them."""
    found = Found()

    async def main() -> None:
        io = FaultyIo(VirtualIo(disk), NO_FAULTS)
        try:
            async with tempest.open_store(
                STORE, io=io, options=options, create=False
            ) as store:
                found.content = await read_all(store)
                infos = await store.checkpoints()
                for info in infos:
                    report = await store.validate_checkpoint(info.token)
                    assert report.is_valid, report
        except tempest.NotAStoreError:
            return
        found.checkpoints = await read_checkpoints(io)
        verified = await tempest.verify_store(io, STORE)
        assert verified.whole, verified
        found.unnamed = [
            file.path
            for file in verified.files
            if file.status is tempest.FileStatus.UNNAMED
        ]

    run_seeded(0, main)
    return found


def look_at_checkpoints(disk: VirtualDisk) -> Found:
    """Read each checkpoint, and nothing else of the store."""
    found = Found()

    async def main() -> None:
        with suppress(tempest.NotAStoreError):
            found.checkpoints = await read_checkpoints(VirtualIo(disk))

    run_seeded(0, main)
    return found


async def read_checkpoints(io: Io) -> dict[bytes, tuple[bytes, Content | None]]:
    """Cookie and content of each checkpoint, by token; None for what cannot be read as a store."""
    found: dict[bytes, tuple[bytes, Content | None]] = {}
    for info in await tempest.list_checkpoints(STORE, io=io):
        content = None
        if info.is_recovery_point:
            async with tempest.open_store(
                STORE, io=io, options=VALUES, read_only=True, checkpoint=info.token
            ) as store:
                content = await read_all(store)
        found[info.token] = (info.cookie, content)
    return found


def check_checkpoints(story: Story, what: str, history: History, found: Found) -> None:
    """Each checkpoint reads as it was cut; promised ones are there, dropped ones are gone."""
    for token, (cookie, content) in found.checkpoints.items():
        if content is None:
            continue
        if cookie:
            assert content == history.content(int(cookie)), f"{what}: {token!r}"
        else:
            counts = range(len(history.writes) + 1)
            assert any(content == history.content(count) for count in counts), what
    missing = [token for token in story.promised if token not in found.checkpoints]
    assert not missing, f"{what}: {missing} were promised"
    back = [token for token in story.dropped if token in found.checkpoints]
    assert not back, f"{what}: {back} were dropped"
    assert not found.unnamed, f"{what}: {found.unnamed} belong to nobody"

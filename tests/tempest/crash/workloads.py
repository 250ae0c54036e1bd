"""Small workloads, each for one way in which a store changes its shape; 150 operations at most."""

import trio

import tempest
from tempest import Durability
from tests.tempest.crash.collecting import COLLECTING
from tests.tempest.crash.separated import separated_then_reopened, separated_values
from tests.tempest.crash.sessions import forgotten_sessions, two_sessions
from tests.tempest.crash.world import TINY, Client, Workload, World

MEMORY, OS, DISK = Durability.MEMORY, Durability.OS, Durability.DISK


def key(number: int) -> bytes:
    return b"key-%03d" % number


def value(number: int, size: int = 20) -> bytes:
    return (b"%d." % number).ljust(size, b"x")


async def puts(world: World) -> None:
    """Synced puts of fresh keys."""
    async with world.open() as client:
        for number in range(6):
            await client.write({key(number): value(number)})


async def overwrites(world: World) -> None:
    """The same few keys again and again, across flushes."""
    async with world.open() as client:
        for number in range(14):
            await client.write({key(number % 3): value(number)}, OS)
        await client.sync()
        await client.write({key(0): value(99)})


async def deletes(world: World) -> None:
    """Deletes whose puts are in tables already: nothing comes back."""
    async with world.open() as client:
        for number in range(5):
            await client.write({key(number): value(number)}, OS)
        await client.flush()
        for number in (1, 3):
            await client.write({key(number): None})
        await client.flush()
        await client.write({key(3): value(33)})


async def batches(world: World) -> None:
    """Batches, all or nothing, with a flush between them and around them."""
    async with world.open() as client:
        for number in range(4):
            await client.write(
                {
                    key(number): value(number),
                    key(50): value(number),
                    key(number - 1): None,
                }
            )
            if number == 1:
                await client.flush()


async def large_batch(world: World) -> None:
    """One batch that exceeds the memtable several times."""
    async with world.open() as client:
        await client.write({key(0): value(0)})
        await client.write({key(number): value(number, 60) for number in range(40)})
        await client.write({key(1): None}, OS)


async def compaction(world: World) -> None:
    """Enough tables that level 0 overflows, with deletes among them."""
    async with world.open() as client:
        for number in range(3):
            await client.write({key(number): value(number), key(number + 1): None})
            await client.write({key(7): value(number)}, OS)
            await client.flush()


async def whole_compaction(world: World) -> None:
    """Everything merged down on request."""
    async with world.open() as client:
        for number in range(4):
            await client.write({key(number % 2): value(number), key(9): None}, OS)
        await client.compact()
        await client.write({key(0): None})
        await client.compact()


async def rotation(world: World) -> None:
    """So many edits that the manifest begins another generation."""
    async with world.open(TINY_MANIFEST) as client:
        for number in range(4):
            await client.write({key(number): value(number)})
            await client.flush()


async def large_values(world: World) -> None:
    """Values larger than a segment, a block and the memtable."""
    async with world.open() as client:
        await client.write({key(0): value(0, 5000)})
        await client.write({key(1): value(1)}, OS)
        await client.write({key(0): value(2, 3000)}, OS)
        await client.flush()


async def mixed_durability(world: World) -> None:
    """All three levels, one behind the other."""
    async with world.open() as client:
        for number in range(9):
            level = (MEMORY, OS, MEMORY, DISK)[number % 4]
            await client.write({key(number % 4): value(number)}, level)
        await client.sync()
        await client.write({key(8): value(8)}, MEMORY)


async def reopening(world: World) -> None:
    """Closed and opened again, with something to replay each time."""
    for session in range(3):
        async with world.open() as client:
            await client.write({key(session): value(session)})
            await client.write({key(9): value(session)}, MEMORY)


async def segments(world: World) -> None:
    """The log goes through several segments before anything is flushed."""
    async with world.open(TINY_SEGMENTS) as client:
        for number in range(8):
            await client.write({key(number): value(number, 300)}, OS)
            if number % 3 == 2:
                await client.sync()


async def concurrent(world: World) -> None:
    """Four writers at once: group commit."""
    async with world.open() as client, trio.open_nursery() as nursery:
        for writer in range(4):
            nursery.start_soon(_write_some, client, writer)


async def _write_some(client: Client, writer: int) -> None:
    for number in range(3):
        level = (DISK, OS, DISK)[number]
        await client.write({key(10 * writer + number): value(number)}, level)


async def counters(world: World) -> None:
    """Read-modify-write in memory and on disk."""
    async with world.open() as client:
        for number in range(8):
            await client.update(key(number % 2), (MEMORY, DISK)[number % 4 == 3])


async def snapshots(world: World) -> None:
    """A snapshot is held across overwrites, a flush and a compaction, and stays what it was."""
    async with world.open() as client:
        await client.write({key(0): value(0)})
        async with client.store.snapshot() as view:
            seen = await client.read(view, key(0))
            await client.write({key(0): value(1)})
            await client.flush()
            await client.write({key(0): None}, OS)
            await client.compact()
            assert await client.read(view, key(0)) == seen
        await client.write({key(1): value(2)}, OS)


TINY_MANIFEST = tempest.Options(
    memtable_bytes_max=1024,
    table_bytes_max=512,
    level0_tables_max=50,
    manifest_rotation_bytes_min=1,
    resume_seconds_max=5.0,
    close_seconds_max=20.0,
)
TINY_SEGMENTS = tempest.Options(
    memtable_bytes_max=64 * 1024,
    segment_bytes_max=1024,
    resume_seconds_max=5.0,
    close_seconds_max=20.0,
)
assert TINY.memtable_bytes_max == 1024

WORKLOADS: tuple[Workload, ...] = (
    puts,
    overwrites,
    deletes,
    batches,
    large_batch,
    compaction,
    whole_compaction,
    rotation,
    large_values,
    mixed_durability,
    reopening,
    segments,
    concurrent,
    counters,
    snapshots,
    two_sessions,
    forgotten_sessions,
    separated_values,
    separated_then_reopened,
    *COLLECTING,
)

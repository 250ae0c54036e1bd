"""Workloads whose values stay in the log: segments go, or stay because tables point into them."""

import attrs

from tempest import Durability
from tests.tempest.crash.world import TINY, World

SEPARATING = attrs.evolve(
    TINY, separated_value_bytes_min=64, read_cache_bytes_max=300, segment_bytes_max=2048
)


def key(number: int) -> bytes:
    return b"key-%03d" % number


def value(number: int, size: int = 150) -> bytes:
    return (b"%d." % number).ljust(size, b"x")


async def separated_values(world: World) -> None:
    """Large and small values, overwritten and deleted across flushes and a compaction."""
    async with world.open(SEPARATING) as client:
        for number in range(3):
            size = 150 if number % 2 else 20
            await client.write({key(number): value(number, size)}, Durability.OS)
        await client.flush()
        await client.write({key(1): None, key(2): value(22), key(4): value(4)})
        await client.compact()
        for number in (2, 3, 4):
            await client.read(client.store, key(number))


async def separated_then_reopened(world: World) -> None:
    """Segments that replay does not need stay while tables point into them, and go after."""
    async with world.open(SEPARATING) as client:
        await client.write({key(0): value(0), key(1): value(1)})
        await client.flush()
    async with world.open(SEPARATING) as client:
        await client.read(client.store, key(1))
        await client.write({key(0): value(10, 20), key(1): value(11, 20)})
        await client.compact()
        await client.write({key(2): value(2)})

"""Small workloads that collect: values are copied, segments go, and nothing is lost on the way."""

import attrs

from tempest import Durability
from tests.tempest.crash.world import TINY, World

OS = Durability.OS
VALUED = attrs.evolve(
    TINY,
    memtable_bytes_max=2048,
    segment_bytes_max=1024,
    separated_value_bytes_min=64,
    collection_live_share_max=0.0,
    level0_tables_max=50,
    manifest_rotation_bytes_min=4000,
)
BY_ITSELF = attrs.evolve(VALUED, collection_live_share_max=0.9)


def value(number: int, size: int = 300) -> bytes:
    return (b"%d." % number).ljust(size, b"v")


async def collection(world: World) -> None:
    """Of three values in a segment one is overwritten, one deleted; what is left moves."""
    async with world.open(VALUED) as client:
        await client.write({b"%d" % number: value(number) for number in range(3)}, OS)
        await client.write({b"3": b"short"}, OS)
        await client.flush()
        await client.write({b"0": value(5), b"1": None}, OS)
        await client.collect()
        await client.write({b"2": b"short"})


async def collection_by_itself(world: World) -> None:
    """The store collects without being asked, while it is written to."""
    async with world.open(BY_ITSELF) as client:
        await client.write({b"%d" % number: value(number) for number in range(3)}, OS)
        await client.flush()
        await client.write({b"0": value(3), b"1": value(4)}, OS)
        await client.flush()
        await client.write({b"0": value(9)})


async def collection_under_a_snapshot(world: World) -> None:
    """A snapshot keeps seeing what was overwritten, wherever its values move."""
    async with world.open(VALUED) as client:
        await client.write({b"0": value(0), b"1": value(1)}, OS)
        async with client.store.snapshot() as view:
            seen = [await client.read(view, key) for key in (b"0", b"1")]
            await client.write({b"0": value(2), b"1": None}, OS)
            await client.collect()
            assert [await client.read(view, key) for key in (b"0", b"1")] == seen
        await client.collect()


COLLECTING = (
    collection,
    collection_by_itself,
    collection_under_a_snapshot,
)

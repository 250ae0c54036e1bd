"""What the option about collection does: which segments are emptied without being asked for."""

from io_backends import VirtualDisk
from tempest import CollectionStatistics
from tests.tempest.collection.support import opened, settle
from tests.tempest.observed import observes


async def shares_after(live_share_max: float) -> CollectionStatistics:
    """What the segments look like when a store with this option has come to rest."""
    async with opened(
        VirtualDisk(), collection_live_share_max=live_share_max, level0_tables_max=2
    ) as world:
        for number in range(56):
            await world.put(number)
        # Of every segment of seven values one, two, three or four are overwritten.
        for number in range(56):
            if number % 7 < 1 + number // 7 % 4:
                await world.put(number, 10)
        await world.store.flush()
        await world.store.compact()
        await settle()
        await world.check()
        return world.store.statistics().collection


@observes("collection_live_share_max")
async def test_collection_live_share_max_is_how_sparse_a_segment_may_become() -> None:
    never = await shares_after(0.0)
    half = await shares_after(0.5)
    most = await shares_after(0.8)

    assert never.done.runs == 0
    assert min(segment.live_share for segment in never.segments) < 0.5
    assert half.done.values_copied > 0
    assert all(segment.live_share >= 0.5 for segment in half.segments)
    assert any(segment.live_share < 0.8 for segment in half.segments)
    assert all(segment.live_share >= 0.8 for segment in most.segments)
    assert never.bytes > half.bytes > most.bytes

"""The effect of the option about keeping checkpoints."""

import pytest
import trio

from io_backends import VirtualDisk
from tempest import Store
from tests.tempest.observed import observes, roomy
from tests.tempest.shelf import fill, open_on


async def tokens_of(store: Store) -> list[bytes]:
    return [info.token for info in await store.checkpoints()]


async def automatic(store: Store) -> bytes:
    """Take a checkpoint as the store does by itself."""
    assert store._engine is not None
    return await store._engine.checkpointer.start(automatic=True).wait()


@observes("checkpoints_kept")
@pytest.mark.parametrize("kept", [1, 3])
async def test_checkpoints_kept_is_how_many_automatic_ones_stay(
    kept: int, autojump_clock: trio.testing.MockClock
) -> None:
    disk = VirtualDisk()
    async with open_on(
        disk, roomy(checkpoints_kept=kept, compaction_inline=True)
    ) as store:
        manual = [await store.checkpoint()]
        taken: list[bytes] = []
        for number in range(5):
            await fill(store, 5, start=number)
            taken.append(await automatic(store))
            await trio.sleep(120)
            assert await tokens_of(store) == [*manual, *taken[-kept:]]

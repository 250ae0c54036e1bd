"""Hot counters: updated in place at MEMORY level, and what a checkpoint of them promises."""

from random import Random

import pytest

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointStyle, Durability, Options, Store
from tests.tempest.shelf import STORE, key_of, open_on

COUNTERS, ROUNDS = 20, 150
KEYS = [key_of(number) for number in range(COUNTERS)]
OPTIONS = Options(compaction_inline=True)


def one_more(old: bytes | None) -> bytes:
    return b"%d" % (int(old or b"0") + 1)


async def count_up(store: Store, level: Durability, rounds: int = ROUNDS) -> None:
    for _ in range(rounds):
        for key in KEYS:
            await store.update(key, one_more, durability=level)


async def values_of(store: Store) -> list[int]:
    return [int(value or b"0") for value in await store.get_many(KEYS)]


async def test_memory_level_writes_a_hundredth_of_the_log() -> None:
    written: dict[Durability, int] = {}
    for level in (Durability.MEMORY, Durability.DISK):
        async with open_on(VirtualDisk(), OPTIONS) as store:
            before = store.statistics().log_bytes_written
            await count_up(store, level)
            await store.sync()
            written[level] = store.statistics().log_bytes_written - before
            assert await values_of(store) == [ROUNDS] * COUNTERS

    assert 100 * written[Durability.MEMORY] <= written[Durability.DISK]


@pytest.mark.parametrize(
    ("kind", "style"),
    [
        (CheckpointKind.FULL, CheckpointStyle.FOLD_OVER),
        (CheckpointKind.FULL, CheckpointStyle.SNAPSHOT),
        (CheckpointKind.LOG, CheckpointStyle.FOLD_OVER),
    ],
)
@pytest.mark.parametrize("seed", range(3))
async def test_after_a_checkpoint_and_a_crash_every_counter_is_what_was_promised(
    kind: CheckpointKind, style: CheckpointStyle, seed: int
) -> None:
    """Nothing is committed after the checkpoint, so nothing but it can come back."""
    disk = VirtualDisk()
    async with open_on(disk, OPTIONS) as store:
        await count_up(store, Durability.MEMORY, 30)
        token = await store.checkpoint(kind, style)
        await count_up(store, Durability.MEMORY, 30)
        dark = disk.crash(Random(seed))

    io = VirtualIo(dark)
    reading = tempest.open_store(
        STORE, io=io, options=OPTIONS, read_only=True, checkpoint=token
    )
    async with reading as store:
        assert await values_of(store) == [30] * COUNTERS
    async with open_on(dark, OPTIONS) as store:
        assert await values_of(store) == [30] * COUNTERS
        await count_up(store, Durability.DISK, 5)
    await tempest.restore_checkpoint(STORE, token, io=VirtualIo(dark), options=OPTIONS)
    async with open_on(dark, OPTIONS) as store:
        assert await values_of(store) == [30] * COUNTERS

"""Dropping and pruning: what goes, what stays, and what that does to the disk."""

import pytest
import trio

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointPhase, Store
from tests.tempest.checkpoint.shelves import (
    FULL,
    INCREMENTAL,
    INDEX,
    INLINE,
    LOG,
    SNAPSHOT,
    Content,
    churn,
    content_at,
    files_on,
    with_base,
)
from tests.tempest.shelf import STORE, content_of, fill, open_on


async def tokens_of(store: Store) -> list[bytes]:
    return [info.token for info in await store.checkpoints()]


def data_bytes(disk: VirtualDisk) -> int:
    """The bytes of tables and log."""
    contents = disk.contents().items()
    return sum(len(data) for path, data in contents if "manifest" not in path)


async def test_h16_dropping_a_base_leaves_what_was_built_upon_it_whole() -> None:
    """MISTAKES H16: holt made a parent durable before its child: here both change in one edit."""
    disk = VirtualDisk()
    cuts: dict[bytes, Content] = {}
    async with open_on(disk, INLINE) as store:
        for number, kind in enumerate((FULL, INCREMENTAL, INCREMENTAL, INCREMENTAL)):
            await churn(store, 20 * number)
            cuts[await store.checkpoint(kind, SNAPSHOT)] = await content_of(store)
        first, second, third, fourth = cuts
        await store.drop_checkpoint(second)
        assert (await store.checkpoint_info(third)).base is None
        assert (await store.checkpoint_info(fourth)).base == third
        await store.drop_checkpoint(first)
        await churn(store, 0)
    for token in (third, fourth):
        assert await content_at(disk, token) == cuts[token]
    for token in (first, second):
        with pytest.raises(tempest.CheckpointError):
            await content_at(disk, token)


async def test_r29_at_least_one_is_kept() -> None:
    """MISTAKES R29: rskv's cleanup(keep=0) deleted the only recovery point."""
    async with with_base(VirtualDisk()) as store:
        for keep in (0, -1):
            with pytest.raises(tempest.InvalidError, match="at least one"):
                await store.prune_checkpoints(keep)
        with pytest.raises(TypeError):
            await store.prune_checkpoints(1.5)  # type: ignore[arg-type]
        assert await store.prune_checkpoints(1) == []
        assert len(await store.checkpoints()) == 1


async def test_r29_r10_the_newest_is_read_back_before_an_older_one_goes() -> None:
    """MISTAKES R29, R10: rskv deleted older ones without a look at the newest, and had no
    fallback when that was bad."""
    disk = VirtualDisk()
    async with with_base(disk) as store:
        await store.checkpoint(FULL)
        await fill(store, 20, start=900)
        await store.checkpoint(FULL, SNAPSHOT)
        before = await tokens_of(store)
        (table, *_) = store._reading.reader.manifest.current.levels[0]
        path = f"/{STORE}/table-{table.number:012}"
        whole = disk.read(path)
        disk.corrupt(path, 80)
        with pytest.raises(tempest.CheckpointError, match="not whole"):
            await store.prune_checkpoints(1)
        assert await tokens_of(store) == before
        disk.overwrite(path, 0, whole)
        assert await store.prune_checkpoints(1) == before[:-1]


async def test_prune_counts_recovery_points_and_indexes_apart() -> None:
    async with with_base(VirtualDisk()) as store:
        (first,) = await tokens_of(store)
        indexes = [await store.checkpoint(INDEX) for _ in range(3)]
        points = [first, *[await store.checkpoint(LOG) for _ in range(3)]]
        gone = await store.prune_checkpoints(2)
        assert sorted(gone) == sorted(points[:-2] + indexes[:-2])


async def test_prune_takes_abandoned_ones_first() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        (first,) = await tokens_of(store)
        later = [await store.checkpoint(LOG) for _ in range(2)]
    await tempest.restore_checkpoint(STORE, first, io=VirtualIo(disk), options=INLINE)
    async with open_on(disk, INLINE) as store:
        assert await store.prune_checkpoints(2) == later[:1]
        assert await store.prune_checkpoints(1) == later[1:]


async def test_f5_restoring_an_older_one_drops_no_other() -> None:
    """MISTAKES F5: FASTER's OnRecovery deleted all other checkpoints, also after a deliberate
    recovery to an older one."""
    disk = VirtualDisk()
    cuts: dict[bytes, Content] = {}
    async with with_base(disk) as store:
        for kind in (FULL, INCREMENTAL, LOG):
            await churn(store, 10)
            cuts[await store.checkpoint(kind)] = await content_of(store)
        before = await tokens_of(store)
    await tempest.restore_checkpoint(
        STORE, before[0], io=VirtualIo(disk), options=INLINE
    )
    async with open_on(disk, INLINE) as store:
        await churn(store, 0)
        assert await tokens_of(store) == before
        infos = {info.token: info for info in await store.checkpoints()}
        assert [infos[token].is_abandoned for token in cuts] == [True] * 3
    for token, cut in cuts.items():
        assert await content_at(disk, token) == cut


async def test_r11_what_is_pruned_gives_its_room_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """MISTAKES R11: rskv wrote a full index every five seconds and never cleaned up."""
    disk = VirtualDisk()
    sizes: list[int] = []
    async with open_on(disk, INLINE) as store:
        for number in range(10):
            await churn(store, 0)
            await store.checkpoint((FULL, LOG, INCREMENTAL)[number % 3])
            await store.prune_checkpoints(2)
            await store.compact()
            await trio.sleep(60)
            sizes.append(data_bytes(disk))
        assert max(sizes[5:]) <= 1.5 * max(sizes[2:5])
        for token in await tokens_of(store):
            await store.drop_checkpoint(token)
        await churn(store, 0)
        await trio.sleep(60)
        named = {
            *(f"table-{n:012}" for n in store._reading.reader.manifest.current.numbers),
            *(f"log-{n:012}" for n in store._reading.reader.manifest.current.numbers),
        }
        data = {name for name in files_on(disk) if name[:4] in {"tabl", "log-"}}
        assert data <= named


async def test_dropping_waits_for_the_checkpoint_that_is_being_made() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        (base,) = await tokens_of(store)
        ticket = store.start_checkpoint(INCREMENTAL, base=base)
        while ticket.phase is CheckpointPhase.REST:
            await trio.lowlevel.checkpoint()
        await store.drop_checkpoint(base)
        token = await ticket.wait()
        assert await tokens_of(store) == [token]
        cut = await content_of(store)
    assert await content_at(disk, token) == cut


async def test_a_base_that_was_dropped_before_its_turn_is_an_error_that_says_so() -> (
    None
):
    async with with_base(VirtualDisk()) as store:
        (base,) = await tokens_of(store)
        ticket = store.start_checkpoint(INCREMENTAL, base=base)
        await store.drop_checkpoint(base)  # asks for its turn first
        with pytest.raises(tempest.CheckpointError, match="PREPARE"):
            await ticket.wait()
        await store.checkpoint(FULL)

"""Going back: to any checkpoint, from any state of the store, only when somebody says so."""

import pytest

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointInfo, CheckpointKind, CheckpointStyle
from tests.tempest.checkpoint.shelves import (
    FULL,
    INCREMENTAL,
    INDEX,
    INLINE,
    LOG,
    POINTS,
    SNAPSHOT,
    Content,
    churn,
    content_at,
    with_base,
)
from tests.tempest.shelf import STORE, changed, content_of, fill, key_of, open_on

VALUES = changed(INLINE, {"separated_value_bytes_min": 200})
every_point = pytest.mark.parametrize(("kind", "style"), POINTS)


async def restore(disk: VirtualDisk, token: bytes) -> CheckpointInfo:
    return await tempest.restore_checkpoint(
        STORE, token, io=VirtualIo(disk), options=VALUES
    )


@every_point
async def test_a_store_goes_back_and_on_from_there(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    disk = VirtualDisk()
    async with with_base(disk, VALUES) as store:
        await fill(store, 6, size=400, start=60)
        token = await store.checkpoint(kind, style)
        cut = await content_of(store)
        await churn(store, 30, size=300)
        await store.put(key_of(5), b"later")
    info = await restore(disk, token)
    assert (info.token, info.is_abandoned) == (token, False)
    async with open_on(disk, VALUES) as store:
        assert await content_of(store) == cut
        assert store.statistics().recovery.clean
        await store.put(key_of(5), b"another")
        await churn(store, 10, size=300)
        now = await content_of(store)
        again = await store.checkpoint(INCREMENTAL)
        assert (await store.checkpoint_info(again)).timeline == 1
    async with open_on(disk, VALUES) as store:
        assert await content_of(store) == now
    assert await content_at(disk, token, VALUES) == cut
    assert await content_at(disk, again, VALUES) == now


@every_point
async def test_a_damaged_store_is_restored_from_what_is_whole(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        token = await store.checkpoint(kind, style)
        cut = await content_of(store)
        await churn(store, 0)
        await fill(store, 5, start=700)
        killed = disk.clone()
    kept = await names_of(killed, token)
    for path in killed.files():
        name = path.rpartition("/")[2]
        if name[:4] in {"tabl", "log-"} and name not in kept:
            killed.overwrite(path, 0, b"\xee" * min(300, len(killed.read(path))))
    with pytest.raises(tempest.CorruptionError):
        async with open_on(killed, INLINE) as store:
            await content_of(store)
    await restore(killed, token)
    async with open_on(killed, INLINE) as store:
        assert await content_of(store) == cut
        await fill(store, 5, start=800)
    for file in (await tempest.verify_store(VirtualIo(killed), STORE)).files:
        if file.path.rpartition("/")[2] in kept:
            assert file.status is tempest.FileStatus.WHOLE, file


async def names_of(disk: VirtualDisk, token: bytes) -> set[str]:
    """The files that a checkpoint needs."""
    (info,) = [
        info
        for info in await tempest.list_checkpoints(STORE, io=VirtualIo(disk))
        if info.token == token
    ]
    assert info.is_recovery_point
    async with tempest.open_store(
        STORE, io=VirtualIo(disk), read_only=True, checkpoint=token
    ) as store:
        version = store._reading.reader.manifest.current
        return {f"table-{t.number:012}" for t in version.tables} | {
            f"log-{s.number:012}" for s in version.all_segments
        }


async def test_f4_opening_never_falls_back_by_itself() -> None:
    """MISTAKES F4: FASTER skipped an unreadable checkpoint with `catch { continue; }`: silently
    an older state."""
    disk = VirtualDisk()
    async with with_base(disk) as store:
        await store.checkpoint(FULL, SNAPSHOT)
        await churn(store, 0)
        (table, *_) = store._reading.reader.manifest.current.tables
    path = f"/{STORE}/table-{table.number:012}"
    await VirtualIo(disk).remove(path)
    with pytest.raises(tempest.CorruptionError, match="table"):
        async with open_on(disk, INLINE):
            pass


async def test_r10_f4_the_newest_valid_one_is_restored_and_what_was_passed_over_is_named() -> (
    None
):
    """MISTAKES R10, F4: rskv had no fallback from a bad checkpoint, FASTER one that told nobody."""
    disk = VirtualDisk()
    cuts: dict[bytes, Content] = {}
    async with with_base(disk) as store:
        (first,) = [info.token for info in await store.checkpoints()]
        for number in range(2):
            await churn(store, 30 * number)
            token = await store.checkpoint(FULL, SNAPSHOT)
            cuts[token] = await content_of(store)
        index = await store.checkpoint(INDEX)
        (table, *_) = store._reading.reader.manifest.current.tables
    middle, newest = cuts
    await VirtualIo(disk).remove(f"/{STORE}/table-{table.number:012}")
    skipped: dict[bytes, str] = {}
    info = await tempest.restore_newest_valid(
        STORE,
        io=VirtualIo(disk),
        options=INLINE,
        on_skip=lambda info, reason: skipped.update({info.token: reason}),
    )
    assert info.token == middle
    assert list(skipped) == [index, newest]
    assert "INDEX" in skipped[index]
    assert "not whole" in skipped[newest]
    async with open_on(disk, INLINE) as store:
        assert await content_of(store) == cuts[middle]
        found = {i.token: i.is_abandoned for i in await store.checkpoints()}
    assert found == {first: False, middle: False, newest: True, index: True}


async def test_when_none_is_valid_nothing_changes_and_all_are_named() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        await store.checkpoint(LOG)
        await fill(store, 3, start=600)
        content = await content_of(store)
    hurt = disk.clone()
    for path in hurt.files():
        if "table-" in path:
            hurt.corrupt(path, 80)
    before = hurt.contents()
    with pytest.raises(tempest.CheckpointError, match=r"checkpoint-.*; checkpoint-"):
        await tempest.restore_newest_valid(STORE, io=VirtualIo(hurt))
    after = hurt.contents()
    assert {p: d for p, d in after.items() if "lock" not in p} == {
        p: d for p, d in before.items() if "lock" not in p
    }
    async with open_on(disk, INLINE) as store:
        assert await content_of(store) == content


async def test_restoring_needs_the_store_closed_and_a_store() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        (info,) = await store.checkpoints()
        with pytest.raises(tempest.LockedError):
            await restore(disk, info.token)
    with pytest.raises(tempest.CheckpointError):
        await restore(disk, b"nonsense")
    with pytest.raises(tempest.NotAStoreError):
        await restore(VirtualDisk(), info.token)
    with pytest.raises(tempest.NotAStoreError):
        await tempest.list_checkpoints(STORE, io=VirtualIo(VirtualDisk()))
    await restore(disk, info.token)
    await restore(disk, info.token)


async def test_positions_above_a_restore_are_never_used_again() -> None:
    disk = VirtualDisk()
    tails: list[int] = []
    async with with_base(disk) as store:
        token = await store.checkpoint(LOG)
        await fill(store, 30, start=800)
        tails.append(store.statistics().log_tail)
    for _ in range(3):
        await restore(disk, token)
        async with open_on(disk, INLINE) as store:
            assert store.statistics().log_durable >= tails[-1]
            before = store.statistics().sequence_last
            await fill(store, 3, start=800)
            tails.append(store.statistics().log_tail)
            assert store.statistics().sequence_last == before + 3


async def test_a_checkpoint_of_an_abandoned_timeline_can_be_restored_by_name() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        first = await store.checkpoint(FULL)
        await churn(store, 20)
        second = await store.checkpoint(INCREMENTAL)
        cut = await content_of(store)
    await restore(disk, first)
    async with open_on(disk, INLINE) as store:
        third = await store.checkpoint(LOG)
    await restore(disk, second)
    async with open_on(disk, INLINE) as store:
        assert await content_of(store) == cut
        found = {i.token: i.is_abandoned for i in await store.checkpoints()}
    assert [found[token] for token in (first, second, third)] == [False, False, True]

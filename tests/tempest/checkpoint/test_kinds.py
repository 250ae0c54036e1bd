"""Every kind and style reads back exactly the state of its cut, whatever came later."""

import pytest

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointStyle, Durability
from tests.tempest.checkpoint.shelves import (
    FOLD_OVER,
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
from tests.tempest.shelf import (
    STORE,
    changed,
    content_of,
    fill,
    key_of,
    open_on,
    value_of,
)

VALUES = changed(INLINE, {"separated_value_bytes_min": 200})
every_point = pytest.mark.parametrize(("kind", "style"), POINTS)


@every_point
async def test_o1_r8_every_kind_is_read_back_whole_after_all_files_were_rewritten(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    """MISTAKES O1, R8: oxifaster's incremental checkpoint had no reader at all; rskv recovered an
    index whose addresses pointed nowhere."""
    disk = VirtualDisk()
    async with with_base(disk) as store:
        token = await store.checkpoint(kind, style)
        cut = await content_of(store)
        assert await content_at(disk, token) == cut
        await churn(store, 0)
        await churn(store, 100)
        assert await content_at(disk, token) == cut
    async with open_on(disk, INLINE) as store:
        await churn(store, 50)
        assert (await store.validate_checkpoint(token)).is_valid
    assert await content_at(disk, token) == cut


@every_point
async def test_a_write_at_any_level_before_the_call_is_in_it(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        for number, level in enumerate(Durability):
            await store.put(b"level-%d" % number, b"in", durability=level)
        token = await store.checkpoint(kind, style)
        await store.put(b"level-9", b"not in")
    content = await content_at(disk, token)
    assert [content.get(b"level-%d" % number) for number in (0, 1, 2, 9)] == [
        b"in",
        b"in",
        b"in",
        None,
    ]


@every_point
async def test_values_that_stay_in_the_log_are_kept_with_it(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    disk = VirtualDisk()
    async with with_base(disk, VALUES) as store:
        await fill(store, 12, size=700, start=200)
        await store.flush()
        await fill(store, 4, size=900, start=205)
        token = await store.checkpoint(kind, style)
        cut = await content_of(store)
        info = await store.checkpoint_info(token)
        assert info.value_segments > 0
        await fill(store, 20, size=10, start=200)
        await churn(store, 190, size=600)
        report = await store.validate_checkpoint(token)
        assert report.is_valid
        assert report.values >= 8
    assert await content_at(disk, token, VALUES) == cut


async def test_sessions_are_those_of_the_cut() -> None:
    disk = VirtualDisk()
    async with open_on(disk, INLINE) as store:
        async with store.session("importer") as session:
            for number in range(5):
                await session.put(key_of(number), value_of(number))
            token = await store.checkpoint(LOG)
            full = await store.checkpoint(FULL, SNAPSHOT)
            await session.put(key_of(9), b"later")
        assert (await store.checkpoint_info(token)).sessions == {"importer": 5}
    for each in (token, full):
        async with tempest.open_store(
            STORE, io=VirtualIo(disk), read_only=True, checkpoint=each
        ) as store:
            assert await store.sessions() == {"importer": 5}
    await tempest.restore_checkpoint(STORE, token, io=VirtualIo(disk), options=INLINE)
    async with open_on(disk, INLINE) as store:
        assert await store.sessions() == {"importer": 5}


async def test_o3_r31_a_store_larger_than_memory_is_read_back_whole() -> None:
    """MISTAKES O3, R31: oxifaster took pages of a log larger than memory from the wrong slots and
    skipped the rest in silence; rskv copied and sorted the whole index on the event loop."""
    disk = VirtualDisk()
    options = changed(INLINE, {"memtable_bytes_max": 2048, "cache_bytes_max": 0})
    async with open_on(disk, options) as store:
        for start in range(0, 400, 20):
            await fill(store, 20, size=60, start=start)
        written = store.statistics()
        assert written.log_tail > 10 * options.memtable_bytes_max
        tokens = [await store.checkpoint(kind) for kind in (LOG, FULL, INCREMENTAL)]
        tokens.append(await store.checkpoint(FULL, SNAPSHOT))
        cut = await content_of(store)
        await churn(store, 0)
    assert len(cut) == 400
    for token in tokens:
        assert await content_at(disk, token, options) == cut


async def test_o13_incremental_chains_go_on_after_a_reopen() -> None:
    """MISTAKES O13: oxifaster forgot its base snapshot at recovery: no incremental one was
    possible after it."""
    disk = VirtualDisk()
    cuts: dict[bytes, Content] = {}
    async with open_on(disk, INLINE) as store:
        await fill(store, 30)
        cuts[await store.checkpoint(FULL)] = await content_of(store)
    for start in range(20, 100, 20):
        async with open_on(disk, INLINE) as store:
            await churn(store, start)
            newest = list(cuts)[-1]
            token = await store.checkpoint(INCREMENTAL, SNAPSHOT)
            assert (await store.checkpoint_info(token)).base == newest
            cuts[token] = await content_of(store)
    for token, cut in cuts.items():
        assert await content_at(disk, token) == cut


async def test_an_incremental_one_may_name_its_base() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        (first,) = await store.checkpoints()
        await store.checkpoint(FULL)
        token = await store.checkpoint(INCREMENTAL, base=first.token)
        assert (await store.checkpoint_info(token)).base == first.token
        log = await store.checkpoint(LOG)
        for base in (log, b"nonsense"):
            with pytest.raises(tempest.CheckpointError):
                await store.checkpoint(INCREMENTAL, base=base)


async def test_without_a_base_an_incremental_one_is_refused() -> None:
    async with open_on(VirtualDisk(), INLINE) as store:
        with pytest.raises(tempest.CheckpointError, match="FULL"):
            await store.checkpoint(INCREMENTAL)
        await store.checkpoint(FULL)
        await store.checkpoint(INCREMENTAL)


async def test_an_index_checkpoint_is_no_recovery_point_and_pins_nothing() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        token = await store.checkpoint(INDEX)
        info = await store.checkpoint_info(token)
        assert not info.is_recovery_point
        assert (info.tables, info.replay_bytes) == (0, 0)
        assert store.statistics().log_replay_from >= info.address
    with pytest.raises(tempest.CheckpointError, match="INDEX"):
        await content_at(disk, token)
    with pytest.raises(tempest.CheckpointError, match="INDEX"):
        await tempest.restore_checkpoint(STORE, token, io=VirtualIo(disk))


async def test_r6_the_first_checkpoint_covers_everything_below_its_cut() -> None:
    """MISTAKES R6: rskv's flush boundary was the old one: its first checkpoint flushed nothing."""
    async with open_on(VirtualDisk(), INLINE) as store:
        await fill(store, 20)
        token = await store.checkpoint(INDEX)
        info, statistics = await store.checkpoint_info(token), store.statistics()
        assert info.sequence == statistics.sequence_last
        assert statistics.log_replay_from >= info.address
        assert sum(level.entries for level in statistics.levels) == 20


@pytest.mark.parametrize("kind", [FULL, LOG, INCREMENTAL, INDEX])
async def test_an_idle_store_can_be_taken_down_again_and_again(
    kind: CheckpointKind,
) -> None:
    disk = VirtualDisk()
    async with open_on(disk, INLINE) as store:
        tokens = [await store.checkpoint(FULL)]
        tokens += [await store.checkpoint(kind) for _ in range(3)]
        assert len(set(tokens)) == 4
        await fill(store, 5)
        cut = await content_of(store)
        tokens = [await store.checkpoint(kind) for _ in range(3)]
    if kind is not INDEX:
        for token in tokens:
            assert await content_at(disk, token) == cut


@pytest.mark.parametrize("kind", [LOG, INDEX])
async def test_a_style_that_a_kind_does_not_have_is_refused(
    kind: CheckpointKind,
) -> None:
    async with open_on(VirtualDisk(), INLINE) as store:
        with pytest.raises(tempest.InvalidError):
            await store.checkpoint(kind, SNAPSHOT)
        with pytest.raises(tempest.InvalidError):
            await store.checkpoint(kind, FOLD_OVER, base=b"x")
        with pytest.raises(tempest.InvalidError):
            store.start_checkpoint(cookie=b"x" * (64 * 1024 + 1))
        with pytest.raises(TypeError):
            store.start_checkpoint("FULL")  # type: ignore[arg-type]

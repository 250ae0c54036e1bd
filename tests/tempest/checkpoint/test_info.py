"""What is said of a checkpoint is true, also after a reopen."""

import attrs
import pytest
import trio

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointInfo
from tempest.checkpoint import MOVES
from tests.tempest.checkpoint.shelves import (
    FULL,
    INCREMENTAL,
    INDEX,
    INLINE,
    LOG,
    POINTS,
    SNAPSHOT,
    churn,
    files_on,
    with_base,
)
from tests.tempest.shelf import STORE, content_of, fill, open_on

WALL = 1_800_000_000.0


async def test_r3_times_are_wall_times_and_durations_are_monotonic(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """MISTAKES R3: rskv's timestamp was the time since its start."""
    io = VirtualIo(VirtualDisk(), wall_clock=lambda: WALL)
    async with with_base(io) as store:
        token = await store.checkpoint(
            FULL, on_phase=lambda _: autojump_clock.jump(0.5)
        )
        info = await store.checkpoint_info(token)
    assert (info.started_at, info.committed_at) == (
        WALL,
        WALL,
    )  # that clock stood still
    assert 2.5 <= info.duration_seconds < 3.0


async def test_r4_every_field_is_true_and_survives_a_reopen() -> None:
    """MISTAKES R4: rskv kept addresses and sizes on disk that "will be updated" and never were."""
    disk = VirtualDisk()
    async with with_base(disk) as store:
        for kind, style in POINTS:
            before = store.statistics()
            token = await store.checkpoint(kind, style, b"c%d" % kind)
            after = store.statistics()
            info = await store.checkpoint_info(token)
            assert (info.token, info.kind, info.style) == (token, kind, style)
            assert info.cookie == b"c%d" % kind
            assert (info.timeline, info.is_abandoned, info.automatic) == (
                0,
                False,
                False,
            )
            assert info.is_recovery_point
            assert before.sequence_last == info.sequence
            assert before.log_replay_from <= info.replay_from <= info.address
            assert info.address <= after.log_durable
            assert (info.replay_from == info.address) == (info.replay_bytes == 0)
            report = await store.validate_checkpoint(token)
            assert report.tables == info.tables
            # Frames may begin at sectors: the log has gaps.
            whole = info.table_bytes + info.replay_bytes
            assert info.table_bytes <= report.bytes <= whole
            assert report.entries >= info.entries
            assert info.committed_at - info.started_at == pytest.approx(
                info.duration_seconds, abs=1e-5
            )
            assert (info.base is None) == (kind is not INCREMENTAL)
            await fill(store, 9, start=500)
        listed = await store.checkpoints()
    async with open_on(disk, INLINE) as store:
        assert await store.checkpoints() == listed
    assert await tempest.list_checkpoints(STORE, io=VirtualIo(disk)) == listed


async def test_r5_f3_tokens_are_never_used_twice_and_order_is_by_number() -> None:
    """MISTAKES R5, F3: rskv began again at 1 and wrote over what was there; FASTER took the
    folder that was written last for the newest."""
    disk = VirtualDisk()
    seen: list[bytes] = []
    for number in range(4):
        async with open_on(disk, INLINE) as store:
            await fill(store, 5, start=number)
            seen.append(await store.checkpoint((FULL, LOG, INDEX)[number % 3]))
            seen.append(await store.checkpoint(LOG))
            await store.drop_checkpoint(seen[-1])
    assert len(set(seen)) == len(seen)
    listed = await tempest.list_checkpoints(STORE, io=VirtualIo(disk))
    assert [info.token for info in listed] == seen[::2]
    assert [info.number for info in listed] == sorted(info.number for info in listed)
    assert seen == sorted(seen)


def test_o17_what_counts_differently_has_names_of_its_own() -> None:
    """MISTAKES O17: oxifaster compared the version of its hash table with that of the store."""
    fields = {field.name for field in attrs.fields(CheckpointInfo)}
    assert {"number", "timeline", "sequence", "address"} <= fields
    assert "version" not in fields
    assert all(phase.value for phase in MOVES)


async def test_what_is_not_there_is_named() -> None:
    async with open_on(VirtualDisk(), INLINE) as store:
        assert await store.checkpoints() == []
        for call in (
            store.checkpoint_info,
            store.validate_checkpoint,
            store.drop_checkpoint,
        ):
            with pytest.raises(tempest.CheckpointError, match="nonsense"):
                await call(b"nonsense")
            with pytest.raises(TypeError):
                await call("nonsense")  # type: ignore[arg-type]


async def test_r9_fold_over_writes_no_copy_of_what_is_there() -> None:
    disk = VirtualDisk()
    async with open_on(disk, INLINE) as store:
        await fill(store, 300)
        await store.flush()
        await trio.testing.wait_all_tasks_blocked()
        before = files_on(disk)
        for kind in (FULL, LOG, INCREMENTAL):
            await store.checkpoint(kind)
        await store.checkpoint(FULL, SNAPSHOT)
        await trio.testing.wait_all_tasks_blocked()
        tables = {name for name in files_on(disk) - before if name.startswith("table")}
        assert not tables


async def test_opening_says_which_index_checkpoint_it_used_and_what_it_replayed() -> (
    None
):
    disk = VirtualDisk()
    options = attrs.evolve(INLINE, segment_bytes_max=1 << 16)  # a mark finds room
    async with open_on(disk, options) as store:
        assert store.statistics().recovery.index_checkpoint is None
        await fill(store, 50)
        token = await store.checkpoint(INDEX)
        info = await store.checkpoint_info(token)
        await store.checkpoint(LOG)
        await fill(store, 3, start=500)
        content = await content_of(store)
        await trio.testing.wait_all_tasks_blocked()  # the mark that a reader believes
        killed = disk.clone()
    for read_only in (True, False):
        async with open_on(killed, options, read_only=read_only) as store:
            report = store.statistics().recovery
            assert report.index_checkpoint == token
            assert report.replay_from == info.address
            assert report.entries == 3
            assert await content_of(store) == content


async def test_what_opening_replays_does_not_grow_with_what_lies_below() -> None:
    replayed: list[int] = []
    for count in (50, 500, 2000):
        disk = VirtualDisk()
        async with open_on(disk, INLINE) as store:
            for start in range(0, count, 50):
                await fill(store, 50, start=start)
            await store.checkpoint(INDEX)
            await fill(store, 10, start=count)
            killed = disk.clone()
        async with open_on(killed, INLINE) as store:
            replayed.append(store.statistics().recovery.entries)
    assert replayed == [10, 10, 10]


async def test_churn_leaves_only_what_the_store_and_its_checkpoints_need() -> None:
    disk = VirtualDisk()
    async with with_base(disk) as store:
        await churn(store, 0)
        token = await store.checkpoint(FULL)
        for info in await store.checkpoints():
            if info.token != token:
                await store.drop_checkpoint(info.token)
        await churn(store, 0)
        await store.drop_checkpoint(token)
    report = await tempest.verify_store(VirtualIo(disk), STORE)
    assert report.whole
    statuses = {file.status for file in report.files}
    assert tempest.FileStatus.UNNAMED not in statuses

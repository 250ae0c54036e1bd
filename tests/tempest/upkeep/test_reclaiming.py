"""A compaction asked for by hand leaves the tables on disk, and next to nothing beside them."""

from random import Random

import pytest
import trio
from hypothesis import given, settings, strategies as st

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointStyle, Durability, Store
from tempest.upkeep import Removing
from tempest.version import VersionEdit
from tests.tempest.observed import settle
from tests.tempest.shelf import content_of, evolve, fill, open_on

OPTIONS = evolve(durability=Durability.OS, segment_bytes_max=1 << 16)


def bytes_of(store: Store) -> int:
    """The bytes of all tables, and of the log."""
    found = store.statistics()
    return sum(level.bytes for level in found.levels) + found.log_bytes


async def test_a_compaction_gives_back_log_and_old_tables(
    autojump_clock: object,
) -> None:
    disk = VirtualDisk()
    async with open_on(disk, OPTIONS) as store:
        for _ in range(3):
            await fill(store, 100)
        await settle(store)
        assert store.statistics().log_bytes > OPTIONS.segment_bytes_max // 32
        await store.compact()

        assert store.statistics().log_bytes < 4096
        assert disk.used_bytes <= bytes_of(store) + (32 << 10)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), max_size=6))
async def test_nothing_is_lost_where_the_log_was_given_back(steps: list[int]) -> None:
    """Compactions between writes, openings after some of them; the last one is not clean."""
    disk = VirtualDisk()
    written: dict[bytes, bytes] = {}
    async with open_on(disk, OPTIONS) as store:
        for step in steps:
            if step == 0:
                await store.compact()
                await store.sync()
            for number in range(40 * step):
                key, value = b"%03d" % number, b"%d" % (step + len(written)) * 40
                await store.put(key, value)
                written[key] = value
            assert await content_of(store) == written
    async with open_on(disk, OPTIONS) as store:
        assert await content_of(store) == written
        await store.put(b"later", b"on")
        await store.compact()
        await store.put(b"last", b"one", durability=Durability.DISK)
        cut_off = disk.crash(Random(len(steps)))
    async with open_on(cut_off, OPTIONS) as store:
        found = await content_of(store)
    assert found == written | {b"later": b"on", b"last": b"one"}


@pytest.mark.parametrize("style", CheckpointStyle)
async def test_a_checkpoint_does_not_wait_for_an_edit_that_failed(
    style: CheckpointStyle, autojump_clock: object
) -> None:
    """What is empty has nothing to flush, however far the start of replay did not come."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    async with open_on(io, OPTIONS) as store:
        await fill(store, 100)
        await store.flush()
        await store.sync()
        engine = store._engine
        assert engine is not None
        engine.manifest.unpin(await engine.committer.roll())
        await settle(store)
        drop_log = Removing._drop_log
        started: list[int | None] = []

        def drop(removing: Removing) -> VersionEdit | None:
            edit = drop_log(removing)
            if edit is not None:
                started.append(edit.replay_from)
                io.plan = FaultPlan((FailOp(path="*/manifest-*", times=1),))
                io.log = io.plan.new_log()
            return edit

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Removing, "_drop_log", drop)
            with pytest.raises(tempest.TempestError):
                await store.compact()
        assert started
        assert (started[0] or 0) > engine.manifest.current.replay_from
        io.plan = FaultPlan(())
        with trio.fail_after(60):
            token = await store.checkpoint(CheckpointKind.FULL, style)
        assert (await store.checkpoint_info(token)).token == token
        await store.compact()
        content = await content_of(store)
    async with open_on(disk, OPTIONS) as store:
        assert await content_of(store) == content

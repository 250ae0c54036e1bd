"""Bugs of checkpoints and upkeep that a reader of the code found, each as a test of its own."""

import pytest
import trio

import tempest
from io_backends import FaultPlan, FaultyIo, OpKind, Stuck, VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointStyle, Options, Store, open_store
from tempest.coordinator import Work
from tempest.engine import Engine
from tempest.version import VersionEdit

INLINE = Options(compaction_inline=True)


def engine_of(store: Store) -> Engine:
    assert store._engine is not None
    return store._engine


async def test_a_checkpoint_given_up_before_its_turn_lets_the_automatic_one_begin(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody was told that it had ended, so an automatic checkpoint waited for it for good."""
    async with open_store(
        "store", io=VirtualIo(VirtualDisk()), options=INLINE
    ) as store:
        store.start_checkpoint().cancel()
        with trio.fail_after(60):
            await store.maintenance.run_now(Work.CHECKPOINT)
        assert [info.automatic for info in await store.checkpoints()] == [True]


async def test_a_snapshot_checkpoint_waits_for_the_flush_to_have_told_it(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Woken between the edit of the flush and its hook, it broke, and the store only read."""
    async with open_store(
        "store", io=VirtualIo(VirtualDisk()), options=INLINE
    ) as store:
        await store.put(b"key", b"value")
        engine = engine_of(store)
        append = engine.manifest.append

        async def append_and_resume_late(edit: VersionEdit) -> None:
            await append(edit)
            if edit.replay_from is not None:
                engine.maintenance.shape_changed.fire()
                for _ in range(3):
                    await trio.lowlevel.checkpoint()

        monkeypatch.setattr(engine.manifest, "append", append_and_resume_late)
        token = await store.checkpoint(CheckpointKind.FULL, CheckpointStyle.SNAPSHOT)
        assert (await store.validate_checkpoint(token)).is_valid
        assert store.health().state is tempest.HealthState.HEALTHY


async def test_a_wrong_token_is_no_failure_of_retention(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """`maintenance.health()` showed a caller's mistake until retention ran well again."""
    async with open_store(
        "store", io=VirtualIo(VirtualDisk()), options=INLINE
    ) as store:
        with pytest.raises(tempest.CheckpointError, match="There is no checkpoint"):
            await store.drop_checkpoint(b"unknown")
        assert store.maintenance.health() == {}


async def test_a_backup_that_is_given_up_does_not_wait_for_a_disk_that_hangs(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Taking back what it had brought was shielded without an end: its caller hung with it."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_store("store", io=io, options=INLINE) as store:
        await store.put(b"key", b"value")
        await store.flush()
        stuck = Stuck(kinds=(OpKind.REMOVE,), path="backup/*", times=None)
        io.plan = FaultPlan((stuck,))
        io.log = io.plan.new_log()

        def give_up(progress: tempest.BackupProgress) -> None:
            if progress.files:
                scope.cancel()

        with trio.fail_after(60), trio.CancelScope() as scope:
            await store.backup("backup", on_progress=give_up)
        assert scope.cancelled_caught
        io.plan = FaultPlan()
        io.log = io.plan.new_log()
        await store.backup("backup")

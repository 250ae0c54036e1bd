"""Bugs of checkpoints and upkeep that the simulator found, each as a test of its own."""

import attrs
import pytest
import trio

from io_backends import VirtualDisk, VirtualIo
from sim import draw, run
from tempest import CheckpointKind, Options, open_store
from tempest.checkpoint.record import segments_for
from tempest.log import SegmentMeta
from tempest.version import Version

INLINE = Options(compaction_inline=True)


def test_a_segment_that_was_retired_since_the_cut_ends_at_the_start_of_replay() -> None:
    """Found by seed 167: an open segment of the pinned version overlapped the one behind it."""
    first = SegmentMeta(1, 1, 0, 2048)
    second = SegmentMeta(5, 1, 2048, 4096)
    pinned = Version(number_ceiling=9, replay_from=560, segments=(first,))
    current = Version(number_ceiling=9, replay_from=560, segments=(second,))

    (named,) = segments_for(pinned, current, 2600)

    assert (named.number, named.end) == (5, 2600)


async def test_an_index_checkpoint_makes_tables_of_what_was_replayed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Found by seed 1162: nobody woke the flush, for there was nothing to sync."""
    disk = VirtualDisk()
    async with open_store("store", io=VirtualIo(disk), options=INLINE) as store:
        await store.put(b"key", b"value")
    for _ in range(2):
        async with open_store("store", io=VirtualIo(disk), options=INLINE):
            pass
    async with open_store("store", io=VirtualIo(disk), options=INLINE) as store:
        with trio.fail_after(60):
            await store.checkpoint(CheckpointKind.INDEX)
        assert sum(level.tables for level in store.statistics().levels) == 1


async def test_marks_of_the_log_alone_make_no_automatic_checkpoint_due(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Found by a planted bug's workload: one checkpoint after the other, of nothing."""
    disk = VirtualDisk()
    for _ in range(3):
        async with open_store("store", io=VirtualIo(disk), options=INLINE) as store:
            await store.put(b"key", bytes(600))
            await store.flush()
            await trio.sleep(1.0)
    options = attrs.evolve(INLINE, checkpoint_log_bytes=100, checkpoints_kept=100)
    slow = VirtualIo(disk, latency=0.001)
    async with open_store("store", io=slow, options=options) as store:
        await trio.sleep(1.0)
        assert len(await store.checkpoints()) <= 1


async def test_a_key_that_is_written_again_and_again_does_not_keep_the_log(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Found in review: one hot key never filled a memtable, so its log was never let go."""
    options = Options(
        compaction_inline=True, memtable_bytes_max=4096, segment_bytes_max=16384
    )
    async with open_store(
        "store", io=VirtualIo(VirtualDisk()), options=options
    ) as store:
        for number in range(400):
            await store.put(b"key", b"%d" % number)
        await store.maintenance.wait_idle()
        log = store.statistics()

        assert log.log_tail > 2 * log.log_bytes
        assert log.log_tail - log.log_replay_from < 16 * 4096


@pytest.mark.parametrize("seed", [438, 576])
def test_a_backup_asked_for_during_a_commit_holds_what_was_written_before_it(
    seed: int,
) -> None:
    """The commit under way had sealed its frame already, and served the backup all the same."""
    result = run(draw(seed))

    assert (result.verdict, result.detail) == ("ok", "")

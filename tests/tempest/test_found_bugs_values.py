"""Bugs of values, scans, streams and writes on the spot that a review found, a test each."""

from contextlib import suppress

import pytest
import trio

import tempest
from io_backends import OpKind, VirtualDisk, VirtualIo
from tempest import ChangeFrame, Durability, Rows
from tests.tempest.shelf import STORE, evolve, open_on

OPTIONS = evolve(
    separated_value_bytes_min=100, read_cache_bytes_max=0, memtable_bytes_max=64 << 10
)


class SlowReads:
    """A disk whose reads and openings take a second each from some moment on."""

    def __init__(self) -> None:
        self.disk = VirtualDisk()
        self.is_slow = False
        self.io = VirtualIo(
            self.disk, latency=self._seconds, cached=lambda *_: not self.is_slow
        )

    def _seconds(self, kind: OpKind, _: int) -> float:
        return 1.0 if self.is_slow and kind in (OpKind.READ, OpKind.OPEN) else 0.0


@pytest.mark.parametrize("quarters", range(40))
async def test_a_scan_closed_by_another_task_finds_no_damage(
    quarters: int, autojump_clock: object
) -> None:
    """Its pin went at once, its files with it, and its last step took that for damage."""
    slow = SlowReads()
    async with open_on(slow.io, OPTIONS) as store:
        for number in range(30):
            await store.put(b"%02d" % number, bytes(300))
        await store.flush()
        rows = store.scan()
        await rows.__aenter__()
        for number in range(30):
            await store.put(b"%02d" % number, b"small")
        await store.compact()
        await store.collect(1.0)
        async with trio.open_nursery() as nursery:
            slow.is_slow = True
            nursery.start_soon(read_until_closed, rows)
            await trio.sleep(quarters / 4)
            await rows.aclose()
        slow.is_slow = False
        assert store.health().state is tempest.HealthState.HEALTHY
        await store.put(b"~", b"")  # more is durable: what nobody reads goes
        await trio.sleep(1)
        files = [path for path in slow.disk.files() if "/table-" in path]
        assert len(files) == sum(level.tables for level in store.statistics().levels)


async def read_until_closed(rows: "Rows[tuple[bytes, bytes]]") -> None:
    with pytest.raises(tempest.NotOpenError):
        async for _ in rows:
            pass


@pytest.mark.parametrize("quarters", range(1, 24))
async def test_a_read_that_outlives_its_store_leaves_nothing_open(
    quarters: int, autojump_clock: object
) -> None:
    """A table or segment that was being opened came in behind the close, and stayed open."""
    slow = SlowReads()
    async with open_on(slow.io, OPTIONS) as store:
        await store.put(b"k", bytes(300))
        await store.flush()

    async def read(store: tempest.Store) -> None:
        with suppress(tempest.NotOpenError, tempest.StorageError):
            assert await store.get(b"k") == bytes(300)

    async with trio.open_nursery() as nursery, open_on(slow.io, OPTIONS) as store:
        slow.is_slow = True
        nursery.start_soon(read, store)
        await trio.sleep(quarters / 4)
    assert not slow.disk.open_paths()


async def test_the_position_moves_when_a_frame_is_handed_over(
    autojump_clock: object,
) -> None:
    """It moved before a large frame was decoded: another task could acknowledge that meanwhile."""
    async with (
        open_on(VirtualDisk()) as store,
        store.changes(consumer="one") as stream,
    ):
        start = stream.position
        async with store.batch() as batch:
            for number in range(5000):
                batch.put(b"%d" % number, b"v")
        frames: list[ChangeFrame] = []

        async def read() -> None:
            frames.append(await stream.poll() or pytest.fail("there is a frame"))

        turns = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            while not frames:
                assert stream.position == start
                await trio.lowlevel.checkpoint()
                turns += 1
        assert turns > 1
        assert stream.position == frames[0].position


async def test_acknowledgements_do_not_starve_an_update(
    autojump_clock: object,
) -> None:
    """Every edit of the manifest made it read the old value again, which takes longer than one."""
    slow = SlowReads()
    async with (
        open_on(slow.io, OPTIONS) as store,
        store.changes(consumer="one") as stream,
        trio.open_nursery() as nursery,
    ):
        await store.put(b"k", bytes(300))
        await store.flush()

        async def acknowledge_often() -> None:
            while True:
                await store.put(b"x", b"")
                await stream.poll()
                await stream.acknowledge()
                await trio.sleep(0.3)

        nursery.start_soon(acknowledge_often)
        slow.is_slow = True
        with trio.fail_after(60):
            assert await store.update(b"k", len_of) == b"300"
        slow.is_slow = False
        nursery.cancel_scope.cancel()


def len_of(old: bytes | None) -> bytes:
    return b"%d" % len(old or b"")


async def test_writes_on_the_spot_go_on_behind_a_full_segment(
    autojump_clock: object,
) -> None:
    """Nobody began another segment, so `put_nowait` at OS level would have blocked for ever."""
    disk = VirtualDisk()
    options = evolve(memtable_bytes_max=1 << 20, segment_bytes_max=4096)
    refused = 0
    async with open_on(disk, options) as store, store.session("one") as session:
        for number in range(200):
            for _ in range(2):
                try:
                    session.put_nowait(
                        b"%d" % number, bytes(50), durability=Durability.OS
                    )
                except trio.WouldBlock:
                    refused += 1
                    await trio.sleep(1)
                else:
                    break
        assert session.serial == 200
        assert 2 <= refused < 40
        with pytest.raises(trio.WouldBlock):
            store.put_nowait(b"large", bytes(5000), durability=Durability.OS)
        await trio.sleep(1)
        names = len([path for path in disk.files() if path.startswith(f"{STORE}/log-")])
        with pytest.raises(trio.WouldBlock):  # no new segment holds it either
            store.put_nowait(b"large", bytes(5000), durability=Durability.OS)
        await trio.sleep(1)
        assert names == len(
            [path for path in disk.files() if path.startswith(f"{STORE}/log-")]
        )

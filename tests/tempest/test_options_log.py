"""What each option about the log's regions does: memory that gathers, pages, what is kept."""

import trio

from io_backends import OpKind, TracingIo, VirtualDisk, VirtualIo
from tempest import Durability
from tests.tempest.observed import observes, roomy
from tests.tempest.shelf import key_of, open_on, value_of

MEMORY, OS = Durability.MEMORY, Durability.OS


@observes("mutable_fraction")
async def test_mutable_fraction_is_how_much_gathers_before_it_is_sealed_unasked() -> (
    None
):
    async def most_gathered(fraction: float) -> tuple[int, int]:
        options = roomy(mutable_fraction=fraction, memtable_bytes_max=1 << 20)
        async with open_on(VirtualDisk(), options) as store:
            most = 0
            for number in range(200):
                await store.put(
                    key_of(number), value_of(number, 500), durability=MEMORY
                )
                most = max(most, store.statistics().log_open_bytes)
                await trio.testing.wait_all_tasks_blocked()
            return most, store.statistics().log_bytes_written

    most, written = await most_gathered(1.0)
    assert most == 200 * (9 + 16 + 500)
    assert written < 100, "a mark and nothing else"
    most, written = await most_gathered(0.02)
    assert 20_000 <= most < 22_000
    assert written > 200 * 400
    assert (await most_gathered(0.0))[0] == 9 + 16 + 500


@observes("mutable_fraction")
async def test_hot_keys_are_updated_in_place_up_to_it() -> None:
    async def written(fraction: float) -> int:
        options = roomy(mutable_fraction=fraction, memtable_bytes_max=1 << 20)
        async with open_on(VirtualDisk(), options) as store:
            for number in range(2000):
                await store.put(
                    key_of(number % 100), b"%08d" % number, durability=MEMORY
                )
                await trio.lowlevel.checkpoint()  # the committer has its turn
            await store.sync()
            return store.statistics().log_bytes_written

    assert await written(0.1) * 10 < await written(0.001)


@observes("memory_bytes_max")
async def test_memory_bytes_max_bounds_all_memtables_together(
    autojump_clock: object,
) -> None:
    async def most_held(memory_bytes_max: int | None) -> tuple[int, int]:
        options = roomy(memory_bytes_max=memory_bytes_max, durability=MEMORY)
        async with open_on(VirtualDisk(), options) as store:
            most = 0
            for number in range(400):
                await store.put(key_of(number), value_of(number, 300))
                most = max(most, store.statistics().memtable_bytes)
            return most, store.statistics().flushes

    assert (await most_held(None)) == (400 * (9 + 200 + 300), 0)
    most, flushes = await most_held(30_000)
    assert most <= 30_000 + 1000
    assert flushes >= 5


@observes("memory_bytes_max")
async def test_at_memory_bytes_max_writers_wait_for_the_flush(
    autojump_clock: object,
) -> None:
    async def pressure(memory_bytes_max: int) -> float:
        options = roomy(memory_bytes_max=memory_bytes_max, durability=MEMORY)
        async with open_on(VirtualDisk(), options) as store:
            for number in range(10):
                await store.put(key_of(number), value_of(number, 791))
            return store.statistics().pressure

    assert await pressure(60_000) == 10_000 / 60_000
    assert await pressure(1_000_000) == 10_000 / 1_000_000


@observes("log_page_bytes")
async def test_log_page_bytes_is_how_much_of_the_log_is_read_at_once() -> None:
    async def reads(page_bytes: int) -> tuple[int, int]:
        disk = VirtualDisk()
        options = roomy(log_page_bytes=page_bytes)
        async with open_on(disk, options) as store:
            start = store.position
            for number in range(100):
                await store.put(key_of(number), value_of(number, 1000), durability=OS)
            await store.sync()
            await store.sync()
            dark = disk.crash_keeping(())
        io = TracingIo(VirtualIo(dark))
        async with open_on(io, options) as store:
            recovering = log_reads(io)
            async with store.changes(start) as stream:
                count = 0
                while await stream.poll() is not None:
                    count += 1
            assert count == 100
            return recovering, log_reads(io) - recovering

    assert max(await reads(1 << 20)) <= 8
    assert min(await reads(4096)) >= 100_000 // 4096


def log_reads(io: TracingIo) -> int:
    return sum(
        traced.op.kind is OpKind.READ and "/log-" in traced.op.path for traced in io.ops
    )


@observes("stream_retention_bytes")
async def test_stream_retention_bytes_bounds_what_is_kept_for_a_consumer() -> None:
    async def kept(retention_bytes: int) -> int:
        options = roomy(stream_retention_bytes=retention_bytes, segment_bytes_max=4096)
        async with open_on(VirtualDisk(), options) as store:
            async with store.changes(consumer="c"):
                pass
            for number in range(100):
                await store.put(key_of(number), value_of(number, 1000), durability=OS)
                if number == 60:
                    await store.sync()
                    async with store.changes(store.position, consumer="d"):
                        pass
            await store.flush()
            await trio.testing.wait_all_tasks_blocked()
            return store.statistics().log_bytes

    assert await kept(1 << 20) > 100_000
    assert 40_000 <= await kept(45_000) <= 55_000
    assert await kept(0) < 4096

"""What the options of separated values do."""

from io_backends import VirtualDisk, VirtualIo
from io_backends.tracing import TracingIo
from tempest import Options
from tests.tempest.observed import observes, roomy
from tests.tempest.shelf import key_of, open_on

SIZE = 1000


async def stored_by(options: Options, disk: VirtualDisk) -> tuple[int, int]:
    """How many of ten values a flush separates, and how large the tables become."""
    async with open_on(disk, options) as store:
        for number in range(10):
            await store.put(key_of(number), bytes([number]) * SIZE)
        await store.flush()
        statistics = store.statistics()
        table_bytes = sum(level.bytes for level in statistics.levels)
        return statistics.values_separated, table_bytes


@observes("separated_value_bytes_min")
async def test_separated_value_bytes_min_decides_what_stays_in_the_log(
    autojump_clock: object,
) -> None:
    for least, expected in ((SIZE, 10), (SIZE + 1, 0)):
        options = roomy(
            separated_value_bytes_min=least, compression=Options().compression
        )
        separated, table_bytes = await stored_by(options, VirtualDisk())
        assert separated == expected
    pointing = roomy(separated_value_bytes_min=SIZE, filter_bits_per_key=0)
    _, pointers = await stored_by(pointing, VirtualDisk())
    assert pointers < table_bytes + 10 * 32


@observes("read_cache_bytes_max")
async def test_read_cache_bytes_max_decides_what_is_read_again(
    autojump_clock: object,
) -> None:
    reads = {}
    for cached in (0, 1 << 20):
        disk = VirtualDisk()
        options = roomy(separated_value_bytes_min=64, read_cache_bytes_max=cached)
        await stored_by(options, disk)
        io = TracingIo(VirtualIo(disk))
        async with open_on(io, options) as store:
            for _ in range(3):
                for number in range(10):
                    assert await store.get(key_of(number)) == bytes([number]) * SIZE
            statistics = store.statistics()
            assert statistics.read_cache_bytes <= cached
            reads[cached] = statistics.read_cache_misses
            assert statistics.read_cache_hits == 30 - reads[cached]
    assert reads == {0: 30, 1 << 20: 10}

"""Values that stay in the log, seen from outside: every way to read, from every place."""

import attrs
import pytest
import trio

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import Durability
from tempest.check import verify_store
from tests.tempest.shelf import STORE, content_of, content_on, evolve, open_on

LARGE = 100
OPTIONS = evolve(
    separated_value_bytes_min=LARGE, memtable_bytes_max=64 << 10, segment_bytes_max=4096
)
EDGES = (0, 1, LARGE - 1, LARGE, LARGE + 1, 255, 256, 4095, 4096, 65_535, 65_536)


def value_of(number: int, size: int = 300) -> bytes:
    return (b"%d." % number).ljust(size, b"v")[:size]


async def fill(store: tempest.Store, count: int, size: int = 300) -> None:
    for number in range(count):
        await store.put(b"%03d" % number, value_of(number, size))


async def second(_: object) -> None:
    """How long each operation of a slow disk takes."""
    await trio.sleep(1)


def live_bytes(store: tempest.Store) -> int:
    return store.statistics().values_bytes


async def test_sizes_at_each_boundary_round_trip(autojump_clock: object) -> None:
    """R18: whatever may be written can be read, by every way there is."""
    disk = VirtualDisk()
    sizes = (*EDGES, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20)
    expected = {b"%07d" % size: value_of(size, size) for size in sizes}
    async with open_on(disk, OPTIONS) as store:
        for key, value in expected.items():
            await store.put(key, value, durability=Durability.OS)
        await store.compact()
        assert store.statistics().values_separated == sum(s >= LARGE for s in sizes)
        assert await store.get_many(expected) == list(expected.values())
    async with open_on(disk, OPTIONS) as store:
        for key, value in expected.items():
            assert await store.get(key) == value
        assert await content_of(store) == expected
    assert await content_on(disk) == expected


async def test_a_snapshot_reads_the_value_of_its_time(autojump_clock: object) -> None:
    """O9: in-place data of a later version in a snapshot; here nothing is ever in place."""
    async with open_on(VirtualDisk(), OPTIONS) as store:
        await store.put(b"k", value_of(1))
        await store.flush()
        async with store.snapshot() as view:
            await store.put(b"k", value_of(2))
            await store.compact()
            await store.put(b"k", b"small")
            await store.compact()
            assert await view.get(b"k") == value_of(1)
            assert await content_of(view) == {b"k": value_of(1)}
        assert await store.get(b"k") == b"small"


async def test_update_sees_the_value_behind_a_pointer(autojump_clock: object) -> None:
    async with open_on(VirtualDisk(), OPTIONS) as store:
        await store.put(b"k", value_of(1))
        await store.flush()

        new = await store.update(b"k", lambda old: (old or b"")[:2] + b"!")
        assert new == b"1.!"


async def test_get_nowait_answers_from_the_read_cache(autojump_clock: object) -> None:
    async with open_on(VirtualDisk(), OPTIONS) as store:
        await store.put(b"k", value_of(1))
        await store.flush()
        with pytest.raises(trio.WouldBlock):
            store.get_nowait(b"k")
        await store.get(b"k")
        hits = store.statistics().read_cache_hits

        assert store.get_nowait(b"k") == value_of(1)
        assert store.statistics().read_cache_hits == hits + 1


async def test_a_cached_value_is_never_stale(autojump_clock: object) -> None:
    """R16: a slot that was used again shows another page; no address gets other bytes."""
    async with open_on(VirtualDisk(), OPTIONS) as store:
        for number in range(40):
            await store.put(b"k", value_of(number))
            await store.flush()
            assert await store.get(b"k") == value_of(number)
            if number % 7 == 0:
                await store.compact()
        assert await store.get(b"k") == value_of(39)


async def test_scans_give_values_both_ways_and_keys_read_none(
    autojump_clock: object,
) -> None:
    async with open_on(VirtualDisk(), OPTIONS) as store:
        await fill(store, 30)
        await store.put(b"005", b"small")
        await store.delete(b"006")
        await store.flush()
        async with store.scan(keys_only=True) as names:
            keys = [key async for key in names]
        assert len(keys) == 29
        assert store.statistics().read_cache_misses == 0

        async with store.scan(reverse=True, limit=25) as rows:
            backward = [row async for row in rows]
        assert [key for key, _ in backward] == keys[:3:-1]
        assert dict(backward)[b"005"] == b"small"
        assert dict(backward)[b"007"] == value_of(7)


async def test_a_scan_holds_a_bounded_amount_of_values(autojump_clock: object) -> None:
    """The rows of a step are few where their values are large."""
    async with open_on(VirtualDisk(), OPTIONS) as store:
        await fill(store, 12, size=1 << 20)
        await store.flush()
        async with store.scan() as rows:
            steps = []
            assert rows._scan is not None
            while parts := await rows._scan.step(256):
                steps.append([len(value) for part in parts for value in part[1]])
        assert [size for step in steps for size in step] == [1 << 20] * 12
        assert max(map(len, steps)) <= 4


async def test_a_scan_that_was_cancelled_skips_nothing(autojump_clock: object) -> None:
    disk = VirtualDisk()
    async with open_on(disk, OPTIONS) as store:
        await fill(store, 10)
    latent = VirtualIo(disk, delay=second)
    async with (
        open_on(latent, attrs.evolve(OPTIONS, read_cache_bytes_max=0)) as store,
        store.scan() as rows,
    ):
        found: list[bytes] = []
        with trio.move_on_after(1.5):
            found += [key async for key, _ in rows]
        found += [key async for key, _ in rows]
    assert found == [b"%03d" % number for number in range(10)]


async def test_a_segment_stays_while_pointed_into_and_goes_after(
    autojump_clock: object,
) -> None:
    """R20, H3: live bytes are never rewritten in place, and never unlinked under a pointer."""
    disk = VirtualDisk()
    async with open_on(disk, OPTIONS) as store:
        await fill(store, 60)
        await store.flush()
        held = store.statistics().log_segments
        assert held > 3
        assert live_bytes(store) == 60 * 300
        assert len(await content_of(store)) == 60
        for number in range(60):
            await store.put(b"%03d" % number, b"small")
        await store.compact()
        assert live_bytes(store) == 0
        await store.put(b"more", b"small")
        await store.flush()
        assert store.statistics().log_segments < held
        assert set((await content_of(store)).values()) == {b"small"}


async def test_a_read_only_opener_reads_on_while_a_writer_removes(
    autojump_clock: object,
) -> None:
    disk = VirtualDisk()
    io = VirtualIo(disk)
    async with open_on(io, OPTIONS) as store:
        await fill(store, 40)
        await store.flush()
        async with open_on(io, OPTIONS, read_only=True) as reader:
            for number in range(40):
                await store.put(b"%03d" % number, b"small")
            await store.compact()
            await store.put(b"more", b"small")
            await store.flush()
            await trio.testing.wait_all_tasks_blocked()
            content = await content_of(reader)
    assert content == {b"%03d" % n: value_of(n) for n in range(40)}


def damaged(disk: VirtualDisk, wanted: bytes) -> tuple[VirtualDisk, str]:
    """A copy of the disk with one bit of a value in its segment turned, and the segment."""
    copy = disk.clone()
    for path, data in copy.contents().items():
        if "/log-" in path and wanted in data:
            copy.corrupt(path, data.index(wanted) + len(wanted) // 2)
            return copy, path
    raise AssertionError("no segment holds the value")


async def test_a_damaged_value_is_corruption_and_never_not_there(
    autojump_clock: object,
) -> None:
    """R17, T7: what does not verify is an error with file and offset, for every reader."""
    disk = VirtualDisk()
    async with open_on(disk, OPTIONS) as store:
        await fill(store, 5)
        await store.flush()
    copy, path = damaged(disk, value_of(3))
    async with open_on(copy, OPTIONS) as store:
        assert await store.get(b"002") == value_of(2)
        for read in (store.get(b"003"), store.get_many([b"003"]), content_of(store)):
            with pytest.raises(tempest.CorruptionError, match="checksum") as caught:
                await read
            assert caught.value.path == path.removeprefix("/")
            assert caught.value.offset > 0
        assert store.health().state is tempest.HealthState.READ_ONLY
    report = await verify_store(VirtualIo(copy), STORE)
    bad = [file.path for file in report.files if file.status.value == "damaged"]
    assert bad == [path.removeprefix("/")]


async def test_a_segment_that_is_gone_or_cut_short_is_noticed_at_opening(
    autojump_clock: object,
) -> None:
    disk = VirtualDisk()
    async with open_on(disk, OPTIONS) as store:
        await fill(store, 5)
        await store.flush()
    _, path = damaged(disk, value_of(3))
    io = VirtualIo(disk)
    file = await io.open(path.removeprefix("/"), writable=True)
    await file.truncate(600)
    await file.aclose()
    for read_only in (False, True):
        with pytest.raises(tempest.CorruptionError, match="expected"):
            await open_on(disk, OPTIONS, read_only=read_only).__aenter__()
    await io.remove(path.removeprefix("/"))
    for read_only in (False, True):
        with pytest.raises(tempest.CorruptionError, match="points into this segment"):
            await open_on(disk, OPTIONS, read_only=read_only).__aenter__()

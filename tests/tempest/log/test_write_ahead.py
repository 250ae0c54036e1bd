"""Zeros ahead of small syncs: a convenience that changes nothing but the file's length."""

from itertools import combinations

import pytest
import trio

from io_backends import NoSpaceError, VirtualDisk, VirtualIo
from io_backends.virtual import VirtualFile
from tempest import Durability, Options
from tempest.health import HealthState
from tempest.zeros import SMALL_SYNC_BYTES, SMALL_SYNCS, ZEROS_BYTES
from tests.tempest.shelf import STORE, content_of, content_on, open_on

OPTIONS = Options(durability=Durability.DISK)


async def log_bytes(disk: VirtualDisk) -> int:
    """Return how long the newest log segment is."""
    io = VirtualIo(disk)
    names = [name for name in await io.list(STORE) if name.startswith("log-")]
    return (await io.stat(f"{STORE}/{max(names)}")).size


async def test_who_syncs_often_and_little_gets_zeros_ahead() -> None:
    disk = VirtualDisk()
    expected: dict[bytes, bytes] = {}
    async with open_on(disk, OPTIONS) as store:
        for number in range(SMALL_SYNCS - 2):
            await store.put(b"few%d" % number, b"v")
            expected[b"few%d" % number] = b"v"
        assert await log_bytes(disk) < ZEROS_BYTES // 2
        for number in range(2 * ZEROS_BYTES // 512):
            await store.put(b"%d" % number, b"v")
            expected[b"%d" % number] = b"v"
        assert await log_bytes(disk) > 2 * ZEROS_BYTES
    assert await content_on(disk, OPTIONS) == expected


async def test_who_syncs_much_gets_none() -> None:
    disk = VirtualDisk()
    async with open_on(disk, OPTIONS) as store:
        await store.put(b"key", b"v")
        before = await log_bytes(disk)
        for _ in range(2 * SMALL_SYNCS):
            await store.put(b"key", bytes(SMALL_SYNC_BYTES + 1))
        grown = await log_bytes(disk) - before
        assert grown < 2 * SMALL_SYNCS * (SMALL_SYNC_BYTES + 2048)


async def test_a_file_that_refuses_zeros_takes_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seeds 20169, 21266, 21866: the failure did no harm, but nobody was told of it."""
    disk, asked = VirtualDisk(), 0
    write_at = VirtualFile.write_at

    async def refuse(file: VirtualFile, offset: int, data: bytes) -> None:
        nonlocal asked
        if len(data) > 4096 and not any(data):
            asked += 1
            raise NoSpaceError("write_at", file.path)
        await write_at(file, offset, data)

    expected: dict[bytes, bytes] = {}
    with monkeypatch.context() as patch:
        patch.setattr(VirtualFile, "write_at", refuse)
        async with open_on(disk, OPTIONS) as store:
            for number in range(4 * SMALL_SYNCS):
                await store.put(b"%d" % number, b"v")
                expected[b"%d" % number] = b"v"
            health = store.health()
            assert health.state is HealthState.HEALTHY
            assert [w for w in health.warnings if "zeros ahead of the log" in w]
    assert asked == 1
    assert await content_on(disk, OPTIONS) == expected


async def test_a_power_cut_among_zeros_is_a_torn_tail() -> None:
    """The zeros themselves are cut, before the sync that carries them has returned."""
    disk, expected = VirtualDisk(), dict[bytes, bytes]()
    async with open_on(disk, OPTIONS) as store:
        for number in range(SMALL_SYNCS - 3):
            await store.put(b"%d" % number, b"v" * 300)
            expected[b"%d" % number] = b"v" * 300
        seen = 0
        for number in range(4):
            await store.put(b"more%d" % number, b"v", durability=Durability.OS)
            units = disk.unsynced_units()
            for kept in [(), units, *combinations(units[:6], 2)]:
                async with open_on(disk.crash_keeping(kept), OPTIONS) as cut:
                    found = await content_of(cut)
                assert expected.items() <= found.items()
                seen += 1
            await store.put(b"%d" % -number, b"v")
            expected[b"%d" % -number] = expected[b"more%d" % number] = b"v"
    assert seen > 8


async def test_the_sync_of_a_lone_writer_begins_with_its_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not before there are zeros, which the committer would write behind it; not of a group."""
    begun: list[int] = []

    def note(file: VirtualFile) -> None:
        begun.append(file._handle.number)

    monkeypatch.setattr(VirtualFile, "hasten_sync", note)
    disk, expected = VirtualDisk(), dict[bytes, bytes]()
    async with open_on(disk, OPTIONS) as store:

        async def put(key: bytes) -> None:
            await store.put(key, b"v")
            expected[key] = b"v"

        for number in range(SMALL_SYNCS):
            await put(b"few%d" % number)
        assert not begun
        for number in range(10):
            await put(b"one%d" % number)
        assert len(begun) == 10
        for number in range(20):
            async with trio.open_nursery() as nursery:
                for writer in range(8):
                    nursery.start_soon(put, b"group%d,%d" % (number, writer))
        assert len(begun) <= 12
        await put(b"last of a group")
        await put(b"alone")
        assert len(begun) <= 13
    assert await content_on(disk, OPTIONS) == expected

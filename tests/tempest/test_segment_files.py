"""Open segments: bounded, never closed while in use, one file for two who want it at once."""

import pytest
import trio

from io_backends import FailOp, FaultPlan, FaultyIo, Io, VirtualDisk, VirtualIo
from tempest.errors import CorruptionError
from tempest.header import encode_header
from tempest.log import SegmentMeta, segment_name
from tempest.segment_files import SegmentFile, SegmentFiles

FOLDER = "folder"
STORE_ID = bytes(16)


def meta(number: int) -> SegmentMeta:
    return SegmentMeta(number, 1, 0, 1000, 1000)


async def make(count: int) -> VirtualDisk:
    """A folder with so many segments, numbered from 1."""
    disk = VirtualDisk()
    io = VirtualIo(disk)
    await io.make_dir(FOLDER)
    for number in range(1, count + 1):
        file = await io.create_exclusive(f"{FOLDER}/{segment_name(number)}")
        await file.write_at(0, encode_header(meta(number).header(STORE_ID)))
        await file.aclose()
    return disk


def files_on(io: Io, files_max: int) -> SegmentFiles:
    return SegmentFiles(io, FOLDER, STORE_ID, files_max)


async def second(_: object) -> None:
    """How long each operation of a slow disk takes."""
    await trio.sleep(1)


async def is_closed(file: SegmentFile) -> bool:
    try:
        await file.file.read_at(0, 1)
    except Exception:  # noqa: BLE001 - whatever a closed file says
        return True
    return False


async def test_files_are_opened_once_and_bounded() -> None:
    files = files_on(VirtualIo(await make(5)), 2)
    for number in (1, 2, 1, 3, 4, 5, 5):
        files.release(await files.acquire(meta(number)))
    assert len(files) == 2
    assert files.opens == 5
    assert files.get_nowait(5) is not None
    await files.aclose()
    assert not len(files)


async def test_what_was_used_of_late_stays() -> None:
    files = files_on(VirtualIo(await make(3)), 2)
    for number in (1, 2, 1, 3):
        files.release(await files.acquire(meta(number)))
    assert files.get_nowait(1) is not None
    assert files.get_nowait(2) is None


async def test_a_file_in_use_is_never_closed() -> None:
    files = files_on(VirtualIo(await make(4)), 1)
    held = await files.acquire(meta(1))
    for number in (2, 3, 4):
        files.release(await files.acquire(meta(number)))
    assert not await is_closed(held)
    await files.evict(1)
    assert not await is_closed(held)
    files.release(held)
    await files.evict(1)
    assert await is_closed(held)


async def test_two_who_want_one_file_at_once_share_it(autojump_clock: object) -> None:
    io = VirtualIo(await make(1), delay=second)
    files = files_on(io, 4)
    got: list[SegmentFile] = []

    async def want() -> None:
        got.append(await files.acquire(meta(1)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(want)
        nursery.start_soon(want)
    assert got[0] is got[1]
    assert got[0].pins == 2
    await files.aclose()


async def test_a_host_without_handles_gets_some_of_ours_back() -> None:
    plan = FaultPlan((FailOp(at=3 * 3, error="EMFILE"),))
    files = files_on(FaultyIo(VirtualIo(await make(4)), plan), 10)
    for number in (1, 2, 3, 4):
        files.release(await files.acquire(meta(number)))
    assert files.get_nowait(4) is not None


async def test_a_file_that_is_gone_or_another_is_damage() -> None:
    files = files_on(VirtualIo(await make(1)), 10)
    with pytest.raises(CorruptionError, match="no such file"):
        await files.acquire(meta(2))
    with pytest.raises(CorruptionError, match="another file"):
        await files.acquire(SegmentMeta(1, 9, 0, 1000))

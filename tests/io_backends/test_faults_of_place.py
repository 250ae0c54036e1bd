"""Faults that put bytes in the wrong place, come late, or are a matter of too little of something."""

from random import Random

import pytest

from io_backends import (
    READS,
    CrashPolicy,
    DeviceError,
    FailOp,
    Fault,
    FaultPlan,
    FaultyIo,
    Io,
    JobError,
    LateError,
    MisdirectedRead,
    MisdirectedWrite,
    NoSpaceError,
    OpKind,
    TooManyFilesError,
    VirtualDisk,
    VirtualIo,
)

SECTOR = 512


def faulty(*planned: Fault) -> tuple[VirtualDisk, FaultyIo]:
    disk = VirtualDisk()
    return disk, FaultyIo(VirtualIo(disk), FaultPlan(planned))


async def test_a_misdirected_read_gives_the_newest_other_place_of_its_length() -> None:
    _, io = faulty(MisdirectedRead(at=4, path="a-*", times=None))
    one, other = await io.create_exclusive("a-1"), await io.create_exclusive("b-1")
    await one.write_at(0, b"first-second")
    assert await one.read_at(0, 6) == b"first-"
    assert await one.read_at(6, 6) == b"first-"
    await other.write_at(0, b"third-")
    assert await one.read_at(0, 6) == bytes(6), "the other file is not met"
    assert one.read_at_nowait(6, 6) == b"first-"


async def test_a_misdirected_read_without_such_a_place_gives_what_lies_further_on() -> (
    None
):
    _, io = faulty(MisdirectedRead(kinds=READS, shift=4))
    file = await io.create_exclusive("file")
    await file.write_at(0, b"abcdefgh")
    assert await file.read_at(1, 3) == b"fgh"


@pytest.mark.parametrize("is_nowait", [False, True])
async def test_a_misdirected_write_leaves_its_place_and_hits_another(
    is_nowait: bool,
) -> None:
    disk, io = faulty(MisdirectedWrite(at=2, shift=-4))
    file = await io.create_exclusive("file")
    await file.write_at(0, b"abcdefgh")
    if is_nowait:
        file.write_at_nowait(4, b"NEW")
    else:
        await file.write_at(4, b"NEW")
    assert disk.read("file") == b"NEWdefgh"
    await file.write_at(4, b"NEW")
    assert disk.read("file") == b"NEWdNEWh"


@pytest.mark.parametrize("is_same_handle", [False, True])
async def test_a_late_error_is_hit_when_the_sync_lies_and_when_it_is_told(
    is_same_handle: bool,
) -> None:
    """It follows the file to its new name."""
    _, io = faulty(LateError())
    file = await io.create_exclusive("tmp")
    await file.write_at(0, b"lost")
    await file.sync()
    await io.rename("tmp", "file")
    moved = await io.open("file")
    with pytest.raises(DeviceError):
        await (file if is_same_handle else moved).sync()
    await file.sync()
    await moved.sync()
    assert [(hit.op.path, hit.is_late) for hit in io.log.hits] == [
        ("tmp", False),
        ("tmp" if is_same_handle else "file", True),
    ]
    assert io.log.counts == [1]


async def test_a_late_error_is_not_told_of_a_new_file_of_that_name() -> None:
    _, io = faulty(LateError())
    file = await io.create_exclusive("file")
    await file.sync()
    await io.remove("file")
    await (await io.create_exclusive("file")).sync()


@pytest.mark.parametrize(
    ("name", "error", "number"),
    [("EFBIG", NoSpaceError, 27), ("ENFILE", TooManyFilesError, 23)],
)
async def test_errors_of_too_little_carry_their_number(
    name: str, error: type[NoSpaceError | TooManyFilesError], number: int
) -> None:
    _, io = faulty(FailOp(error=name))  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        await io.create_exclusive("file")
    assert caught.value.errno == number


async def job(io: Io, argument: bytes) -> bytes:
    file = await io.create_exclusive("made")
    await file.aclose()
    return argument


@pytest.mark.parametrize(("effect", "made"), [("none", []), ("done", ["/made"])])
async def test_a_worker_dies_before_its_job_or_after_it(
    effect: str, made: list[str]
) -> None:
    disk, io = faulty(FailOp(kinds=(OpKind.RUN_JOB,), effect=effect))  # type: ignore[arg-type]
    with pytest.raises(JobError, match="injected"):
        await io.run_job(job, b"")
    assert disk.files() == made


async def test_a_disk_refuses_files_that_are_too_long_and_handles_that_are_too_many() -> (
    None
):
    disk = VirtualDisk()
    io = VirtualIo(disk)
    disk.file_bytes_max, disk.handles_max = 4, 2
    file = await io.create_exclusive("one")
    await file.write_at(0, b"abcd")
    with pytest.raises(NoSpaceError, match="27"):
        await file.write_at(3, b"de")
    other = await io.create_exclusive("two")
    for name in ("three", "one"):
        with pytest.raises(TooManyFilesError):
            await (io.open if name == "one" else io.create_exclusive)(name)
    assert disk.files() == ["/one", "/two"]
    assert [error.path for error in disk.refused] == ["one", "three", "one"]
    await other.aclose()
    disk.file_bytes_max = None
    await file.write_at(3, b"de")
    await (await io.open("two")).aclose()
    assert disk.clone().refused == []


async def test_pages_that_a_sync_lost_can_be_put_back() -> None:
    disk, io = faulty()
    file = await io.create_exclusive("tmp")
    await io.sync_dir("/")
    await file.write_at(SECTOR, b"page")
    pages = disk.dirty_pages("tmp")
    disk.fail_sync(disk.open("tmp"))
    await io.rename("tmp", "file")
    await io.sync_dir("/")
    after = disk.crash(Random(0), CrashPolicy.keep_all())
    assert not after.read("file").strip(b"\0")
    after.put_pages(pages)
    assert after.read("file")[SECTOR:] == b"page"
    after.remove("file")
    after.sync_dir("/")
    after.put_pages(pages)
    assert after.files() == []

import errno
import os
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st

from io_backends.errors import (
    ClosedFileError,
    DeviceError,
    EndOfFileError,
    NoSpaceError,
)
from io_backends.file import FileIo, kernel_syncs
from io_backends.file.handle import SYNC_BESIDE_BYTES_MAX, WRITE_NOWAIT_BYTES_MAX
from io_backends.protocol import File, Io

NO_MEMORY_FILESYSTEM = pytest.mark.skipif(
    not os.access("/dev/shm", os.W_OK), reason="needs a memory filesystem in /dev/shm"
)


async def new_file(folder: Path, name: str = "file") -> File:
    io: Io = FileIo()
    return await io.create_exclusive(str(folder / name))


def never_answers(*_: object) -> int:
    raise AssertionError("asked again")


writes = st.lists(
    st.tuples(st.integers(0, 300), st.binary(max_size=200), st.booleans()), max_size=12
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(writes=writes, length=st.integers(0, 400))
def test_a_file_reads_back_like_an_array_of_bytes(
    tmp_path: Path, writes: list[tuple[int, bytes, bool]], length: int
) -> None:
    async def main() -> None:
        io: Io = FileIo()
        file = await io.create_exclusive(str(tmp_path / "file"))
        model = bytearray()
        for offset, data, nowait in writes:
            if nowait:
                file.write_at_nowait(offset, data)
            else:
                await file.write_at(offset, data)
            if data:
                model.extend(bytes(max(0, offset - len(model))))
                model[offset : offset + len(data)] = data
        assert await file.size() == len(model)
        await file.truncate(length)
        del model[length:]
        model.extend(bytes(length - len(model)))
        await file.sync()
        assert await file.read_at(0, length) == model
        await file.aclose()
        await io.remove(file.path)

    trio.run(main)


async def test_a_large_write_is_whole(tmp_path: Path) -> None:
    file = await new_file(tmp_path)
    data = os.urandom(3 * WRITE_NOWAIT_BYTES_MAX + 17)
    with pytest.raises(trio.WouldBlock):
        file.write_at_nowait(0, data)
    assert await file.size() == 0
    await file.write_at(5, data)
    assert await file.read_at(5, len(data)) == data
    await file.aclose()


async def test_a_read_behind_the_end_says_so_and_never_would_block(
    tmp_path: Path,
) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, b"0123456789")
    for offset, length in ((0, 11), (9, 2), (10, 1), (1000, 1)):
        with pytest.raises(EndOfFileError):
            await file.read_at(offset, length)
        with pytest.raises(EndOfFileError):
            file.read_at_nowait(offset, length)
    assert file.read_at_nowait(3, 7) == b"3456789"
    assert await file.read_at(10, 0) == b""
    await file.aclose()


async def test_the_plain_read_finds_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, b"0123456789")

    def not_cached(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "not cached")

    monkeypatch.setattr(os, "preadv", not_cached)
    assert await file.read_at(2, 8) == b"23456789"
    with pytest.raises(EndOfFileError, match="bytes 2 to 11"):
        await file.read_at(2, 9)
    await file.aclose()


async def test_a_partly_cached_read_would_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, bytes(8192))
    monkeypatch.setattr(os, "preadv", lambda *_: 4096)
    with pytest.raises(trio.WouldBlock):
        file.read_at_nowait(0, 8192)
    assert await file.read_at(0, 8192) == bytes(8192)
    await file.aclose()


async def test_a_filesystem_that_cannot_be_asked_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, b"abc")

    def unsupported(*_: object) -> int:
        monkeypatch.setattr(os, "preadv", never_answers)
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "preadv", unsupported)
    for _ in range(2):
        with pytest.raises(trio.WouldBlock):
            file.read_at_nowait(0, 3)
        assert await file.read_at(0, 3) == b"abc"
    await file.aclose()


@NO_MEMORY_FILESYSTEM
async def test_a_memory_filesystem_is_read_too() -> None:
    path = Path(f"/dev/shm/tempest-test-{os.getpid()}")
    file = await new_file(path.parent, path.name)
    try:
        await file.write_at(0, b"abc" * 1000)
        assert await file.read_at(3, 2997) == b"abc" * 999
        with pytest.raises(EndOfFileError):
            await file.read_at(0, 3001)
    finally:
        await FileIo().remove(file.path)
        await file.aclose()


async def test_a_bad_sector_is_an_error_and_never_the_end_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, b"abc")

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(DeviceError) as caught:
        await file.read_at(0, 3)
    assert caught.value.errno == errno.EIO
    assert caught.value.path == file.path
    await file.aclose()


@pytest.mark.parametrize("size", [1000, WRITE_NOWAIT_BYTES_MAX + 1])
async def test_short_writes_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    file = await new_file(tmp_path)
    pwrite = os.pwrite

    def short(number: int, data: bytes | memoryview, offset: int) -> int:
        return pwrite(number, data[: max(1, len(data) // 2)], offset)

    monkeypatch.setattr(os, "pwrite", short)
    data = os.urandom(size)
    await file.write_at(7, data)
    assert await file.read_at(7, size) == data
    assert await file.size() == size + 7
    await file.aclose()


async def test_short_reads_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await new_file(tmp_path)
    pread = os.pread

    def not_cached(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "not cached")

    monkeypatch.setattr(os, "preadv", not_cached)
    monkeypatch.setattr(os, "pread", lambda n, size, at: pread(n, min(size, 100), at))
    data = os.urandom(1234)
    await file.write_at(0, data)
    assert await file.read_at(1, 1200) == data[1:1201]
    with pytest.raises(EndOfFileError):
        await file.read_at(1, 1234)
    await file.aclose()


@pytest.mark.parametrize("size", [10, WRITE_NOWAIT_BYTES_MAX + 1])
async def test_a_write_that_takes_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    file = await new_file(tmp_path)
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(DeviceError, match="took no bytes"):
        await file.write_at(0, bytes(size))
    await file.aclose()


async def test_a_write_that_breaks_off_half_way_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await new_file(tmp_path)
    answers: list[int | OSError] = [4, 4, OSError(errno.ENOSPC, "full")]

    def fills_up(*_: object) -> int:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "pwrite", fills_up)
    with pytest.raises(NoSpaceError):
        file.write_at_nowait(0, bytes(10))
    await file.aclose()


async def test_a_failed_sync_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_syncs, "_NUMBERS", {})
    file = await new_file(tmp_path)

    def fails_once(_: int) -> None:
        monkeypatch.setattr(os, "fdatasync", never_answers)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails_once)
    with pytest.raises(DeviceError):
        await file.sync()
    await file.aclose()


async def test_reserved_space_reads_as_zeros_and_is_never_taken_back(
    tmp_path: Path,
) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, b"abc")
    await file.allocate(100_000)
    assert await file.size() == 100_000
    assert await file.read_at(0, 100_000) == b"abc" + bytes(99_997)
    assert os.stat(file.path).st_blocks * 512 >= 100_000  # noqa: PTH116
    await file.allocate(10)
    await file.allocate(0)
    assert await file.size() == 100_000
    await file.aclose()


async def test_a_closed_file_refuses_everything(tmp_path: Path) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, b"abc")
    await file.aclose()
    await file.aclose()
    for refused in (
        lambda: file.read_at(0, 1),
        lambda: file.write_at(0, b"x"),
        lambda: file.write_at(0, bytes(WRITE_NOWAIT_BYTES_MAX + 1)),
        file.sync,
        lambda: file.truncate(0),
        lambda: file.allocate(9),
        file.size,
    ):
        with pytest.raises(ClosedFileError):
            await refused()
    with pytest.raises(ClosedFileError):
        file.read_at_nowait(0, 1)
    with pytest.raises(ClosedFileError):
        file.write_at_nowait(0, b"x")


async def test_a_removed_file_is_read_until_it_is_closed(tmp_path: Path) -> None:
    io: Io = FileIo()
    file = await new_file(tmp_path)
    await file.write_at(0, b"abc")
    reader = await io.open(file.path)
    await io.remove(file.path)
    assert await reader.read_at(0, 3) == b"abc"
    await reader.aclose()
    await file.aclose()


async def test_every_method_is_a_cancellation_point_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await new_file(tmp_path)
    await file.write_at(0, b"abc")
    started: list[object] = []
    for name in ("pwrite", "preadv", "pread", "fdatasync", "ftruncate"):
        monkeypatch.setattr(os, name, lambda *a: started.append(a))
    for method in (
        lambda: file.read_at(0, 1),
        lambda: file.write_at(0, b"x"),
        lambda: file.write_at(0, bytes(WRITE_NOWAIT_BYTES_MAX + 1)),
        file.sync,
        lambda: file.truncate(0),
        file.size,
    ):
        with trio.CancelScope() as scope:
            scope.cancel()
            await method()
        assert scope.cancelled_caught
    assert started == []
    await file.aclose()


async def test_megabytes_are_synced_by_a_thread_and_what_is_small_by_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_threads: list[int] = []
    monkeypatch.setattr(os, "fdatasync", by_threads.append)
    io = FileIo()
    file = await io.create_exclusive(str(tmp_path / "file"))
    await file.write_at(0, b"abc")
    await file.sync()
    if not io._calls._kernel._idle:
        # Then threads make all of them, and there is no choice to look at.
        pytest.skip("this kernel takes none")
    for place, count in ((0, 0), (SYNC_BESIDE_BYTES_MAX + 3, 1), (100, 1)):
        await file.write_at(place, b"abc")
        await file.sync()
        assert len(by_threads) == count
    await file.aclose()

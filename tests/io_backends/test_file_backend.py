import os
import sys
from pathlib import Path

import pytest

from io_backends.errors import (
    DeviceError,
    ExistsError,
    IoError,
    NotAFolderError,
    NotFoundError,
    UnsupportedPlatformError,
)
from io_backends.file import FileIo
from io_backends.protocol import Io, Stat


@pytest.fixture(params=[False, True], ids=["threads", "direct"])
def io(request: pytest.FixtureRequest) -> Io:
    direct: bool = request.param
    return FileIo(direct=direct)


async def test_names_come_go_and_are_listed_in_order(io: Io, tmp_path: Path) -> None:
    folder = f"{tmp_path}/folder"
    await io.make_dir(folder)
    for name in ("b", "a", "B", "10", "9"):
        file = await io.create_exclusive(f"{folder}/{name}")
        await file.write_at(0, name.encode())
        await file.sync()
        await file.aclose()
    assert await io.list(folder) == ["10", "9", "B", "a", "b"]
    await io.rename(f"{folder}/a", f"{folder}/b")
    await io.link(f"{folder}/b", f"{folder}/c")
    await io.remove(f"{folder}/b")
    await io.sync_dir(folder)
    assert await io.list(folder) == ["10", "9", "B", "c"]
    moved = await io.open(f"{folder}/c")
    assert await moved.read_at(0, 1) == b"a"
    await moved.aclose()


async def test_stat_tells_files_from_folders(io: Io, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert await io.stat(f"{tmp_path}/file") == Stat(size=5, is_dir=False)
    assert await io.stat(str(tmp_path)) == Stat(size=0, is_dir=True)


async def test_a_missing_name_is_not_found(io: Io, tmp_path: Path) -> None:
    gone, other = f"{tmp_path}/gone", f"{tmp_path}/other"
    for operation in (
        lambda: io.open(gone),
        lambda: io.open(gone, writable=True),
        lambda: io.rename(gone, other),
        lambda: io.remove(gone),
        lambda: io.list(gone),
        lambda: io.link(gone, other),
        lambda: io.sync_dir(gone),
        lambda: io.stat(gone),
        lambda: io.free_space(gone),
        lambda: io.make_dir(f"{gone}/below"),
        lambda: io.create_exclusive(f"{gone}/below"),
        lambda: io.lock(f"{gone}/below"),
    ):
        with pytest.raises(NotFoundError) as caught:
            await operation()
        assert "gone" in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)


async def test_a_taken_name_is_never_given_twice(io: Io, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    taken = f"{tmp_path}/file"
    for operation in (
        lambda: io.create_exclusive(taken),
        lambda: io.make_dir(taken),
        lambda: io.link(taken, taken),
    ):
        with pytest.raises(ExistsError):
            await operation()
    assert (tmp_path / "file").read_bytes() == b"kept"


async def test_the_wrong_kind_of_thing_is_named_so(io: Io, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    for operation in (
        lambda: io.open(str(tmp_path)),
        lambda: io.open(str(tmp_path), writable=True),
        lambda: io.open(f"{tmp_path}/pipe"),
        lambda: io.list(f"{tmp_path}/file"),
        lambda: io.sync_dir(f"{tmp_path}/file"),
        lambda: io.open(f"{tmp_path}/file/below"),
    ):
        with pytest.raises(NotAFolderError):
            await operation()


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 5000])
async def test_an_impossible_path_is_an_io_error(io: Io, path: str) -> None:
    for operation in (
        lambda: io.open(path),
        lambda: io.create_exclusive(path),
        lambda: io.list(path),
        lambda: io.lock(path),
    ):
        with pytest.raises(DeviceError):
            await operation()


async def test_a_read_only_file_refuses_writes(io: Io, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    file = await io.open(f"{tmp_path}/file")
    with pytest.raises(IoError):
        await file.write_at(0, b"x")
    with pytest.raises(IoError):
        await file.truncate(0)
    await file.aclose()
    assert (tmp_path / "file").read_bytes() == b"kept"


async def test_free_space_is_what_an_ordinary_user_can_write(
    io: Io, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await io.free_space(str(tmp_path)) > 0
    fake = os.statvfs_result((4096, 1024, 99, 77, 55, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: fake)
    assert await io.free_space(str(tmp_path)) == 55 * 1024


def test_no_two_tokens_are_alike(io: Io) -> None:
    tokens = {io.token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {16}


def test_wall_time_is_the_time_of_day(io: Io, tmp_path: Path) -> None:
    (tmp_path / "now").touch()
    assert abs(io.wall_time() - (tmp_path / "now").stat().st_mtime) < 60


def test_another_platform_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UnsupportedPlatformError, match=r"'win32'.*Linux and macOS"):
        FileIo()

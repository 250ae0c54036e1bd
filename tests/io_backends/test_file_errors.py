"""Each of these is what a caller must tell from the others, brought about for real if possible."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from io_backends.errors import (
    AccessError,
    DeviceError,
    ExistsError,
    IoError,
    NoSpaceError,
    NotAFolderError,
    NotFoundError,
    ReadOnlyDeviceError,
    TooManyFilesError,
)
from io_backends.file import FileIo
from tests.io_backends.file_child import run_child

FAMILY = {
    errno.ENOENT: NotFoundError,
    errno.EEXIST: ExistsError,
    errno.ENOTDIR: NotAFolderError,
    errno.EISDIR: NotAFolderError,
    errno.ENOSPC: NoSpaceError,
    errno.EDQUOT: NoSpaceError,
    errno.EFBIG: NoSpaceError,
    errno.EACCES: AccessError,
    errno.EPERM: AccessError,
    errno.EROFS: ReadOnlyDeviceError,
    errno.EMFILE: TooManyFilesError,
    errno.ENFILE: TooManyFilesError,
    errno.EIO: DeviceError,
    errno.ENAMETOOLONG: DeviceError,
    errno.ESTALE: DeviceError,
}

TELL = """
    import sys, os, trio, resource
    from io_backends.errors import IoError
    from io_backends.file import FileIo

    async def tell(operation):
        try:
            await operation
        except IoError as error:
            print(type(error).__name__)
        else:
            print("done")
"""


def own_mounts_work() -> bool:
    script = "mount -t tmpfs -o size=64k none /mnt"
    try:
        ran = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script], capture_output=True, check=False
        )
    except OSError:
        return False
    return ran.returncode == 0


needs_mounts = pytest.mark.skipif(
    not own_mounts_work(), reason="needs to mount a filesystem of its own"
)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="changes its user")


def mounted(folder: Path) -> list[str]:
    """Return a command prefix: run with a filesystem of 64 KiB that nobody else sees."""
    script = f'mount -t tmpfs -o size=64k none "{folder}" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


@pytest.mark.parametrize("number", FAMILY, ids=errno.errorcode.__getitem__)
async def test_every_errno_has_one_class(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(IoError) as caught:
        await FileIo().rename(f"{tmp_path}/a", f"{tmp_path}/b")
    assert type(caught.value) is FAMILY[number]
    assert caught.value.errno == number
    assert caught.value.operation == "rename"
    assert caught.value.path == f"{tmp_path}/a"
    assert os.strerror(number) in str(caught.value)


def test_running_out_of_descriptors_has_its_own_error(tmp_path: Path) -> None:
    script = (
        TELL
        + """
    async def main():
        io = FileIo()
        path = sys.argv[1]
        file = await io.create_exclusive(path + "/file")
        held = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
        await tell(io.open(path + "/file"))
        await tell(io.create_exclusive(path + "/other"))
        await tell(io.list(path))
        await tell(io.sync_dir(path))
        await tell(io.lock(path + "/lock"))
        await tell(io.run_job(main_job, b""))
        await tell(file.write_at(0, b"abc"))
        await tell(file.sync())
        for number in held:
            os.close(number)
        await tell(io.open(path + "/file"))

    from tests.io_backends.file_jobs import reverse as main_job
    trio.run(main)
    """
    )
    told = run_child(script, str(tmp_path)).split()
    assert told == ["TooManyFilesError"] * 6 + ["done"] * 3
    assert not (tmp_path / "other").exists()


def test_a_file_size_limit_is_no_space(tmp_path: Path) -> None:
    script = (
        TELL
        + """
    async def main():
        file = await FileIo().create_exclusive(sys.argv[1])
        await tell(file.write_at(0, bytes(4000)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        await tell(file.write_at(4000, bytes(5000)))
        await tell(file.write_at(0, bytes(100_000)))
        await tell(file.allocate(100_000))
        await tell(file.write_at(0, bytes(8192)))

    trio.run(main)
    """
    )
    told = run_child(script, str(tmp_path / "file")).split()
    assert told == ["done", *["NoSpaceError"] * 3, "done"]


@needs_mounts
def test_a_full_device_is_no_space_and_still_reads(tmp_path: Path) -> None:
    script = (
        TELL
        + """
    async def main():
        io = FileIo()
        file = await io.create_exclusive(sys.argv[1] + "/file")
        await tell(file.write_at(0, b"abc"))
        await tell(file.write_at(3, bytes(1_000_000)))
        await tell(file.write_at(50_000, bytes(50_000)))
        await tell(file.allocate(1_000_000))
        print((await file.read_at(0, 3)).decode(), await io.free_space(sys.argv[1]))
        await tell((await io.lock(sys.argv[1] + "/lock")) and file.sync())
        await file.truncate(3)
        await tell(file.write_at(0, bytes(10_000)))

    trio.run(main)
    """
    )
    told = run_child(script, str(tmp_path), prefix=mounted(tmp_path)).split()
    assert told == ["done", *["NoSpaceError"] * 3, "abc", "0", "done", "done"]


@needs_mounts
def test_a_read_only_filesystem_has_its_own_error(tmp_path: Path) -> None:
    script = (
        TELL
        + """
    import subprocess

    async def main():
        io = FileIo()
        path = sys.argv[1]
        file = await io.create_exclusive(path + "/file")
        await file.aclose()
        subprocess.run(["mount", "-o", "remount,ro", path], check=True)
        await tell(io.open(path + "/file", writable=True))
        await tell(io.create_exclusive(path + "/other"))
        await tell(io.remove(path + "/file"))
        await tell(io.rename(path + "/file", path + "/other"))
        await tell(io.make_dir(path + "/folder"))
        await tell(io.lock(path + "/lock"))
        await tell(io.open(path + "/file"))

    trio.run(main)
    """
    )
    told = run_child(script, str(tmp_path), prefix=mounted(tmp_path)).split()
    assert told == ["ReadOnlyDeviceError"] * 6 + ["done"]


@needs_root
def test_a_lack_of_permission_has_its_own_error(tmp_path: Path) -> None:
    script = (
        TELL
        + """
    async def main():
        io = FileIo()
        path = sys.argv[1]
        await (await io.create_exclusive(path + "/file")).aclose()
        await io.stat(path)
        os.chmod(path, 0o700)
        os.setgid(65534)
        os.setuid(65534)
        await tell(io.open(path + "/file"))
        await tell(io.create_exclusive(path + "/other"))
        await tell(io.list(path))
        await tell(io.remove(path + "/file"))
        await tell(io.lock(path + "/lock"))

    trio.run(main)
    """
    )
    assert run_child(script, str(tmp_path)).split() == ["AccessError"] * 5

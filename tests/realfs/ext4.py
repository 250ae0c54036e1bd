"""A real ext4 on a loop device whose power can be cut: `EXT4_IOC_SHUTDOWN` without flushing its log.

After `cut` the filesystem takes nothing more, and what its journal had not committed is lost, as
by a power failure of the device below; `remount` replays the journal. It needs root, loop devices
and mkfs.ext4 (`missing` says what is not there).
"""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import attrs

SHUTDOWN = 0x8004587D
LOSE_THE_LOG = 2
MODES = ("data=ordered", "data=writeback,nodelalloc", "data=journal")
IMAGE_BYTES = 48 * 2**20
UNMOUNT_TRIES = 2000


def missing() -> str | None:
    """Say what keeps this machine from mounting a disk, or None."""
    if os.geteuid() != 0:
        return "mounting a disk needs root"
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return None


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@attrs.define
class Ext4:
    """A mounted disk; `folder` is its root."""

    image: Path
    folder: Path
    mode: str
    cuts: int = 0

    def cut(self) -> None:
        """Cut the power."""
        number = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(number, SHUTDOWN, struct.pack("I", LOSE_THE_LOG))
        finally:
            os.close(number)
        self.cuts += 1

    def remount(self) -> None:
        """Start again after a cut."""
        self.unmount()
        self.mount()

    def mount(self) -> None:
        options = f"loop,{self.mode},commit=600"
        _run("mount", "-t", "ext4", "-o", options, self.image, self.folder)

    def unmount(self) -> None:
        """Unmount, as soon as the last thread of a cancelled operation has let go of its file."""
        for _ in range(UNMOUNT_TRIES):
            with suppress(subprocess.CalledProcessError):
                _run("umount", self.folder)
                return
        _run("umount", self.folder)

    def nudge(self, random: Random) -> None:
        """Let the kernel write something back by itself, as it may at any time."""
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        if not files:
            return
        with suppress(OSError):
            number = os.open(random.choice(files), os.O_RDONLY)
            try:
                os.posix_fadvise(
                    number,
                    4096 * random.randrange(4),
                    4096 * random.randrange(3),
                    os.POSIX_FADV_DONTNEED,
                )
            finally:
                os.close(number)

    def found(self) -> dict[str, bytes | None]:
        """Return every file with its bytes; a folder stands as None."""
        return {
            path.relative_to(self.folder).as_posix(): None
            if path.is_dir()
            else path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.name not in ("lost+found", "lock")
        }

    def clear(self) -> None:
        """Remove every file, durably."""
        for path in self.folder.iterdir():
            if path.name != "lost+found":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        os.sync()


@contextmanager
def mounted(place: Path, mode: str) -> Iterator[Ext4]:
    """Make an ext4 in an image in `place`, mount it, and take it away at the end."""
    image, folder = place / "image", place / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    _run("mkfs.ext4", "-q", "-F", image)
    disk = Ext4(image, folder, mode)
    disk.mount()
    try:
        yield disk
    finally:
        os.chdir("/")
        disk.unmount()
        image.unlink()

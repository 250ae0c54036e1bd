"""Files that come or go between two lives, and change nothing."""

from random import Random

from io_backends import VirtualDisk
from sim.faults.contracts import STORE, file_kind
from sim.script import Rot
from sim.seeds import Seeds


def plant(disk: VirtualDisk, rot: Rot) -> str:
    """Do to the files what no store did; return what kind of file was hit, if any was."""
    names = sorted(path for path in disk.files() if path.startswith(f"/{STORE}/"))
    random = Seeds(rot.seed).stream("rot")
    if not names:
        return ""
    match rot.kind:
        case "no lock":
            return _remove_lock(disk, names)
        case "old manifest":
            return _revive(disk, names)
        case "copy":
            return _copy(disk, names, random)
        case _:
            return _strange(disk, rot.kind, random)


def _remove_lock(disk: VirtualDisk, names: list[str]) -> str:
    locks = [name for name in names if file_kind(name) == "lock"]
    for name in locks:
        disk.remove(name)
    return "lock" if locks else ""


def _revive(disk: VirtualDisk, names: list[str]) -> str:
    """Let a retired manifest have its name back."""
    retired = [name for name in names if name.endswith(".old")]
    if not retired:
        return ""
    source = retired[-1]
    write_file(disk, source.removesuffix(".old"), disk.read(source))
    return "manifest"


def _copy(disk: VirtualDisk, names: list[str], random: Random) -> str:
    whole = [name for name in names if file_kind(name) in ("table", "log")]
    if not whole:
        return ""
    source = random.choice(whole)
    kind = file_kind(source)
    write_file(disk, _new_path(kind, random), disk.read(source))
    return kind


def _strange(disk: VirtualDisk, kind: str, random: Random) -> str:
    if kind == "temporary":
        content = random.randbytes(random.randrange(200))
        write_file(disk, f"{_new_path('manifest', random)}.tmp", content)
        return "manifest.tmp"
    what = random.choice(("table", "log"))
    content = random.randbytes(random.randrange(2000)) if kind == "garbage" else b""
    write_file(disk, _new_path(what, random), content)
    return what


def _new_path(kind: str, random: Random) -> str:
    return f"{STORE}/{kind}-{10**9 + random.randrange(1000):012d}"


def write_file(disk: VirtualDisk, path: str, content: bytes) -> None:
    """Make a file as if another program had, synced or not."""
    if path in disk.files() or f"/{path}" in disk.files():
        return
    handle = disk.create(path)
    disk.write_at(handle, 0, content)
    disk.close(handle)

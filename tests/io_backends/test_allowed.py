"""A disk says of every state after a power cut whether the cut could have left it."""

from random import Random

import pytest

from io_backends import CrashPolicy, VirtualDisk

NO_GARBAGE = CrashPolicy(garbage=0.0)
Found = dict[str, bytes | None]


def found_on(disk: VirtualDisk) -> Found:
    return {path.lstrip("/"): content for path, content in disk.contents().items()}


def busy_disk(random: Random) -> VirtualDisk:
    """A disk after some drawn operations, some of them synced."""
    disk = VirtualDisk()
    names = [f"f{number}" for number in range(4)]
    for _ in range(random.randrange(3, 14)):
        name = random.choice(names)
        if f"/{name}" not in disk.files():
            disk.close(disk.create(name))
        handle = disk.open(name, writable=True)
        match random.choice(("write", "cut", "sync", "sync names", "rename", "remove")):
            case "write":
                disk.write_at(handle, random.randrange(1500), random.randbytes(700))
            case "cut":
                disk.truncate(handle, random.randrange(900))
            case "sync":
                disk.sync(handle)
            case "sync names":
                disk.sync_dir("")
            case "rename":
                disk.rename(name, random.choice(names))
            case _:
                disk.remove(name)
        disk.close(handle)
    return disk


@pytest.mark.parametrize("seed", range(150))
def test_whatever_a_cut_leaves_is_allowed(seed: int) -> None:
    random = Random(seed)
    disk = busy_disk(random)

    assert disk.explain(found_on(disk)) is None
    for _ in range(10):
        left = disk.crash(random, NO_GARBAGE)
        assert disk.explain(found_on(left)) is None


def synced_file() -> VirtualDisk:
    disk = VirtualDisk()
    handle = disk.create("a")
    disk.write_at(handle, 0, b"x" * 600)
    disk.sync(handle)
    disk.sync_dir("")
    disk.close(handle)
    return disk


def test_what_is_synced_is_not_negotiable() -> None:
    disk = synced_file()

    assert disk.explain({}) == "a is gone, but its name is safe"
    assert disk.explain({"a": b"x" * 599}) == "a: 599 bytes long, not 600 to 600"
    assert disk.explain({"a": b"x" * 599 + b"y"}) == (
        "a: sector 1 holds what was never written there"
    )
    assert disk.explain({"a": b"x" * 600, "b": b""}) == (
        "b is there, but no such name was ever made"
    )


def test_a_rename_is_kept_or_dropped_as_a_whole() -> None:
    disk = synced_file()
    disk.rename("a", "b")

    assert disk.explain({"a": b"x" * 600}) is None
    assert disk.explain({"b": b"x" * 600}) is None
    assert disk.explain({"a": b"x" * 600, "b": b"x" * 600}) is not None
    assert disk.explain({}) is not None


def test_a_sector_is_old_new_or_cut_in_two() -> None:
    disk = synced_file()
    handle = disk.open("a", writable=True)
    disk.write_at(handle, 0, b"y" * 512)

    assert disk.explain({"a": b"y" * 100 + b"x" * 500}) is None
    assert disk.explain({"a": b"x" * 100 + b"y" * 412 + b"x" * 88}) is None
    assert disk.explain({"a": b"y" * 512 + b"y" * 88}) is not None
    assert disk.explain({"a": b"yxy" + b"x" * 597}) is not None

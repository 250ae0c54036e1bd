"""Disks for the tests of `VirtualDisk`: one with a durable file, and one after a drawn history."""

import attrs
from hypothesis import strategies as st

from io_backends import CrashPolicy, NotFoundError, VirtualDisk

seeds = st.integers(0, 2**32)
policies = st.sampled_from(
    (
        CrashPolicy(),
        CrashPolicy(all_kept=0, none_kept=0, prefix=0),
        CrashPolicy(rename_atomic=False),
        CrashPolicy.keep_all(),
        CrashPolicy.drop_all(),
    )
)


@attrs.frozen
class Step:
    """One drawn change of a disk with a few files."""

    action: str
    name: str
    other: str
    offset: int
    data: bytes


ACTIONS = (
    *("write", "write", "write", "sync", "sync", "sync_dir", "truncate", "create"),
    *("rename", "remove", "link", "fail_sync", "allocate"),
)
steps = st.builds(
    Step,
    st.sampled_from(ACTIONS),
    st.sampled_from("abc"),
    st.sampled_from("abcd"),
    st.integers(0, 2000),
    st.builds(
        lambda byte, n: bytes([byte]) * n, st.integers(1, 255), st.integers(1, 1500)
    ),
)
histories = st.lists(steps, max_size=25)


def take_step(disk: VirtualDisk, step: Step) -> None:
    """Do the step if it makes sense here."""
    names = disk.list_dir("/")
    if step.action == "create" or not names:
        if step.name not in names:
            disk.close(disk.create(step.name))
    elif step.action == "sync_dir":
        disk.sync_dir("/")
    elif step.name in names:
        change_file(disk, step, names)


def change_file(disk: VirtualDisk, step: Step, names: list[str]) -> None:
    match step.action:
        case "rename":
            disk.rename(step.name, step.other)
        case "remove":
            disk.remove(step.name)
        case "link":
            if step.other not in names:
                disk.link(step.name, step.other)
        case _:
            change_bytes(disk, step)


def change_bytes(disk: VirtualDisk, step: Step) -> None:
    handle = disk.open(step.name, writable=True)
    match step.action:
        case "write":
            disk.write_at(handle, step.offset, step.data)
        case "sync":
            disk.sync(handle)
        case "truncate":
            disk.truncate(handle, step.offset)
        case "allocate":
            disk.allocate(handle, step.offset)
        case "fail_sync":
            disk.fail_sync(handle, drop_pages=step.offset % 2 == 0)
        case _:
            raise AssertionError(step)
    disk.close(handle)


def disk_after(history: list[Step]) -> VirtualDisk:
    disk = VirtualDisk()
    for step in history:
        take_step(disk, step)
    return disk


def disk_with(path: str, data: bytes) -> VirtualDisk:
    """Return a disk with one durable file."""
    disk = VirtualDisk()
    write(disk, path, data)
    disk.sync_everything()
    return disk


def write(disk: VirtualDisk, path: str, data: bytes, offset: int = 0) -> None:
    try:
        handle = disk.open(path, writable=True)
    except NotFoundError:
        handle = disk.create(path)
    disk.write_at(handle, offset, data)
    disk.close(handle)


def sync(disk: VirtualDisk, path: str) -> None:
    handle = disk.open(path)
    disk.sync(handle)
    disk.close(handle)

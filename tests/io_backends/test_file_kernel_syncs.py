"""Syncs by the kernel: they end as a thread's do, and whatever it does not take goes to a thread."""

import ctypes
import errno
import gc
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from io_backends.errors import DeviceError
from io_backends.file import FileIo, fork, kernel_syncs
from io_backends.file.calls import Calls
from io_backends.file.handle import WRITE_NOWAIT_BYTES_MAX, FileHandle
from io_backends.file.kernel_syncs import Kept

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")
SECONDS_MAX = 20
SETUP, GETEVENTS, SUBMIT = range(3)


class Kernel:
    """Stands in for the kernel: takes calls, and ends them when the test says so."""

    def __init__(self, refuses: int | None = None) -> None:
        self.refuses = refuses
        self.made: list[int] = []
        self._ends: dict[int, int] = {}  # results by bell
        self.bells: list[int] = []

    def __call__(self, number: object, *arguments: object) -> int:
        call = number.value  # type: ignore[attr-defined]
        self.made.append(call)
        if call == self.refuses:
            return -1
        if call == SUBMIT:
            address = arguments[2][0]  # type: ignore[index]
            request = ctypes.string_at(address, 64)
            *_, bell = kernel_syncs._REQUEST.unpack(request)
            self.bells.append(bell)
            return 1
        if call == GETEVENTS:
            if not self._ends:
                return 0
            _, result = self._ends.popitem()
            kernel_syncs._EVENT.pack_into(arguments[3], 0, 0, 0, result, 0)  # type: ignore[arg-type]
            return 1
        return 0

    def end(self, result: int = 0) -> None:
        """End the newest call."""
        self._ends[self.bells[-1]] = result
        os.eventfd_write(self.bells[-1], 1)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(kernel_syncs, "_system_call", kernel)
    numbers = {kernel_syncs._MACHINE: (SETUP, GETEVENTS, SUBMIT)}
    monkeypatch.setattr(kernel_syncs, "_NUMBERS", numbers)
    monkeypatch.setattr(kernel_syncs, "_kept", Kept())
    return kernel


class Threads:
    """Counts the syncs that were left to threads."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def make_calls(patience_seconds: float = SECONDS_MAX, changes_max: int = 2) -> Calls:
    return Calls(
        reads_max=2,
        changes_max=changes_max,
        patience_seconds=patience_seconds,
        direct=False,
    )


async def started(kernel: Kernel, count: int) -> None:
    with trio.fail_after(SECONDS_MAX):
        while kernel.made.count(SUBMIT) < count:  # noqa: ASYNC110
            await trio.sleep(0.001)


async def new_file(folder: Path, io: FileIo | None = None) -> FileHandle:
    return await (io or FileIo()).create_exclusive(str(folder / "file"))


async def test_the_kernel_takes_syncs_one_after_the_other_and_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(os, "fdatasync", made.append)
    io = FileIo(changes_max=4)
    file = await new_file(tmp_path, io)
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            await file.write_at(0, bytes(1000))
            await file.sync()
            nursery.start_soon(file.sync)
    calls = io._calls._kernel
    if not calls._idle:
        pytest.skip("this kernel takes none")
    assert calls._idle[0].is_busy is False
    await file.aclose()


async def test_what_the_kernel_says_of_a_failure_is_an_io_error(kernel: Kernel) -> None:
    calls, threads = make_calls(), Threads()
    async with trio.open_nursery() as nursery:

        async def fails() -> None:
            with pytest.raises(DeviceError, match="Input/output error"):
                await calls.sync("x", 7, threads)

        nursery.start_soon(fails)
        await started(kernel, 1)
        kernel.end(-errno.EIO)
    assert not threads.count


@pytest.mark.parametrize("refuses", [SETUP, SUBMIT])
async def test_what_the_kernel_does_not_take_is_done_by_a_thread(
    kernel: Kernel, refuses: int
) -> None:
    kernel.refuses = refuses
    calls, threads = make_calls(), Threads()
    for _ in range(2):
        await calls.sync("x", 7, threads)
    assert threads.count == 2
    assert kernel.made.count(SETUP) == 1


async def test_a_bad_descriptor_is_reported_by_the_thread(tmp_path: Path) -> None:
    calls = make_calls()

    def sync() -> None:
        os.fdatasync(999_999)

    with pytest.raises(DeviceError, match="Bad file descriptor"):
        await calls.sync("x", 999_999, sync)


@pytest.mark.parametrize("ends", [False, True], ids=["stuck", "slow"])
async def test_a_cancelled_caller_waits_for_a_while_and_leaves_then(
    kernel: Kernel, ends: bool
) -> None:
    calls = make_calls(SECONDS_MAX if ends else 0.01, changes_max=1)
    threads, results = Threads(), list[str]()

    async def cancelled() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            with trio.CancelScope(shield=True) as shield:
                nursery.start_soon(unshield, shield)
                await calls.sync("x", 7, threads)
            results.append("returned")

    async def unshield(shield: trio.CancelScope) -> None:
        await started(kernel, 1)
        shield.shield = False
        if ends:
            await trio.testing.wait_all_tasks_blocked()
            kernel.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancelled)
    if ends:
        assert results == ["returned"]
        return
    assert not results
    await calls.sync("x", 7, threads)  # the only slot is at a call still
    assert threads.count == 1
    kernel.end()
    await trio.testing.wait_all_tasks_blocked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.sync, "x", 7, threads)
        await started(kernel, 2)
        kernel.end()
    assert threads.count == 1


async def synced(kernel: Kernel, calls: Calls, count: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.sync, "x", 7, Threads())
        await started(kernel, count)
        kernel.end()


@pytest.mark.parametrize("how", ["closed", "gone"])
async def test_what_a_backend_leaves_the_next_one_uses(
    kernel: Kernel, how: str
) -> None:
    """The kernel takes 30 ms to destroy a context: eleven closed stores held the loop up for 330."""
    calls = make_calls()
    await synced(kernel, calls, 1)
    if how == "closed":
        calls.let_go_of_syncs()
        await synced(kernel, calls, 2)
        calls.let_go_of_syncs()
    else:
        del calls
        gc.collect()
    await synced(kernel, make_calls(), kernel.made.count(SUBMIT) + 1)
    assert kernel.made.count(SETUP) == 1


async def test_a_forked_child_uses_nothing_of_its_parent(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, kept = make_calls(), kernel_syncs._kept
    await synced(kernel, calls, 1)
    calls.let_go_of_syncs()
    inherited = make_calls()
    await synced(kernel, inherited, 2)
    monkeypatch.setattr(fork._HERE, "origin", fork.Origin())
    monkeypatch.setattr(calls.origin, "forked", True)

    inherited.let_go_of_syncs()
    assert kept.take() is None
    await synced(kernel, make_calls(), 3)
    assert kernel.made.count(SETUP) == 2


async def another(kernel: Kernel, file: FileHandle) -> None:
    """Sync a file, for which the kernel must make a second sync."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.sync)
        await started(kernel, 2)
        kernel.end()


async def test_a_sync_that_was_begun_is_the_one_that_is_asked_for(
    kernel: Kernel, tmp_path: Path
) -> None:
    file = await new_file(tmp_path)
    file.write_at_nowait(0, b"bytes")
    file.hasten_sync()
    file.hasten_sync()
    kernel.end()
    await file.sync()
    assert kernel.made.count(SUBMIT) == 1
    await another(kernel, file)
    await file.aclose()


CHANGES: dict[str, Callable[[FileHandle], Awaitable[None]]] = {
    "write": lambda file: file.write_at(5, b"more"),
    "large": lambda file: file.write_at(0, bytes(WRITE_NOWAIT_BYTES_MAX + 1)),
    "truncate": lambda file: file.truncate(9),
    "allocate": lambda file: file.allocate(99),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_came_behind_a_sync_that_was_begun_gets_one_of_its_own(
    kernel: Kernel, tmp_path: Path, change: Callable[[FileHandle], Awaitable[None]]
) -> None:
    file = await new_file(tmp_path)
    file.hasten_sync()
    await change(file)
    kernel.end()
    await another(kernel, file)
    await file.aclose()


async def test_a_write_under_way_is_not_covered_by_a_sync_that_begins_meanwhile(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, gate = await new_file(tmp_path), threading.Event()
    real = os.pwrite

    def slow(number: int, data: bytes, offset: int) -> int:
        assert gate.wait(SECONDS_MAX)
        return real(number, data, offset)

    monkeypatch.setattr(os, "pwrite", slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.write_at, 0, bytes(WRITE_NOWAIT_BYTES_MAX + 1))
        await trio.testing.wait_all_tasks_blocked()
        file.hasten_sync()
        gate.set()
    kernel.end()
    await another(kernel, file)
    await file.aclose()


async def test_what_a_sync_that_was_begun_met_is_told_whatever_came_behind(
    kernel: Kernel, tmp_path: Path
) -> None:
    file = await new_file(tmp_path)
    file.hasten_sync()
    kernel.end(-errno.EIO)
    await file.write_at(0, b"bytes")
    with pytest.raises(DeviceError, match="Input/output error"):
        await file.sync()
    assert kernel.made.count(SUBMIT) == 1
    await file.aclose()


async def test_who_is_cancelled_before_a_sync_leaves_the_one_that_was_begun(
    kernel: Kernel, tmp_path: Path
) -> None:
    file = await new_file(tmp_path)
    file.hasten_sync()
    with trio.CancelScope() as scope:
        scope.cancel()
        await file.sync()
    assert scope.cancelled_caught
    kernel.end()
    await file.sync()
    assert kernel.made.count(SUBMIT) == 1
    await file.aclose()


async def test_a_file_is_closed_while_its_sync_is_under_way(
    kernel: Kernel, tmp_path: Path
) -> None:
    io = FileIo(changes_max=1)
    file = await new_file(tmp_path, io)
    file.hasten_sync()
    await file.aclose()
    file.hasten_sync()
    assert kernel.made.count(SUBMIT) == 1
    await trio.testing.wait_all_tasks_blocked()
    kernel.end()
    await trio.testing.wait_all_tasks_blocked()
    (slot,) = io._calls._kernel._idle
    assert not slot.is_busy


@pytest.mark.parametrize("refuses", [SETUP, SUBMIT])
async def test_where_the_kernel_takes_none_nothing_is_begun(
    kernel: Kernel, tmp_path: Path, refuses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    kernel.refuses = refuses
    file = await new_file(tmp_path)
    file.hasten_sync()
    assert not synced
    await file.sync()
    assert len(synced) == 1
    await file.aclose()

"""Cancellation, stuck devices, and descriptors that must neither leak nor be reused under a reader."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from io_backends.errors import ClosedFileError, DeviceError, LockedError
from io_backends.file import FileIo, kernel_syncs

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="looks for open descriptors in /proc"
)
SECONDS_MAX = 20
HUGE = bytes(1_000_000)


class Stuck:
    """A system call that does not return before it is let go."""

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call
        self._entered = threading.Event()
        self._let_go = threading.Event()
        self._left = threading.Event()

    def __call__(self, *arguments: object) -> object:
        self._entered.set()
        assert self._let_go.wait(SECONDS_MAX)
        try:
            return self._call(*arguments)
        finally:
            self._left.set()

    def let_go(self) -> None:
        self._let_go.set()

    async def entered(self) -> None:
        assert await trio.to_thread.run_sync(self._entered.wait, SECONDS_MAX)

    async def left(self) -> None:
        assert await trio.to_thread.run_sync(self._left.wait, SECONDS_MAX)


@pytest.fixture(autouse=True)
def _syncs_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_syncs, "_NUMBERS", {})


@pytest.fixture
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Stuck]]:
    made = []

    def make(name: str) -> Stuck:
        stuck = Stuck(getattr(os, name))
        monkeypatch.setattr(os, name, stuck)
        made.append(stuck)
        return stuck

    yield make
    for stuck in made:
        stuck.let_go()


def descriptors_below(folder: Path) -> list[str]:
    """Return the open descriptors of this process that lead below `folder`."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
        except FileNotFoundError:
            continue
        if target.startswith(f"{folder}/"):
            found.append(target)
    return found


async def until(claim: Callable[[], bool]) -> None:
    with trio.fail_after(SECONDS_MAX):
        while not claim():
            await trio.lowlevel.checkpoint()


async def cancel_inside(
    stuck: Stuck, operation: Callable[[], object], *, let_go: bool
) -> bool:
    """Cancel `operation` while it is stuck; tell whether it left with `trio.Cancelled`."""
    cancelled = False

    async def run() -> None:
        nonlocal cancelled
        with trio.CancelScope() as scope:
            scopes.append(scope)
            await operation()  # type: ignore[misc]
        cancelled = scope.cancelled_caught

    scopes: list[trio.CancelScope] = []
    with trio.fail_after(SECONDS_MAX):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await stuck.entered()
            scopes[0].cancel()
            if let_go:
                stuck.let_go()
    return cancelled


async def test_a_cancelled_change_is_waited_for_and_its_result_kept(
    tmp_path: Path, stick: Callable[[str], Stuck]
) -> None:
    file = await FileIo().create_exclusive(str(tmp_path / "file"))
    stuck = stick("pwrite")

    async def write() -> None:
        await file.write_at(0, HUGE)

    assert not await cancel_inside(stuck, write, let_go=True)
    assert await file.read_at(0, len(HUGE)) == HUGE
    await file.aclose()


@pytest.mark.parametrize("name", ["pwrite", "fdatasync", "ftruncate"])
async def test_a_change_that_stays_stuck_is_left_and_keeps_its_descriptor(
    tmp_path: Path, stick: Callable[[str], Stuck], name: str
) -> None:
    """FAULTS 26: a device that never answers must not keep anybody from closing."""
    file = await FileIo(patience_seconds=0.01).create_exclusive(str(tmp_path / "file"))
    operations = {
        "pwrite": lambda: file.write_at(0, HUGE),
        "fdatasync": file.sync,
        "ftruncate": lambda: file.truncate(len(HUGE)),
    }
    stuck = stick(name)
    assert await cancel_inside(stuck, operations[name], let_go=False)
    with trio.fail_after(SECONDS_MAX):
        await file.aclose()
    assert descriptors_below(tmp_path) == [file.path]
    stuck.let_go()
    await until(lambda: not descriptors_below(tmp_path))
    size = (await FileIo().stat(file.path)).size
    assert size == (0 if name == "fdatasync" else len(HUGE))


async def test_a_cancelled_read_leaves_at_once(
    tmp_path: Path, stick: Callable[[str], Stuck], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await FileIo().create_exclusive(str(tmp_path / "file"))
    await file.write_at(0, b"abc")

    def not_cached(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "not cached")

    monkeypatch.setattr(os, "preadv", not_cached)
    stuck = stick("pread")
    assert await cancel_inside(stuck, lambda: file.read_at(0, 3), let_go=False)
    await file.aclose()
    assert descriptors_below(tmp_path) == [file.path]
    stuck.let_go()
    await until(lambda: not descriptors_below(tmp_path))


async def test_a_reader_keeps_its_descriptor_while_the_file_is_closed(
    tmp_path: Path, stick: Callable[[str], Stuck], monkeypatch: pytest.MonkeyPatch
) -> None:
    io = FileIo()
    file = await io.create_exclusive(str(tmp_path / "file"))
    await file.write_at(0, b"mine")

    def not_cached(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "not cached")

    monkeypatch.setattr(os, "preadv", not_cached)
    stuck = stick("pread")
    answers = []

    async def read() -> None:
        answers.append(await file.read_at(0, 4))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await stuck.entered()
        await file.aclose()
        other = await io.create_exclusive(str(tmp_path / "other"))
        await other.write_at(0, b"another's")
        stuck.let_go()
    assert answers == [b"mine"]
    await other.aclose()


async def test_a_call_that_waits_for_its_turn_finds_the_file_closed(
    tmp_path: Path, stick: Callable[[str], Stuck]
) -> None:
    file = await FileIo(changes_max=1).create_exclusive(str(tmp_path / "file"))
    stuck = stick("fdatasync")

    async def refused() -> None:
        with pytest.raises(ClosedFileError):
            await file.write_at(0, HUGE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.sync)
        await stuck.entered()
        nursery.start_soon(refused)
        await trio.testing.wait_all_tasks_blocked()
        await file.aclose()
        stuck.let_go()
    await until(lambda: not descriptors_below(tmp_path))


async def test_a_stuck_sync_keeps_nobody_from_reading_or_naming(
    tmp_path: Path, stick: Callable[[str], Stuck]
) -> None:
    io = FileIo(changes_max=1)
    file = await io.create_exclusive(str(tmp_path / "file"))
    stuck = stick("fdatasync")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.sync)
        await stuck.entered()
        with trio.fail_after(SECONDS_MAX):
            assert await io.list(str(tmp_path)) == ["file"]
            await io.rename(file.path, str(tmp_path / "renamed"))
            await (await io.open(str(tmp_path / "renamed"))).aclose()
        stuck.let_go()
    await file.aclose()


@pytest.mark.parametrize("method", ["open", "create_exclusive", "lock"])
@pytest.mark.parametrize("let_go", [False, True], ids=["stuck", "slow"])
async def test_a_cancelled_opener_never_leaks_a_descriptor(
    tmp_path: Path, stick: Callable[[str], Stuck], method: str, let_go: bool
) -> None:
    (tmp_path / "open").touch()
    path = str(tmp_path / method)
    io = FileIo(patience_seconds=0.01 if not let_go else SECONDS_MAX)
    stuck = stick("open")

    async def run() -> None:
        match method:
            case "open":
                await (await io.open(path)).aclose()
            case "create_exclusive":
                await (await io.create_exclusive(path)).aclose()
            case _:
                (await io.lock(path)).release()

    await cancel_inside(stuck, run, let_go=let_go)
    stuck.let_go()
    await until(lambda: path in os.listdir(tmp_path) or (tmp_path / method).exists())  # noqa: PTH208
    await until(lambda: not descriptors_below(tmp_path))
    (await FileIo().lock(str(tmp_path / "lock"))).release()


async def test_a_cancelled_close_still_closes(tmp_path: Path) -> None:
    file = await FileIo().create_exclusive(str(tmp_path / "file"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await file.aclose()
    assert scope.cancelled_caught
    await until(lambda: not descriptors_below(tmp_path))
    with pytest.raises(ClosedFileError):
        await file.size()


async def test_the_lock_outlives_a_rename_in_flight(
    tmp_path: Path, stick: Callable[[str], Stuck]
) -> None:
    io = FileIo(patience_seconds=0.01)
    (tmp_path / "a").touch()
    lock = await io.lock(str(tmp_path / "lock"))
    stuck = stick("rename")

    async def rename() -> None:
        await io.rename(str(tmp_path / "a"), str(tmp_path / "b"))

    assert await cancel_inside(stuck, rename, let_go=False)
    lock.release()
    with pytest.raises(LockedError):
        await FileIo().lock(str(tmp_path / "lock"))
    stuck.let_go()
    await until(lambda: not descriptors_below(tmp_path))
    (await FileIo().lock(str(tmp_path / "lock"))).release()
    assert sorted(os.listdir(tmp_path)) == ["b", "lock"]  # noqa: PTH208


async def test_a_lack_of_threads_is_an_io_error_and_files_still_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    io = FileIo(changes_max=1)
    file = await io.create_exclusive(str(tmp_path / "file"))

    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(trio.lowlevel, "start_thread_soon", no_thread)
        for _ in range(2):
            with pytest.raises(DeviceError, match="can't start new thread"):
                await file.sync()
        await file.aclose()
    assert not descriptors_below(tmp_path)
    await io.sync_dir(str(tmp_path))


def test_an_interrupt_from_the_keyboard_is_kept_and_leaks_nothing(
    tmp_path: Path, stick: Callable[[str], Stuck]
) -> None:
    (tmp_path / "file").touch()
    stuck = stick("open")

    async def interrupt() -> None:
        await stuck.entered()
        signal.raise_signal(signal.SIGINT)
        stuck.let_go()

    async def main() -> None:
        trio.lowlevel.spawn_system_task(interrupt)
        file = await FileIo().open(str(tmp_path / "file"))
        await file.aclose()  # if the result was faster than the interrupt

    # A shell that starts us in the background has the interrupt ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            trio.run(main)
    finally:
        signal.signal(signal.SIGINT, before)
    trio.run(until, lambda: not descriptors_below(tmp_path))


def test_a_descriptor_that_comes_after_the_run_is_closed(
    tmp_path: Path, stick: Callable[[str], Stuck]
) -> None:
    (tmp_path / "file").touch()
    stuck = stick("open")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(FileIo().open, str(tmp_path / "file"))
            await stuck.entered()
            nursery.cancel_scope.cancel()

    trio.run(main)
    stuck.let_go()
    trio.run(stuck.left)
    trio.run(until, lambda: not descriptors_below(tmp_path))

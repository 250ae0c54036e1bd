"""The contract of `Io`, as executable checks for any backend.

    await check_io(lambda: MyIo(), "/some/empty/folder")

`make_io` returns a backend over the same files at each call, as a second process would have; the
folder must exist there. Each check works in a folder of its own below it, named after the check.

Invariants
- A failed check raises `ConformanceError`, which names the check and the claim that does not hold.
- Only what `protocol.py` promises is checked; what a crash leaves is not (see `VirtualDisk`).
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from io_backends.bench import Bench, Check
from io_backends.errors import (
    ClosedFileError,
    DeviceError,
    EndOfFileError,
    ExistsError,
    IoError,
    JobError,
    LockedError,
    NotAFolderError,
    NotFoundError,
)
from io_backends.protocol import Io, Stat


async def check_io(make_io: Callable[[], Io], folder: str) -> None:
    """Run every check, in order; the first claim that does not hold is raised."""
    for check in CHECKS:
        await run_check(check, make_io, folder)


async def run_check(check: Check, make_io: Callable[[], Io], folder: str) -> None:
    """Run one of `CHECKS`."""
    io, other = make_io(), make_io()
    name = check_name(check)
    path = f"{folder.rstrip('/')}/{name}"
    try:
        await io.make_dir(path)
        await check(Bench(name, io, other, path))
    finally:
        await io.aclose()
        await other.aclose()


def check_name(check: Check) -> str:
    """Return the sentence that a check claims, as an identifier."""
    name: str = getattr(check, "__name__", repr(check))
    return name.strip("_")


async def _listings_are_sorted(bench: Bench) -> None:
    for name in ("b", "a10", "a9", "c", "B"):
        await bench.write(name, b"")
    await bench.io.make_dir(bench.path("aa"))
    names = await bench.io.list(bench.folder)
    bench.demand(names == ["B", "a10", "a9", "aa", "b", "c"], "names come sorted")


async def _names_that_are_wrong_are_refused(bench: Bench) -> None:
    io, path = bench.io, bench.path
    await bench.write("file", b"x")
    missing = path("missing")
    for act in (io.open, io.stat, io.list, io.remove, io.sync_dir):
        with bench.refuses(NotFoundError, "a missing name is not found"):
            await act(missing)
    with bench.refuses(NotFoundError, "a missing folder is not found"):
        await io.create_exclusive(path("missing/file"))
    with bench.refuses(NotFoundError, "a folder in a missing folder is not made"):
        await io.make_dir(path("missing/folder"))
    with bench.refuses(NotFoundError, "a missing source is not renamed"):
        await io.rename(missing, path("new"))
    with bench.refuses(NotFoundError, "a missing source is not linked"):
        await io.link(missing, path("new"))
    for act in (io.open, io.remove):
        with bench.refuses(NotAFolderError, "a folder is not a file"):
            await act(bench.folder)
    for act in (io.list, io.sync_dir):
        with bench.refuses(NotAFolderError, "a file is not a folder"):
            await act(path("file"))
    with bench.refuses(NotAFolderError, "a file has no names in it"):
        await io.open(path("file/below"))


async def _folders_stay_trees(bench: Bench) -> None:
    await bench.io.make_dir(bench.path("outer"))
    await bench.write("outer/file", b"bytes")
    await bench.write("plain", b"")
    with bench.refuses(DeviceError, "a folder does not move into itself"):
        await bench.io.rename(bench.path("outer"), bench.path("outer/inner"))
    with bench.refuses(NotAFolderError, "a folder does not replace a file"):
        await bench.io.rename(bench.path("outer"), bench.path("plain"))
    with bench.refuses(NotAFolderError, "a file does not replace a folder"):
        await bench.io.rename(bench.path("plain"), bench.path("outer"))
    await bench.io.rename(bench.path("outer"), bench.path("moved"))
    bench.demand(await bench.read("moved/file") == b"bytes", "a folder moves whole")


async def _taken_names_are_refused(bench: Bench) -> None:
    await bench.write("taken", b"kept")
    await bench.write("source", b"")
    with bench.refuses(ExistsError, "create_exclusive refuses a taken name"):
        await bench.io.create_exclusive(bench.path("taken"))
    with bench.refuses(ExistsError, "make_dir refuses a taken name"):
        await bench.io.make_dir(bench.path("taken"))
    with bench.refuses(ExistsError, "link refuses a taken name"):
        await bench.io.link(bench.path("source"), bench.path("taken"))
    bench.demand(await bench.read("taken") == b"kept", "a refusal changes nothing")


async def _reads_are_whole_or_refused(bench: Bench) -> None:
    await bench.write("file", b"0123456789")
    file = await bench.io.open(bench.path("file"))
    bench.demand(await file.read_at(0, 10) == b"0123456789", "a read gives all bytes")
    bench.demand(await file.read_at(3, 4) == b"3456", "a read starts at its offset")
    bench.demand(await file.read_at(10, 0) == b"", "an empty read at the end is empty")
    for offset, length in ((5, 6), (10, 1), (999, 1)):
        with bench.refuses(EndOfFileError, "a read beyond the end is refused"):
            await file.read_at(offset, length)
    await file.aclose()


async def _writes_land_at_their_offset(bench: Bench) -> None:
    file = await bench.io.create_exclusive(bench.path("file"))
    await file.write_at(5, b"far")
    whole = await file.read_at(0, 8)
    bench.demand(whole == b"\0\0\0\0\0far", "a gap reads as zeros")
    await file.write_at(1, b"near")
    await file.write_at(3, b"")
    whole = await file.read_at(0, 8)
    bench.demand(whole == b"\0nearfar", "a write replaces its own bytes only")
    large = bytes(range(256)) * 4096
    await file.write_at(8, large)
    bench.demand(await file.read_at(8, len(large)) == large, "a large write is whole")
    same = await bench.other.open(bench.path("file"))
    bench.demand(await same.read_at(8, 256) == large[:256], "others see it at once")
    await same.aclose()
    await file.write_at(8 + len(large) + 100, b"")
    bench.demand(await file.size() == 8 + len(large), "an empty write grows nothing")
    await file.aclose()


async def _lengths_are_set_as_told(bench: Bench) -> None:
    file = await bench.io.create_exclusive(bench.path("file"))
    await file.write_at(0, b"0123456789")
    await file.truncate(4)
    bench.demand(await file.size() == 4, "truncate shortens")
    await file.truncate(8)
    bench.demand(await file.read_at(0, 8) == b"0123\0\0\0\0", "truncate grows by zeros")
    await file.allocate(16)
    bench.demand(await file.read_at(4, 12) == bytes(12), "allocate grows with zeros")
    await file.allocate(2)
    bench.demand(await file.size() == 16, "allocate never shrinks")
    await file.aclose()


async def _rename_replaces(bench: Bench) -> None:
    await bench.write("old", b"old")
    await bench.write("new", b"new")
    before = await bench.io.open(bench.path("old"))
    await bench.io.rename(bench.path("new"), bench.path("old"))
    bench.demand(await bench.read("old") == b"new", "the target has the new bytes")
    bench.demand(await bench.io.list(bench.folder) == ["old"], "the source is gone")
    bench.demand(await before.read_at(0, 3) == b"old", "a handle keeps its own file")
    await before.aclose()
    await bench.io.make_dir(bench.path("sub"))
    await bench.io.rename(bench.path("old"), bench.path("sub/moved"))
    bench.demand(await bench.read("sub/moved") == b"new", "it moves between folders")


async def _link_shares_one_file(bench: Bench) -> None:
    await bench.write("one", b"abc")
    await bench.io.link(bench.path("one"), bench.path("two"))
    file = await bench.io.open(bench.path("two"), writable=True)
    await file.write_at(1, b"X")
    await file.aclose()
    bench.demand(await bench.read("one") == b"aXc", "both names show one file")
    await bench.io.remove(bench.path("one"))
    bench.demand(await bench.read("two") == b"aXc", "one name outlives the other")


async def _removed_files_stay_readable(bench: Bench) -> None:
    await bench.write("file", b"bytes")
    file = await bench.io.open(bench.path("file"), writable=True)
    await bench.io.remove(bench.path("file"))
    await bench.io.sync_dir(bench.folder)
    bench.demand(await bench.io.list(bench.folder) == [], "the name is gone")
    await file.write_at(5, b"!")
    bench.demand(await file.read_at(0, 6) == b"bytes!", "an open handle goes on")
    await bench.write("file", b"fresh")
    bench.demand(await file.read_at(0, 5) == b"bytes", "the name can be used again")
    await file.aclose()


async def _stat_tells_size_and_kind(bench: Bench) -> None:
    await bench.write("file", b"12345")
    stat = await bench.io.stat(bench.path("file"))
    bench.demand(stat == Stat(5, is_dir=False), "a file has its size")
    stat = await bench.io.stat(bench.folder)
    bench.demand(stat == Stat(0, is_dir=True), "a folder is one, of size 0")
    bench.demand(await bench.io.free_space(bench.folder) > 0, "there is free space")
    bench.demand(bench.io.wall_time() > 0.0, "wall time counts from the epoch")


async def _syncs_return_and_change_nothing(bench: Bench) -> None:
    await bench.write("file", b"bytes")
    file = await bench.io.open(bench.path("file"), writable=True)
    await file.write_at(5, b"!")
    await file.sync()
    await file.sync()
    await bench.io.sync_dir(bench.folder)
    bench.demand(await file.read_at(0, 6) == b"bytes!", "synced bytes are the same")
    await file.aclose()


async def _readers_may_not_write(bench: Bench) -> None:
    await bench.write("file", b"bytes")
    file = await bench.io.open(bench.path("file"))
    with bench.refuses(IoError, "a file opened to be read is not written"):
        await file.write_at(0, b"B")
    with bench.refuses(IoError, "a file opened to be read is not cut"):
        await file.truncate(0)
    await file.aclose()
    bench.demand(await bench.read("file") == b"bytes", "nothing was changed")


async def _locks_exclude_until_released(bench: Bench) -> None:
    path = bench.path("LOCK")
    lock = await bench.io.lock(path)
    for io in (bench.io, bench.other):
        with bench.refuses(LockedError, "a held lock is refused at once"):
            await io.lock(path)
    elsewhere = await bench.other.lock(bench.path("LOCK2"))
    elsewhere.release()
    lock.release()
    lock.release()
    again = await bench.other.lock(path)
    lock.release()
    with bench.refuses(LockedError, "a stale release lets go of nothing"):
        await bench.io.lock(path)
    again.release()


async def _closed_files_refuse(bench: Bench) -> None:
    file = await bench.io.create_exclusive(bench.path("file"))
    await file.write_at(0, b"bytes")
    await file.aclose()
    await file.aclose()
    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: file.read_at(0, 1),
        lambda: file.write_at(0, b"B"),
        lambda: file.truncate(0),
        lambda: file.allocate(9),
        file.sync,
        file.size,
    )
    for call in calls:
        with bench.refuses(ClosedFileError, "a closed file refuses"):
            await call()
    with bench.refuses(ClosedFileError, "a closed file refuses without waiting"):
        file.read_at_nowait(0, 1)
    with bench.refuses(ClosedFileError, "a closed file refuses without waiting"):
        file.write_at_nowait(0, b"B")
    file.hasten_sync()
    bench.demand(await bench.read("file") == b"bytes", "its bytes stay")


async def _nowait_twins_agree(bench: Bench) -> None:
    file = await bench.io.create_exclusive(bench.path("file"))
    await file.write_at(0, b"0123456789")
    with suppress(trio.WouldBlock):
        bench.demand(file.read_at_nowait(2, 3) == b"234", "it reads the same bytes")
    with suppress(trio.WouldBlock, EndOfFileError):
        short = file.read_at_nowait(8, 3)
        bench.demand(len(short) == 3, "a short answer is never given")
    expected = b"0123456789"
    with suppress(trio.WouldBlock):
        file.write_at_nowait(8, b"XYZ")
        expected = b"01234567XYZ"
    whole = await file.read_at(0, await file.size())
    bench.demand(whole == expected, "a nowait write is whole and visible, or nothing")
    await file.aclose()


async def _cancelled_calls_do_not_start(bench: Bench) -> None:
    await bench.write("file", b"bytes")
    file = await bench.io.open(bench.path("file"), writable=True)
    calls: tuple[Callable[[], Awaitable[None]], ...] = (
        lambda: file.write_at(0, b"XXXXX"),
        lambda: file.truncate(0),
        lambda: bench.io.remove(bench.path("file")),
        lambda: bench.io.rename(bench.path("file"), bench.path("moved")),
        lambda: bench.io.make_dir(bench.path("sub")),
    )
    for call in calls:
        with trio.CancelScope() as scope:
            scope.cancel()
            await call()
        bench.demand(scope.cancelled_caught, "each call checks for cancellation")
    bench.demand(await file.read_at(0, 5) == b"bytes", "no byte was changed")
    bench.demand(await bench.io.list(bench.folder) == ["file"], "no name was changed")
    await file.aclose()


async def _closing_closes_when_cancelled(bench: Bench) -> None:
    file = await bench.io.create_exclusive(bench.path("file"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await file.aclose()
    with bench.refuses(ClosedFileError, "a cancelled close has closed"):
        await file.size()


async def _jobs_run_on_the_same_files(bench: Bench) -> None:
    await bench.write("in", b"ping")
    result = await bench.io.run_job(copy_reversed, bench.folder.encode())
    bench.demand(result == b"gnip", "a job's result comes back")
    bench.demand(await bench.read("out") == b"gnip", "its files are here")
    with bench.refuses(JobError, "a job that fails says so"):
        await bench.io.run_job(copy_reversed, bench.folder.encode())


async def copy_reversed(io: Io, argument: bytes) -> bytes:
    """Be the job of `_jobs_run_on_the_same_files`; fails if it ran before."""
    folder = argument.decode()
    source = await io.open(f"{folder}/in")
    data = (await source.read_at(0, await source.size()))[::-1]
    await source.aclose()
    target = await io.create_exclusive(f"{folder}/out")
    await target.write_at(0, data)
    await target.aclose()
    return data


async def _tokens_never_repeat(bench: Bench) -> None:
    tokens = [io.token() for _ in range(100) for io in (bench.io, bench.other)]
    bench.demand(all(len(token) == 16 for token in tokens), "a token has 16 bytes")
    bench.demand(len(set(tokens)) == len(tokens), "no token comes twice")


CHECKS: tuple[Check, ...] = (
    _listings_are_sorted,
    _names_that_are_wrong_are_refused,
    _folders_stay_trees,
    _taken_names_are_refused,
    _reads_are_whole_or_refused,
    _writes_land_at_their_offset,
    _lengths_are_set_as_told,
    _rename_replaces,
    _link_shares_one_file,
    _removed_files_stay_readable,
    _stat_tells_size_and_kind,
    _syncs_return_and_change_nothing,
    _readers_may_not_write,
    _locks_exclude_until_released,
    _closed_files_refuse,
    _nowait_twins_agree,
    _cancelled_calls_do_not_start,
    _closing_closes_when_cancelled,
    _jobs_run_on_the_same_files,
    _tokens_never_repeat,
)

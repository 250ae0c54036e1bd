from pathlib import Path

from tests.io_backends.file_child import run_child

FORK = """
    import inspect, os, sys, trio
    from io_backends.errors import ForkedError, LockedError
    from io_backends.file import FileIo
    from tests.io_backends.file_jobs import reverse

    async def refused(function):
        try:
            result = function()
            if inspect.isawaitable(result):
                await result
        except ForkedError:
            return True
        return False

    async def after_fork(io, file, lock, path):
        operations = [
            lambda: io.open(path),
            lambda: io.create_exclusive(path + "2"),
            lambda: io.rename(path, path + "2"),
            lambda: io.remove(path),
            lambda: io.list("."),
            lambda: io.make_dir(path + "2"),
            lambda: io.link(path, path + "2"),
            lambda: io.sync_dir("."),
            lambda: io.lock(path + "2"),
            lambda: io.stat(path),
            lambda: io.free_space("."),
            lambda: io.run_job(reverse, b""),
            io.wall_time,
            io.token,
            io.aclose,
            lambda: file.read_at(0, 1),
            lambda: file.read_at_nowait(0, 1),
            lambda: file.write_at(0, b"x"),
            lambda: file.write_at(0, bytes(100_000)),
            lambda: file.write_at_nowait(0, b"x"),
            file.sync,
            file.size,
            lambda: file.truncate(0),
            lambda: file.allocate(9),
            file.aclose,
        ]
        for index, operation in enumerate(operations):
            if not await refused(operation):
                return index + 1
        lock.release()
        fresh = FileIo(direct=True)
        try:
            await fresh.lock(path + ".lock")
        except LockedError as error:
            return 0 if error.pid == os.getppid() else 100
        return 101
"""


def test_a_forked_child_is_refused_and_the_parent_goes_on(tmp_path: Path) -> None:
    script = (
        FORK
        + """
    async def main():
        path = sys.argv[1]
        io = FileIo()
        file = await io.create_exclusive(path)
        await file.write_at(0, b"abc")
        lock = await io.lock(path + ".lock")
        child = os.fork()
        if child == 0:
            status = 99
            try:
                status = await after_fork(io, file, lock, path)
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        assert await file.read_at(0, 3) == b"abc"
        try:
            await FileIo().lock(path + ".lock")
        except LockedError:
            print("still locked")
        await file.aclose()
        lock.release()
        (await FileIo().lock(path + ".lock")).release()

    trio.run(main)
    """
    )
    told = run_child(script, str(tmp_path / "file")).splitlines()
    assert told == ["0", "still locked"]


def test_a_forked_child_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    script = """
    import os, sys, trio
    from io_backends.file import FileIo

    async def main():
        alive, alive_end = os.pipe()
        go_on, go_on_end = os.pipe()
        holder = os.fork()
        if holder == 0:
            lock = await FileIo(direct=True).lock(sys.argv[1])
            if os.fork() != 0:
                os._exit(0)  # as if killed: nothing is released
            os.close(go_on_end)
            os.write(alive_end, b"x")
            os.read(go_on, 1)
            os._exit(0)
        os.waitpid(holder, 0)
        os.read(alive, 1)
        (await FileIo(direct=True).lock(sys.argv[1])).release()
        print("free")

    trio.run(main)
    """
    assert run_child(script, str(tmp_path / "lock")).strip() == "free"


def test_a_backend_made_in_the_child_works(tmp_path: Path) -> None:
    script = """
    import os, sys, trio
    from io_backends.file import FileIo

    FileIo()
    child = os.fork()
    if child == 0:
        async def main():
            io = FileIo()
            file = await io.create_exclusive(sys.argv[1])
            await file.write_at(0, b"abc")
            await file.sync()
            await file.aclose()

        trio.run(main)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    run_child(script, str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"abc"

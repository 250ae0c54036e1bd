import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st

from io_backends.errors import LockedError
from io_backends.file import FileIo
from tests.io_backends.file_child import ROOT, child_command, run_child

HOLD = """
    import sys, trio
    from io_backends.file import FileIo

    async def main():
        lock = await FileIo().lock(sys.argv[1])
        print("locked", flush=True)
        sys.stdin.readline()

    trio.run(main)
"""

TRY = """
    import sys, trio
    from io_backends.errors import LockedError
    from io_backends.file import FileIo

    async def main():
        try:
            (await FileIo().lock(sys.argv[1])).release()
        except LockedError as error:
            print(error.pid)
        else:
            print("free")

    trio.run(main)
"""


def start_holder(path: Path) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        child_command(HOLD, str(path)),
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    return holder


async def test_a_second_opener_in_the_same_process_is_told_who_holds_it(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "lock")
    before = time.time()
    lock = await FileIo().lock(path)
    for io in (FileIo(), FileIo(direct=True)):
        with pytest.raises(LockedError) as caught:
            await io.lock(path)
        assert caught.value.pid == os.getpid()
        assert caught.value.host == socket.gethostname()
        assert caught.value.since is not None
        assert before <= caught.value.since <= time.time()
        assert str(os.getpid()) in str(caught.value)
    lock.release()
    lock.release()
    (await FileIo().lock(path)).release()


async def test_releasing_twice_does_not_release_the_next_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = await FileIo().lock(path)
    first.release()
    second = await FileIo().lock(path)
    first.release()
    with pytest.raises(LockedError):
        await FileIo().lock(path)
    second.release()


async def test_another_process_is_told_who_holds_it(tmp_path: Path) -> None:
    lock = await FileIo().lock(str(tmp_path / "lock"))
    told = await trio.to_thread.run_sync(run_child, TRY, str(tmp_path / "lock"))
    assert told.strip() == str(os.getpid())
    lock.release()
    told = await trio.to_thread.run_sync(run_child, TRY, str(tmp_path / "lock"))
    assert told.strip() == "free"


def test_a_killed_holder_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with start_holder(path) as holder:
        assert run_child(TRY, str(path)).strip() == str(holder.pid)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert json.loads(path.read_bytes())["pid"] == holder.pid
    assert run_child(TRY, str(path)).strip() == "free"
    assert path.exists()


stale = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(
        [
            b"[" * 4096,
            b'{"pid": 1, "host": "elsewhere", "since": 1.5}',
            b'{"pid": true, "host": 3, "since": "yesterday"}',
            b'{"pid": -1, "since": 1e999}',
            b'{"pid": ' + b"9" * 5000 + b"}",
        ]
    ),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=stale)
def test_whatever_a_dead_holder_left_the_lock_is_taken(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "lock"
    path.write_bytes(content)

    async def main() -> None:
        lock = await FileIo(direct=True).lock(str(path))
        assert json.loads(path.read_bytes())["pid"] == os.getpid()
        lock.release()

    trio.run(main)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=stale)
def test_a_holder_that_left_garbage_is_still_a_holder(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "lock"

    async def main() -> None:
        lock = await FileIo(direct=True).lock(str(path))
        path.write_bytes(content)
        with pytest.raises(LockedError) as caught:
            await FileIo(direct=True).lock(str(path))
        assert "held by" in str(caught.value)
        lock.release()

    trio.run(main)


async def test_a_lock_whose_name_cannot_be_written_still_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    lock = await FileIo().lock(str(tmp_path / "lock"))
    with pytest.raises(LockedError, match="a process that left no name") as caught:
        await FileIo().lock(str(tmp_path / "lock"))
    assert caught.value.pid is None
    lock.release()

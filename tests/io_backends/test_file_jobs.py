import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from io_backends.errors import ClosedFileError, ExistsError, JobError, NoSpaceError
from io_backends.file import FileIo, messages
from io_backends.file.messages import (
    LENGTH,
    decode_reply,
    decode_request,
    encode_request,
    encode_result,
)
from io_backends.file.workers import NICE_PATIENT
from io_backends.jobs import Job
from tempest.flush import prepare_flush
from tests.io_backends import file_jobs
from tests.io_backends.file_child import ROOT, child_command

SECONDS_MAX = 30


@pytest.fixture
async def io() -> AsyncIterator[FileIo]:
    backend = FileIo()
    yield backend
    await backend.aclose()


async def until_exists(path: Path) -> int:
    """Wait for the file of `file_jobs.hang`; return the pid in it."""
    with trio.fail_after(SECONDS_MAX):
        while not await trio.Path(path).exists():
            await trio.lowlevel.checkpoint()
    return int(await trio.Path(path).read_text())


def is_alive(pid: int) -> bool:
    """Tell whether a process is in the table; a zombie is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def runs(pid: int) -> bool:
    """Tell whether a process, of whatever parent, still runs; a zombie does not."""
    ps = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    return state != "" and not state.startswith("Z")


async def until_it_stops(pid: int) -> None:
    with trio.fail_after(SECONDS_MAX):
        while await trio.to_thread.run_sync(runs, pid):
            await trio.lowlevel.checkpoint()


async def until_zombie(pid: int) -> None:
    """Wait until a child has died, and leave it for its owner to find."""
    flags = os.WEXITED | os.WNOWAIT
    await trio.to_thread.run_sync(os.waitid, os.P_PID, pid, flags)


@given(
    name=st.text(min_size=1, max_size=50),
    argument=st.binary(max_size=100),
    needs_door=st.booleans(),
)
def test_requests_and_results_survive_the_pipe(
    name: str, argument: bytes, *, needs_door: bool
) -> None:
    try:
        message = encode_request(name, argument, needs_door=needs_door)
    except UnicodeEncodeError:
        return
    assert LENGTH.unpack(message[:4]) == (len(message) - 4,)
    assert decode_request(message[4:]) == (name, argument, needs_door)
    assert decode_reply(name, encode_result(argument)[4:]) == argument


def test_too_long_a_message_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "BODY_BYTES_MAX", 100)
    with pytest.raises(JobError, match="100 at most"):
        encode_request("m:f", bytes(100))
    with pytest.raises(JobError, match="a result of 100 bytes"):
        decode_reply("m:f", encode_result(bytes(100))[4:])


async def test_a_job_runs_in_another_process_which_is_kept(io: FileIo) -> None:
    first = await io.run_job(file_jobs.tell_pid, b"")
    assert int(first) != os.getpid()
    assert await io.run_job(file_jobs.tell_pid, b"") == first
    big = os.urandom(5_000_000)
    assert await io.run_job(file_jobs.reverse, big) == big[::-1]


async def test_a_job_sees_the_same_files(io: FileIo, tmp_path: Path) -> None:
    source = await io.create_exclusive(str(tmp_path / "source"))
    await source.write_at(0, b"abc")
    argument = f"{source.path}\n{tmp_path}/target".encode()
    assert await io.run_job(file_jobs.copy_file, argument) == b"3"
    target = await io.open(str(tmp_path / "target"))
    assert await target.read_at(0, 3) == b"abc"
    with pytest.raises(JobError) as caught:
        await io.run_job(file_jobs.copy_file, argument)
    assert isinstance(caught.value.__cause__, ExistsError)
    assert caught.value.__cause__.path == str(tmp_path / "target")
    await source.aclose()
    await target.aclose()


async def test_a_patient_job_has_a_process_of_lower_priority() -> None:
    io = FileIo(jobs_max=2)
    urgent = await io.run_job(file_jobs.tell_pid, b"")
    patient = await io.run_job(file_jobs.tell_pid_patiently, b"")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, int(urgent)) == own
    assert os.getpriority(os.PRIO_PROCESS, int(patient)) == min(19, own + NICE_PATIENT)
    assert await io.run_job(file_jobs.tell_pid, b"") == urgent
    assert await io.run_job(file_jobs.tell_pid_patiently, b"") == patient
    await io.aclose()


async def test_no_third_process_is_started_for_another_kind() -> None:
    io = FileIo(jobs_max=2)
    await io.run_job(file_jobs.tell_pid_patiently, b"")
    pids = set()

    async def run() -> None:
        pids.add(await io.run_job(file_jobs.tell_pid, b""))

    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            nursery.start_soon(run)
    assert len(pids) == 2
    assert await io.run_job(file_jobs.tell_pid_patiently, b"") in pids
    await io.aclose()


async def test_where_there_is_one_process_it_has_the_priority_of_the_program() -> None:
    io = FileIo(jobs_max=1)
    pid = await io.run_job(file_jobs.tell_pid_patiently, b"")
    assert os.getpriority(os.PRIO_PROCESS, int(pid)) == os.getpriority(
        os.PRIO_PROCESS, 0
    )
    assert await io.run_job(file_jobs.tell_pid, b"") == pid
    await io.aclose()


async def test_a_worker_opens_the_front_door_for_who_needs_it() -> None:
    io = FileIo(jobs_max=1)
    assert await io.run_job(prepare_flush, b"x") == b"x"
    assert await io.run_job(file_jobs.tell_door_of_tempest, b"") == b"closed"
    assert await io.run_job(file_jobs.use_tempest, b"") == b"Options"
    assert await io.run_job(prepare_flush, b"y") == b"y"
    assert await io.run_job(file_jobs.tell_door_of_tempest, b"") == b"open"
    await io.aclose()


async def test_jobs_run_side_by_side_up_to_the_limit_in_as_many_processes() -> None:
    io = FileIo(jobs_max=2)
    pids = set()

    async def run() -> None:
        for _ in range(3):
            pids.add(int(await io.run_job(file_jobs.tell_pid, b"")))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(run)
    assert len(pids) == 2
    await io.aclose()
    assert not any(is_alive(pid) for pid in pids)


async def test_what_a_job_raises_arrives_as_words(io: FileIo) -> None:
    with pytest.raises(JobError, match="ValueError: so sad") as caught:
        await io.run_job(file_jobs.fail, b"so sad")
    assert caught.value.path == "tests.io_backends.file_jobs:fail"
    assert caught.value.__cause__ is None
    with pytest.raises(JobError, match="SystemExit: 3"):
        await io.run_job(file_jobs.exit_early, b"")
    assert await io.run_job(file_jobs.reverse, b"ab") == b"ba"


async def test_an_error_of_the_family_arrives_as_the_cause(io: FileIo) -> None:
    with pytest.raises(JobError, match=r"NoSpaceError: .*no space left") as caught:
        await io.run_job(file_jobs.fill_disk, b"")
    cause = caught.value.__cause__
    assert isinstance(cause, NoSpaceError)
    assert (cause.operation, cause.path) == ("write_at", "table-1\udcff")
    assert cause.errno == caught.value.errno == 28


async def test_what_a_job_prints_does_not_disturb_the_pipe(io: FileIo) -> None:
    assert await io.run_job(file_jobs.chatter, b"") == b"quiet"


async def test_a_job_in_a_job_runs_in_place(io: FileIo) -> None:
    assert await io.run_job(file_jobs.nest, b"ab") == b"ba"
    with pytest.raises(JobError, match=r"JobError: .*ValueError: deep"):
        await io.run_job(file_jobs.nest_fail, b"deep")
    direct = FileIo(direct=True)
    assert await direct.run_job(file_jobs.reverse, b"ab") == b"ba"
    with pytest.raises(JobError) as caught:
        await direct.run_job(file_jobs.fill_disk, b"")
    assert isinstance(caught.value.__cause__, NoSpaceError)
    assert caught.value.errno == 28


async def test_a_dying_worker_fails_its_job_and_the_next_gets_a_new_one(
    io: FileIo,
) -> None:
    first = await io.run_job(file_jobs.tell_pid, b"")
    with pytest.raises(JobError, match="was killed by signal 9"):
        await io.run_job(file_jobs.kill_itself, b"")
    assert not is_alive(int(first))
    assert await io.run_job(file_jobs.tell_pid, b"") != first


async def test_a_worker_that_died_idle_is_replaced(io: FileIo) -> None:
    first = int(await io.run_job(file_jobs.tell_pid, b""))
    os.kill(first, signal.SIGKILL)
    await until_zombie(first)
    assert int(await io.run_job(file_jobs.tell_pid, b"")) != first


async def test_an_interrupt_from_the_keyboard_passes_a_worker_by(io: FileIo) -> None:
    assert await io.run_job(file_jobs.interrupt_itself, b"") == b"still here"


async def test_cancelling_a_job_ends_its_process(io: FileIo, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(io.run_job, file_jobs.hang, str(mark).encode())
        pid = await until_exists(mark)
        nursery.cancel_scope.cancel()
    assert not is_alive(pid)
    assert await io.run_job(file_jobs.reverse, b"ab") == b"ba"


async def test_closing_ends_idle_and_busy_workers_and_fails_their_jobs(
    tmp_path: Path,
) -> None:
    io = FileIo(jobs_max=2)
    mark = tmp_path / "mark"

    async def fails() -> None:
        with pytest.raises(JobError, match="killed by signal 9"):
            await io.run_job(file_jobs.hang, str(mark).encode())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails)
        pids = [await until_exists(mark)]
        pids.append(int(await io.run_job(file_jobs.tell_pid, b"")))
        await io.aclose()
        await io.aclose()
    assert not any(is_alive(pid) for pid in pids)
    with pytest.raises(ClosedFileError):
        await io.run_job(file_jobs.reverse, b"")


async def test_closing_while_a_worker_starts_leaves_none_behind() -> None:
    io = FileIo()

    async def fails() -> None:
        with pytest.raises((ClosedFileError, JobError)):
            await io.run_job(file_jobs.reverse, b"")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails)
        await trio.testing.wait_all_tasks_blocked()
        await io.aclose()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # noqa: ASYNC222  it does not block


async def test_a_worker_never_runs_the_program_a_second_time(tmp_path: Path) -> None:
    """An unguarded `__main__` is what `multiprocessing` trips over."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, trio\n"
        "print('started')\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from io_backends.file import FileIo\n"
        "from tests.io_backends.file_jobs import reverse\n"
        "async def main():\n"
        "    io = FileIo()\n"
        "    print(await io.run_job(reverse, b'ab'))\n"
        "    await io.aclose()\n"
        "trio.run(main)\n"
    )
    command = [sys.executable, str(program), str(ROOT)]
    ran = await trio.run_process(command, cwd=tmp_path, capture_stdout=True)
    assert ran.stdout.split() == [b"started", b"b'ba'"]


@pytest.mark.parametrize("forked_copy", [False, True], ids=["alone", "forked"])
async def test_a_worker_ends_with_a_killed_parent(
    tmp_path: Path, forked_copy: bool
) -> None:
    script = """
    import os, sys, trio
    from io_backends.file import FileIo
    from tests.io_backends.file_jobs import hang

    async def fork_once_it_runs(mark):
        while not os.path.exists(mark):
            await trio.lowlevel.checkpoint()
        if os.fork() == 0:
            os.read(int(sys.argv[2]), 1)
            os._exit(0)
        open(mark + ".forked", "w").close()

    async def main():
        async with trio.open_nursery() as nursery:
            if len(sys.argv) > 2:
                nursery.start_soon(fork_once_it_runs, sys.argv[1])
            await FileIo().run_job(hang, sys.argv[1].encode())

    trio.run(main)
    """
    mark = tmp_path / "mark"
    pipe, pipe_end = os.pipe()
    arguments = [str(mark), str(pipe)] if forked_copy else [str(mark)]
    parent = await trio.lowlevel.open_process(
        child_command(script, *arguments),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        pass_fds=[pipe],
    )
    worker = await until_exists(mark)
    if forked_copy:
        with trio.fail_after(SECONDS_MAX):
            while not await trio.Path(f"{mark}.forked").exists():
                await trio.lowlevel.checkpoint()
    parent.kill()
    await parent.wait()
    await until_it_stops(worker)
    os.close(pipe)
    os.close(pipe_end)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda _io, _argument: b"", "by its name in an importable module"),
        (type("Local", (), {"__call__": None})(), "module-level coroutine function"),
    ],
    ids=["lambda", "instance"],
)
async def test_what_cannot_be_found_by_name_is_no_job(
    io: FileIo, function: Job, complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        await io.run_job(function, b"")


async def test_a_job_that_keeps_no_promise_is_told_so(io: FileIo) -> None:
    with pytest.raises(JobError, match="returned str, not bytes"):
        await io.run_job(file_jobs.return_text, b"")  # type: ignore[arg-type]
    with pytest.raises(JobError, match="not a coroutine function"):
        await io.run_job(file_jobs.not_async, b"")  # type: ignore[arg-type]

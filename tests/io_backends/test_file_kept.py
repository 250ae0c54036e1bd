"""Threads that are kept between calls: used again, left alone when stuck, and gone when idle."""

import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from io_backends.errors import DeviceError
from io_backends.file import FileIo, kept
from io_backends.file.calls import Calls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="has no eventfds")
SECONDS_MAX = 20


def make_calls(patience_seconds: float = SECONDS_MAX) -> Calls:
    return Calls(
        reads_max=2, changes_max=2, patience_seconds=patience_seconds, direct=False
    )


def bells() -> int:
    """Return how many eventfds this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
        except FileNotFoundError:
            continue
        count += target == "anon_inode:[eventfd]"
    return count


async def until(claim: Callable[[], bool]) -> None:
    with trio.fail_after(SECONDS_MAX):
        while not claim():  # noqa: ASYNC110
            await trio.sleep(0.001)


async def test_calls_in_turn_share_a_thread_and_it_ends_when_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "IDLE_SECONDS_MAX", 0.05)
    before, calls = bells(), make_calls()
    threads: set[int] = set()
    for _ in range(100):
        await calls.change("x", "y", lambda: threads.add(threading.get_ident()))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    await until(lambda: bells() == before)
    await calls.change("x", "y", lambda: threads.add(0))
    assert 0 in threads
    await until(lambda: bells() == before)


async def test_calls_at_once_have_threads_of_their_own() -> None:
    calls, meeting = make_calls(), threading.Barrier(2, timeout=SECONDS_MAX)

    def meet() -> None:
        meeting.wait()

    async def call() -> None:
        for _ in range(20):
            await calls.change("x", "y", meet)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(call)


async def test_an_error_is_the_callers_and_the_next_call_is_not_touched() -> None:
    calls = make_calls()

    def fail() -> None:
        raise OSError(5, "broken")

    for _ in range(3):
        with pytest.raises(DeviceError, match="broken"):
            await calls.change("x", "y", fail)
        await calls.change("x", "y", lambda: None)

    def wrong() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await calls.change("x", "y", wrong)
    await calls.change("x", "y", lambda: None)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_call_that_was_left_keeps_its_token_and_its_thread(
    fails: bool,
) -> None:
    before, calls, go_on = bells(), make_calls(0.01), threading.Event()
    through: list[int] = []

    def stuck() -> None:
        go_on.wait(SECONDS_MAX)
        through.append(threading.get_ident())
        if fails:
            raise OSError(5, "broken")

    for _ in range(2):
        with trio.move_on_after(0.01) as scope:
            await calls.change("x", "y", stuck)
        assert scope.cancelled_caught
    with trio.move_on_after(0.05) as scope:  # both tokens are taken
        await calls.change("x", "y", lambda: through.append(0))
    assert scope.cancelled_caught
    assert not through
    go_on.set()
    with trio.fail_after(SECONDS_MAX):
        await calls.change("x", "y", lambda: through.append(1))
    await until(lambda: len(through) == 3)
    assert 0 not in through
    await until(lambda: bells() <= before + 1)  # the one that was not left


@pytest.mark.parametrize("seed", range(5))
async def test_cancelled_at_any_moment_results_and_callers_stay_together(
    seed: int,
) -> None:
    calls = make_calls(0.0005 * seed)
    done: set[int] = set()
    taken: set[int] = set()

    async def call(number: int) -> None:
        with trio.move_on_after(0.0002 * (number % 7)):
            await calls.change("x", "y", lambda: done.add(number))
            taken.add(number)
            assert number in done

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(call, number)
    await calls.change("x", "y", lambda: done.add(-1))
    assert taken <= done
    await until(lambda: not calls._changes.borrowed_tokens)


async def test_without_a_bell_a_sync_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> int:
        raise OSError(24, "too many files")

    monkeypatch.setattr(kept, "_make_bell", none_left)
    file = await FileIo().create_exclusive(str(tmp_path / "file"))
    await file.write_at(0, bytes(100_000))
    await file.sync()
    await file.aclose()
    assert (tmp_path / "file").stat().st_size == 100_000


async def test_an_error_is_let_go_without_the_collector() -> None:
    class UnusualError(Exception):
        pass

    calls = make_calls()

    def fail() -> None:
        raise UnusualError

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(UnusualError):
            await calls.change("x", "y", fail)
        alive = [one for one in gc.get_objects() if type(one) is UnusualError]
    finally:
        gc.enable()
    assert len(alive) <= 1

"""The store among real processes: who holds it, and who ends with whom."""

import os
import signal
import sys
from pathlib import Path

import pytest
import trio

import tempest
from tests.tempest.process.killer import (
    PATIENCE_SECONDS,
    Victim,
    process_ends,
    session_members,
    start_victim,
)
from tests.tempest.process.victim import content_of

SEED = 5
IN_WORKERS = 1  # an odd life compacts in worker processes
SMALL = tempest.Options(memtable_bytes_max=4096, level0_tables_max=1)
linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="who runs is read from /proc"
)


def children_of_ours() -> set[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {
        int(pid) for task in tasks for pid in (task / "children").read_text().split()
    }


def is_worker(pid: int) -> bool:
    """Whether a process runs a worker's program; a child that was only just forked does not."""
    try:
        return "worker_main" in Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until_it_has_a_worker(victim: Victim) -> int:
    """Let a victim write until it has started a worker process; return the worker's pid."""
    await victim.go()
    session = victim.process.pid
    workers: list[int] = []

    def has_worker(_: object) -> bool:
        workers[:] = filter(is_worker, session_members(session))
        return bool(workers)

    await victim.watch(has_worker)
    return workers[0]


@linux_only
async def test_the_workers_of_a_killed_process_end_with_it(tmp_path: Path) -> None:
    async with start_victim(tmp_path, SEED, IN_WORKERS) as victim:
        worker = await until_it_has_a_worker(victim)

        os.kill(victim.process.pid, signal.SIGKILL)
        await victim.process.wait()

        with trio.fail_after(PATIENCE_SECONDS):
            await process_ends(worker)
        assert session_members(victim.process.pid) == []


@linux_only
async def test_the_workers_of_a_store_end_when_it_is_closed(tmp_path: Path) -> None:
    before = children_of_ours()
    async with tempest.open_store(tmp_path / "store", options=SMALL) as store:
        await store.put(b"key", bytes(5000))
        await store.flush()
        assert len(children_of_ours() - before) == 1

    assert children_of_ours() <= before


@linux_only
async def test_what_a_killed_worker_did_is_done_again(tmp_path: Path) -> None:
    before = children_of_ours()
    async with tempest.open_store(tmp_path / "store", options=SMALL) as store:
        for number in range(3):
            await store.put(b"key-%d" % number, bytes(5000))
            while not (workers := children_of_ours() - before):
                await trio.lowlevel.checkpoint()
            os.kill(workers.pop(), signal.SIGKILL)
            await store.flush()
            await store.put(b"again-%d" % number, bytes(5000))
            await store.flush()
        assert store.health().state is tempest.HealthState.HEALTHY
        assert len(await content_of(store)) == 6
        assert store.statistics().failures > 0


async def test_a_second_opener_is_told_who_has_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store"
    async with start_victim(tmp_path, SEED, IN_WORKERS) as victim:
        await victim.go()
        await victim.watch(lambda acks: 0 in acks.acknowledged)

        with pytest.raises(tempest.LockedError) as caught:
            async with tempest.open_store(path):
                pass

        assert caught.value.pid == victim.process.pid
        assert f"{victim.process.pid}" in str(caught.value)
        await victim.watch(lambda acks: len(acks.acknowledged) > 50)  # it goes on
        await victim.kill()

    async with tempest.open_store(path, create=False) as store:
        assert not store.statistics().recovery.clean


async def test_readers_look_on_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "store"
    async with start_victim(tmp_path, SEED, IN_WORKERS) as victim:
        await victim.go()
        for count in (1, 20, 100, 200):
            await victim.watch(lambda acks: len(acks.acknowledged) > count)  # noqa: B023
            async with tempest.open_store(path, read_only=True) as store:
                assert await content_of(store) == await content_of(store)
        await victim.kill()

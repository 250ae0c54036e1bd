"""Bugs that were found in this engine, each as the shortest run that shows it was there."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio

import tempest
from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    LateError,
    OpKind,
    Slow,
    Stuck,
    VirtualDisk,
    VirtualIo,
)
from io_backends.faults import Fault
from sim import run_seeded
from tempest import Durability, Options, Store
from tempest.maintenance import Maintenance
from tests.tempest.shelf import content_of, evolve, key_of, open_on

ROOMY = Options(resume_seconds_max=5.0, close_seconds_max=20.0)
SYNC, LOG = (OpKind.SYNC,), "*log-*"


def strike(io: FaultyIo, *faults: Fault) -> None:
    """From now on these faults."""
    io.plan = FaultPlan(faults)
    io.log = io.plan.new_log()


async def outcome(action: Callable[[], Awaitable[object]]) -> str:
    """The name of what an action raises within a while, or what it returns."""
    with trio.move_on_after(500):
        try:
            return repr(await action())
        except tempest.TempestError as error:
            return type(error).__name__
    return "hung"


@pytest.mark.parametrize("seed", range(3))
def test_a_sync_asked_for_while_another_seals_covers_its_own_write(seed: int) -> None:
    """The request was taken together with a frame sealed before the write it was about."""

    async def main() -> None:
        io = VirtualIo(VirtualDisk(), latency=0.01)
        async with open_on(io, ROOMY) as store, trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(write_and_sync, store, number)

    async def write_and_sync(store: Store, number: int) -> None:
        await trio.sleep(0.003 * number)
        await store.put(key_of(number), b"v", durability=Durability.MEMORY)
        with trio.fail_after(60):
            await store.sync()

    run_seeded(seed, main)


async def test_a_flush_that_ends_in_a_hole_reads_nothing_behind_it(
    autojump_clock: object,
) -> None:
    """After an unclean open addresses jump; the flush then read the frames above its stretch."""
    disk = VirtualDisk()
    with pytest.raises(tempest.BackgroundError):
        async with open_on(io := VirtualIo(disk), ROOMY) as store:
            await store.put(b"a", b"1")
            io.power_off()
    io = VirtualIo(disk, latency=lambda kind, _: 0.01 if kind is OpKind.SYNC else 0.004)
    async with open_on(io, ROOMY) as store:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.flush)
            nursery.start_soon(store.put, b"b", b"2")
        await store.flush()
        assert await content_of(store) == {b"a": b"1", b"b": b"2"}
        assert store.statistics().failures == 0


@pytest.mark.parametrize("level", Durability)
async def test_an_update_that_reads_while_the_store_closes_is_refused(
    autojump_clock: object, level: Durability
) -> None:
    """It was acknowledged after the last sync, and lost."""
    disk = VirtualDisk()
    async with open_on(disk, ROOMY) as store:
        await store.put(b"hits", b"1")
        await store.flush()
    io = FaultyIo(VirtualIo(disk, cached=lambda *_: False))
    outcomes: list[str] = []

    async def update(store: Store) -> None:
        write = lambda: store.update(b"hits", lambda _: b"2", durability=level)  # noqa: E731
        outcomes.append(await outcome(write))

    options = evolve(cache_bytes_max=0)
    async with trio.open_nursery() as nursery, open_on(io, options) as store:
        strike(io, Slow(kinds=(OpKind.READ,), path="*table*", seconds=1.0))
        nursery.start_soon(update, store)
        await trio.sleep(0.1)
    assert outcomes == ["NotOpenError"]
    async with open_on(disk, ROOMY) as store:
        assert await store.get(b"hits") == b"1"


async def test_nobody_waits_for_a_store_that_gave_up_closing(
    autojump_clock: object,
) -> None:
    """Whoever waited for a stuck sync waited for ever once the store was closed around him."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    outcomes: dict[str, str] = {}

    async def note(name: str, action: Callable[[], Awaitable[object]]) -> None:
        outcomes[name] = await outcome(action)

    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery, open_on(io, ROOMY) as store:
            await store.put(b"a", b"1")
            strike(io, Stuck(kinds=SYNC, path=LOG, times=None))
            nursery.start_soon(note, "put", lambda: store.put(b"b", b"2"))
            nursery.start_soon(note, "flush", store.flush)
            nursery.start_soon(note, "compact", store.compact)
            await trio.sleep(1)
    assert caught.group_contains(tempest.BackgroundError)
    assert outcomes.pop("put") == "OutcomeUnknownError"
    assert set(outcomes.values()) == {"NotOpenError"}


async def test_closing_ends_when_the_manifest_is_stuck(autojump_clock: object) -> None:
    """The task that leads the manifest was never told to stop."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    with pytest.raises(tempest.BackgroundError, match="closing took"):
        async with open_on(io, ROOMY) as store:
            await store.put(b"k", b"v")
            kinds = (OpKind.SYNC, OpKind.WRITE)
            strike(io, Stuck(kinds=kinds, path="*manifest*", times=None))
    assert disk.locked_paths() == []


async def test_closing_waits_for_late_errors_of_the_last_sync(
    autojump_clock: object,
) -> None:
    """A clean end was noted above bytes that the device had silently lost."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    async with open_on(io, ROOMY) as store:
        await store.put(b"a", b"1")
        strike(io, LateError(path="*log-*"))
        await store.put(b"b", b"2")
    async with open_on(disk.crash(Random(1)), ROOMY) as store:
        assert await content_of(store) == {b"a": b"1", b"b": b"2"}


async def test_damage_in_a_table_does_not_cost_what_is_in_memory() -> None:
    """A store that was read-only for damage did not even write its log on closing."""
    disk = VirtualDisk()
    options = evolve(durability=Durability.MEMORY, cache_bytes_max=0)
    async with open_on(disk, options) as store:
        await store.put(b"a", b"1" * 100)
        await store.flush()
        await store.put(b"m", b"memory")
        (table,) = [path for path in disk.files() if "table" in path]
        disk.corrupt(table, 70)
        with pytest.raises(tempest.CorruptionError):
            await store.get(b"a")
        assert store.health().state is tempest.HealthState.READ_ONLY
    disk.corrupt(table, 70)
    async with open_on(disk, options) as store:
        assert await store.get(b"m") == b"memory"


async def test_memory_is_bounded_while_a_sync_is_slow(autojump_clock: object) -> None:
    """The active memtable grew without bound as long as it could not be switched."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    options = evolve(memtable_bytes_max=16_384, durability=Durability.MEMORY)
    async with open_on(io, options) as store, trio.open_nursery() as nursery:
        strike(io, Slow(seconds=5.0, kinds=SYNC, path=LOG, times=None))
        nursery.start_soon(store.sync)
        await trio.sleep(0.01)
        for number in range(300):
            await store.put(key_of(number), b"x" * 1000)
            assert store.statistics().memtable_bytes <= 4 * 16_384
        strike(io)


async def test_tries_that_failed_leave_no_files(autojump_clock: object) -> None:
    """Each try to resume left a segment behind, until the disk was full of them."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    async with open_on(io, ROOMY) as store:
        await store.put(b"a", b"1")
        strike(io, FailOp(kinds=SYNC, path=LOG, times=None))
        with pytest.raises(tempest.OutcomeUnknownError):
            await store.put(b"b", b"2")
        await trio.sleep(100)
        assert len(disk.files()) < 10
        strike(io)
        await trio.sleep(5)
        assert store.health().state is tempest.HealthState.HEALTHY
        assert await store.get(b"b") == b"2"
        assert len(disk.files()) < 10


async def test_flush_ends_under_a_steady_writer(autojump_clock: object) -> None:
    """It waited for a moment at which no memtable waits, and that moment never came."""
    io = VirtualIo(VirtualDisk(), latency=0.001)
    options = evolve(memtable_bytes_max=1024, level0_tables_max=100)
    async with open_on(io, options) as store, trio.open_nursery() as nursery:

        async def write() -> None:
            for number in range(10_000):
                await store.put(key_of(number), b"v" * 100, durability=Durability.OS)
                await trio.sleep(0.002)

        nursery.start_soon(write)
        await trio.sleep(0.1)
        with trio.fail_after(5):
            await store.flush()
        nursery.cancel_scope.cancel()


async def test_a_memory_write_does_not_block_put_nowait_for_ever(
    autojump_clock: object,
) -> None:
    """It stood in the open frame, which nobody had a reason to seal."""
    async with open_on(VirtualDisk(), ROOMY) as store:
        await store.put(b"m", b"1", durability=Durability.MEMORY)
        for _ in range(10):
            try:
                store.put_nowait(b"k", b"v", durability=Durability.OS)
            except trio.WouldBlock:
                await trio.sleep(0.01)
            else:
                break
        assert await store.get(b"k") == b"v"


async def test_a_write_on_the_spot_that_failed_is_not_said_to_be_undone(
    autojump_clock: object,
) -> None:
    """put_nowait said "would block, nothing was written", and a restart brought the value back."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, ROOMY) as store:
        await store.put(b"a", b"1", durability=Durability.OS)
        strike(io, FailOp(kinds=(OpKind.WRITE_NOWAIT,), effect="done"))
        with pytest.raises(tempest.OutcomeUnknownError):
            store.put_nowait(b"b", b"2", durability=Durability.OS)
        await store.put(b"c", b"3", durability=Durability.OS)
        assert await content_of(store) == {b"a": b"1", b"b": b"2", b"c": b"3"}


async def test_a_close_that_is_given_up_closes_its_files(
    autojump_clock: object,
) -> None:
    """The last edit used up the time that closing has, and every file stayed open."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk))
    with pytest.raises(tempest.BackgroundError, match="closing took more than"):
        async with open_on(io, ROOMY) as store:
            await store.put(b"a", b"1")
            await store.flush()
            await store.get(b"a")
            strike(io, Slow(kinds=SYNC, path="*manifest*", seconds=60))
    assert disk.open_paths() == disk.locked_paths() == []


async def test_a_segment_that_failed_before_anything_counted_in_it_is_not_read(
    autojump_clock: object,
) -> None:
    """Its header was lost with the first sync, and after a power cut the store did not open."""
    disk = VirtualDisk()
    io = FaultyIo(VirtualIo(disk), FaultPlan((LateError(path="*log-000000000002"),)))
    async with open_on(io, evolve(segment_bytes_max=1024)) as store:
        for number in range(8):
            await store.put(key_of(number), b"v" * 100)
        assert io.log.hits
    async with open_on(disk.crash(Random(1)), ROOMY) as store:
        assert len(await content_of(store)) == 8


@pytest.mark.parametrize("level", [Durability.OS, Durability.DISK])
async def test_an_update_that_finds_nothing_promises_absence(level: Durability) -> None:
    """It returned at once, and a kill took the `MEMORY` delete that it had seen; real kills found it."""
    disk = VirtualDisk()
    async with open_on(disk, ROOMY) as store:
        await store.put(b"a", b"1")
        await store.delete(b"a", durability=Durability.MEMORY)
        assert await store.update(b"a", lambda _: None, durability=level) is None
        killed = disk.clone()
    async with open_on(killed, ROOMY) as store:
        assert await store.get(b"a") is None


async def test_a_close_ends_whatever_goes_wrong_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that nobody expected left the close half way: tasks, files and the lock stayed."""

    async def sweep(_: Maintenance) -> None:
        raise ZeroDivisionError

    disk = VirtualDisk()
    with pytest.raises(tempest.BackgroundError) as raised:
        async with open_on(disk, ROOMY) as store:
            await store.put(b"a", b"1")
            monkeypatch.setattr(Maintenance, "sweep", sweep)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert disk.open_paths() == disk.locked_paths() == []

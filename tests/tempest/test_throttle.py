"""Writers are slowed down smoothly, then wait, and are let go as soon as they can be."""

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from io_backends import DeviceError
from sim import run_seeded
from tempest.entry import Entry
from tempest.errors import BackgroundError, CorruptionError, ThrottledError
from tempest.health import HealthMonitor
from tempest.memory import Memtables
from tempest.memtable import ENTRY_BYTES
from tempest.options import Options
from tempest.throttle import (
    BYTES_A_SECOND_MIN,
    SLEEP_SECONDS_MIN,
    SLOWED_BYTES,
    SLOWED_WRITES,
    SMOOTH_FROM,
    Throttle,
)
from tests.tempest.version.support import add, new_io, open_manifest, table

BUDGET = 1 << 20
OPTIONS = Options(memtable_bytes_max=BUDGET, level0_tables_max=4)


@attrs.define
class Scene:
    """A throttle whose memory and level 0 are set by hand."""

    throttle: Throttle

    @classmethod
    async def make(cls, pressure: float = 0.0, tables: int = 0) -> "Scene":
        manifest = await open_manifest(await new_io())
        await manifest.reserve(tables + 1)
        numbers = range(1, tables + 1)
        await manifest.append(add(0, *(table(number) for number in numbers)))
        memtables = Memtables(0)
        memtables.switch()
        scene = cls(Throttle(memtables, manifest, HealthMonitor(60.0), OPTIONS))
        scene.press(pressure)
        return scene

    def press(self, pressure: float) -> None:
        """Set what waits for its flush, so that memory makes this pressure."""
        self.throttle.memtables.waiting[0].bytes = round(pressure * 3 * BUDGET)

    async def write(self, size: int) -> float:
        """Return the seconds that a write of this size had to wait."""
        started = trio.current_time()
        await self.throttle.admit(size)
        return trio.current_time() - started


async def test_an_idle_store_has_no_pressure_and_no_delay(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scene = await Scene.make()

    assert scene.throttle.pressure == 0
    assert await scene.write(1 << 30) == 0
    scene.throttle.admit_nowait(1 << 30)


@pytest.mark.parametrize(
    ("memory", "tables", "pressure"),
    [(0.5, 0, 0.5), (0.0, 6, 0.5), (0.25, 9, 0.75), (0.9, 3, 0.9), (2.0, 24, 2.0)],
)
async def test_pressure_is_the_larger_share(
    memory: float, tables: int, pressure: float
) -> None:
    scene = await Scene.make(memory, tables)

    assert scene.throttle.pressure == pytest.approx(pressure, rel=1e-5)


async def test_the_memtable_that_takes_writes_counts_too() -> None:
    """Writes that do not wait for anything may fill it before it is ever switched."""
    scene = await Scene.make(0.5)
    scene.throttle.memtables.active.bytes = 3 * BUDGET // 4

    assert scene.throttle.pressure == pytest.approx(0.75)


@settings(max_examples=40)
@given(st.floats(0, 0.99), st.lists(st.integers(0, 300_000), min_size=1, max_size=20))
def test_delay_grows_smoothly_with_pressure_and_bytes(
    pressure: float, sizes: list[int]
) -> None:
    async def main() -> None:
        scene = await Scene.make(pressure)
        pressure_now = scene.throttle.pressure
        waited = sum([await scene.write(size) for size in sizes])
        severity = max(0.0, pressure_now - SMOOTH_FROM) / (1 - SMOOTH_FROM)
        owed = severity**2 * sum(sizes) / BYTES_A_SECOND_MIN
        assert owed - SLEEP_SECONDS_MIN - 1e-6 <= waited <= owed + 1e-6
        assert scene.throttle.delayed_seconds == pytest.approx(waited)

    run_seeded(0, main)


async def test_a_writer_waits_while_the_store_is_full_and_looks_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scene = await Scene.make(1.0)
    throttle, done = scene.throttle, list[float]()

    async def write() -> None:
        done.append(await scene.write(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await trio.sleep(1)
        throttle.changed.fire()  # nothing has changed for the better
        await trio.sleep(1)
        assert done == []
        scene.press(0.1)
        throttle.changed.fire()
    assert done == [2]
    assert throttle.stalls == 1


async def test_waiting_for_a_full_store_can_be_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scene = await Scene.make(1.0)

    with trio.move_on_after(1) as scope:
        await scene.throttle.wait_writable()

    assert scope.cancelled_caught
    scene.press(0.5)
    await scene.throttle.wait_writable()


async def test_a_full_store_refuses_what_may_not_wait() -> None:
    scene = await Scene.make(1.0)

    with pytest.raises(ThrottledError):
        scene.throttle.admit_nowait(0)


async def test_what_may_not_wait_is_refused_once_it_owes_time_and_owes_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A refused write was not written: trying again must not make the next one later."""
    scene = await Scene.make(0.9)
    while scene.throttle._debt_seconds < SLEEP_SECONDS_MIN:
        scene.throttle.admit_nowait(1000)
    owed = scene.throttle._debt_seconds

    for _ in range(1000):
        with pytest.raises(ThrottledError):
            scene.throttle.admit_nowait(1000)

    assert scene.throttle._debt_seconds == owed


@pytest.mark.parametrize("size", [0, 1000, 64 << 20])
async def test_after_wait_writable_a_write_is_not_refused(
    size: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Or a loop of "refused, wait, try again" would never get anywhere."""
    scene = await Scene.make(0.95)
    throttle = scene.throttle

    for _ in range(20):
        try:
            throttle.admit_nowait(size)
        except ThrottledError:
            await throttle.wait_writable()
            throttle.admit_nowait(size)


@settings(max_examples=40)
@given(
    st.integers(1, 11),
    st.lists(st.tuples(st.binary(max_size=3), st.integers(0, 16 << 10)), max_size=90),
)
def test_writes_on_the_spot_owe_what_admitted_ones_owe(
    tables: int, writes: list[tuple[bytes, int]]
) -> None:
    """But for what takes the place of an older version, and for the few of the last look."""

    async def main() -> None:
        scene = await Scene.make(0.0, tables)
        throttle, active = scene.throttle, scene.throttle.memtables.active
        severity = max(0.0, tables / 12 - SMOOTH_FROM) / (1 - SMOOTH_FROM)
        price = severity**2 / BYTES_A_SECOND_MIN
        started, largest = trio.current_time(), 0
        for sequence, (key, size) in enumerate(writes, 1):
            may = sequence <= throttle.calm_until and active.bytes <= active.calm_bytes
            if not may and not throttle.may_pass(sequence):
                await throttle.admit(len(key) + size)
            active.put(key, Entry(sequence, bytes(size)), sequence, ())
            largest = max(largest, size + 3)
        waited = trio.current_time() - started
        grown = active.bytes - ENTRY_BYTES * len(active)
        uncounted = SLOWED_WRITES * (largest + SLOWED_BYTES)
        assert waited >= (grown - uncounted) * price - SLEEP_SECONDS_MIN - 1e-6
        everything = sum(len(key) + size for key, size in writes)
        assert waited <= everything * price + 1e-6

    run_seeded(0, main)


async def test_whoever_overslept_has_paid_for_what_follows(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await Scene.make(0.9)
    sleep = trio.sleep
    monkeypatch.setattr(trio, "sleep", lambda seconds: sleep(seconds + 0.001))

    waited = sum([await scene.write(BYTES_A_SECOND_MIN // 200) for _ in range(200)])

    assert waited == pytest.approx(0.7**2, rel=0.02)


async def test_a_memtable_that_fills_is_told_of_while_nobody_is_slowed() -> None:
    scene = await Scene.make()
    throttle = scene.throttle

    for grown in (0, BUDGET // 4 - 1, BUDGET // 4):
        throttle.memtables.active.bytes = grown
        assert throttle.may_pass(1)
        assert throttle.filling._is_set is (grown == BUDGET // 4)


async def test_what_was_owed_is_forgotten_once_there_is_no_pressure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scene = await Scene.make(0.99)
    scene.throttle.admit_nowait(64 << 20)
    scene.press(0.1)
    started = trio.current_time()

    await scene.throttle.wait_writable()

    assert trio.current_time() == started


async def test_a_store_that_only_reads_admits_nothing() -> None:
    scene = await Scene.make()
    scene.throttle.health.trouble("flush", CorruptionError("f", 0, "flipped"))

    with pytest.raises(BackgroundError):
        scene.throttle.admit_nowait(0)
    with pytest.raises(BackgroundError):
        await scene.throttle.admit(0)
    with pytest.raises(BackgroundError):
        await scene.throttle.wait_writable()


async def test_whoever_waits_is_told_when_the_store_only_reads(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scene = await Scene.make(1.0)
    health = scene.throttle.health
    health.on_read_only = scene.throttle.changed.fire

    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(BackgroundError):
                await scene.throttle.wait_writable()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        health.broken("flush", DeviceError("sync", "f", 5, "injected"))

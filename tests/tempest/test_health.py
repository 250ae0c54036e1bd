"""Health follows its table of moves, and knows the first cause."""

import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from io_backends import DeviceError, PowerLostError
from sim import run_seeded
from tempest.errors import (
    BackgroundError,
    CorruptionError,
    NotOpenError,
    OutcomeUnknownError,
)
from tempest.health import LOG, MOVES, Health, HealthMonitor, HealthState

RESUME_SECONDS = 10.0
HEALTHY, RESUMING, READ_ONLY = HealthState


def device_error(name: str) -> DeviceError:
    return DeviceError("sync", name, 5, "injected")


def state_of(monitor: HealthMonitor) -> HealthState:
    """Ask anew: a type checker believes that a property keeps its value."""
    return monitor.state


class Model:
    """Which sources are in trouble, since when, and whether the bytes are damaged."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.is_damaged = False
        self.gave_up = False
        self.since = 0.0

    def trouble(self, source: str, now: float) -> None:
        self.since = self.since if self.sources else now
        if source not in self.sources:
            self.sources.append(source)

    def recovered(self, source: str) -> None:
        if source in self.sources:
            self.sources.remove(source)
        self.gave_up = self.gave_up and bool(self.sources)

    def state(self, now: float) -> HealthState:
        if not self.sources:
            return HEALTHY
        self.gave_up = self.gave_up or now >= self.since + RESUME_SECONDS
        return READ_ONLY if self.is_damaged or self.gave_up else RESUMING


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["trouble", "trouble", "recovered", "wait", "damage"]),
        st.sampled_from(["log", "flush"]),
        st.sampled_from([1.0, 4.0, 9.5, 11.0]),
    ),
    max_size=15,
)


@settings(max_examples=60)
@given(STEPS)
def test_the_state_is_what_the_troubles_make_it(
    steps: list[tuple[str, str, float]],
) -> None:
    async def main() -> None:
        monitor, model = HealthMonitor(RESUME_SECONDS), Model()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(monitor.watch)
            for name, source, seconds in steps:
                await act(monitor, model, name, source, seconds)
                await trio.testing.wait_all_tasks_blocked()
                assert monitor.state is model.state(trio.current_time())
                check_report(monitor, model)
            nursery.cancel_scope.cancel()

    run_seeded(0, main)


async def act(
    monitor: HealthMonitor, model: Model, name: str, source: str, seconds: float
) -> None:
    match name:
        case "wait":
            await trio.sleep(seconds)
        case "trouble":
            monitor.trouble(source, device_error(source))
            model.trouble(source, trio.current_time())
        case "damage":
            monitor.trouble(source, CorruptionError("f", 0, "flipped"))
            model.trouble("damage", trio.current_time())
            model.is_damaged = True
        case _:
            monitor.recovered(source)
            model.recovered(source)


def check_report(monitor: HealthMonitor, model: Model) -> None:
    report = monitor.report()
    if not model.sources:
        assert report == Health(HEALTHY)
        monitor.check_writable()
        return
    first = "flipped" if model.sources[0] == "damage" else model.sources[0]
    assert report.cause is not None
    assert first in report.cause
    assert report.seconds == trio.current_time() - model.since
    if monitor.state is READ_ONLY:
        with pytest.raises(BackgroundError, match=first) as caught:
            monitor.check_writable()
        assert caught.value.__cause__ is not None
    else:
        monitor.check_writable()


async def test_a_store_that_cannot_resume_in_time_says_so_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    monitor, told = HealthMonitor(RESUME_SECONDS), list[float]()
    monitor.on_read_only = lambda: told.append(trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor.watch)
        started = trio.current_time()
        monitor.trouble("log", device_error("log"))
        assert state_of(monitor) is RESUMING
        await trio.sleep(50)
        assert state_of(monitor) is READ_ONLY
        assert told == [started + RESUME_SECONDS]
        monitor.recovered("log")
        assert state_of(monitor) is HEALTHY
        nursery.cancel_scope.cancel()


async def test_trouble_that_comes_back_gets_its_full_time_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    monitor = HealthMonitor(RESUME_SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor.watch)
        for _ in range(5):
            monitor.trouble("log", device_error("log"))
            await trio.sleep(RESUME_SECONDS - 1)
            assert state_of(monitor) is RESUMING
            monitor.recovered("log")
        nursery.cancel_scope.cancel()


async def test_damage_and_a_lost_backend_are_for_good() -> None:
    for error in (CorruptionError("f", 1, "flipped"), PowerLostError("sync", "f")):
        monitor, told = HealthMonitor(RESUME_SECONDS), list[None]()
        monitor.on_read_only = lambda told=told: told.append(None)  # type: ignore[misc]
        monitor.trouble("flush", error)
        assert monitor.state is READ_ONLY
        assert told == [None]


async def test_a_bug_makes_the_store_read_only_for_good() -> None:
    monitor = HealthMonitor(RESUME_SECONDS)

    monitor.broken("sweep", ZeroDivisionError("oops"))
    monitor.recovered("log")

    assert monitor.state is READ_ONLY
    with pytest.raises(BackgroundError, match="oops"):
        monitor.check_writable()


@pytest.mark.parametrize(("source", "is_lost"), [(LOG, True), ("flush", False)])
async def test_only_trouble_with_the_log_leaves_its_writes_in_doubt(
    source: str, is_lost: bool
) -> None:
    monitor = HealthMonitor(RESUME_SECONDS)
    monitor.trouble(source, device_error(source))
    assert not lost(monitor)

    monitor.broken(source, device_error(source))

    assert lost(monitor) == is_lost


def lost(monitor: HealthMonitor) -> bool:
    return monitor.is_log_lost


async def test_a_store_that_is_closing_takes_nothing_in() -> None:
    monitor = HealthMonitor(RESUME_SECONDS)
    monitor.close()

    with pytest.raises(NotOpenError):
        monitor.check_writable()
    assert isinstance(monitor.outcome_unknown(), OutcomeUnknownError)


async def test_recovering_from_nothing_changes_nothing() -> None:
    monitor = HealthMonitor(RESUME_SECONDS)

    monitor.recovered("log")

    assert monitor.is_healthy
    assert monitor.failures == 0


async def test_everybody_whose_outcome_is_unknown_gets_an_error_of_their_own() -> None:
    monitor = HealthMonitor(RESUME_SECONDS)
    cause = device_error("log")
    monitor.trouble("log", cause)

    one, other = monitor.outcome_unknown(), monitor.outcome_unknown()

    assert isinstance(one, OutcomeUnknownError)
    assert one is not other
    assert one.__cause__ is other.__cause__ is cause


def test_every_state_can_be_left() -> None:
    assert set(MOVES) == set(HealthState)
    assert all(state not in moves for state, moves in MOVES.items())
    assert HEALTHY in MOVES[RESUMING]
    assert HEALTHY in MOVES[READ_ONLY]

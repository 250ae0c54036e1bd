"""What callers are told once the log can not go on."""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from io_backends import FailOp, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import BackgroundError, HealthState, Options, OutcomeUnknownError
from tests.tempest.shelf import open_on
from tests.tempest.test_options_writing import struck
from tests.tempest.test_spot import engine_of


async def refused(act: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises((OutcomeUnknownError, BackgroundError)):
        await act()


async def test_a_sync_says_that_the_log_is_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Seeds 25941, 30533, 37639: the log was synced to roll, could not, and a sync waited for ever."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, Options(resume_seconds_max=1.0)) as store:
        struck(io, FailOp(kinds=(OpKind.CREATE,), times=10**6))
        engine = engine_of(store)
        # In one step: the write is taken in, and its sync is one that is made in order to roll.
        sequence = engine.writer.spot.put_disk(b"a", b"1")
        assert sequence is not None
        await refused(engine.committer.roll)
        await refused(partial(engine.writer.spot.wait, sequence))
        assert store.health().state is HealthState.READ_ONLY
        with trio.fail_after(100):
            await refused(store.sync)
        struck(io)
        await trio.sleep(10)
        await store.sync()
        assert await store.get(b"a") == b"1"

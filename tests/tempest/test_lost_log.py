"""What callers are told once the log can not go on."""

import pytest
import trio

from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from tempest import BackgroundError, Durability, Options, OutcomeUnknownError
from tests.tempest.shelf import open_on
from tests.tempest.test_options_writing import struck


async def test_a_sync_says_that_the_log_is_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Seeds 25941, 30533, 37639: a put failed on the spot, the log could not move, and a sync hung."""
    io = FaultyIo(VirtualIo(VirtualDisk()))
    async with open_on(io, Options(durability=Durability.OS)) as store:
        await store.put(b"a", b"1")
        struck(
            io,
            FailOp(kinds=(OpKind.WRITE_NOWAIT,), times=1),
            FailOp(kinds=(OpKind.CREATE,), times=10**6),
        )
        with pytest.raises((OutcomeUnknownError, BackgroundError)):
            await store.put(b"a", b"2")
        with trio.fail_after(100), pytest.raises(BackgroundError):
            await store.sync()
        io.plan = FaultPlan(())
        io.log = io.plan.new_log()
        await trio.sleep(10)
        await store.sync()
        assert await store.get(b"a") == b"2"

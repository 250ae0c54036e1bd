"""What an operation opened while its world ended is let go of."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from io_backends import FaultyIo, PowerLostError, TracingIo, VirtualDisk, VirtualIo


class StillRunning(TracingIo):
    """A backend that goes on after the power was cut, as a real one does in a test."""

    def power_off(self) -> None:
        pass


async def test_a_file_opened_while_the_power_goes_is_closed(
    autojump_clock: MockClock,
) -> None:
    """`make realfs` could not unmount: nobody held the file that an open had brought too late."""
    disk = VirtualDisk()
    disk.close(disk.create("file"))
    io = FaultyIo(StillRunning(VirtualIo(disk, latency=1.0)))

    async def open_in_the_dark() -> None:
        with pytest.raises(PowerLostError):
            await io.open("file")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_in_the_dark)
        await wait_all_tasks_blocked()
        io.power_off()

    assert disk.open_paths() == []

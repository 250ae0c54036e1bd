"""A read-only opener and a writer that does not wait for it."""

from collections.abc import Awaitable, Callable

import pytest
import trio.testing

import tempest
from io_backends import Stat, VirtualDisk, VirtualIo
from tests.tempest.shelf import content_of, fill, open_on, rows_of


class OvertakenIo(VirtualIo):
    """Lets something happen before the first table is looked at."""

    def __init__(
        self, disk: VirtualDisk, happens: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(disk)
        self._happens: Callable[[], Awaitable[None]] | None = happens

    async def stat(self, path: str) -> Stat:
        happens, self._happens = self._happens, None
        if happens is not None:
            await happens()
        return await super().stat(path)


async def test_a_reader_that_was_overtaken_by_a_compaction_looks_again() -> None:
    """The tables it had read about were gone when it came for them, and it called that damage."""
    disk = VirtualDisk()
    async with open_on(disk) as writer:
        await fill(writer, 100)
        await writer.flush()

        async def overtake() -> None:
            before = set(disk.files())
            await fill(writer, 100, size=50)
            await writer.compact()
            await trio.testing.wait_all_tasks_blocked()
            assert before - set(disk.files())

        io = OvertakenIo(disk, overtake)
        async with open_on(io, read_only=True) as reader:
            assert await content_of(reader) == dict(rows_of(100, size=50))


async def test_what_is_missing_for_good_is_damage() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as writer:
        await fill(writer, 100)
        await writer.compact()
    io = VirtualIo(disk)
    gone = next(name for name in await io.list("store") if name.startswith("table-"))
    await io.remove(f"store/{gone}")

    with pytest.raises(tempest.CorruptionError, match=gone):
        async with open_on(disk, read_only=True):
            pass

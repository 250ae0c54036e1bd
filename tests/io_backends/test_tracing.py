"""`TracingIo` sees everything and changes nothing."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from io_backends import (
    NotFoundError,
    Op,
    OpKind,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)


async def test_operations_are_recorded_with_result_or_error() -> None:
    io = TracingIo(VirtualIo(VirtualDisk()))
    file = await io.create_exclusive("file")
    await file.write_at(4, b"bytes")
    assert file.read_at_nowait(4, 5) == b"bytes"
    with pytest.raises(NotFoundError):
        await io.rename("missing", "other")
    assert [traced.op for traced in io.ops] == [
        Op(0, OpKind.CREATE, "file"),
        Op(1, OpKind.WRITE, "file", 4, 5),
        Op(2, OpKind.READ_NOWAIT, "file", 4, 5),
        Op(3, OpKind.RENAME, "missing", target="other"),
    ]
    assert io.ops[2].result == b"bytes"
    assert isinstance(io.ops[3].error, NotFoundError)
    assert [str(traced) for traced in io.ops[2:]] == [
        "#2 read_at_nowait file 4+5: ok",
        "#3 rename missing -> other: NotFoundError",
    ]
    assert io.counts()[OpKind.WRITE] == 1


async def never(seconds: float) -> None:
    await trio.sleep_forever()


async def test_an_operation_that_never_returned_is_in_flight() -> None:
    io = TracingIo(VirtualIo(VirtualDisk(), delay=never))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(io.list, "/")
        await wait_all_tasks_blocked()
        assert str(io.ops[0]) == "#0 list /: in flight"
        nursery.cancel_scope.cancel()
    assert isinstance(io.ops[0].error, trio.Cancelled)


async def test_open_handles_show_a_leak() -> None:
    disk = VirtualDisk()
    io = TracingIo(VirtualIo(disk))
    one = await io.create_exclusive("one")
    two = await io.create_exclusive("two")
    await one.aclose()
    await one.aclose()
    assert io.open_handles == ["two"] == disk.open_paths()
    await two.aclose()
    assert io.open_handles == []

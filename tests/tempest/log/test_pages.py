"""Pages: what is read, single or double buffered, is what stands in the file below the end."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given, settings, strategies as st

from io_backends import (
    FailOp,
    FaultPlan,
    FaultyIo,
    Io,
    IoError,
    OpKind,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from tempest.log import FRAME_HEADER_BYTES, FrameScanner, SegmentMeta
from tempest.log.frame import next_sector
from tempest.log.pages import PageReader
from tests.tempest.log.support import (
    FOLDER,
    STORE_ID,
    Layout,
    Shelf,
    payload_of,
    scan_all,
)

CONTENT = bytes(range(256)) * 8
PAGE = 64
Test = Callable[[PageReader], Awaitable[None]]


async def with_pages(io: Io, stop: int, test: Test, *, ahead: bool) -> None:
    """Let a test read a file of that content below `stop`."""
    file = await io.create_exclusive("f")
    await file.write_at(0, CONTENT)
    async with trio.open_nursery() as nursery:
        pages = PageReader(file, stop, PAGE, nursery if ahead else None)
        try:
            await test(pages)
        finally:
            await pages.aclose()
            await file.aclose()


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), max_size=12),
    st.integers(0, len(CONTENT)),
    st.booleans(),
)
async def test_any_reads_in_any_order_give_what_stands_there(
    reads: list[tuple[int, int]], stop: int, ahead: bool
) -> None:
    async def test(pages: PageReader) -> None:
        for offset, length in reads:
            expected = CONTENT[offset : offset + length]
            if offset + length > stop:
                expected = b""
            assert await pages.read(offset, length) == expected

    await with_pages(VirtualIo(VirtualDisk()), stop, test, ahead=ahead)


@pytest.mark.parametrize("ahead", [False, True])
async def test_going_forward_reads_each_byte_once_and_none_beyond_the_end(
    ahead: bool,
) -> None:
    io = TracingIo(VirtualIo(VirtualDisk()))

    async def test(pages: PageReader) -> None:
        offset = 0
        for length in (10, 50, 3, 100, 63, 64, 65, 1, 200, 20):
            assert await pages.read(offset, length) == CONTENT[offset : offset + length]
            offset += length

    await with_pages(io, 600, test, ahead=ahead)
    spans = [
        (traced.op.offset, traced.op.length)
        for traced in io.ops
        if traced.op.kind is OpKind.READ
    ]
    place = 0
    for offset, length in spans:
        assert offset == place
        assert length is not None
        place += length
    assert 576 <= place <= 600


async def test_double_buffered_the_next_page_is_there_before_it_is_asked_for() -> None:
    io = TracingIo(VirtualIo(VirtualDisk()))

    def reads() -> int:
        return sum(traced.op.kind is OpKind.READ for traced in io.ops)

    async def test(pages: PageReader) -> None:
        await pages.read(0, 10)
        await trio.testing.wait_all_tasks_blocked()
        assert reads() == 2
        await pages.read(10, PAGE)
        await trio.testing.wait_all_tasks_blocked()
        assert reads() == 3

    await with_pages(io, len(CONTENT), test, ahead=True)


async def test_what_reading_ahead_meets_is_raised_to_who_asks_and_then_forgotten() -> (
    None
):
    io = FaultyIo(VirtualIo(VirtualDisk()))

    async def test(pages: PageReader) -> None:
        await pages.read(0, 10)
        await trio.testing.wait_all_tasks_blocked()
        io.plan = FaultPlan((FailOp(kinds=(OpKind.READ,), times=1),))
        io.log = io.plan.new_log()
        await pages.read(10, PAGE)  # asks for the page after it, which fails
        await trio.testing.wait_all_tasks_blocked()
        assert await pages.read(80, 20) == CONTENT[80:100], "what is there is given"
        with pytest.raises(IoError):
            await pages.read(100, PAGE)
        assert await pages.read(100, PAGE) == CONTENT[100 : 100 + PAGE]

    await with_pages(io, len(CONTENT), test, ahead=True)


async def test_a_cancelled_read_loses_nothing() -> None:
    async def test(pages: PageReader) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await pages.read(0, 10)
        assert await pages.read(0, 100) == CONTENT[:100]

    await with_pages(VirtualIo(VirtualDisk()), len(CONTENT), test, ahead=True)


SIZES = [0, 1, 47, 48, 49]
BOUNDARIES = sorted(
    {
        max(1, page * 4096 + around - FRAME_HEADER_BYTES)
        for page in (0, 1, 2)
        for around in (*SIZES, -1, -47, -48, -49)
    }
    | {65_535, 65_536, 65_537, 100_000}
)


@pytest.mark.parametrize("ahead", [False, True])
async def test_frames_of_every_size_around_a_page_come_back(ahead: bool) -> None:
    """R18: the read buffer was fixed at 64 KiB and writes were allowed to be larger."""
    shelf = await Shelf.make()
    layout = Layout(SegmentMeta(1, 1, 0, 1 << 22))
    for size in BOUNDARIES:
        skips = size % 2 == 0
        layout.add(
            payload_of([(b"k", bytes(size))]),
            synced_until=0,
            skip_to=next_sector(layout.tail) if skips else None,
        )
    await shelf.write(layout.meta, layout.encode())
    async with trio.open_nursery() as nursery:
        scanner = FrameScanner(
            *(shelf.io, FOLDER, STORE_ID, [layout.meta], 0, layout.tail, 4096),
            nursery if ahead else None,
        )
        frames = await scan_all(scanner)

    assert [frame.payload for frame in frames] == [f.payload for f in layout.frames]

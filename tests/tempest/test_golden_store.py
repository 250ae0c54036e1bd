"""The golden store opens, reads back right, and is written the same today, frame by frame."""

import pytest

import tempest
from io_backends import VirtualDisk, VirtualIo
from journal import Header, load_file
from journal.framing import Frame as JournalFrame, decode_frame, encode_frames
from journal.segment import decode_header, encode_header
from tempest import Store
from tempest.check import FileStatus, verify_store
from tempest.header import place_seed
from tempest.log import SealedFrame, SegmentReader, open_segment, segment_name
from tempest.log.frame import FRAME_HEADER_BYTES, next_sector
from tempest.version import Version
from tests.golden.tiny_store import (
    FOLDER,
    OPTIONS,
    STORE_ID,
    content,
    first_value,
    make_disk,
    read_files,
)

NEWEST = "manifest-000000000066"


async def golden_disk() -> VirtualDisk:
    disk = VirtualDisk()
    await make_disk(VirtualIo(disk), read_files())
    return disk


async def read_all(store: Store) -> dict[bytes, bytes]:
    async with store.scan() as rows:
        return {key: value async for key, value in rows}


async def test_the_golden_store_reads_back_right() -> None:
    io = VirtualIo(await golden_disk())

    async with tempest.open_store(FOLDER, io=io, options=OPTIONS) as store:
        assert await read_all(store) == content()
        assert await store.get(b"key 03") is None
        await store.put(b"key 12", b"written today")
        await store.compact()
        assert await read_all(store) == content() | {b"key 12": b"written today"}


async def test_the_golden_store_can_be_read_without_being_changed() -> None:
    """Its last write had reached the operating system only: no mark vouches for it."""
    disk = await golden_disk()
    before = disk.contents()

    async with tempest.open_store(FOLDER, io=VirtualIo(disk), read_only=True) as store:
        assert await read_all(store) == content() | {b"key 06": first_value(6)}

    assert disk.contents() == before


async def test_the_golden_store_is_whole() -> None:
    report = await verify_store(VirtualIo(await golden_disk()), FOLDER)

    assert report.whole
    assert {file.kind for file in report.files} == {"manifest", "table", "log"} | {
        file.kind for file in report.files if file.status is FileStatus.UNNAMED
    }


async def test_its_log_is_written_the_same_today() -> None:
    io, files = VirtualIo(await golden_disk()), read_files()
    loaded = await load_file(io, f"{FOLDER}/{NEWEST}", Version)
    segments = loaded.state.segments
    assert len(segments) == 2

    for meta in segments:
        segment = await open_segment(io, FOLDER, STORE_ID, meta)
        reader = SegmentReader(segment, meta.first)
        seed, data = place_seed(meta.header(STORE_ID)), files[segment_name(meta.number)]
        count = 0
        while (frame := await reader.next()) is not None:
            header, count = frame.header, count + 1
            sealed = SealedFrame(header.address, header.follows, frame.payload, 0)
            start = meta.offset(frame.address)
            again = sealed.encode(seed, header.synced_until)
            assert data[start : start + FRAME_HEADER_BYTES + header.length] == again
        assert count >= 3
        end = reader.address
        mark = SealedFrame(next_sector(end), end, b"", 0)
        gap = bytes(mark.address - end)
        left = data[meta.offset(end) :]
        assert left in {b"", gap + mark.encode(seed, end)}


@pytest.mark.parametrize("name", [NEWEST, "manifest-000000000001.old"])
def test_its_manifest_is_written_the_same_today(name: str) -> None:
    data = read_files()[name]
    header, first = decode_header(name, data)
    assert encode_header(header) == data[: first.end]

    end, frames = first.end, 0
    while end < len(data):
        frame = decode_frame(header.place_seed(), data, end)
        assert isinstance(frame, JournalFrame)
        again = encode_frames(
            header.place_seed(), end, frame.synced_until, [frame.payload]
        )
        assert again == data[end : frame.end]
        end, frames = frame.end, frames + 1
    assert frames >= 2


def test_its_manifest_says_whose_it_is() -> None:
    header, _ = decode_header(NEWEST, read_files()[NEWEST])

    assert isinstance(header, Header)
    assert (header.format, header.compatible, header.incompatible) == (1, 0, 0)
    assert (header.store_id, header.life, header.generation) == (STORE_ID, 2, 66)

"""A segment is opened only if it is the one that is meant; its sectors are the log's sectors."""

import attrs
import pytest
from hypothesis import given, strategies as st

from tempest.errors import CorruptionError, UnsupportedFormatError
from tempest.header import FileHeader, encode_header
from tempest.log import SegmentMeta, segment_name, segment_number
from tempest.log.frame import SECTOR_BYTES
from tests.tempest.log.support import FOLDER, STORE_ID, Shelf

META = SegmentMeta(5, 3, 1000, 5000)


@given(st.integers(1, 1 << 63))
def test_a_name_and_its_number_belong_together(number: int) -> None:
    assert segment_number(segment_name(number)) == number


@pytest.mark.parametrize(
    "name",
    [
        *("", "log", "log-", "log-1", "000000000001", "table-000000000001"),
        *("log-00000000000x", "log-000000000001.tmp", "log--00000000001"),
        *("log-0000000000001", "log-\u0660\u0660\u0660\u0660"),
    ],
)
def test_a_foreign_name_has_no_number(name: str) -> None:
    assert segment_number(name) is None


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 30))
def test_sectors_of_the_log_are_sectors_of_the_file(first: int, distance: int) -> None:
    meta = SegmentMeta(1, 1, first, first + distance)
    address = first + distance

    assert meta.offset(address) % SECTOR_BYTES == address % SECTOR_BYTES
    assert meta.offset(first) >= SECTOR_BYTES
    assert meta.address(meta.offset(address)) == address


async def test_a_segment_opens_as_the_one_that_is_meant() -> None:
    shelf = await Shelf.make()
    await shelf.write(META, b"x" * 10)

    segment = await shelf.open(META)

    assert (segment.path, segment.meta) == (f"{FOLDER}/log-000000000005", META)
    assert segment.size == META.offset(1010)
    await segment.file.aclose()


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(META, life=4).header(STORE_ID),
        attrs.evolve(META, number=6).header(STORE_ID),
        META.header(bytes(16)),
    ],
    ids=["another life", "another number", "another store"],
)
async def test_another_segment_under_the_name_is_refused(other: FileHeader) -> None:
    shelf = await Shelf.make()
    await shelf.write(META, b"")
    shelf.disk.overwrite(shelf.path(5), 0, encode_header(other))

    with pytest.raises(CorruptionError, match="another file"):
        await shelf.open(META)


@pytest.mark.parametrize("length", [0, 1, 63])
async def test_a_segment_cut_short_within_its_header_is_refused(length: int) -> None:
    shelf = await Shelf.make()
    await shelf.write(META, b"")
    file = await shelf.io.open(shelf.path(5), writable=True)
    await file.truncate(length)

    with pytest.raises(CorruptionError, match="header needs 64 bytes") as caught:
        await shelf.open(META)

    assert caught.value.path == shelf.path(5)


async def test_a_segment_of_a_newer_program_is_not_damage() -> None:
    shelf = await Shelf.make()
    await shelf.write(META, b"")
    newer = attrs.evolve(META.header(STORE_ID), incompatible=1)
    shelf.disk.overwrite(shelf.path(5), 0, encode_header(newer))

    with pytest.raises(UnsupportedFormatError, match="features"):
        await shelf.open(META)


async def test_every_flipped_bit_of_the_header_is_noticed() -> None:
    shelf = await Shelf.make()
    await shelf.write(META, b"")

    for place in range(64):
        shelf.disk.corrupt(shelf.path(5), place, 1 << place % 8)
        with pytest.raises(CorruptionError):
            await shelf.open(META)
        shelf.disk.corrupt(shelf.path(5), place, 1 << place % 8)

"""The bytes of a segment are pinned: what one version wrote, every later one reads."""

from tempest.columns import Columns, make_columns
from tempest.header import place_seed
from tempest.log import HybridLog, SegmentMeta, encode_payload
from tests.golden.hexdump import documented, dump, undump
from tests.tempest.log.support import FOLDER, STORE_ID, Shelf, scan_all

META = SegmentMeta(7, 2, 1536, 1536 + 4096)
FRUIT = make_columns([b"apple", b"bread"], [b"green", b"white"], [5, 6])
SIZE = 1145
GONE = make_columns([b"apple"], [b""], [7], b"\1")

GOLDEN = """
     0  54 45 4d 50 45 53 54 00 01 00 01 00 00 00 00 00
    16  00 00 00 00 00 00 00 00 00 01 02 03 04 05 06 07
    32  08 09 0a 0b 0c 0d 0e 0f 02 00 00 00 00 00 00 00
    48  07 00 00 00 00 00 00 00 b9 72 11 65 7d 9e ec a7
   512  54 46 52 4d 2b 00 00 00 00 06 00 00 00 00 00 00
   528  00 06 00 00 00 00 00 00 00 06 00 00 00 00 00 00
   544  e2 4d 4a 9c 69 a0 10 d2 dd db 18 51 85 db bc 7c
   560  27 00 00 00 97 00 92 c4 05 61 70 70 6c 65 c4 05
   576  62 72 65 61 64 92 c4 05 67 72 65 65 6e c4 05 77
   592  68 69 74 65 05 c4 00 c4 00 c4 00 00 00 00 00 00
  1024  54 46 52 4d 00 00 00 00 00 08 00 00 00 00 00 00
  1040  5b 06 00 00 00 00 00 00 5b 06 00 00 00 00 00 00
  1056  c2 94 d3 38 05 80 06 2d 09 7c 4f e5 4c a0 e5 ce
  1072  54 46 52 4d 19 00 00 00 30 08 00 00 00 00 00 00
  1088  30 08 00 00 00 00 00 00 5b 06 00 00 00 00 00 00
  1104  e9 f7 0a 11 25 e5 d2 5e 94 ed 38 cc 55 fc 7e 5d
  1120  15 00 00 00 97 00 91 c4 05 61 70 70 6c 65 91 c4
  1136  00 07 c4 00 c4 01 01 c4 00
"""


async def write_example(shelf: Shelf) -> None:
    """Two puts, synced; the mark of an idle log; a delete behind it."""
    log = HybridLog(shelf.io, FOLDER, STORE_ID, META.first)
    await log.adopt(await log.create_segment(META))
    log.seal(encode_payload([FRUIT]), 6)
    await log.flush()
    await log.sync()
    log.mark_nowait(6)
    log.flush_nowait(log.seal(encode_payload([GONE]), 7))
    await log.aclose()


async def test_the_bytes_of_a_segment_are_pinned() -> None:
    shelf = await Shelf.make()

    await write_example(shelf)

    assert dump(shelf.disk.read(shelf.path(7))) == GOLDEN.lstrip("\n")


async def test_the_pinned_bytes_are_read_back() -> None:
    shelf = await Shelf.make()
    await shelf.put_file(META.number, undump(GOLDEN, SIZE))

    frames, reader = await shelf.read(META)

    runs: list[list[Columns]] = [list(frame.runs("f")) for frame in frames]
    assert runs == [[FRUIT], [], [GONE]]
    assert [frame.address for frame in frames] == [1536, 2048, 2096]
    assert reader.highest_mark == 1627
    assert len(await scan_all(shelf.scan([META], 1536, reader.address))) == 2


def test_the_pages_show_these_bytes() -> None:
    section = documented("Worked example: a log segment")

    assert undump(section, SIZE) == undump(GOLDEN, SIZE)
    assert f"{place_seed(META.header(STORE_ID)):#018x}" in section

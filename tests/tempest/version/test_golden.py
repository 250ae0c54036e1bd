"""The records of the manifest are pinned: what one version wrote, every later one reads."""

import attrs
import pytest

from journal import decode_record, encode_record
from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version import LEVELS, PlacedTable, SegmentEnd, Version, VersionEdit
from tests.golden.hexdump import documented, dump, undump

NEW = TableMeta(9, 3, 4096, b"apple", b"cheese", 5, 12, 4, 1, 1, 0x04BD062C_FCBF96C5)
OLD = TableMeta(4, 2, 8192, b"a", b"m", 1, 4, 4, 0, 0, 0xC0FFEE)

EDIT = VersionEdit(
    life=3,
    number_ceiling=75,
    replay_from=5000,
    removed=(5,),
    added=(PlacedTable(0, NEW),),
    segments_closed=(SegmentEnd(7, 5000),),
    segments_removed=(6,),
    segments_added=(SegmentMeta(10, 3, 5000, 9000),),
)
VERSION = Version(
    life=3,
    number_ceiling=75,
    replay_from=5000,
    levels=((NEW,), (OLD,), *[()] * (LEVELS - 2)),
    segments=(SegmentMeta(7, 2, 1536, 5632, 5000), SegmentMeta(10, 3, 5000, 9000)),
)

EDIT_BYTES = """
     0  88 03 18 4b 19 13 88 81 05 81 82 00 8e 09 03 19
    16  10 00 45 61 70 70 6c 65 46 63 68 65 65 73 65 05
    32  0c 04 01 01 1b 04 bd 06 2c fc bf 96 c5 00 00 80
    48  81 82 07 19 13 88 81 06 81 85 0a 03 19 13 88 19
    64  23 28 f6
"""
VERSION_BYTES = """
     0  85 03 18 4b 19 13 88 87 81 8e 09 03 19 10 00 45
    16  61 70 70 6c 65 46 63 68 65 65 73 65 05 0c 04 01
    32  01 1b 04 bd 06 2c fc bf 96 c5 00 00 80 81 8e 04
    48  02 19 20 00 41 61 41 6d 01 04 04 00 00 1a 00 c0
    64  ff ee 00 00 80 80 80 80 80 80 82 85 07 02 19 06
    80  00 19 16 00 19 13 88 85 0a 03 19 13 88 19 23 28
    96  f6
"""
RECORDS = [(EDIT, EDIT_BYTES, "an edit"), (VERSION, VERSION_BYTES, "a version")]
every_record = pytest.mark.parametrize(("record", "golden", "name"), RECORDS)


@every_record
def test_the_bytes_of_a_record_are_pinned(
    record: attrs.AttrsInstance, golden: str, name: str
) -> None:
    assert dump(encode_record(record)) == golden.lstrip("\n")


@every_record
def test_the_pinned_bytes_are_read_back(
    record: attrs.AttrsInstance, golden: str, name: str
) -> None:
    data = undump(golden, len(encode_record(record)))

    assert decode_record(type(record), data) == record


@every_record
def test_the_pages_show_these_bytes(
    record: attrs.AttrsInstance, golden: str, name: str
) -> None:
    section = documented(f"Worked example: {name}")
    size = len(encode_record(record))

    assert undump(section, size) == undump(golden, size)


def test_the_version_is_what_the_edit_makes() -> None:
    before = Version(
        life=2,
        number_ceiling=64,
        levels=(
            (),
            (OLD, attrs.evolve(OLD, number=5, smallest=b"n", largest=b"z")),
            *[()] * (LEVELS - 2),
        ),
        segments=(
            SegmentMeta(6, 2, 0, 1536, 1536),
            SegmentMeta(7, 2, 1536, 5632),
        ),
    )

    # Segment 6 has gone: the log is complete from its end on. The pinned bytes predate that field.
    assert before.apply(EDIT) == attrs.evolve(VERSION, begin=1536)

"""The records that came later are pinned, too: checkpoints, sessions, consumers, forks."""

import attrs
import pytest

from journal import RecordError, decode_record, encode_record
from tempest.header import checksum_at, place_seed
from tempest.log import SegmentMeta
from tempest.pointers import Pointer, decode_pointer
from tempest.table import TableMeta
from tempest.version import (
    LEVELS,
    VALUES_FIRST,
    CheckpointKind,
    CheckpointMeta,
    CheckpointStyle,
    Consumer,
    Fork,
    PlacedTable,
    SessionMark,
    Version,
    VersionEdit,
    checkpoint_token,
)
from tests.golden.hexdump import documented, dump, undump

TABLE = TableMeta(
    *(9, 3, 4096, b"apple", b"cheese", 5, 12, 4, 1, 1, 0x04BD062C_FCBF96C5),
    *(0, 0, (7,), (40000,)),
)
LOG = SegmentMeta(7, 2, 1536, 66000, 50000)
VALUES = SegmentMeta(
    *(11, 3, VALUES_FIRST, VALUES_FIRST + 4096, VALUES_FIRST + 4096), value_bytes=4000
)
FULL = CheckpointMeta(
    token=checkpoint_token(12),
    number=12,
    kind=CheckpointKind.FULL,
    style=CheckpointStyle.FOLD_OVER,
    automatic=False,
    cookie=b"mine",
    timeline=1,
    sequence=14,
    address=46000,
    replay_from=45000,
    started_wall_us=1_764_000_000_000_000,
    committed_wall_us=1_764_000_000_250_000,
    duration_us=250_000,
    sessions=(SessionMark(b"importer", 41),),
    segments=(attrs.evolve(LOG, end=46000),),
    levels=((TABLE,), *[()] * (LEVELS - 1)),
)
CHILD = attrs.evolve(
    FULL,
    token=checkpoint_token(13),
    number=13,
    kind=CheckpointKind.INCREMENTAL,
    style=CheckpointStyle.SNAPSHOT,
    cookie=b"",
    address=50000,
    replay_from=50000,
    sessions=(),
    segments=(LOG,),
    levels=(),
    base=FULL.token,
    removed=(9,),
    added=(PlacedTable(1, TABLE),),
)
EDIT = VersionEdit(
    value_ceiling=VALUES_FIRST + 4096,
    value_segments_added=(VALUES,),
    checkpoints=(CHILD,),
    consumers=(Consumer(b"mirror", 1, 46000),),
    consumers_removed=(b"gone",),
)
VERSION = Version(
    life=3,
    number_ceiling=75,
    replay_from=50000,
    levels=((), (TABLE,), *[()] * (LEVELS - 2)),
    segments=(LOG,),
    begin=1536,
    value_ceiling=VALUES_FIRST + 4096,
    value_segments=(VALUES,),
    sessions=(SessionMark(b"importer", 42),),
    checkpoints=(FULL, CHILD),
    consumers=(Consumer(b"mirror", 1, 46000),),
    forks=(Fork(0, 1400, 1536),),
)
POINTER = Pointer(
    *(7, 1600, 5),
    checksum_at(place_seed(LOG.header(bytes(range(16)))), 1600, b"green"),
)

EDIT_BYTES = """
     0  90 f6 f6 f6 80 80 80 80 80 1b 40 00 00 00 00 00
    16  10 00 81 86 0b 03 1b 40 00 00 00 00 00 00 00 1b
    32  40 00 00 00 00 00 10 00 1b 40 00 00 00 00 00 10
    48  00 19 0f a0 80 80 81 93 57 63 68 65 63 6b 70 6f
    64  69 6e 74 2d 30 30 30 30 30 30 30 30 30 30 31 33
    80  0d 03 01 f4 40 01 0e 19 c3 50 19 c3 50 1b 00 06
    96  44 59 41 62 40 00 1b 00 06 44 59 41 66 10 90 1a
   112  00 03 d0 90 80 81 85 07 02 19 06 00 1a 00 01 01
   128  d0 19 c3 50 80 57 63 68 65 63 6b 70 6f 69 6e 74
   144  2d 30 30 30 30 30 30 30 30 30 30 31 32 81 09 81
   160  82 01 8f 09 03 19 10 00 45 61 70 70 6c 65 46 63
   176  68 65 65 73 65 05 0c 04 01 01 1b 04 bd 06 2c fc
   192  bf 96 c5 00 00 81 07 81 19 9c 40 80 81 83 46 6d
   208  69 72 72 6f 72 01 19 b3 b0 81 44 67 6f 6e 65
"""
VERSION_BYTES = """
     0  8c 03 18 4b 19 c3 50 87 80 81 8f 09 03 19 10 00
    16  45 61 70 70 6c 65 46 63 68 65 65 73 65 05 0c 04
    32  01 01 1b 04 bd 06 2c fc bf 96 c5 00 00 81 07 81
    48  19 9c 40 80 80 80 80 80 81 85 07 02 19 06 00 1a
    64  00 01 01 d0 19 c3 50 19 06 00 1b 40 00 00 00 00
    80  00 10 00 81 86 0b 03 1b 40 00 00 00 00 00 00 00
    96  1b 40 00 00 00 00 00 10 00 1b 40 00 00 00 00 00
   112  10 00 19 0f a0 81 82 48 69 6d 70 6f 72 74 65 72
   128  18 2a 82 93 57 63 68 65 63 6b 70 6f 69 6e 74 2d
   144  30 30 30 30 30 30 30 30 30 30 31 32 0c 00 00 f4
   160  44 6d 69 6e 65 01 0e 19 b3 b0 19 af c8 1b 00 06
   176  44 59 41 62 40 00 1b 00 06 44 59 41 66 10 90 1a
   192  00 03 d0 90 81 82 48 69 6d 70 6f 72 74 65 72 18
   208  29 81 85 07 02 19 06 00 1a 00 01 01 d0 19 b3 b0
   224  87 81 8f 09 03 19 10 00 45 61 70 70 6c 65 46 63
   240  68 65 65 73 65 05 0c 04 01 01 1b 04 bd 06 2c fc
   256  bf 96 c5 00 00 81 07 81 19 9c 40 80 80 80 80 80
   272  80 40 80 80 93 57 63 68 65 63 6b 70 6f 69 6e 74
   288  2d 30 30 30 30 30 30 30 30 30 30 31 33 0d 03 01
   304  f4 40 01 0e 19 c3 50 19 c3 50 1b 00 06 44 59 41
   320  62 40 00 1b 00 06 44 59 41 66 10 90 1a 00 03 d0
   336  90 80 81 85 07 02 19 06 00 1a 00 01 01 d0 19 c3
   352  50 80 57 63 68 65 63 6b 70 6f 69 6e 74 2d 30 30
   368  30 30 30 30 30 30 30 30 31 32 81 09 81 82 01 8f
   384  09 03 19 10 00 45 61 70 70 6c 65 46 63 68 65 65
   400  73 65 05 0c 04 01 01 1b 04 bd 06 2c fc bf 96 c5
   416  00 00 81 07 81 19 9c 40 81 83 46 6d 69 72 72 6f
   432  72 01 19 b3 b0 81 83 00 19 05 78 19 06 00
"""
POINTER_BYTES = """
     0  07 00 00 00 00 00 00 00 40 06 00 00 00 00 00 00
    16  05 00 00 00 00 00 00 00 7d a5 72 f1 8a 69 70 4e
"""
RECORDS = [
    (EDIT, EDIT_BYTES, "an edit that makes a checkpoint"),
    (VERSION, VERSION_BYTES, "a version with checkpoints"),
]
every_record = pytest.mark.parametrize(
    ("record", "golden", "name"), RECORDS, ids=["edit", "version"]
)


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
    """O18: the pages are checked against what is written, field by field and byte by byte."""
    section = documented(f"Worked example: {name}")
    size = len(encode_record(record))

    assert undump(section, size) == undump(golden, size)


def test_the_version_is_what_the_edit_makes() -> None:
    before = attrs.evolve(
        VERSION,
        value_ceiling=VALUES_FIRST,
        value_segments=(),
        checkpoints=(FULL,),
        consumers=(Consumer(b"gone", 0, 0), Consumer(b"mirror", 0, 1400)),
    )

    assert before.apply(EDIT) == VERSION


def test_the_version_holds_together() -> None:
    assert Version.from_snapshot(VERSION) == VERSION


def test_a_pointer_is_pinned_and_shown() -> None:
    data = POINTER.encode()

    assert dump(data) == POINTER_BYTES.lstrip("\n")
    assert undump(documented("Worked example: a pointer"), 32) == data
    assert decode_pointer(data) == POINTER


def test_a_record_of_the_first_format_is_written_as_it_was() -> None:
    """Fields that came later cost nothing where they say nothing."""
    assert encode_record(VersionEdit()) == bytes.fromhex("88f6f6f68080808080")


@pytest.mark.parametrize("spelled", ["89f6f6f68080808080f6", "8af6f6f68080808080f680"])
def test_a_later_field_that_says_nothing_is_not_spelled_out(spelled: str) -> None:
    with pytest.raises(RecordError, match="ends in fields that say nothing"):
        decode_record(VersionEdit, bytes.fromhex(spelled))

"""A table holds what was added, cut into blocks between keys, however it was added."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.header import FileHeader, FileKind
from tempest.options import Compression
from tempest.table import Table, TableBuilder, TableOptions
from tests.tempest.table.support import (
    OPTIONS,
    PLAIN,
    STORE_ID,
    VERSIONS,
    Version,
    World,
    build,
    puts,
    run_of,
)

DOCS = Path(__file__).parents[3] / "docs"
HEADER = FileHeader(FileKind.TABLE, STORE_ID, life=2, number=7)

GOLDEN = """
54454d50 45535400 01000200 00000000 00000000 00000000 00010203 04050607
08090a0b 0c0d0e0f 02000000 00000000 07000000 00000000 fd78b777 24bee180
79270c6d 0a1cd24f 58000000 58000000 00000000 00000000 970093c4 05617070
6c65c405 6170706c 65c40562 72656164 93c400c4 05677265 656ec427 77686974
652c2077 69746820 73656564 732c2066 726f6d20 74686520 636f726e 65722073
686f7005 c4030700 01c40301 0000c400 0c37a5a1 d24557df 19000000 19000000
00000000 00000000 970091c4 06636865 65736591 c4046861 726407c4 00c400c4
00bbcc97 ddaef879 8f080000 00080000 00000000 00000000 00210091 01226906
04a8de0a 377115e2 e4340000 00340000 00000000 00000000 0094c405 6170706c
6592c405 62726561 64c40663 68656573 65c40870 00000031 000000c4 1079270c
6d0a1cd2 4f0c37a5 a1d24557 df523456 855f3b3e 52e30000 00e30000 00000000
00000000 00b2646c 69666502 66626c6f 636b7302 666e756d 62657207 67656e74
72696573 04676c61 72676573 74466368 65657365 68736567 6d656e74 73806873
6861646f 77656401 68736d61 6c6c6573 74456170 706c656a 746f6d62 73746f6e
6573016b 626c6f63 6b5f6279 74657318 406b636f 6d707265 7373696f 6e006b66
696c7465 725f6b69 6e64016c 6b657973 70616365 5f6d6178 006c6b65 79737061
63655f6d 696e006c 73657175 656e6365 5f6d6178 0c6c7365 7175656e 63655f6d
696e056d 7061796c 6f61645f 62797465 73184573 66696c74 65725f62 6974735f
7065725f 6b65790a e1000000 00000000 01010000 00000000 4d010000 00000000
90020000 00000000 bbcc97dd aef8798f a8de0a37 7115e2e4 52345685 5f3b3e52
54454d50 5441424c c596bffc 2c06bd04
"""


async def blocks_of(data: bytes, builder: TableBuilder) -> list[Columns]:
    world = World()
    await world.add(data)
    table: Table = await world.open(builder.meta)
    blocks = [await table.block(index) for index in range(table.block_count)]
    await table.aclose()
    return blocks


def test_the_bytes_of_a_table_are_pinned() -> None:
    """The worked example of docs/formats.md: four entries in two blocks."""
    run = make_columns(
        [b"apple", b"apple", b"bread", b"cheese"],
        [b"", b"green", b"white, with seeds, from the corner shop", b"hard"],
        [12, 5, 6, 7],
        bytes([Kind.DELETE, Kind.PUT, Kind.PUT, Kind.PUT]),
    )
    data, meta = build(run)
    assert data == bytes.fromhex(GOLDEN)
    assert meta.size == len(data)
    assert meta.checksum == int.from_bytes(data[-8:], "little")


@given(VERSIONS, OPTIONS, st.data())
async def test_blocks_hold_what_was_added_and_never_split_a_key(
    versions: list[Version], options: TableOptions, data: st.DataObject
) -> None:
    """R18: entries of any size, at any boundary, come back."""
    run = run_of(versions)
    keys = run.keys
    starts = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
    cuts = [*sorted(data.draw(st.sets(st.sampled_from(starts)))), len(keys)]
    builder = TableBuilder(HEADER, options)
    pieces: list[bytes] = []
    start = 0
    for cut in cuts:
        pieces += builder.add(run.part(start, cut))
        assert builder.bytes_written == sum(map(len, pieces))
        start = cut
    pieces += builder.finish()
    table = b"".join(pieces)
    assert builder.bytes_written == len(table)
    assert (table, builder.meta) == build(run, options)
    blocks = await blocks_of(table, builder)
    found = [
        (key, sequence, Kind(block.kind(i)), block.values[i])
        for block in blocks
        for i, (key, sequence) in enumerate(
            zip(block.keys, block.sequences(), strict=True)
        )
    ]
    assert found == [(k, s, kind, b"" if kind else v) for k, s, kind, v in versions]
    for one, other in pairwise(blocks):
        assert one.keys[-1] < other.keys[0]


@given(VERSIONS, OPTIONS)
def test_the_meta_tells_the_truth(
    versions: list[Version], options: TableOptions
) -> None:
    """R4: no field that nobody fills."""
    data, meta = build(run_of(versions), options, number=9, life=4)
    sequences = [sequence for _, sequence, _, _ in versions]
    kinds = [kind for _, _, kind, _ in versions]
    assert (meta.number, meta.life, meta.size) == (9, 4, len(data))
    assert (meta.smallest, meta.largest) == (versions[0][0], versions[-1][0])
    assert (meta.sequence_min, meta.sequence_max) == (min(sequences), max(sequences))
    assert meta.entries == len(versions)
    assert meta.tombstones == kinds.count(Kind.DELETE)
    assert meta.shadowed == len(versions) - len({key for key, _, _, _ in versions})
    assert meta.checksum == int.from_bytes(data[-8:], "little")


@pytest.mark.parametrize("block_bytes", [200, 1000, 5000])
async def test_blocks_have_about_the_size_that_was_asked_for(block_bytes: int) -> None:
    builder = TableBuilder(HEADER, TableOptions(block_bytes, Compression.NONE, 10))
    data = b"".join([*builder.add(puts(500)), *builder.finish()])
    *full, last = [block.payload_bytes() for block in await blocks_of(data, builder)]
    assert all(0.7 * block_bytes <= size <= block_bytes for size in full)
    assert last <= block_bytes


async def test_a_huge_value_does_not_burden_the_small_ones_before_it() -> None:
    run = make_columns(
        [b"a", b"b", b"c", b"d"], [b"1", b"2", bytes(10_000), b"4"], [1, 2, 3, 4]
    )
    builder = TableBuilder(HEADER, PLAIN)
    data = b"".join([*builder.add(run), *builder.finish()])
    blocks = await blocks_of(data, builder)
    assert [list(block.keys) for block in blocks] == [[b"a", b"b"], [b"c"], [b"d"]]


def test_an_option_is_felt() -> None:
    """R21: each option has a test that observes its effect."""
    sizes = {
        kind: len(build(puts(500), TableOptions(4096, kind, 10))[0])
        for kind in Compression
    }
    assert sizes[Compression.ZLIB] < sizes[Compression.LZ4]
    assert sizes[Compression.ZSTD] < sizes[Compression.LZ4]
    assert sizes[Compression.LZ4] < 0.8 * sizes[Compression.NONE]
    filters = [
        len(build(puts(800), TableOptions(4096, Compression.NONE, bits))[0])
        for bits in (0, 8, 16)
    ]
    assert filters[1] - filters[0] == filters[2] - filters[1] == 800


def test_finishing_gives_way_to_others_in_steps() -> None:
    builder = TableBuilder(HEADER, PLAIN)
    builder.add(puts(10_000))
    steps = list(builder.finish())
    assert steps.count(b"") == 5
    assert steps[-1]


def test_the_same_entries_make_the_same_bytes() -> None:
    assert build(puts(300)) == build(puts(300))
    assert build(puts(300))[0] != build(puts(300), number=8)[0]


@pytest.mark.parametrize("keys", [[b"b", b"a"], [b"a", b"a"]], ids=["keys", "versions"])
def test_unsorted_entries_are_a_mistake_of_the_caller(keys: list[bytes]) -> None:
    builder = TableBuilder(HEADER, PLAIN)
    with pytest.raises(AssertionError, match="sorted"):
        builder.add(make_columns(keys, [b"", b""], [1, 2]))


def test_a_run_that_goes_back_is_a_mistake_of_the_caller() -> None:
    builder = TableBuilder(HEADER, PLAIN)
    builder.add(make_columns([b"b", b"c"], [bytes(100)] * 2, [1, 2]))
    with pytest.raises(AssertionError):
        builder.add(make_columns([b"a"], [b""], [9]))


def test_a_table_of_nothing_is_a_mistake_of_the_caller() -> None:
    """T27: a table without entries is never made; whoever has none writes none."""
    builder = TableBuilder(HEADER, PLAIN)
    builder.add(make_columns([], [], []))
    with pytest.raises(AssertionError, match="at least one entry"):
        list(builder.finish())
    with pytest.raises(AssertionError, match="not finished"):
        _ = builder.meta


def test_the_worked_example_of_the_documents_is_this_table() -> None:
    """O18: the format documents are checked against real bytes."""
    documents = [path.read_text() for path in sorted(DOCS.glob("*.md"))]
    (example,) = [
        text.partition("Worked example: a table")[2]
        for text in documents
        if "Worked example: a table" in text
    ]
    rows = re.findall(r"^ *\d+  ((?:[0-9a-f]{2} ?)+)$", example, re.MULTILINE)
    shown = bytes.fromhex("".join(rows))
    assert shown[: len(bytes.fromhex(GOLDEN))] == bytes.fromhex(GOLDEN)

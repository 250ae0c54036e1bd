"""The fast paths of a scan say what the plain merger says, over drawn stores, ranges and limits."""

from collections.abc import Sequence

import attrs
import pytest
import trio
from hypothesis import given, settings, strategies as st

from io_backends import DeviceError, FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk
from sim import run_seeded
from tempest import Durability
from tempest.columns import Columns, Kind, make_columns
from tempest.entry import Entry
from tempest.fairness import Fairness
from tempest.iterator import Merger, Source, visible_rows
from tempest.memtable import Memtable
from tempest.memtable_cursor import MemtableCursor
from tempest.pointers import Pointer
from tempest.row_heads import (
    Head,
    MemtableHead,
    Range,
    RowPart,
    Separated,
    TableHead,
)
from tempest.row_merger import ROWS_STEP, RowMerger
from tempest.short_scan import short_scan
from tempest.table import TableCursor, TableMeta, TableOptions
from tests.tempest.shelf import content_of, evolve, fill, layered, open_on
from tests.tempest.table.support import Version, World, build

Row = tuple[bytes, bytes, bool]
"""Key, value, and whether the value is a pointer to it."""

KEY = st.binary(max_size=2) | st.sampled_from([b"a", b"b", b"ab", b"\xff"])
POINTER = Pointer(1, 2, 3, 4).encode()


@attrs.define
class Sources:
    """Memtables and runs of tables, newest first."""

    world: World
    memtables: list[Memtable]
    runs: list[Sequence[TableMeta]]

    async def plain(self, wanted: Range, at: int) -> list[Row]:
        """Answer with the merger that compaction uses, forward, without a limit."""
        start, stop = wanted.start, wanted.stop
        sources: list[Source] = [
            MemtableCursor(table, start, stop, at=at) for table in self.memtables
        ]
        sources += [
            TableCursor(self.world.tables, run, start, stop) for run in self.runs
        ]
        merger, rows = Merger(sources), list[Row]()
        while (chunk := await merger.next_chunk()) is not None:
            keys, values, kinds = visible_rows(chunk, at)
            points = [kind == Kind.POINTER for kind in kinds or bytes(len(keys))]
            rows += zip(keys, values, points, strict=True)
        if wanted.reverse:
            rows.reverse()
        return rows[: wanted.limit]

    def merger(self, wanted: Range, at: int) -> RowMerger:
        start, stop, reverse = wanted.start, wanted.stop, wanted.reverse
        heads: list[Head] = []
        for memtable in self.memtables:
            while not memtable.settle_some():
                pass
            heads.append(MemtableHead(memtable, start, stop, reverse=reverse, at=at))
        for run in self.runs:
            cursor = TableCursor(
                self.world.tables, run, start, stop, reverse=reverse, reads_ahead=True
            )
            if not cursor.is_done:
                heads.append(TableHead(cursor, start, stop, reverse=reverse, at=at))
        return RowMerger(heads, reverse=reverse)


def rows_of(parts: list[RowPart]) -> list[Row]:
    return [
        (key, bytes(value), type(value) is Separated)
        for keys, values, _ in parts
        for key, value in zip(keys, values, strict=True)
    ]


async def drain(merger: RowMerger, counts: Sequence[int]) -> list[Row]:
    """Take rows to the end, so many at most at a time."""
    rows: list[Row] = []
    step = 0
    while True:
        count = counts[step % len(counts)]
        step += 1
        try:
            try:
                parts = merger.gather(count)
            except trio.WouldBlock:
                await merger.wait()
                continue
        except DeviceError:
            continue
        if parts is None:
            return rows
        found = rows_of(parts)
        assert len(found) <= count
        rows += found


COUNTS = st.integers(1, ROWS_STEP) | st.integers(
    ROWS_STEP + 1, 2000
)  # more than a step joins blocks


@st.composite
def layers(draw: st.DrawFn) -> list[list[Version]]:
    """Entries by source, oldest source first; sequences rise from source to source."""
    sequence = 0
    found = []
    for _ in range(draw(st.integers(1, 5))):
        kinds = draw(
            st.sampled_from([[Kind.PUT], [Kind.PUT, Kind.DELETE], list(Kind)[:3]])
        )
        names = draw(st.lists(KEY, max_size=30, unique=draw(st.booleans())))
        source: list[Version] = []
        for name in names:
            sequence += 1
            kind = draw(st.sampled_from(kinds))
            value = POINTER if kind == Kind.POINTER else b"%d" % sequence
            source.append((name, sequence, kind, b"" if kind == Kind.DELETE else value))
        found.append(source)
    return found


def run_of(versions: list[Version]) -> Columns:
    keys, sequences, kinds, values = zip(*versions, strict=True)
    return make_columns(list(keys), list(values), sequences, bytes(kinds))


async def sources_of(
    layers: list[list[Version]], memtables: int, world: World, block_bytes: int
) -> Sources:
    """Put the newest layers into memtables, the others into tables: one, or two side by side."""
    sources = Sources(world, [], [])
    number = 0
    for place, layer in enumerate(reversed(layers)):
        if place < memtables:
            table = Memtable(0)
            for name, sequence, kind, value in layer:
                entry = Entry(sequence, None if kind == Kind.DELETE else value)
                if kind != Kind.POINTER:
                    table.put(name, entry, sequence, range(sequence))
            sources.memtables.append(table)
            continue
        layer.sort(key=lambda version: (version[0], -version[1]))
        middle = layer[len(layer) // 2][0] if layer else b""
        halves = [
            [version for version in layer if version[0] < middle],
            [version for version in layer if version[0] >= middle],
        ]
        run = []
        for half in filter(None, halves):
            number += 1
            data, meta = build(
                run_of(half),
                attrs.evolve(TableOptions(), block_bytes=block_bytes),
                number=number,
            )
            await world.add(data, number)
            run.append(meta)
        if run:
            sources.runs.append(tuple(run))
    return sources


@settings(max_examples=120, deadline=None)
@given(layers(), st.data())
async def test_every_path_gives_the_rows_of_the_plain_merger(
    layers: list[list[Version]], data: st.DataObject
) -> None:
    draw = data.draw
    world = World(is_cold=draw(st.booleans()))
    sources = await sources_of(
        layers, draw(st.integers(0, 2)), world, draw(st.sampled_from([64, 200, 8192]))
    )
    last = max((version[1] for layer in layers for version in layer), default=0)
    at = draw(st.integers(0, last) | st.just(last))
    for _ in range(4):
        limit = draw(st.none() | st.integers(0, 40))
        wanted = Range(
            draw(KEY | st.just(b"")), draw(st.none() | KEY), draw(st.booleans()), limit
        )

        expected = await sources.plain(wanted, at)

        counts = draw(st.lists(COUNTS, min_size=1, max_size=3))
        rows = await drain(sources.merger(wanted, at), counts)
        assert rows[:limit] == expected
        if limit is not None:
            found = short_scan(
                sources.memtables, world.tables, sources.runs, wanted, at, Fairness()
            )
            if found is not None:
                assert rows_of([(*found, 0)]) == expected


def numbered(numbers: list[int], first: int) -> list[Version]:
    return [
        (b"%04d" % number, first + place, Kind.PUT, b"%d" % first)
        for place, number in enumerate(numbers)
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 400), unique=True, max_size=40),
    st.lists(st.integers(0, 400), unique=True, min_size=30),
    st.integers(1, 5),
    st.integers(0, 400),
    st.none() | st.integers(0, 400),
    st.booleans(),
    st.integers(0, 256),
)
async def test_a_short_scan_of_plain_rows_in_memory_is_answered_at_once(
    fresh: list[int],
    old: list[int],
    runs: int,
    start: int,
    stop: int | None,
    reverse: bool,
    limit: int,
) -> None:
    """Of one run or of several that lie across each other, with newer versions in some."""
    world = World()
    layers = [
        numbered(sorted({*old[run::runs], *old[: 4 * run : 2]}), 1 + 1000 * run)
        for run in range(runs)
    ]
    layers.append(numbered(fresh, 10_000))
    sources = await sources_of(layers, 1, world, 64)
    everything = Range(b"", None, reverse=False, limit=None)
    assert len(await sources.plain(everything, 20_000)) == len({*old, *fresh})
    stop_key = None if stop is None else b"%04d" % stop
    wanted = Range(b"%04d" % start, stop_key, reverse, limit)

    found = short_scan(
        sources.memtables, world.tables, sources.runs, wanted, 20_000, Fairness()
    )

    assert found is not None
    assert rows_of([(*found, 0)]) == await sources.plain(wanted, 20_000)


async def test_a_short_scan_of_several_tables_ends_where_deletes_hide_what_follows() -> (
    None
):
    """The merger goes on behind them: here nobody knows how far."""
    layers = [numbered(list(range(place, 60, 2)), 1 + 100 * place) for place in (0, 1)]
    layers.append([(b"%04d" % number, 500, Kind.DELETE, b"") for number in range(20)])
    sources = await sources_of(layers, 1, World(), 8192)

    def found(limit: int) -> list[Row] | None:
        wanted = Range(b"", None, reverse=False, limit=limit)
        rows = short_scan(
            sources.memtables,
            sources.world.tables,
            sources.runs,
            wanted,
            1000,
            Fairness(),
        )
        return None if rows is None else rows_of([(*rows, 0)])

    everything = await sources.plain(Range(b"", None, reverse=False, limit=None), 1000)
    assert len(everything) == 40
    assert found(10) is None
    assert found(100) == everything


@settings(max_examples=40, deadline=None)
@given(layers(), st.booleans(), st.integers(1, 40) | COUNTS, st.integers(0, 12))
async def test_a_failed_read_skips_nothing(
    layers: list[list[Version]], reverse: bool, count: int, failing: int
) -> None:
    world = World(is_cold=True)
    sources = await sources_of(layers, 1, world, 64)
    wanted = Range(b"", None, reverse, None)
    expected = await sources.plain(wanted, 1 << 40)
    world.use(
        FaultyIo(world.io, FaultPlan((FailOp(kinds=(OpKind.READ,), at=failing),)))
    )

    assert await drain(sources.merger(wanted, 1 << 40), [count]) == expected


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_long_scan_shows_blocks_of_a_table_together(reverse: bool) -> None:
    names = [b"%04d" % number for number in range(200)]
    layer = [(name, 1 + at, Kind.PUT, b"value") for at, name in enumerate(names)]
    sources = await sources_of([layer], 0, World(), 64)
    wanted = Range(b"0003x", b"0190x", reverse, None)
    expected = [key for key, _, _ in await sources.plain(wanted, 1 << 40)]

    cursor = TableCursor(
        sources.world.tables,
        sources.runs[0],
        wanted.start,
        wanted.stop,
        reverse=reverse,
    )
    head = TableHead(cursor, wanted.start, wanted.stop, reverse=reverse, at=1 << 40)
    found: list[bytes] = []
    sizes = []
    while head.refill(1000, joins=True):
        keys, values, marks = head.rows(head.low, head.high)
        assert (len(keys), set(values), marks) == (len(values), {b"value"}, 0)
        sizes.append(len(keys))
        found += reversed(keys) if reverse else keys
        head.low = head.high = 0
    assert found == expected
    assert sizes[:4] == sorted(sizes[:4])
    assert sizes[3] > 4 * sizes[0]


async def test_a_short_scan_keeps_nothing_and_sees_one_moment() -> None:
    async with layered() as store:
        before = sorted((await content_of(store)).items())[:20]
        async with store.scan(limit=20) as rows:
            await store.delete(before[3][0])
            assert [row async for row in rows] == before
        async with store.scan(limit=20) as rows:
            assert before[3] not in [row async for row in rows]
        assert store.statistics().snapshots == 0


def test_limits_and_chunks_are_prefixes_of_the_whole() -> None:
    """Through the store, with deletes, several levels and a live memtable."""

    async def main() -> None:
        options = evolve(durability=Durability.OS)
        async with open_on(VirtualDisk(), options) as store:
            await fill(store, 400)
            await store.compact()
            await fill(store, 50)
            await store.flush()
            keys = sorted(await content_of(store))
            for key in keys[10:100:7]:
                await store.delete(key)
            for key in keys[20:300:11]:
                await store.put(key + b"+", b"between")
            content = sorted((await content_of(store)).items())
            for reverse in (False, True):
                ordered = content[::-1] if reverse else content
                for limit in (0, 1, 9, 10, 50, 256, 257, 1000):
                    async with store.scan(limit=limit, reverse=reverse) as rows:
                        assert [row async for row in rows] == ordered[:limit]
                    async with store.scan(limit=limit, reverse=reverse) as rows:
                        parts = [part async for part in rows.chunks(7)]
                    assert [row for part in parts for row in part] == ordered[:limit]
                    async with store.scan(
                        limit=limit, reverse=reverse, keys_only=True
                    ) as names:
                        found = [name async for name in names]
                    assert found == [key for key, _ in ordered[:limit]]

    run_seeded(0, main)

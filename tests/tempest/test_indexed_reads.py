"""Reads by the row cache against the plain way through filters, searches and blocks."""

import gc
from contextlib import suppress
from functools import partial
from itertools import pairwise
from random import Random

import attrs
import pytest
import trio
from hypothesis import given, strategies as st

from io_backends import (
    BitFlip,
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    Slow,
    VirtualDisk,
    VirtualIo,
)
from io_backends.faults import Fault
from tempest import Durability, HealthState, InvalidError, Snapshot, Store
from tempest.columns import SEQUENCE_MAX, Columns, Kind, make_columns
from tempest.options import KEY_BYTES_MAX
from tempest.reader import ASK
from tempest.table import Table, cache, row_cache
from tempest.table.cache import BlockCache, TableBlocks
from tempest.table.lone_rows import ROW_BYTES
from tempest.view import View
from tests.tempest.crash.world import TINY
from tests.tempest.shelf import open_on
from tests.tempest.test_options_writing import struck

TINY_OS = attrs.evolve(TINY, durability=Durability.OS, cache_bytes_max=1 << 20)
KEYS = [b"%02d" % number for number in range(24)]
ASKED = [b"", *KEYS, *(key + b"." for key in KEYS[::3]), b"99"]


def plain(store: Store, key: bytes, at: int) -> bytes | None:
    """Return what memory and tables have, asked one after the other, without rows."""
    reader = store._reading.reader
    entry = reader.memtables.get(key, at)
    return reader.plain_get_nowait(key, at) if entry is None else entry.value


@attrs.frozen
class Held:
    """A view of the store, the sequence that it reads at, and what it must show."""

    view: View
    at: int
    content: dict[bytes, bytes]


async def compare(store: Store, held: Held) -> None:
    """Every key is answered alike in every way: in bulk, alone, and without rows."""
    reader, at = store._reading.reader, held.at
    expected = [held.content.get(key) for key in ASKED]
    assert await held.view.get_many(ASKED) == expected
    for _ in range(2):
        quick = reader.get_many_nowait(ASKED, [None] * 20, at)
        for key, value, found in zip(ASKED, expected, quick, strict=True):
            assert found is ASK or found == value
            assert await reader.get(key, at) == value
            with suppress(trio.WouldBlock):
                assert plain(store, key, at) == value
        for key in ASKED:
            row = reader.rows.get(key)
            assert row is None or not reader.memtables.has(key)
            with suppress(trio.WouldBlock):
                assert row is None or plain(store, key, SEQUENCE_MAX) == row
    check(store._reading.blocks)


def check(blocks: BlockCache) -> None:
    """Rows come from indexed blocks or are lone, and nothing is held beyond the budget."""
    assert 0 <= blocks.bytes_used <= blocks._bytes_max
    lone = blocks.rows.lone
    rows_alone = [row for part in (*lone._young, *lone._old) for row in part.items()]
    assert len({key for key, _ in rows_alone}) == len(rows_alone)
    tables: dict[int, TableBlocks] = {t.serial: t for t, _ in blocks._queue.values()}
    total = sum(charge for _, charge in blocks._queue.values())
    values: dict[bytes, list[bytes]] = {}
    for table in tables.values():
        assert table.unindexed == len(table.slots) - table.indexed.count(cache._INDEXED)
        for index in filter(table.indexed.__getitem__, range(len(table.slots))):
            columns = table.slots[index]
            assert columns is not None
            total += cache._ROW_BYTES * len(columns)
            for key, value in zip(columns.keys, columns.values, strict=True):
                values.setdefault(key, []).append(value)
    total += sum(len(key) + len(row) + ROW_BYTES for key, row in rows_alone)
    assert total == blocks.bytes_used
    assert blocks.unindexed >= sum(table.unindexed for table in tables.values())
    for rows in blocks.rows._dicts:
        for key, row in rows.items():
            assert any(row is value for value in values[key])


async def step(
    store: Store, random: Random, content: dict[bytes, bytes], held: list[Held]
) -> None:
    """Write, move what was written into tables and down the levels, or hold a position."""
    key, value = random.choice(KEYS), random.randbytes(random.choice([1, 10, 10, 400]))
    match random.choices(
        ["put", "delete", "flush", "compact", "hold", "release"], [60, 10, 6, 6, 6, 6]
    ):
        case ["put"]:
            await store.put(key, value)
            content[key] = value
        case ["delete"]:
            await store.delete(key)
            content.pop(key, None)
        case ["flush"]:
            await store.flush()
        case ["compact"]:
            await store.compact()
        case ["hold"]:
            snapshot = await store.snapshot().__aenter__()
            at = store._reading.reader.visibility.visible
            held.append(Held(snapshot, at, dict(content)))
        case ["release"] if held:
            gone = held.pop(random.randrange(len(held))).view
            assert isinstance(gone, Snapshot)
            await gone.aclose()


@pytest.mark.parametrize("seed", range(12))
async def test_indexed_rows_answer_what_the_tables_do(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    monkeypatch.setattr(row_cache, "ROWS_A_DICT", random.choice([1, 32_768]))
    options = attrs.evolve(
        TINY,
        durability=Durability.OS,
        memtable_bytes_max=random.choice([2048, 1 << 14, 1 << 20]),
        table_bytes_max=random.choice([512, 1 << 20]),
        cache_bytes_max=random.choice([0, 4000, 12_000, 1 << 20, 1 << 20]),
        block_bytes=random.choice([64, 300]),
        tables_open_max=random.choice([1, 3, 256]),
        level0_tables_max=random.choice([2, 20]),
        separated_value_bytes_min=300,
    )
    async with open_on(VirtualDisk(), options) as store:
        held: list[Held] = []
        content: dict[bytes, bytes] = {}
        for number in range(150):
            await step(store, random, content, held)
            if number % 6 == 0:
                at = store._reading.reader.visibility.visible
                for each in (Held(store, at, content), *held[-2:]):
                    await compare(store, each)


def columns_of(random: Random, first: int) -> Columns:
    """A block of keys from `first` on, with deletes and keys of several versions among them."""
    keys = sorted(b"%06d" % random.randrange(first, first + 9) for _ in range(9))
    kinds = bytes(random.choices([Kind.PUT, Kind.DELETE], [5, 1], k=9))
    if random.random() < 0.5:
        keys, kinds = [b"%06d" % number for number in range(first, first + 9)], b""
    values = [b"%d" % (first + random.randrange(9)) for _ in keys]
    return make_columns(keys, values, range(9, 0, -1), kinds)


@given(
    seed=st.integers(0, 1 << 32),
    budget=st.sampled_from([5_000, 20_000, 60_000]),
)
def test_rows_are_those_of_blocks_that_are_kept(seed: int, budget: int) -> None:
    random = Random(seed)
    blocks = BlockCache(budget)
    newest = [0, 1]  # each half of the keys is newest in one of two tables
    blocks.newest = lambda number, columns: (
        columns.keys[:2] if newest[columns.keys[0] < b"%06d" % 90] == number else None
    )
    tables = [blocks.register(20, number) for number in range(2)]
    for number in range(100):
        table = random.choice(tables)
        index = random.randrange(20)
        blocks.keep(table, index, columns_of(random, 9 * index), 300)
        blocks.index(table, index)
        columns = table.slots[index]
        if columns is not None and table.indexed[index] != cache._INDEXED:
            place = columns.keys.index(columns.keys[random.randrange(9)])
            if not columns.kind(place):
                key, value = columns.keys[place], columns.values[place]
                if blocks.rows.get(key) is None:
                    blocks.add_row(table, index, key, value)
        table.marks[random.randrange(20)] = random.randrange(2)
        if number == 60:
            blocks.drop(tables[0])
            assert blocks.unindexed == tables[1].unindexed
            tables = tables[1:]
        blocks.borrow(random.choice([0, 1000, 9000]))
        check(blocks)
    for table in tables:
        blocks.drop(table)
    blocks.rows.lone.clear()
    assert (len(blocks.rows), blocks.unindexed) == (0, 0)


async def test_what_is_nowhere_is_not_looked_for_once_all_has_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No filter is asked where every row of every table is known; a write changes that at once."""
    async with open_on(VirtualDisk(), TINY_OS) as store:
        for key in KEYS:
            await store.put(key, b"value")
        await store.flush()
        await store.compact()
        for key in KEYS:
            assert await store.get(key) == b"value"
        reader, blocks = store._reading.reader, store._reading.blocks
        assert blocks.unindexed == 0
        assert store.get_nowait(b"nowhere") is None
        assert reader.rows.is_whole
        with monkeypatch.context() as patch:
            patch.setattr(Table, "get_nowait", None)
            for key in KEYS:
                assert store.get_nowait(key + b".") is None
                assert await store.get(key + b".") is None
        with pytest.raises(InvalidError):
            store.get_nowait(bytes(KEY_BYTES_MAX + 1))
        await store.put(KEYS[3], b"newer")
        assert reader.rows.get(KEYS[3]) is None
        assert store.get_nowait(KEYS[3]) == b"newer"
        await store.flush()
        assert await store.get(KEYS[3]) == b"newer"
        await store.delete(KEYS[4])
        assert store.get_nowait(KEYS[4]) is None
        await store.flush()
        assert await store.get(KEYS[4]) is None
        assert await store.get(KEYS[5]) == b"value"


async def test_the_last_few_blocks_are_read_for_what_is_missing() -> None:
    """Twenty thousand reads left five blocks of three thousand unread, and each miss asked filters."""
    options = attrs.evolve(TINY_OS, memtable_bytes_max=1 << 20, table_bytes_max=1 << 20)
    async with open_on(VirtualDisk(), options) as store:
        keys = [b"%03d" % number for number in range(200)]
        for key in keys:
            await store.put(key, b"value")
        await store.flush()
        await store.compact()
        blocks, rows = store._reading.blocks, store._reading.reader.rows
        for key in keys[:40]:
            assert await store.get(key) == b"value"
        for key in keys:
            assert await store.get(key + b".") is None
        assert not rows.is_whole
        left = blocks.unindexed
        assert left > 4
        while blocks.unindexed > 4:
            assert await store.get(keys.pop()) == b"value"
        for number in range(blocks.unindexed):
            assert not rows.is_whole
            assert store.get_nowait(b"000.%d" % number) is None
        assert await store.get(b"000.") is None
        assert rows.is_whole


@pytest.mark.parametrize(
    "fault",
    [
        FailOp(kinds=(OpKind.READ_NOWAIT,), path="*/table-*"),
        BitFlip(kinds=(OpKind.READ_NOWAIT,), path="*/table-*"),
    ],
)
async def test_a_miss_does_not_fail_for_the_block_that_it_reads_besides(
    fault: Fault,
) -> None:
    """What is asked for is not in that block: a get of a key that is nowhere told of its damage."""
    options = attrs.evolve(TINY_OS, memtable_bytes_max=1 << 20, table_bytes_max=1 << 20)
    io = FaultyIo(VirtualIo(VirtualDisk()), FaultPlan())
    async with open_on(io, options) as store:
        for number in range(20):
            await store.put(b"%03d" % number, b"value")
        await store.flush()
        blocks = store._reading.blocks
        for number in range(20):
            if number == 0 or blocks.unindexed > 3:
                assert await store.get(b"%03d" % number) == b"value"
        left = blocks.unindexed
        assert left
        struck(io, fault)
        assert store.get_nowait(b"000.") is None
        assert io.log.hits
        assert blocks.unindexed == left
        is_damage = isinstance(fault, BitFlip)
        assert (store.health().state is HealthState.READ_ONLY) is is_damage
        struck(io)
        assert await store.get(b"019") == b"value"


def test_a_block_that_gives_no_rows_is_named_once() -> None:
    blocks = BlockCache(60_000)
    table = blocks.register(3, 0)
    assert [blocks.another(table) for _ in range(5)] == [0, 1, 2, -1, -1]
    many = blocks.register(1000, 1)
    assert blocks.another(many) == -1  # too many are left
    blocks.drop(many)
    full = blocks.register(3, 2)
    blocks.keep(table, 0, make_columns([b"key"], [bytes(9)], [1]), 59_000)
    assert blocks.another(full) == -1  # it would push out what is in use


async def test_the_collector_of_cycles_passes_by_cached_blocks() -> None:
    """Each of its full passes looked at every entry of every block: 15 ms for 53 MiB."""
    async with open_on(VirtualDisk(), TINY_OS) as store:
        for key in KEYS:
            await store.put(key, b"value")
        await store.flush()
        assert await store.get(KEYS[0]) == b"value"
        blocks = store._reading.blocks
        tables = [table for table, _ in blocks._queue.values()]
        held = [columns for table in tables for columns in table.slots if columns]
        assert held
        gc.collect()
        for columns in held:
            assert not gc.is_tracked(columns.keys)
            assert not gc.is_tracked(columns.values)
        assert not any(map(gc.is_tracked, blocks.rows._dicts))


async def test_reads_that_unpack_blocks_give_way_sooner() -> None:
    """500 units were 166 reads of 15 us each where no block is kept: 2.5 ms without a turn."""
    turns: list[int] = []
    reads = 0

    async def other() -> None:
        while True:
            turns.append(reads)
            await trio.lowlevel.checkpoint()

    options = attrs.evolve(TINY_OS, cache_bytes_max=0, memtable_bytes_max=1 << 20)
    async with open_on(VirtualDisk(), options) as store:
        for key in KEYS:
            await store.put(key, b"value")
        await store.flush()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await trio.lowlevel.checkpoint()
            for reads in range(200):
                assert await store.get(KEYS[reads % 20]) == b"value"
            nursery.cancel_scope.cancel()
    gaps = [after - before for before, after in pairwise(turns)]
    assert len(gaps) > 3
    assert max(gaps) <= 80  # two turns' worth, where the others' came in between


@pytest.mark.parametrize("level", Durability)
async def test_the_first_write_ends_the_silence_of_an_empty_store(
    level: Durability,
) -> None:
    """No row had ever come in, so no write looked at rows, and what was nowhere stayed there."""
    async with open_on(VirtualDisk(), TINY_OS) as store:
        assert await store.get(b"key") is None
        assert store.get_nowait(b"key") is None
        await store.put(b"key", b"value", durability=level)
        assert await store.get(b"key") == b"value"
        assert await store.get_many([b"key", b"other"]) == [b"value", None]


async def test_an_invisible_write_leaves_the_older_value_and_no_row(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A row that was read while a newer version waited for its sync would outlive the wait."""
    io = FaultyIo(VirtualIo(VirtualDisk()), FaultPlan())
    async with open_on(io, TINY_OS) as store, trio.open_nursery() as nursery:
        await store.put(b"key", b"older")
        await store.flush()
        assert await store.get(b"key") == b"older"
        struck(io, Slow(kinds=(OpKind.SYNC,), seconds=10.0))
        nursery.start_soon(
            partial(store.put, b"key", b"newer", durability=Durability.DISK)
        )
        await trio.sleep(1)
        for _ in range(3):
            assert await store.get(b"key") == b"older"
            assert await store.get_many([b"key"]) == [b"older"]
        await trio.sleep(30)
        assert await store.get(b"key") == b"newer"
        assert store.get_nowait(b"key") == b"newer"

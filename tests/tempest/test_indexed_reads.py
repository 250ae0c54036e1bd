"""Reads by indexed rows against the plain way through filters, searches and blocks."""

from contextlib import suppress
from random import Random

import attrs
import pytest
import trio
from hypothesis import given, strategies as st

from io_backends import VirtualDisk
from tempest import Durability, Snapshot, Store
from tempest.columns import Columns, Kind, make_columns
from tempest.table import ASK, cache
from tempest.table.cache import BlockCache, TableBlocks
from tempest.view import View
from tests.tempest.crash.world import TINY
from tests.tempest.shelf import open_on

KEYS = [b"%02d" % number for number in range(24)]
ASKED = [b"", *KEYS, *(key + b"." for key in KEYS[::3]), b"99"]


def plain(store: Store, key: bytes, at: int) -> bytes | None:
    """Return what memory and tables have, asked one after the other, without the index."""
    reader = store._reading.reader
    entry = reader.memtables.get(key, at)
    return reader.plain_get_nowait(key, at) if entry is None else entry[1]


@attrs.frozen
class Held:
    """A view of the store, the sequence that it reads at, and what it must show."""

    view: View
    at: int
    content: dict[bytes, bytes]


async def compare(store: Store, held: Held) -> None:
    """Every key is answered alike in every way: in bulk, alone, and without the index."""
    reader, at = store._reading.reader, held.at
    expected = [held.content.get(key) for key in ASKED]
    assert await held.view.get_many(ASKED) == expected
    for _ in range(2):
        quick = reader.get_many_nowait(ASKED, at)
        for key, value, found in zip(ASKED, expected, quick, strict=True):
            assert found is ASK or found == value
            assert await reader.get(key, at) == value
            with suppress(trio.WouldBlock):
                assert plain(store, key, at) == value
    check(store._reading.blocks)


def check(blocks: BlockCache) -> None:
    """Shards hold the rows of the blocks that are indexed, and nothing is held beyond the budget."""
    assert 0 <= blocks.bytes_used <= blocks._bytes_max
    tables: dict[int, TableBlocks] = {t.serial: t for t, _ in blocks._queue.values()}
    total = sum(charge for _, charge in blocks._queue.values())
    for table in tables.values():
        each = table.blocks_per_shard
        for number, shard in enumerate(table.shards):
            rows: dict[bytes, bytes] = {}
            indexed = 0
            for index in range(
                number * each, min(len(table.slots), (number + 1) * each)
            ):
                if not table.indexed[index]:
                    indexed -= 1
                    continue
                columns = table.slots[index]
                assert columns is not None
                total += cache._ROW_BYTES * len(columns)
                for place, key in enumerate(columns.keys):
                    alone = columns.keys.count(key) == 1 and not columns.kind(place)
                    rows[key] = columns.values[place] if alone else ASK
            assert shard.rows == rows
            assert shard.unindexed == -indexed
            assert all(
                (value is ASK) == (rows[key] is ASK)
                for key, value in shard.rows.items()
            )
    assert total == blocks.bytes_used


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
    entries = random.choice([4, 16, 8192])
    monkeypatch.setattr(cache, "_SHARD_ENTRIES", entries)
    monkeypatch.setattr(cache, "_SHARD_ENTRIES_MAX", 2 * entries)
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
    return make_columns(keys, [b"%d" % first] * 9, range(9, 0, -1), kinds)


@given(
    seed=st.integers(0, 1 << 32),
    budget=st.sampled_from([5_000, 20_000, 60_000]),
    entries=st.sampled_from([9, 40, 8192]),
)
def test_the_index_holds_the_rows_of_the_blocks_that_are_in_it(
    seed: int, budget: int, entries: int
) -> None:
    random = Random(seed)
    blocks = BlockCache(budget)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_SHARD_ENTRIES", entries)
        patch.setattr(cache, "_SHARD_ENTRIES_MAX", entries + entries // 4)
        tables = [blocks.register(20, 180) for _ in range(2)]
    for number in range(100):
        table = random.choice(tables)
        index = random.randrange(20)
        blocks.keep(table, index, columns_of(random, 9 * index), 300)
        blocks.index(table, index)
        table.marks[random.randrange(20)] = random.randrange(2)
        if number == 60:
            blocks.drop(tables[0])
            assert not any(shard.rows for shard in tables[0].shards)
        blocks.borrow(random.choice([0, 1000, 9000]))
        check(blocks)

"""The block cache keeps within its budget, prefers what is hit, and never answers wrong."""

from hypothesis import given, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
)

from tempest.columns import Columns, make_columns
from tempest.table import BlockCache
from tempest.table.cache import TableBlocks

COLUMNS = make_columns([b"a"], [b"1"], [1])
CHARGE = 1000  # of COLUMNS with raw bytes RAW
RAW = CHARGE - 96 - 400


def keep(cache: BlockCache, blocks: TableBlocks, *indexes: int) -> None:
    for index in indexes:
        cache.keep(blocks, index, COLUMNS, RAW)


def kept(blocks: TableBlocks) -> list[int]:
    return [i for i, columns in enumerate(blocks.slots) if columns is not None]


def test_the_oldest_block_goes_first() -> None:
    cache = BlockCache(3 * CHARGE)
    blocks = cache.register(9)
    keep(cache, blocks, 0, 1, 2, 3, 4)
    assert kept(blocks) == [2, 3, 4]
    assert cache.bytes_used == 3 * CHARGE
    assert len(cache) == 3


def test_a_block_that_was_hit_gets_a_second_chance_and_no_third() -> None:
    cache = BlockCache(3 * CHARGE)
    blocks = cache.register(9)
    keep(cache, blocks, 0, 1, 2)
    blocks.marks[0] = 1
    keep(cache, blocks, 3)
    assert kept(blocks) == [0, 2, 3]
    keep(cache, blocks, 4, 5)
    assert kept(blocks) == [0, 4, 5] or kept(blocks) == [3, 4, 5]
    keep(cache, blocks, 6, 7, 8)
    assert kept(blocks) == [6, 7, 8]


def test_a_scan_does_not_push_out_what_is_hit_often() -> None:
    cache = BlockCache(10 * CHARGE)
    hot, cold = cache.register(2), cache.register(100)
    keep(cache, hot, 0, 1)
    for index in range(100):
        hot.marks[0] = hot.marks[1] = 1
        keep(cache, cold, index)
    assert kept(hot) == [0, 1]


def test_a_full_cache_wants_a_block_that_is_asked_for_twice() -> None:
    """Reads here and there paid 10 us each to keep a block and let another go: 30 us a read."""
    cache = BlockCache(10 * CHARGE)
    blocks = cache.register(400)
    for index in range(10):
        assert cache.wants(blocks, index)
        keep(cache, blocks, index)
    assert not cache.wants(blocks, 10)
    assert cache.wants(blocks, 10)
    for index in range(20, 300):
        assert not cache.wants(blocks, index)
    assert not cache.wants(blocks, 20)  # that was long ago
    assert cache.wants(blocks, 299)
    assert len(cache._ghosts) < 100
    assert kept(blocks) == list(range(10))


def test_what_many_reads_left_alone_makes_room_for_rows() -> None:
    cache = BlockCache(10 * CHARGE)
    blocks = cache.register(20)
    keep(cache, blocks, *range(10))
    cache.add_row(blocks, 15, b"key", bytes(1000))
    assert cache.rows.get(b"key") == bytes(1000)
    assert kept(blocks) == list(range(2, 10))
    assert cache.bytes_used <= 10 * CHARGE


def test_a_budget_that_shrinks_below_the_rows_lets_them_go() -> None:
    cache = BlockCache(0, 10 * CHARGE)
    blocks = cache.register(1)
    cache.add_row(blocks, 0, b"key", bytes(1000))
    assert cache.bytes_used == 0
    cache.borrow(10 * CHARGE)
    cache.add_row(blocks, 0, b"key", bytes(1000))
    assert cache.bytes_used > CHARGE
    cache.borrow(0)
    assert cache.bytes_used == 0


def test_nothing_is_indexed_where_not_all_finds_room() -> None:
    """To take 67 rows out again for every block that went cost more than all that reads gained."""
    cache = BlockCache(10 * CHARGE)
    cache.newest = lambda number, columns: ()
    few = cache.register(8)
    keep(cache, few, 0, 1)
    cache.index(few, 0)
    assert few.indexed[0]
    many = cache.register(30)
    keep(cache, many, 0)
    cache.index(many, 0)
    cache.index(few, 1)
    assert not many.indexed[0]
    assert not few.indexed[1]


def test_a_new_block_gets_in_even_if_all_others_are_hit() -> None:
    cache = BlockCache(3 * CHARGE)
    blocks = cache.register(9)
    keep(cache, blocks, 0, 1, 2)
    blocks.marks[:3] = b"\x01\x01\x01"
    keep(cache, blocks, 3)
    assert kept(blocks) == [1, 2, 3]


def test_a_block_that_came_twice_is_charged_once() -> None:
    cache = BlockCache(3 * CHARGE)
    blocks = cache.register(9)
    keep(cache, blocks, 0)
    first = blocks.slots[0]
    cache.keep(blocks, 0, make_columns([b"a"], [b"1"], [1]), RAW)
    assert blocks.slots[0] is first
    assert cache.bytes_used == CHARGE


def test_a_block_larger_than_the_budget_is_not_kept_and_costs_nobody() -> None:
    """A budget of nothing keeps nothing."""
    cache = BlockCache(CHARGE)
    blocks = cache.register(2)
    keep(cache, blocks, 0)
    cache.keep(blocks, 1, COLUMNS, RAW + 1)
    assert kept(blocks) == [0]
    nothing = BlockCache(0)
    keep(nothing, nothing.register(1), 0)
    assert nothing.bytes_used == 0


def test_a_dropped_table_leaves_nothing_and_takes_nothing() -> None:
    cache = BlockCache(9 * CHARGE)
    gone, left = cache.register(3), cache.register(3)
    keep(cache, gone, 0, 2)
    keep(cache, left, 1)
    cache.drop(gone)
    assert (kept(gone), kept(left)) == ([], [1])
    assert cache.bytes_used == CHARGE
    keep(cache, gone, 1)
    assert kept(gone) == []
    cache.drop(gone)
    assert cache.bytes_used == CHARGE


class CacheMachine(RuleBasedStateMachine):
    """Any mixture of tables, blocks, hits and drops keeps the books straight."""

    tables = Bundle("tables")

    def __init__(self) -> None:
        super().__init__()
        self.cache = BlockCache(5000)
        self.known: list[TableBlocks] = []
        self.charges: dict[tuple[int, int], int] = {}
        self.dropped: set[int] = set()

    @rule(target=tables, count=st.integers(1, 5))
    def register(self, count: int) -> TableBlocks:
        blocks = self.cache.register(count)
        self.known.append(blocks)
        return blocks

    @rule(blocks=tables, index=st.integers(0, 4), raw=st.integers(0, 3000))
    def keep(self, blocks: TableBlocks, index: int, raw: int) -> None:
        index %= len(blocks.slots)
        was_there = blocks.slots[index] is not None
        self.cache.keep(blocks, index, COLUMNS, raw)
        if not was_there and blocks.slots[index] is not None:
            self.charges[blocks.serial, index] = raw + 496
            assert blocks.serial not in self.dropped

    @rule(blocks=tables, index=st.integers(0, 4))
    def hit(self, blocks: TableBlocks, index: int) -> None:
        index %= len(blocks.slots)
        if blocks.slots[index] is not None:
            blocks.marks[index] = 1

    @rule(blocks=tables)
    def drop(self, blocks: TableBlocks) -> None:
        self.cache.drop(blocks)
        self.dropped.add(blocks.serial)
        assert not kept(blocks)

    @invariant()
    def the_books_are_straight(self) -> None:
        filled = [(b.serial, index) for b in self.known for index in kept(b)]
        assert len(self.cache) == len(filled)
        assert self.cache.bytes_used == sum(self.charges[key] for key in filled)
        assert self.cache.bytes_used <= 5000


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=30, stateful_step_count=40)


@given(st.integers(1, 50))
def test_the_charge_grows_with_entries(count: int) -> None:
    cache = BlockCache(1 << 20)
    run = Columns(0, [b""] * count, [b""] * count, 0)
    cache.keep(cache.register(1), 0, run, 10)
    assert cache.bytes_used == 10 + 96 * count + 400

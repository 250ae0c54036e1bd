"""The leveled policy, run on tables that are lists: what readers see never changes, and it ends."""

from collections.abc import Callable, Iterable
from itertools import chain, pairwise

import attrs
from hypothesis import given, settings, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.compaction.leveled import Leveled
from tempest.compaction.policy import (
    Choice,
    LevelInput,
    Reason,
    choice_problems,
    older_keys,
)
from tempest.iterator import KeyRanges, combine, retain, visible_rows
from tempest.table import TableMeta
from tests.tempest.compaction.world import ALL, LEVELS, make_meta as table

POLICY = Leveled(level0_tables_max=3, level_bytes_base=6, level_growth=2)
TABLE_ENTRIES_MAX = 3

Row = tuple[bytes, int, Kind]


def meta_of(number: int, run: Columns) -> TableMeta:
    """A table of as many bytes as it has entries."""
    return TableMeta(
        number=number,
        life=1,
        size=len(run),
        smallest=run.keys[0],
        largest=run.keys[-1],
        sequence_min=run.sequence_min(),
        sequence_max=run.sequence_max(),
        entries=len(run),
        tombstones=run.kinds.count(Kind.DELETE),
        shadowed=len(run) - len(set(run.keys)),
        checksum=0,
    )


def run_of(rows: Iterable[Row]) -> Columns:
    ordered = sorted(rows, key=lambda row: (row[0], -row[1]))
    return make_columns(
        [key for key, _, _ in ordered],
        [b"" if kind else b"%d" % sequence for _, sequence, kind in ordered],
        [sequence for _, sequence, _ in ordered],
        bytes(kind for _, _, kind in ordered),
    )


@attrs.define
class ModelStore:
    """Levels of tables in memory, kept in shape by the policy."""

    positions: list[int]
    levels: list[list[TableMeta]] = attrs.field(
        factory=lambda: [[] for _ in range(LEVELS)]
    )
    runs: dict[int, Columns] = attrs.field(factory=dict)
    number: int = 0

    def add(self, level: int, run: Columns) -> None:
        self.number += 1
        self.runs[self.number] = run
        self.levels[level].append(meta_of(self.number, run))
        if level == 0:
            self.levels[0].sort(key=lambda meta: -meta.sequence_max)
        else:
            self.levels[level].sort(key=lambda meta: meta.smallest)

    def apply(self, choice: Choice) -> None:
        """What the engine does with a choice, on lists."""
        assert list(choice_problems(self.levels, choice)) == []
        older = older_keys(self.levels, choice)
        taken = {meta.number for meta in choice.tables}
        self.levels = [
            [meta for meta in level if meta.number not in taken]
            for level in self.levels
        ]
        if choice.is_move:
            outputs = [self.runs[meta.number] for meta in choice.tables]
        else:
            merged = combine([self.runs[meta.number] for meta in choice.tables])
            outputs = cut(retain(merged, self.positions, older).columns)
        for run in outputs:
            self.add(choice.output_level, run)
        self.check_shape()

    def check_shape(self) -> None:
        for level in self.levels[1:]:
            for one, next_one in pairwise(level):
                assert one.largest < next_one.smallest, "tables of a level overlap"
        for key in {key for run in self.runs.values() for key in run.keys}:
            previous = ALL
            for level in self.levels:
                for meta in level:
                    run = self.runs[meta.number]
                    for index, name in enumerate(run.keys):
                        if name == key:
                            assert run.sequence(index) < previous, "an older one above"
                            previous = run.sequence(index)

    def rows_at(self, position: int) -> list[tuple[bytes, bytes]]:
        live = [self.runs[meta.number] for level in self.levels for meta in level]
        if not live:
            return []
        return list(zip(*visible_rows(combine(live), position), strict=True))

    def settle(self, choose: Callable[[], Choice | None]) -> list[Choice]:
        """Apply choices until there are none, which must be soon."""
        made: list[Choice] = []
        while (choice := choose()) is not None:
            assert len(made) < 500, "compaction goes on for ever"
            made.append(choice)
            self.apply(choice)
        return made


def cut(run: Columns) -> list[Columns]:
    """Cut a run into tables, not inside a key."""
    outputs: list[Columns] = []
    low = 0
    for place in range(1, len(run) + 1):
        is_end = place == len(run) or (
            place - low >= TABLE_ENTRIES_MAX and run.keys[place] != run.keys[place - 1]
        )
        if is_end:
            outputs.append(run.part(low, place))
            low = place
    return outputs


flushes = st.lists(
    st.lists(
        st.tuples(st.integers(0, 15), st.sampled_from([Kind.PUT, Kind.DELETE])),
        min_size=1,
        max_size=8,
    ),
    max_size=14,
)
positions_inside = st.lists(st.integers(1, 60), max_size=3)


def load(
    store: ModelStore, batches: list[list[tuple[int, Kind]]], *, settle: bool
) -> None:
    """Flush batch after batch into level 0; with `settle`, compact between them."""
    sequence = 0
    for batch in batches:
        rows: list[Row] = []
        for key, kind in batch:
            sequence += 1
            rows.append((b"%02d" % key, sequence, kind))
        flushed = retain(
            run_of(rows),
            store.positions,
            keys_below(store),
        ).columns
        if flushed.keys:
            store.add(0, flushed)
        if settle:
            store.settle(lambda: POLICY.choose(store.levels, store.positions[0]))


def keys_below(store: ModelStore) -> KeyRanges:
    return KeyRanges.union(
        (meta.smallest, meta.largest) for level in store.levels for meta in level
    )


def unmerged(
    batches: list[list[tuple[int, Kind]]], position: int
) -> list[tuple[bytes, bytes]]:
    rows: dict[bytes, bytes] = {}
    entries = chain.from_iterable(batches)
    for sequence, (key, kind) in enumerate(entries, start=1):
        if sequence <= position:
            rows.pop(b"%02d" % key, None)
            if kind is Kind.PUT:
                rows[b"%02d" % key] = b"%d" % sequence
    return sorted(rows.items())


@settings(max_examples=150)
@given(flushes, positions_inside)
def test_compaction_ends_and_no_reader_notices(
    batches: list[list[tuple[int, Kind]]], inside: list[int]
) -> None:
    """B3, R15: flush and compact in any history; deleted keys stay deleted at every position."""
    positions = sorted({*inside, ALL})
    store = ModelStore(positions)

    load(store, batches, settle=True)

    assert all(POLICY.score(store.levels, level) < 1 for level in range(LEVELS))
    for position in positions:
        assert store.rows_at(position) == unmerged(batches, position)


@settings(max_examples=150)
@given(flushes, positions_inside)
def test_a_backlog_of_flushes_is_worked_off(
    batches: list[list[tuple[int, Kind]]], inside: list[int]
) -> None:
    positions = sorted({*inside, ALL})
    store = ModelStore(positions)
    load(store, batches, settle=False)

    store.settle(lambda: POLICY.choose(store.levels, positions[0]))

    for position in positions:
        assert store.rows_at(position) == unmerged(batches, position)


bounds = st.none() | st.integers(0, 16).map(lambda key: b"%02d" % key)


@settings(max_examples=150)
@given(flushes, positions_inside, bounds, bounds)
def test_a_manual_compaction_ends_and_no_reader_notices(
    batches: list[list[tuple[int, Kind]]],
    inside: list[int],
    start: bytes | None,
    stop: bytes | None,
) -> None:
    """A9: compacting a range brings no deleted key back."""
    positions = sorted({*inside, ALL})
    store = ModelStore(positions)
    load(store, batches, settle=bool(len(batches) % 2))

    store.settle(
        lambda: POLICY.choose_range(
            store.levels, start or b"", stop, written=ALL, oldest=positions[0]
        )
    )

    for position in positions:
        assert store.rows_at(position) == unmerged(batches, position)


@given(flushes)
def test_a_whole_compaction_leaves_one_level_of_live_rows(
    batches: list[list[tuple[int, Kind]]],
) -> None:
    """T24: tombstones are dropped at the bottom."""
    store = ModelStore([ALL])
    load(store, batches, settle=True)

    store.settle(
        lambda: POLICY.choose_range(store.levels, b"", None, written=ALL, oldest=ALL)
    )

    assert sum(bool(level) for level in store.levels) <= 1
    assert not store.levels[0]
    left = [store.runs[meta.number] for level in store.levels for meta in level]
    assert not any(Kind.DELETE in run.kinds for run in left)
    assert sum(map(len, left)) == len(store.rows_at(ALL))


@given(flushes)
def test_the_same_levels_give_the_same_choice(
    batches: list[list[tuple[int, Kind]]],
) -> None:
    store = ModelStore([ALL])
    load(store, batches, settle=False)

    assert POLICY.choose(store.levels, ALL) == POLICY.choose(store.levels, ALL)


# -------------------------------------------------------------------------------------------------
# What is chosen
# -------------------------------------------------------------------------------------------------


def test_nothing_is_chosen_from_an_empty_store() -> None:
    empty: list[list[TableMeta]] = [[], [], []]

    assert POLICY.choose(empty, ALL) is None
    assert POLICY.choose_range(empty, b"", None, written=ALL, oldest=ALL) is None


def test_level0_takes_what_hangs_together_with_its_oldest_table() -> None:
    newest = table(4, b"c", b"d", sequence=4)
    apart = table(3, b"x", b"z", sequence=3)
    bridge = table(2, b"b", b"c", sequence=2)
    oldest = table(1, b"a", b"b", sequence=1)
    below, beside = table(5, b"d", b"e"), table(6, b"f", b"g")
    levels = [[newest, apart, bridge, oldest], [below, beside], []]

    assert POLICY.choose(levels, ALL) == Choice(
        Reason.LEVEL0_FULL,
        (LevelInput(0, (newest, bridge, oldest)), LevelInput(1, (below,))),
        1,
    )


def test_a_table_that_overlaps_nothing_just_moves() -> None:
    levels = [
        [
            table(number, b"%d" % number, b"%d" % number, sequence=number)
            for number in (3, 2, 1)
        ],
        [],
        [],
    ]

    choice = POLICY.choose(levels, ALL)

    assert choice == Choice(
        Reason.LEVEL0_FULL, (LevelInput(0, (levels[0][2],)),), 1, is_move=True
    )


def test_a_full_level_gives_the_table_that_costs_least() -> None:
    dear, cheap = table(1, b"a", b"c", size=4), table(2, b"d", b"f", size=4)
    levels = [[], [dear, cheap], [table(3, b"a", b"b", size=5), table(4, b"e", b"e")]]

    choice = POLICY.choose(levels, ALL)

    assert choice == Choice(
        Reason.LEVEL_FULL,
        (LevelInput(1, (cheap,)), LevelInput(2, (levels[2][1],))),
        2,
    )


def test_a_table_of_tombstones_is_merged_into_what_it_hides() -> None:
    dense = table(1, b"a", b"c", tombstones=5)
    hidden = table(2, b"b", b"b")

    assert POLICY.choose([[], [dense], [hidden], []], ALL) == Choice(
        Reason.TOMBSTONES, (LevelInput(1, (dense,)), LevelInput(2, (hidden,))), 2
    )
    assert POLICY.choose([[], [dense], [], [hidden]], ALL) == Choice(
        Reason.TOMBSTONES, (LevelInput(1, (dense,)),), 2, is_move=True
    )
    assert POLICY.choose([[], [dense], [], []], ALL) == Choice(
        Reason.TOMBSTONES, (LevelInput(1, (dense,)),), 1
    )


def test_tombstones_that_a_reader_still_needs_are_left_alone() -> None:
    dense = table(1, b"a", b"c", sequence=9, tombstones=10)

    assert POLICY.choose([[], [dense], []], 8) is None
    assert (
        POLICY.choose_range([[], [dense], []], b"", None, written=ALL, oldest=8) is None
    )


def test_a_table_of_versions_that_nobody_can_see_is_rewritten() -> None:
    """Only a closed snapshot could see them, and nothing else would ever drop them."""
    stale = table(1, b"a", b"c", sequence=9, shadowed=1)
    deeper = table(2, b"x", b"z")

    def choose(oldest: int, *below: TableMeta) -> Choice | None:
        levels = [[], [stale], [deeper, *below], []]
        return POLICY.choose_range(levels, b"", b"d", written=ALL, oldest=oldest)

    assert choose(8) is None
    assert choose(9) == Choice(Reason.MANUAL, (LevelInput(1, (stale,)),), 1)


@given(flushes, st.integers(0, 60))
def test_what_a_closed_snapshot_saw_goes_with_the_next_whole_compaction(
    batches: list[list[tuple[int, Kind]]], position: int
) -> None:
    store = ModelStore([position, ALL])
    load(store, batches, settle=True)

    def compact_all() -> None:
        oldest = store.positions[0]
        store.settle(
            lambda: POLICY.choose_range(
                store.levels, b"", None, written=ALL, oldest=oldest
            )
        )

    compact_all()
    store.positions = [ALL]
    compact_all()

    left = [store.runs[meta.number] for level in store.levels for meta in level]
    assert sum(map(len, left)) == len(store.rows_at(ALL))


def test_a_manual_compaction_leaves_later_writes_alone() -> None:
    late = table(2, b"a", b"c", sequence=9)
    early = table(1, b"a", b"c", sequence=3)

    choose = POLICY.choose_range
    assert choose([[late], [early], []], b"", None, written=8, oldest=ALL) is None
    assert choose([[late], [early], []], b"", None, written=9, oldest=ALL) == Choice(
        Reason.MANUAL, (LevelInput(0, (late,)), LevelInput(1, (early,))), 1
    )


def test_a_manual_compaction_moves_about_a_level_at_a_time() -> None:
    upper = [table(number, b"%d" % number, b"%d" % number, size=4) for number in (1, 2)]
    lower = [
        table(number, b"%d" % (number - 2), b"%d" % (number - 2)) for number in (3, 4)
    ]

    choice = POLICY.choose_range([[], upper, lower], b"", None, written=9, oldest=9)

    assert choice is not None
    assert choice.inputs == (LevelInput(1, (upper[0],)), LevelInput(2, (lower[0],)))

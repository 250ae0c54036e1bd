"""The leveled policy, run on tables that are lists: what readers see never changes, and it ends."""

from collections.abc import Callable, Iterable
from itertools import chain, pairwise

import attrs
from hypothesis import given, settings, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.compaction.leveled import Leveled
from tempest.compaction.policy import Choice, choice_problems, older_keys
from tempest.iterator import KeyRanges, combine, retain, visible_rows
from tempest.table import TableMeta
from tests.tempest.compaction.world import ALL, LEVELS

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
        return list(zip(*visible_rows(combine(live), position)[:2], strict=True))

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

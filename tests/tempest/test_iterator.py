"""Merging and retention against a model that looks at one entry at a time."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import attrs
from hypothesis import given, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.iterator import (
    KeyRanges,
    Merger,
    combine,
    concatenate,
    drop_shadowed,
    retain,
    sort_run,
    visible_rows,
)

NOWHERE = KeyRanges.union([])
EVERYWHERE = KeyRanges.union([(b"", b"\xff" * 9)])


@attrs.frozen(order=True)
class Entry:
    """One version; ordered as entries stand in a run."""

    key: bytes
    newest_first: int
    kind: int
    value: bytes

    @property
    def sequence(self) -> int:
        return -self.newest_first


def run_of(entries: Iterable[Entry]) -> Columns:
    rows = list(entries)
    return make_columns(
        [row.key for row in rows],
        [row.value for row in rows],
        [row.sequence for row in rows],
        bytes(row.kind for row in rows),
    )


def entries_of(run: Columns) -> list[Entry]:
    return [
        Entry(key, -sequence, run.kind(index), value)
        for index, (key, value, sequence) in enumerate(
            zip(run.keys, run.values, run.sequences(), strict=True)
        )
    ]


@attrs.define
class ListSource:
    """A source that hands out what it was given, and whether its chunks were honest."""

    chunks: list[Columns]

    async def next_chunk(self) -> Columns | None:
        return self.chunks.pop(0) if self.chunks else None


async def drain(source: Merger | ListSource) -> list[Columns]:
    chunks: list[Columns] = []
    while (chunk := await source.next_chunk()) is not None:
        chunks.append(chunk)
    assert await source.next_chunk() is None
    return chunks


keys = st.binary(max_size=2)


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """Entries of many keys with a sequence each, oldest first; few keys, so many versions."""
    pool = draw(st.lists(keys, min_size=1, max_size=8))
    count = draw(st.integers(0, 40))
    sequences = sorted(draw(st.sets(st.integers(1, 99), max_size=count)))
    entries: list[Entry] = []
    for sequence in sequences:
        key, is_delete = draw(st.sampled_from(pool)), draw(st.booleans())
        value = b"" if is_delete else b"v%d" % sequence
        entries.append(Entry(key, -sequence, int(is_delete), value))
    return entries


@st.composite
def split_histories(draw: st.DrawFn) -> tuple[list[Entry], list[list[Entry]]]:
    """A history, and the same entries dealt to one to six sorted sources, at will."""
    history = draw(histories())
    sources: list[list[Entry]] = [[] for _ in range(draw(st.integers(1, 6)))]
    for entry in history:
        sources[draw(st.integers(0, len(sources) - 1))].append(entry)
    return history, [sorted(source) for source in sources]


@st.composite
def chunks_of(draw: st.DrawFn, entries: list[Entry]) -> list[Columns]:
    """Cut entries anywhere but inside a key, with empty chunks between."""
    chunks: list[Columns] = []
    open_chunk: list[Entry] = []
    for _, versions in groupby(entries, key=lambda entry: entry.key):
        open_chunk += versions
        if draw(st.booleans()):
            chunks.append(run_of(open_chunk))
            open_chunk = []
    return [*chunks, run_of(open_chunk)]


def keys_never_straddle(chunks: Sequence[Columns]) -> bool:
    seen = [key for chunk in chunks for key in sorted(set(chunk.keys))]
    return len(seen) == len(set(seen))


ahead = st.integers(0, 500)


@given(split_histories(), ahead, st.data())
async def test_a_merger_yields_every_entry_once_in_order(
    split: tuple[list[Entry], list[list[Entry]]], bytes_ahead: int, data: st.DataObject
) -> None:
    history, sources = split
    merger = Merger(
        [ListSource(data.draw(chunks_of(source))) for source in sources],
        bytes_ahead=bytes_ahead,
    )

    chunks = await drain(merger)

    assert all(chunks), "a merger hands out no empty chunk"
    assert [entry for chunk in chunks for entry in entries_of(chunk)] == sorted(history)
    assert keys_never_straddle(chunks)


async def test_a_merger_over_no_sources_is_at_its_end() -> None:
    assert await drain(Merger([])) == []


async def test_a_single_source_passes_through_untouched() -> None:
    chunk = make_columns([b"a", b"b"], [b"1", b"2"], [1, 2])

    assert (await drain(Merger([ListSource([chunk])])))[0] is chunk


async def test_sources_that_do_not_overlap_pass_through_untouched() -> None:
    low = make_columns([b"a", b"b"], [b"1", b"2"], [5, 6])
    high = make_columns([b"c", b"d"], [b"3", b"4"], [1, 2])

    chunks = await drain(Merger([ListSource([high]), ListSource([low])]))

    assert chunks[0] is low
    assert chunks[1] is high


async def test_reading_ahead_makes_larger_steps() -> None:
    def chunks(offset: int) -> list[Columns]:
        return [
            make_columns([b"%04d" % key], [b"v"], [key])
            for key in range(offset, 400, 2)
        ]

    small = await drain(Merger([ListSource(chunks(0)), ListSource(chunks(1))]))
    large = await drain(
        Merger([ListSource(chunks(0)), ListSource(chunks(1))], bytes_ahead=1000)
    )

    assert len(small) > 5 * len(large)
    assert concatenate(small) == concatenate(large)


@given(split_histories())
def test_combining_sorts_whatever_order_the_sources_came_in(
    split: tuple[list[Entry], list[list[Entry]]],
) -> None:
    history, sources = split

    assert entries_of(combine([run_of(source) for source in sources])) == sorted(
        history
    )


@given(histories())
def test_a_run_in_write_order_is_sorted_newest_first(history: list[Entry]) -> None:
    assert entries_of(sort_run(run_of(history))) == sorted(history)
    assert entries_of(sort_run(run_of(history[::-1]))) == sorted(history)


# -------------------------------------------------------------------------------------------------
# What readers see
# -------------------------------------------------------------------------------------------------


def seen_at(entries: Iterable[Entry], position: int) -> dict[bytes, bytes]:
    """The rows of a reader at `position`, found one entry at a time."""
    rows: dict[bytes, bytes] = {}
    for entry in sorted(entries, key=lambda entry: entry.sequence):
        if entry.sequence > position:
            continue
        if entry.kind == Kind.DELETE:
            rows.pop(entry.key, None)
        else:
            rows[entry.key] = entry.value
    return rows


@given(histories(), st.integers(0, 100))
def test_visible_rows_are_those_of_the_reader(
    history: list[Entry], position: int
) -> None:
    names, values, kinds = visible_rows(run_of(sorted(history)), position)
    assert not kinds

    assert names == sorted(names)
    assert dict(zip(names, values, strict=True)) == seen_at(history, position)
    assert len(names) == len(set(names))


positions_of_readers = st.sets(st.integers(0, 100), min_size=1, max_size=5).map(sorted)


@given(histories(), positions_of_readers)
def test_no_reader_sees_a_difference_after_retention(
    history: list[Entry], positions: list[int]
) -> None:
    """T24: a snapshot's versions survive compaction; without one they do not."""
    retained = retain(run_of(sorted(history)), positions, NOWHERE)

    left = entries_of(retained.columns)
    assert left == sorted(left)
    for position in positions:
        assert seen_at(left, position) == seen_at(history, position)
    for future in range(positions[-1], 101):
        assert seen_at(left, future) == seen_at(history, future)


@given(histories(), positions_of_readers)
def test_retention_counts_what_it_drops(
    history: list[Entry], positions: list[int]
) -> None:
    retained = retain(run_of(sorted(history)), positions, NOWHERE)

    dropped = retained.shadowed + retained.tombstones
    assert len(retained.columns) + dropped == len(history)


@given(histories(), positions_of_readers)
def test_retention_keeps_nothing_that_no_reader_needs(
    history: list[Entry], positions: list[int]
) -> None:
    """Each version that is left is the newest of its key at some position, or in the future."""
    left = entries_of(retain(run_of(sorted(history)), positions, NOWHERE).columns)

    for entry in left:
        newer = [
            other.sequence
            for other in left
            if other.key == entry.key and other.sequence > entry.sequence
        ]
        successor = min(newer, default=101)
        needed = any(entry.sequence <= at < successor for at in [*positions, 100])
        assert needed or entry.sequence > positions[-1]


@given(histories(), st.integers(99, 120))
def test_with_one_reader_and_nothing_below_only_live_rows_are_left(
    history: list[Entry], visible: int
) -> None:
    left = retain(run_of(sorted(history)), [visible], NOWHERE).columns

    assert dict(zip(left.keys, left.values, strict=True)) == seen_at(history, visible)
    assert not left.kinds


@given(histories(), positions_of_readers, st.lists(st.tuples(keys, keys), max_size=3))
def test_a_tombstone_stays_where_something_older_may_lie_below(
    history: list[Entry], positions: list[int], pairs: list[tuple[bytes, bytes]]
) -> None:
    """B3, R15, S2: what lies below must stay hidden from every reader."""
    ranges = [(min(pair), max(pair)) for pair in pairs]
    below = [
        Entry(key, 0, int(Kind.PUT), b"old") for pair in ranges for key in set(pair)
    ]
    left = entries_of(
        retain(run_of(sorted(history)), positions, KeyRanges.union(ranges)).columns
    )

    for position in [*positions, 100]:
        before = seen_at([*below, *history], position)
        assert seen_at([*below, *left], position) == before


@given(histories(), positions_of_readers)
def test_dropping_twice_drops_no_more(
    history: list[Entry], positions: list[int]
) -> None:
    once = retain(run_of(sorted(history)), positions, EVERYWHERE)
    twice = retain(once.columns, positions, EVERYWHERE)

    assert once.tombstones == 0
    assert (twice.shadowed, twice.tombstones) == (0, 0)
    assert twice.columns is once.columns


def test_a_run_without_versions_is_not_copied() -> None:
    run = make_columns([b"a", b"b"], [b"1", b"2"], [7, 3])

    assert retain(run, [2, 5], NOWHERE).columns is run
    assert drop_shadowed(run, [9]) == (run, 0)


@given(st.lists(st.tuples(keys, keys), max_size=6), keys)
def test_key_ranges_hold_what_any_of_them_holds(
    pairs: list[tuple[bytes, bytes]], key: bytes
) -> None:
    ranges = [(min(pair), max(pair)) for pair in pairs]
    union = KeyRanges.union(ranges)

    assert (key in union) == any(low <= key <= high for low, high in ranges)
    assert list(union.smallest) == sorted(union.smallest)
    assert all(
        high < low for high, low in zip(union.largest, union.smallest[1:], strict=False)
    )

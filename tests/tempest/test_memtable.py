"""A memtable answers every reader position as a list of all versions would."""

import gc
import weakref

import attrs
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.entry import Entry
from tempest.leftovers import PIECE
from tempest.log import OpenFrame
from tempest.memory import Memtables
from tempest.memtable import CHUNK_KEYS, ENTRY_BYTES, Memtable
from tempest.memtable_cursor import MemtableCursor
from tempest.snapshot import Positions

KEYS = st.sampled_from([b"", b"a", b"b", b"c"])
VALUES = st.none() | st.binary(max_size=5)


@attrs.define
class History:
    """A memtable beside a list of every version, and the positions that are read."""

    table: Memtable = attrs.field(factory=lambda: Memtable(0))
    positions: Positions = attrs.field(factory=Positions)
    versions: list[tuple[bytes, Entry]] = attrs.field(factory=list)
    visible: int = 0

    @property
    def last(self) -> int:
        return len(self.versions)

    def put(self, key: bytes, value: bytes | None, *, is_pending: bool) -> None:
        """Write; what comes behind a pending write is pending, too."""
        entry = Entry(self.last + 1, value)
        if not is_pending and self.visible == self.last:
            self.visible += 1
        before = self.newest(key, self.last)
        self.versions.append((key, entry))
        kept = self.table.put(key, entry, self.visible, self.positions.taken)
        assert kept is None or kept is before

    def newest(self, key: bytes, at: int) -> Entry | None:
        """Answer by looking at everything."""
        found = [e for k, e in self.versions if k == key and e.sequence <= at]
        return found[-1] if found else None

    def readable(self) -> list[int]:
        """Positions that somebody reads at, or may come to: visibility may stop anywhere."""
        return [*self.positions.taken, *range(self.visible, self.last + 1)]

    def held_bytes(self) -> int:
        table = self.table
        chained = [entry for chain in table._older.values() for entry in chain]
        entries = [*table.newest.values(), *chained]
        return sum(map(len, table.newest)) + sum(
            ENTRY_BYTES + len(entry.value or b"") for entry in entries
        )

    def check(self) -> None:
        for key in self.table.newest:
            for at in self.readable():
                assert self.table.get(key, at) == self.newest(key, at)
        assert self.table.bytes == self.held_bytes()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, VALUES, st.booleans()),
        st.tuples(st.just("put"), KEYS, VALUES, st.booleans()),
        st.tuples(st.sampled_from(["advance", "take", "release"])),
    ),
    max_size=40,
)
Steps = list[tuple[str, bytes, bytes | None, bool] | tuple[str]]


def act(history: History, steps: Steps, *, check: bool = True) -> None:
    held: list[int] = []
    for step in steps:
        match step:
            case (_, key, value, is_pending):
                history.put(key, value, is_pending=is_pending)
            case ("advance",):
                history.visible = history.last
            case ("take",):
                held.append(history.positions.take(history.visible))
            case _:
                if held:
                    history.positions.release(held.pop(0))
        if check:
            history.check()


@given(STEPS)
def test_every_position_reads_what_was_newest_then(steps: Steps) -> None:
    history = History()
    act(history, steps)

    assert len(history.table) == len({key for key, _ in history.versions})
    assert history.table.last_sequence == history.last


@given(st.lists(VALUES, min_size=2, max_size=30))
def test_a_key_that_nobody_reads_between_is_overwritten_in_place(
    values: list[bytes | None],
) -> None:
    history = History()
    for value in values:
        history.put(b"k", value, is_pending=False)

    assert history.table.bytes == 1 + ENTRY_BYTES + len(values[-1] or b"")


@given(st.lists(VALUES, min_size=2, max_size=30))
def test_versions_pending_for_a_moment_do_not_pile_up(
    values: list[bytes | None],
) -> None:
    """A hot key at DISK level: each write waits for its sync before the next."""
    history = History()
    for value in values:
        history.put(b"k", value, is_pending=True)
        history.visible = history.last

    assert len(history.table._older[b"k"]) == 1


def test_a_delete_is_an_answer_and_a_missing_key_is_none() -> None:
    table = Memtable(0)
    table.put(b"gone", Entry(1, None), 1, ())

    assert table.get(b"gone", 1) == Entry(1, None)
    assert table.get(b"gone", 0) is None
    assert table.get(b"never", 1) is None


# Ordered reading


async def read(
    table: Memtable, start: bytes, stop: bytes | None, at: int
) -> list[tuple[bytes, int, bytes | None]]:
    """Read through a cursor; rows in key order."""
    cursor = MemtableCursor(table, start, stop, at=at)
    chunks: list[Columns] = []
    while (chunk := await cursor.next_chunk()) is not None:
        assert chunk.keys == sorted(chunk.keys)
        assert chunk.keys
        chunks.append(chunk)
    assert await cursor.next_chunk() is None
    return [
        (key, sequence, None if chunk.kind(i) == Kind.DELETE else chunk.values[i])
        for chunk in chunks
        for i, (key, sequence) in enumerate(
            zip(chunk.keys, chunk.sequences(), strict=True)
        )
    ]


BOUNDS = st.tuples(KEYS, st.none() | KEYS)


@settings(max_examples=60)
@given(STEPS, BOUNDS, st.data())
async def test_a_cursor_reads_a_range_as_it_was_at_a_position(
    steps: Steps,
    bounds: tuple[bytes, bytes | None],
    data: st.DataObject,
) -> None:
    history = History()
    act(history, steps, check=False)
    start, stop = bounds
    at = data.draw(st.sampled_from(history.readable()))

    rows = await read(history.table, start, stop, at)

    expected = [
        (key, entry.sequence, entry.value)
        for key in sorted(history.table.newest)
        if start <= key
        and (stop is None or key < stop)
        and (entry := history.newest(key, at)) is not None
    ]
    assert rows == expected


@settings(max_examples=15)
@given(st.integers(0, 3 * CHUNK_KEYS), st.booleans(), st.data())
async def test_keys_come_a_chunk_at_a_time_from_either_end(
    count: int, reverse: bool, data: st.DataObject
) -> None:
    table = Memtable(0)
    for number in range(count):
        table.put(
            b"%06d" % (number * 7919 % (count or 1)),
            Entry(number + 1, b""),
            number + 1,
            (),
        )
    keys = sorted(table.newest)
    bound = st.integers(0, count).map(lambda number: b"%06d" % number)
    start, stop = data.draw(bound), data.draw(st.none() | bound)

    expected = [key for key in keys if start <= key and (stop is None or key < stop)]
    if not reverse:
        rows = await read(table, start, stop, count)
        assert [row[0] for row in rows] == expected
        return
    await table.settle()
    found: list[bytes] = []
    while part := table.keys(start, stop, reverse=True):
        found = part + found
        stop = part[0]
    assert found == expected


async def test_a_cursor_does_not_see_what_is_written_while_it_reads() -> None:
    table = Memtable(0)
    count = 2 * CHUNK_KEYS
    for number in range(count):
        table.put(b"%06d" % (2 * number), Entry(number + 1, b"old"), number + 1, ())
    cursor = MemtableCursor(table, b"", None, at=count)
    found: list[bytes] = []
    while (chunk := await cursor.next_chunk()) is not None:
        found += chunk.keys
        for number in range(count):
            table.put(
                b"%06d" % (2 * number + 1), Entry(count + number + 1, b""), count, ()
            )

    assert found == [b"%06d" % (2 * number) for number in range(count)]


# Replay


RUNS = st.lists(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=8), max_size=5)


@settings(max_examples=50)
@given(RUNS)
async def test_replayed_runs_leave_the_newest_version_of_each_key(
    runs: list[list[tuple[bytes, bytes | None]]],
) -> None:
    table, newest, sequence = Memtable(0), dict[bytes, Entry](), 0
    for run in runs:
        sequences = list(range(sequence + 1, sequence + 1 + len(run)))
        sequence += len(run)
        table.load(
            make_columns(
                [key for key, _ in run],
                [value or b"" for _, value in run],
                sequences,
                bytes(value is None for _, value in run),
            )
        )
        newest |= {k: Entry(s, v) for s, (k, v) in zip(sequences, run, strict=True)}

    assert table.newest == newest
    assert table.last_sequence == sequence
    rows = await read(table, b"", None, sequence)
    assert rows == [
        (key, newest[key].sequence, newest[key].value) for key in sorted(newest)
    ]


# Memtables


def test_memtables_answer_with_the_newest_that_has_the_key() -> None:
    tables = Memtables(0)
    tables.active.put(b"a", Entry(1, b"old"), 1, ())
    tables.active.put(b"b", Entry(2, b"only"), 2, ())
    tables.switch()
    tables.active.put(b"a", Entry(3, b"new"), 3, ())

    assert tables.get(b"a", 9) == Entry(3, b"new")
    assert tables.get(b"a", 2) == Entry(1, b"old")
    assert tables.get(b"b", 9) == Entry(2, b"only")
    assert tables.get(b"c", 9) is None
    assert tables.entries == 3
    assert [table is tables.active for table in tables.newest_first] == [True, False]


def test_a_switched_memtable_ends_where_the_next_begins() -> None:
    tables = Memtables(100)
    tables.switch()
    tables.bound(250)
    tables.bound(400)

    (waiting,) = tables.waiting
    assert (waiting.first, waiting.stop, tables.active.first) == (100, 250, 250)
    assert tables.held_bytes == 0
    tables.drop_oldest()
    assert tables.waiting == []


async def test_a_dropped_memtable_is_freed_and_whoever_reads_it_notices_nothing() -> (
    None
):
    tables = Memtables(0)
    count = 2 * PIECE + 1
    for number in range(2):
        for sequence in range(count):
            tables.active.put(b"%d" % sequence, Entry(sequence, b"v"), sequence, ())
        tables.switch()
        tables.bound(number + 1)
    reader, other = tables.waiting[0], weakref.ref(tables.waiting[1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tables.leftovers.run)
        tables.drop_oldest()
        tables.drop_oldest()
        assert other() is not None
        await trio.testing.wait_all_tasks_blocked()
        assert other() is None
        nursery.cancel_scope.cancel()

    assert len(reader) == count
    assert reader.get(b"%d" % (count - 1), count) == Entry(count - 1, b"v")


@given(
    st.dictionaries(st.binary(max_size=2), VALUES, max_size=5),
    st.dictionaries(st.binary(max_size=2), VALUES, min_size=1, max_size=9),
)
def test_new_keys_added_together_are_those_added_one_by_one(
    before: dict[bytes, bytes | None], added: dict[bytes, bytes | None]
) -> None:
    together, single, gathered, frame = (
        Memtable(0),
        Memtable(0),
        OpenFrame(),
        OpenFrame(),
    )
    for sequence, (key, value) in enumerate(before.items(), 1):
        for table in (together, single):
            table.put(key, Entry(sequence, value), sequence, ())
    entries = [Entry(100 + i, value) for i, value in enumerate(added.values())]
    size = sum(len(key) + len(value or b"") for key, value in added.items())
    largest = max(len(value or b"") for value in added.values())
    are_new = not before.keys() & added.keys()
    assert together.put_new(added, entries, size, largest) == are_new
    if are_new:
        for key, entry in zip(added, entries, strict=True):
            frame.put(key, entry, single.put(key, entry, entry.sequence, ()))
        gathered.put_new(added, entries, size)
        assert (gathered.bytes, gathered.newest) == (frame.bytes, frame.newest)
        assert gathered.last_sequence == frame.last_sequence
    states = [
        (list(t.newest.items()), t.bytes, t.last_sequence, t.largest_value_bytes)
        for t in (together, single)
    ]
    assert states[0] == states[1]


def test_the_collector_of_cycles_passes_by_versions() -> None:
    """A full pass looked at each version and key of every memtable: 28 ms for 300,000 of them."""
    table, frame = Memtable(0), OpenFrame()
    for sequence in range(100):
        entry = Entry(sequence, b"value")
        frame.put(b"%d" % sequence, entry, table.put(b"%d" % sequence, entry, 99, ()))
    assert not gc.is_tracked(entry)
    assert not gc.is_tracked(table.newest)
    assert not gc.is_tracked(frame.newest)

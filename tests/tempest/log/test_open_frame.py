"""The open frame holds what a naive list of versions would, and hands it out in order."""

import attrs
import pytest
from hypothesis import given, strategies as st

from tempest.columns import Columns, Kind
from tempest.entry import Entry
from tempest.log import OpenFrame, open_frame
from tempest.log.open_frame import RUN_BYTES, RUN_ENTRIES_MAX, GatheredFrame

Put = tuple[bytes, bytes | None, bool]

PUTS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"c"]),
        st.none() | st.binary(max_size=9),
        st.booleans(),
    ),
    max_size=30,
)


@attrs.define
class Model:
    """Every version that was not overwritten in place."""

    versions: list[tuple[bytes, Entry]] = attrs.field(factory=list)

    def newest(self, key: bytes) -> Entry | None:
        return next((e for k, e in reversed(self.versions) if k == key), None)

    def put(self, key: bytes, entry: Entry, kept: Entry | None) -> None:
        old = self.newest(key)
        if old is not None and old is not kept:
            self.versions.remove((key, old))
        self.versions.append((key, entry))


def fill(frame: OpenFrame, model: Model, puts: list[Put], first: int = 1) -> None:
    for sequence, (key, value, keeps) in enumerate(puts, first):
        entry = Entry(sequence, value)
        kept = model.newest(key) if keeps else None
        frame.put(key, entry, kept)
        model.put(key, entry, kept)


def rows_of(columns: Columns) -> list[tuple[bytes, Entry]]:
    values: list[bytes | None] = [
        None if columns.kind(i) == Kind.DELETE else value
        for i, value in enumerate(columns.values)
    ]
    entries = map(Entry, columns.sequences(), values)
    return list(zip(columns.keys, entries, strict=True))


def entries_of(gathered: GatheredFrame) -> list[tuple[bytes, Entry]]:
    return [row for run in gathered.runs() for row in rows_of(run)]


@given(PUTS)
def test_it_hands_out_every_version_in_sequence_order(puts: list[Put]) -> None:
    frame, model = OpenFrame(), Model()
    fill(frame, model, puts)
    assert len(frame) == len(model.versions)

    gathered = frame.take()

    assert entries_of(gathered) == model.versions
    assert gathered.last_sequence == len(puts)


@given(PUTS)
def test_its_bytes_are_those_of_what_it_holds(puts: list[Put]) -> None:
    frame, model = OpenFrame(), Model()
    fill(frame, model, puts)

    assert frame.bytes == sum(
        len(key) + 16 + len(entry.value or b"") for key, entry in model.versions
    )
    assert frame.take().bytes >= sum(len(key) for key, _ in model.versions)


@given(PUTS, PUTS)
def test_taking_leaves_nothing_behind(before: list[Put], after: list[Put]) -> None:
    frame = OpenFrame()
    fill(frame, Model(), before)
    frame.take()
    assert (len(frame), frame.bytes, bool(frame)) == (0, 0, False)

    model = Model()
    fill(frame, model, after, first=len(before) + 1)
    gathered = frame.take()

    assert entries_of(gathered) == model.versions


@given(PUTS, st.integers(1, 40))
def test_runs_hold_the_entries_in_order(puts: list[Put], count: int) -> None:
    frame, model = OpenFrame(), Model()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_frame, "RUN_ENTRIES_MAX", count)
        fill(frame, model, puts)
        gathered = frame.take()
        runs = list(gathered.runs())

    assert [row for run in runs for row in rows_of(run)] == model.versions
    assert all(len(run) <= count for run in runs)
    assert all(len(piece) <= count for piece in gathered.chained)


@given(st.integers(1, 5000), st.integers(0, 1 << 30))
def test_a_run_is_bounded_in_entries_and_about_in_bytes(count: int, size: int) -> None:
    entry = Entry(1, b"")
    newest = {b"%d" % number: entry for number in range(count)}
    gathered = GatheredFrame(newest, [], {}, 0, size)

    entries = gathered.run_entries

    assert 1 <= entries <= RUN_ENTRIES_MAX
    assert entries == 1 or entries * (size // count) <= RUN_BYTES

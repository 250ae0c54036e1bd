"""Runs of places sorted and merged say the same as all entries sorted at once."""

import random
from itertools import pairwise

from hypothesis import given, strategies as st

from tempest.columns import Columns, Kind, make_columns
from tempest.iterator import combine, drop_shadowed
from tempest.sorted_runs import SortedRuns

OPERATIONS = st.lists(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=12), max_size=25
)


def runs_of(batches: list[list[tuple[int, bool]]]) -> list[Columns]:
    """Give the operations of each batch their sequences, in write order."""
    made, sequence = [], 0
    for batch in batches:
        keys = [b"%02d" % key for key, _ in batch]
        sequences = range(sequence + 1, sequence + 1 + len(batch))
        kinds = bytes([Kind.DELETE if deleted else Kind.PUT for _, deleted in batch])
        values = [
            b"" if kind else b"v%d" % s
            for kind, s in zip(kinds, sequences, strict=True)
        ]
        made.append(make_columns(keys, values, list(sequences), kinds))
        sequence += len(batch)
    return made


def entries(columns: Columns) -> list[tuple[bytes, int, int, bytes]]:
    kinds = columns.kinds or bytes(len(columns))
    return list(
        zip(columns.keys, columns.sequences(), kinds, columns.values, strict=True)
    )


@given(OPERATIONS, st.integers(1, 9), st.integers(1, 20), st.data())
def test_steps_hold_what_sorting_everything_at_once_leaves(
    batches: list[list[tuple[int, bool]]],
    together: int,
    target: int,
    data: st.DataObject,
) -> None:
    runs = runs_of(batches)
    count = sum(map(len, runs))
    taken = data.draw(st.sets(st.integers(0, count)))
    positions = sorted({*taken, count})
    merged = SortedRuns(positions)
    for start in range(0, len(runs), together):
        merged.add(runs[start : start + together])

    steps = list(merged.steps(target))

    filled = [run for run in runs[::-1] if run.keys]
    plain, shadowed = make_columns([], [], []), 0
    if filled:
        # Each turned round, so that of two versions the newer comes first.
        plain, shadowed = drop_shadowed(
            combine([*map(turned, filled), plain]), positions
        )
    assert [entry for step in steps for entry in entries(step)] == entries(plain)
    assert merged.shadowed == shadowed
    assert all(steps)
    for one, other in pairwise(steps):
        assert one.keys[-1] < other.keys[0]


def turned(run: Columns) -> Columns:
    """Return the run from its last entry to its first."""
    return make_columns(
        run.keys[::-1], run.values[::-1], run.sequences()[::-1], run.kinds[::-1]
    )


def test_steps_have_about_the_size_that_was_asked_for() -> None:
    keys = [b"%06d" % number for number in range(50_000)]
    random.Random(1).shuffle(keys)
    merged = SortedRuns([50_000])
    for start in range(0, 50_000, 1000):
        part = keys[start : start + 1000]
        merged.add([make_columns(part, [b""] * 1000, range(start, start + 1000))])

    sizes = [len(step) for step in merged.steps(2048)]

    assert sum(sizes) == 50_000
    assert max(sizes) <= 4096

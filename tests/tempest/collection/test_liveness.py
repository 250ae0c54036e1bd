"""Which segments are sparse, and what is chosen to be collected: all of it pure."""

import attrs
import pytest
from hypothesis import given, strategies as st

from journal import InvalidEditError
from tempest.collection import (
    LiveBytes,
    choose_sparse,
    collectable,
    is_worthwhile,
    live_bytes,
    segment_liveness,
    sparse_segments,
)
from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version import (
    LEVELS,
    VALUES_FIRST,
    CheckpointKind,
    CheckpointMeta,
    CheckpointStyle,
    PlacedTable,
    Version,
    VersionEdit,
)
from tests.tempest.compaction.world import make_meta

LOG = SegmentMeta(1, 1, 0, 1000, 1000)
LATER = SegmentMeta(2, 1, 1000, 2000, 2000)
OPEN = SegmentMeta(3, 1, 2000, 3000)
VALUES = SegmentMeta(4, 1, VALUES_FIRST, VALUES_FIRST + 900, VALUES_FIRST + 900, 600)


def table(number: int, **segments: int) -> TableMeta:
    """A table that points to so many bytes of each segment (`s4=100`)."""
    numbers = sorted(int(name[1:]) for name in segments)
    return attrs.evolve(
        make_meta(number, b"%d" % number, b"%dz" % number),
        segments=tuple(numbers),
        segment_bytes=tuple(segments[f"s{number}"] for number in numbers),
        size=50,
    )


def version(*tables: TableMeta, replay_from: int = 2000) -> Version:
    levels = (), tables, *[()] * 5
    return Version(
        number_ceiling=100,
        replay_from=replay_from,
        levels=levels,
        segments=(LOG, LATER, OPEN),
        value_ceiling=VALUES_FIRST + 1000,
        value_segments=(VALUES,),
    )


def checkpoint(*segments: SegmentMeta) -> CheckpointMeta:
    return CheckpointMeta(
        token=b"t",
        number=50,
        kind=CheckpointKind.LOG,
        style=CheckpointStyle.FOLD_OVER,
        automatic=False,
        cookie=b"",
        timeline=0,
        sequence=1,
        address=2000,
        replay_from=0,
        started_wall_us=0,
        committed_wall_us=0,
        duration_us=0,
        segments=segments,
        levels=((),) * 7,
    )


def test_liveness_adds_up_what_tables_point_to() -> None:
    found = version(table(10, s1=100, s4=300), table(11, s1=50))

    assert live_bytes(found) == {1: 150, 4: 300}
    log, later, values = segment_liveness(found)
    assert (log.live_bytes, log.live_share, log.bytes) == (150, 0.15, 1512)
    assert (later.live_bytes, later.live_share) == (0, 0.0)
    assert (values.live_share, values.bytes) == (0.5, 1412)
    assert values.bytes_freed == 1112


def test_a_value_segment_is_judged_by_its_values_alone() -> None:
    """Whatever the keys weigh, what was just copied is not sparse: collection ends."""
    found = version(table(10, s4=600))

    assert [s.number for s in sparse_segments(found, 1.0)] == [1, 2]
    assert choose_sparse(found, 1.0) is None


def test_only_what_nobody_else_needs_is_collectable() -> None:
    """Invariants 6 and 9: not what is replayed, read as log, or named by a checkpoint."""

    def numbers(found: Version, floor: int | None = None) -> list[int]:
        return [segment.number for segment in collectable(found, floor)]

    assert numbers(version()) == [1, 2, 4]
    assert numbers(version(replay_from=1999)) == [1, 4]
    assert numbers(version(), floor=1500) == [1, 4]
    assert numbers(version(), floor=0) == [4]
    pinned = attrs.evolve(version(), checkpoints=(checkpoint(LOG, VALUES),))
    assert numbers(pinned) == [2]


def test_the_sparsest_go_first_and_no_more_than_fits_one_step() -> None:
    found = version(table(10, s1=400, s2=300), table(11, s4=200), table(12))

    choice = choose_sparse(found, 0.9)
    assert choice is not None
    assert [segment.number for segment in choice.segments] == [1, 2, 4]
    assert [placed.table.number for placed in choice.tables] == [10, 11]
    assert {placed.level for placed in choice.tables} == {1}
    assert choice.bytes_to_copy == 900
    assert choice.bytes_freed == 1512 + 2000 + 1412 - 900
    assert choice.table_bytes == 100

    choice = choose_sparse(found, 0.9, copy_bytes_max=550)
    assert choice is not None
    assert [segment.number for segment in choice.segments] == [2, 4]
    choice = choose_sparse(found, 0.9, copy_bytes_max=1)
    assert choice is not None
    assert [segment.number for segment in choice.segments] == [2]
    choice = choose_sparse(found, 0.9, among=[1, 3])
    assert choice is not None
    assert [segment.number for segment in choice.segments] == [1]
    assert choose_sparse(found, 0.3) is None


def test_exact_counts_take_the_place_of_the_accounts() -> None:
    found = version(table(10, s1=900, s2=900))

    exact = sparse_segments(found, 0.5, live={1: 400, 4: 1})

    assert [(s.number, s.live_bytes) for s in exact] == [(2, 0), (4, 1), (1, 400)]


def test_nothing_is_rewritten_for_less_than_it_costs() -> None:
    found = version(attrs.evolve(table(10, s1=500), size=1012))
    choice = choose_sparse(found, 0.9)
    assert choice is not None
    assert is_worthwhile(choice)
    found = version(attrs.evolve(table(10, s1=500), size=1013))
    choice = choose_sparse(found, 0.9)
    assert choice is not None
    assert not is_worthwhile(choice)


def test_a_segment_that_is_pointed_into_cannot_be_dropped() -> None:
    """Invariant 6: the manifest refuses the edit, live and in replay."""
    found = version(table(10, s1=100, s4=100))

    assert found.retired_segments(2000) == (2,)
    assert found.retired_segments(2000, removed=(10,)) == (1, 2, 4)
    assert found.retired_segments(2000, removed=(10,), floor=1000) == (1, 4)
    assert found.retired_segments(2000, removed=(10,), added=[table(11, s4=1)]) == (
        1,
        2,
    )
    for number in (1, 4):
        with pytest.raises(InvalidEditError, match="gone"):
            found.apply(VersionEdit(segments_removed=(number,)))


@given(st.data())
def test_live_bytes_kept_between_versions_are_those_of_a_fresh_count(
    data: st.DataObject,
) -> None:
    """Tables come, go, move between levels, and come back as after a restore."""
    places = st.integers(0, LEVELS - 1)
    pointed = st.dictionaries(st.sampled_from(["s1", "s2", "s4"]), st.integers(1, 99))
    kept, now = LiveBytes(), version()
    seen = [now]
    for number in range(10, 10 + data.draw(st.integers(1, 12), label="edits")):
        there = {t.number: t for t in now.tables}
        gone = data.draw(st.lists(st.sampled_from(sorted(there) or [0]), unique=True))
        gone = [n for n in gone if n in there]
        moved = [there[n] for n in gone if data.draw(st.booleans(), label="moved")]
        fresh = attrs.evolve(
            table(number, **data.draw(pointed)),
            sequence_min=number,
            sequence_max=number,
        )
        edit = VersionEdit(
            removed=tuple(gone),
            added=tuple(PlacedTable(data.draw(places), t) for t in (*moved, fresh)),
        )
        now = data.draw(st.sampled_from([now.apply(edit), *seen]))
        seen.append(now)
        if data.draw(st.booleans(), label="looked at"):
            assert dict(kept.of(now)) == live_bytes(now)
    assert dict(kept.of(now)) == live_bytes(now)

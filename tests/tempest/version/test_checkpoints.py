"""Checkpoints in the manifest: they name all that they need, and the state can go on from one."""

import attrs
import pytest

from journal import InvalidEditError, decode_record, encode_record
from tempest.version import (
    LEVELS,
    VALUES_FIRST,
    CheckpointKind,
    CheckpointMeta,
    CheckpointStyle,
    Consumer,
    Fork,
    PlacedTable,
    SegmentEnd,
    SessionMark,
    Version,
    VersionEdit,
    checkpoint_token,
    clipped,
    difference,
    levels_of,
)
from tests.tempest.version.support import add, segment, table, version

EMPTY = ((),) * LEVELS


def checkpoint(
    number: int, base: Version, *, address: int, timeline: int = 0
) -> CheckpointMeta:
    """A LOG checkpoint of a version, cut at an address."""
    return CheckpointMeta(
        token=checkpoint_token(number),
        number=number,
        kind=CheckpointKind.LOG,
        style=CheckpointStyle.FOLD_OVER,
        automatic=False,
        cookie=b"cookie",
        timeline=timeline,
        sequence=99,
        address=address,
        replay_from=base.replay_from,
        started_wall_us=1,
        committed_wall_us=2,
        duration_us=1,
        sessions=(SessionMark(b"a", 4),),
        segments=clipped(base.segments, base.replay_from, address),
        levels=base.levels,
    )


BEFORE = version({1: (table(5),)}, (segment(7, 0),))
CUT = checkpoint(9, BEFORE, address=400)
WITH_CUT = BEFORE.apply(VersionEdit(checkpoints=(CUT,)))


def pointing(number: int, *segments: int) -> PlacedTable:
    sizes = (1,) * len(segments)
    return PlacedTable(
        1, attrs.evolve(table(number), segments=segments, segment_bytes=sizes)
    )


def test_a_checkpoint_keeps_the_numbers_of_files_that_the_state_has_dropped() -> None:
    after = WITH_CUT.apply(VersionEdit(removed=(5,)))

    assert after.own_numbers == [7]
    assert sorted(after.numbers) == [5, 7]
    gone = after.apply(VersionEdit(checkpoints_removed=(CUT.token,)))
    assert gone.numbers == [7]


def test_a_checkpoint_is_read_with_its_own_tables_log_and_sessions() -> None:
    later_on = WITH_CUT.apply(
        VersionEdit(
            removed=(5,),
            added=(PlacedTable(0, table(6)),),
            segments_closed=(SegmentEnd(7, 600),),
            segments_added=(segment(8, 600),),
            segments_removed=(7,),
            replay_from=600,
            sessions=(SessionMark(b"a", 9),),
        )
    )

    seen = later_on.at_checkpoint(CUT)

    assert seen.levels == BEFORE.levels
    assert seen.segments == (segment(7, 0, 400),)
    assert (seen.replay_from, seen.sessions) == (0, (SessionMark(b"a", 4),))


def test_every_checkpoint_survives_being_written() -> None:
    assert decode_record(Version, encode_record(WITH_CUT)) == WITH_CUT


def test_what_has_no_checkpoint_is_written_as_the_first_format_did() -> None:
    """A store that uses nothing new can be read by the first program."""
    assert encode_record(BEFORE)[0] == 0x85


def test_a_checkpoint_is_there_once() -> None:
    other = attrs.evolve(CUT, cookie=b"other")

    again = WITH_CUT.apply(VersionEdit(checkpoints=(other,)))

    assert again.checkpoints == (other,)


def test_one_that_is_not_there_cannot_go() -> None:
    with pytest.raises(InvalidEditError, match="checkpoint"):
        BEFORE.apply(VersionEdit(checkpoints_removed=(CUT.token,)))


def test_an_incremental_one_is_its_base_and_a_difference() -> None:
    levels = BEFORE.apply(add(0, table(8))).levels
    removed, added = difference(BEFORE.levels, levels)
    child = attrs.evolve(
        CUT,
        token=checkpoint_token(10),
        number=10,
        kind=CheckpointKind.INCREMENTAL,
        levels=(),
        base=CUT.token,
        removed=removed,
        added=added,
    )

    after = WITH_CUT.apply(VersionEdit(checkpoints=(child,)))

    assert levels_of(after.checkpoints, child.token) == levels
    assert (removed, [placed.table.number for placed in added]) == ((), [8])
    assert 5 not in child.numbers
    with pytest.raises(InvalidEditError, match="has no base"):
        after.apply(VersionEdit(checkpoints_removed=(CUT.token,)))


def test_a_difference_takes_a_table_to_another_level() -> None:
    low = version({1: (table(5),)}).levels
    high = version({2: (table(5),), 1: (table(6),)}).levels

    removed, added = difference(low, high)

    assert removed == (5,)
    assert {(p.level, p.table.number) for p in added} == {(2, 5), (1, 6)}


def test_a_chain_that_bites_its_tail_is_refused() -> None:
    one = attrs.evolve(CUT, base=CUT.token)

    with pytest.raises(InvalidEditError, match="has no base"):
        BEFORE.apply(VersionEdit(checkpoints=(one,)))


def test_restoring_begins_a_timeline_above_every_address() -> None:
    later_on = WITH_CUT.apply(VersionEdit(removed=(5,)))
    first = later_on.log_end

    restored = later_on.apply(
        VersionEdit(
            restored=CUT.token,
            replay_from=first,
            segments_removed=(7,),
            segments_added=(segment(20, first),),
            added=(PlacedTable(0, table(19)),),
        )
    )

    assert restored.levels == BEFORE.apply(add(0, table(19))).levels
    assert restored.sessions == CUT.sessions
    assert (restored.timeline, restored.begin) == (1, first)
    assert restored.forks == (Fork(0, 400, first),)
    assert restored.log_end >= first
    assert restored.checkpoints == (CUT,)


@pytest.mark.parametrize("replay_from", [None, 0, 999])
def test_a_timeline_never_begins_at_an_address_of_another(
    replay_from: int | None,
) -> None:
    with pytest.raises(InvalidEditError, match="above every address"):
        WITH_CUT.apply(VersionEdit(restored=CUT.token, replay_from=replay_from))


def test_what_is_no_recovery_point_is_not_restored() -> None:
    index = attrs.evolve(CUT, kind=CheckpointKind.INDEX, levels=(), segments=())
    after = BEFORE.apply(VersionEdit(checkpoints=(index,)))

    for token in (index.token, b"another"):
        with pytest.raises(InvalidEditError, match="no checkpoint"):
            after.apply(VersionEdit(restored=token, replay_from=after.log_end))


def test_checkpoints_of_the_path_not_taken_are_abandoned() -> None:
    """0 --cut 400--cut 500--|, restored to 400 --cut 2100--|, restored to 500 again."""
    second = checkpoint(10, BEFORE, address=500)
    state = WITH_CUT.apply(VersionEdit(checkpoints=(second,)))
    state = state.apply(VersionEdit(restored=CUT.token, replay_from=state.log_end))
    assert [state.is_abandoned(c) for c in state.checkpoints] == [False, True]

    third = checkpoint(11, state, address=2100, timeline=1)
    state = state.apply(VersionEdit(checkpoints=(third,)))
    assert [state.is_abandoned(c) for c in state.checkpoints] == [False, True, False]

    state = state.apply(VersionEdit(restored=second.token, replay_from=5000))
    assert [state.is_abandoned(c) for c in state.checkpoints] == [False, False, True]


def test_a_segment_stays_while_a_table_points_into_it() -> None:
    closed = version({}, (segment(1, 0, 300), segment(2, 300)), replay_from=300)
    edit = VersionEdit(added=(pointing(9, 1),))
    pointed = closed.apply(edit)

    assert closed.retired_segments(300) == (1,)
    assert closed.retired_segments(300, added=(pointing(9, 1).table,)) == ()
    assert closed.retired_segments(300, floor=299) == ()
    assert pointed.retired_segments(300) == ()
    with pytest.raises(InvalidEditError, match="points into"):
        pointed.apply(VersionEdit(segments_removed=(1,)))


def test_the_log_is_whole_from_its_beginning_on() -> None:
    closed = version({}, (segment(1, 0, 300), segment(2, 300)), replay_from=300)

    after = closed.apply(VersionEdit(segments_removed=(1,)))

    assert (closed.begin, after.begin) == (0, 300)


def test_value_segments_lie_where_they_were_reserved() -> None:
    first = VALUES_FIRST
    values = segment(9, first, first + 700)
    reserved = version().apply(VersionEdit(value_ceiling=first + 1000))

    after = reserved.apply(VersionEdit(value_segments_added=(values,)))

    assert after.all_segments == (values,)
    assert after.retired_segments(0) == (9,)
    assert after.apply(VersionEdit(segments_removed=(9,))).all_segments == ()
    for wrong in (segment(9, 0, 10), segment(9, first + 1, first + 10)):
        with pytest.raises(InvalidEditError, match="no value address"):
            reserved.apply(VersionEdit(value_segments_added=(wrong,)))
    with pytest.raises(InvalidEditError, match="go back"):
        reserved.apply(VersionEdit(value_ceiling=first))


def test_sessions_and_consumers_are_replaced_by_name_and_sorted() -> None:
    edit = VersionEdit(
        sessions=(SessionMark(b"b", 1), SessionMark(b"a", 2)),
        consumers=(Consumer(b"z", 0, 5), Consumer(b"y", 0, 6)),
    )
    state = version().apply(edit)
    state = state.apply(VersionEdit(sessions=(SessionMark(b"b", 7),)))

    assert state.sessions == (SessionMark(b"a", 2), SessionMark(b"b", 7))
    assert [consumer.name for consumer in state.consumers] == [b"y", b"z"]
    state = state.apply(
        VersionEdit(sessions_removed=(b"a",), consumers_removed=(b"z",))
    )
    assert state.sessions == (SessionMark(b"b", 7),)
    assert [consumer.name for consumer in state.consumers] == [b"y"]

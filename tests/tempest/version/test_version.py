"""A version is what its edits make of it, and no edit makes one that breaks a rule."""

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from journal import InvalidEditError, decode_record, encode_record
from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version import LEVELS, PlacedTable, SegmentEnd, Version, VersionEdit
from tempest.version.version import LIFE_MAX
from tests.tempest.version.support import add, segment, table, version


def test_a_new_store_has_nothing() -> None:
    first = Version.initial()

    assert (first.tables, first.segments, first.numbers) == ((), (), [])
    assert (first.life, first.number_ceiling, first.replay_from) == (0, 1, 0)
    assert len(first.levels) == LEVELS


def test_an_edit_that_says_nothing_changes_nothing() -> None:
    before = version({1: (table(5),)}, (segment(7, 0),))

    assert before.apply(VersionEdit()) == before


def test_one_edit_adds_a_table_and_moves_the_start_of_replay() -> None:
    before = version({}, (segment(1, 0, 500), segment(2, 500)))

    after = before.apply(
        VersionEdit(
            added=(PlacedTable(0, table(3)),), replay_from=500, segments_removed=(1,)
        )
    )

    assert after.levels[0] == (table(3),)
    assert after.segments == (segment(2, 500),)
    assert after.replay_from == 500
    assert before.replay_from == 0


def test_a_table_moves_to_another_level_in_one_edit() -> None:
    before = version({0: (table(5),)})

    after = before.apply(VersionEdit(removed=(5,), added=(PlacedTable(3, table(5)),)))

    assert (after.levels[0], after.levels[3]) == ((), (table(5),))


def test_level_0_is_newest_first_and_the_others_are_sorted_by_key() -> None:
    old, new = table(1), table(2)
    left, right = table(3, b"a", b"c"), table(4, b"d", b"f")

    after = version().apply(add(0, old, new)).apply(add(1, right, left))

    assert after.levels[0] == (new, old)
    assert after.levels[1] == (left, right)
    assert after.numbers == [2, 1, 3, 4]
    assert after.sequence_max == 49


def test_a_segment_is_closed_and_followed_in_one_edit() -> None:
    after = version({}, (segment(1, 0),)).apply(
        VersionEdit(
            segments_closed=(SegmentEnd(1, 300),), segments_added=(segment(2, 300),)
        )
    )

    assert after.segments == (segment(1, 0, 300), segment(2, 300))
    assert after.log_end == 1300
    assert after.retired_segments(299) == ()
    assert after.retired_segments(300) == (1,)


def test_the_log_ends_above_every_address_that_was_given_out() -> None:
    assert version(replay_from=77).log_end == 77
    assert version({}, (segment(1, 0, 300),)).log_end == 300
    assert version({}, (segment(1, 0, 300), segment(2, 300))).log_end == 1300


TABLES = {0: (table(5, b"a", b"m"),), 1: (table(6, b"a", b"m"), table(7, b"p", b"z"))}
FULL = version(TABLES, (segment(10, 0, 400), segment(11, 400)), replay_from=200)

REFUSED: dict[str, tuple[VersionEdit, str]] = {
    "life back": (VersionEdit(life=0), "life would go back from 1 to 0"),
    "life too high": (VersionEdit(life=LIFE_MAX + 1), "is above"),
    "ceiling back": (VersionEdit(number_ceiling=99), "ceiling would go back"),
    "replay back": (VersionEdit(replay_from=199), "start of replay would go back"),
    "no such table": (VersionEdit(removed=(8,)), r"tables \[8\] are to go"),
    "no such level": (add(LEVELS, table(20)), f"no level {LEVELS}"),
    "negative level": (add(-1, table(20)), "no level -1"),
    "table twice": (add(2, table(5)), "table 5 stands in levels 0 and 2"),
    "overlap": (add(1, table(20, b"m", b"n")), "tables 6 and 20 of level 1 overlap"),
    "overlap above": (add(1, table(20, b"n", b"p")), "tables 20 and 7 of level 1"),
    "keys reversed": (add(2, table(20, b"z", b"a")), "table 20 ends before it begins"),
    "sequences reversed": (
        add(2, table(20, sequences=(5, 4))),
        "table 20 ends before it begins",
    ),
    "level 0 in doubt": (add(0, table(20, sequences=(59, 70))), "not newest first"),
    "table not reserved": (add(2, table(100)), "number 100 was never reserved"),
    "table and segment": (add(2, table(10)), "share a number"),
    "close twice": (
        VersionEdit(segments_closed=(SegmentEnd(10, 400),)),
        "segment 10 is not open",
    ),
    "close nothing": (
        VersionEdit(segments_closed=(SegmentEnd(12, 400),)),
        "segment 12 is not open",
    ),
    "close below": (
        VersionEdit(segments_closed=(SegmentEnd(11, 399),)),
        "segment 11 ends outside",
    ),
    "close above": (
        VersionEdit(segments_closed=(SegmentEnd(11, 1401),)),
        "segment 11 ends outside",
    ),
    "remove no segment": (VersionEdit(segments_removed=(12,)), "segment 12 is to go"),
    "remove open": (VersionEdit(segments_removed=(11,)), "segment 11 is still needed"),
    "remove needed": (
        VersionEdit(segments_removed=(10,), replay_from=399),
        "segment 10 is still needed",
    ),
    "add segment twice": (
        VersionEdit(segments_added=(segment(11, 2000),)),
        "segment 11 is there already",
    ),
    "two open": (
        VersionEdit(segments_added=(segment(12, 1400),)),
        "segment 11 is open and has a successor",
    ),
    "segments overlap": (
        VersionEdit(
            segments_closed=(SegmentEnd(11, 600),), segments_added=(segment(12, 599),)
        ),
        "segments 11 and 12 overlap",
    ),
    "segment not reserved": (
        VersionEdit(
            segments_closed=(SegmentEnd(11, 600),), segments_added=(segment(100, 600),)
        ),
        "number 100 was never reserved",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_edit_that_breaks_a_rule_is_refused(name: str) -> None:
    edit, reason = REFUSED[name]
    before = attrs.evolve(FULL)

    with pytest.raises(InvalidEditError, match=reason):
        FULL.apply(edit)

    assert before == FULL


@pytest.mark.parametrize(
    "broken",
    [
        attrs.evolve(FULL, levels=FULL.levels[1:]),
        attrs.evolve(FULL, number_ceiling=11),
        attrs.evolve(FULL, levels=(FULL.levels[1], *FULL.levels[1:])),
        attrs.evolve(FULL, segments=FULL.segments[::-1]),
        attrs.evolve(FULL, life=LIFE_MAX + 1),
    ],
)
def test_a_snapshot_that_breaks_a_rule_is_refused(broken: Version) -> None:
    with pytest.raises(InvalidEditError):
        Version.from_snapshot(broken)


def test_lives_number_their_sequences_apart() -> None:
    one, other = Version(life=1), Version(life=2)

    assert one.first_sequence + (1 << 40) == other.first_sequence
    assert Version(life=LIFE_MAX).first_sequence + (1 << 40) - 1 <= 2**63 - 1


# Against a naive model


@attrs.define
class Model:
    """Tables by number, segments in order: rules checked by looking at every pair."""

    life: int = 0
    ceiling: int = 1
    replay_from: int = 0
    tables: dict[int, tuple[int, TableMeta]] = attrs.field(factory=dict)
    segments: list[SegmentMeta] = attrs.field(factory=list)

    def after(self, edit: VersionEdit) -> "Model | None":
        """Return the model after the edit, or None if that is not allowed."""
        new = Model(
            self.life if edit.life is None else edit.life,
            self.ceiling if edit.number_ceiling is None else edit.number_ceiling,
            self.replay_from if edit.replay_from is None else edit.replay_from,
            dict(self.tables),
            list(self.segments),
        )
        try:
            new._change(edit)
        except (KeyError, ValueError, IndexError):
            return None
        old_counters = (self.life, self.ceiling, self.replay_from)
        rises = all(map(int.__le__, old_counters, new.counters))
        return new if rises and new._holds() else None

    @property
    def counters(self) -> tuple[int, int, int]:
        return (self.life, self.ceiling, self.replay_from)

    def _change(self, edit: VersionEdit) -> None:
        for number in set(edit.removed):
            del self.tables[number]
        for placed in edit.added:
            if placed.table.number in self.tables:
                raise ValueError(placed)
            self.tables[placed.table.number] = (placed.level, placed.table)
        for closed in edit.segments_closed:
            index = self._index(closed.number)
            if self.segments[index].end is not None:
                raise ValueError(closed)
            self.segments[index] = attrs.evolve(self.segments[index], end=closed.end)
        for number in edit.segments_removed:
            gone = self.segments.pop(self._index(number))
            if gone.end is None or (
                gone.end > self.replay_from and gone.end > gone.first
            ):
                raise ValueError(gone)
        self.segments += edit.segments_added

    def _index(self, number: int) -> int:
        return [each.number for each in self.segments].index(number)

    def _holds(self) -> bool:
        numbers = [*self.tables, *(each.number for each in self.segments)]
        open_ones = [each for each in self.segments if each.end is None]
        return (
            len(set(numbers)) == len(numbers)
            and all(number < self.ceiling for number in numbers)
            and all(
                self._apart(*one, *other)
                for one in self.tables.values()
                for other in self.tables.values()
                if one is not other
            )
            and all(each.end <= each.limit for each in self.segments if each.end)
            and all(
                each.first <= each.end for each in self.segments if each.end is not None
            )
            and all(
                one.end is not None and one.end <= other.first
                for i, one in enumerate(self.segments)
                for other in self.segments[i + 1 :]
            )
            and open_ones in ([], self.segments[-1:])
        )

    @staticmethod
    def _apart(level: int, one: TableMeta, other_level: int, other: TableMeta) -> bool:
        if level != other_level:
            return True
        if level == 0:
            return (
                one.sequence_max < other.sequence_min
                or other.sequence_max < one.sequence_min
            )
        return one.largest < other.smallest or other.largest < one.smallest


NUMBERS = st.integers(1, 9)
KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"])
TABLE_METAS = st.builds(
    lambda number, low, high, first: table(
        number, min(low, high), max(low, high), (first, first + 2)
    ),
    NUMBERS,
    KEYS,
    KEYS,
    st.integers(0, 12),
)
SEGMENTS = st.builds(
    lambda number, first, size, closed: segment(
        number, first, first + size if closed else None, limit=size
    ),
    NUMBERS,
    st.integers(0, 60),
    st.integers(0, 20),
    st.booleans(),
)


def _few(each: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.one_of(st.just(()), st.lists(each, max_size=2).map(tuple))


EDITS = st.builds(
    VersionEdit,
    life=st.none() | st.integers(0, 5),
    number_ceiling=st.none() | st.integers(1, 20),
    replay_from=st.none() | st.integers(0, 40),
    removed=_few(NUMBERS),
    added=_few(st.builds(PlacedTable, st.integers(0, 2), TABLE_METAS)),
    segments_closed=_few(st.builds(SegmentEnd, NUMBERS, st.integers(0, 80))),
    segments_removed=_few(NUMBERS),
    segments_added=_few(SEGMENTS),
)


def likely_edit(draw: st.DrawFn, model: Model) -> VersionEdit:
    """An edit that fits what is there, or nearly."""
    tables = list(model.tables.values())
    last = model.segments[-1] if model.segments else None
    match draw(st.integers(0, 5)):
        case 0:
            return add(draw(st.integers(0, 2)), draw(TABLE_METAS))
        case 1 if tables:
            level, moved = draw(st.sampled_from(tables))
            placed = PlacedTable((level + 1) % 3, moved)
            return VersionEdit(
                removed=(moved.number,), added=draw(st.sampled_from([(), (placed,)]))
            )
        case 2 if last is not None and last.end is None:
            end = SegmentEnd(last.number, draw(st.integers(last.first, last.limit)))
            new = segment(draw(NUMBERS), end.end + draw(st.integers(0, 2)), limit=20)
            return VersionEdit(
                segments_closed=(end,),
                segments_added=draw(st.sampled_from([(), (new,)])),
            )
        case 3 if model.segments:
            first = model.segments[0]
            return VersionEdit(
                segments_removed=(first.number,),
                replay_from=draw(st.none() | st.just(first.end)),
            )
        case 4:
            end_of_log = 0 if last is None else last.end or last.limit
            return VersionEdit(
                segments_added=(segment(draw(NUMBERS), end_of_log, limit=20),)
            )
        case _:
            return draw(EDITS)


@settings(max_examples=30)
@given(st.data())
def test_a_version_is_what_a_naive_model_says(data: st.DataObject) -> None:
    found, model = Version(number_ceiling=10), Model(ceiling=10)
    accepted = []
    for _ in range(data.draw(st.integers(0, 12))):
        edit = data.draw(st.composite(likely_edit)(model))
        expected = model.after(edit)
        try:
            found = found.apply(edit)
        except InvalidEditError:
            assert expected is None, edit
            continue
        assert expected is not None, edit
        accepted.append(edit)
        model = expected
        counters = (found.life, found.number_ceiling, found.replay_from)
        assert counters == model.counters
        placed = {
            each.number: (level, each)
            for level, tables in enumerate(found.levels)
            for each in tables
        }
        assert placed == model.tables
        assert list(found.segments) == model.segments
    assert found == _replayed(accepted)


def _replayed(edits: list[VersionEdit]) -> Version:
    """Apply edits as a reader does: from their bytes, going through a snapshot in between."""
    state = Version(number_ceiling=10)
    for edit in edits:
        state = state.apply(decode_record(VersionEdit, encode_record(edit)))
        snapshot = decode_record(Version, encode_record(state.snapshot()))
        state = Version.from_snapshot(snapshot)
    return state

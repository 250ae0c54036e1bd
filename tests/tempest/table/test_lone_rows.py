"""Lone rows: within their budget, newest first to stay, never anything but what was put in."""

from hypothesis import given, strategies as st

from tempest.table.lone_rows import ROW_BYTES, LoneRows

SIZE = 3 + 100 + ROW_BYTES
VALUE = bytes(100)


def key(number: int) -> bytes:
    return b"%03d" % number


def test_the_old_generation_goes_when_the_young_one_has_grown_up() -> None:
    rows = LoneRows(6 * SIZE)
    for number in range(6):
        rows.put(key(number), VALUE)
    assert len(rows) == 6
    rows.put(key(6), VALUE)
    assert [rows.get(key(number)) is not None for number in range(7)] == [
        *[False] * 3,
        *[True] * 4,
    ]


def test_an_old_row_that_is_read_is_young_again() -> None:
    rows = LoneRows(6 * SIZE)
    for number in range(5):
        rows.put(key(number), VALUE)
    assert rows.get(key(0)) == VALUE
    for number in range(6, 9):
        rows.put(key(number), VALUE)
    assert rows.get(key(0)) == VALUE
    assert rows.get(key(1)) is None


def test_no_part_that_goes_is_large() -> None:
    """Dropping 100,000 rows at once would stop the loop for 20 ms."""
    rows = LoneRows(32 << 20)
    for number in range(150_000):
        rows.put(b"%016d" % number, VALUE)
    assert 50_000 < len(rows) < 150_000
    assert max(map(len, rows._young)) < 4096
    assert max(map(len, rows._old)) < 4096


def test_without_a_budget_nothing_is_kept() -> None:
    rows = LoneRows(0)
    rows.put(b"", b"")
    assert (rows.get(b""), len(rows), rows.bytes) == (None, 0, 0)


def test_a_lower_bound_takes_old_rows_first() -> None:
    rows = LoneRows(1 << 20)
    parts = len(rows._held)
    for number in range(10_000):
        rows.put(b"%016d" % number, VALUE)
    young = sum(map(len, rows._young))
    rows.bound(rows.bytes - 1000)
    assert (sum(map(len, rows._young)), parts > 1) == (young, True)
    assert any(rows._old)
    rows.bound(1000)
    assert rows.bytes <= 1000


def test_rows_of_an_earlier_bound_count_for_a_lower_one() -> None:
    """Parts that were as large as they might be before grew beside them: 4000 bytes of 3000."""
    rows = LoneRows(20 * SIZE)
    for number in range(10):
        rows.put(key(number), VALUE)
    rows.bound(12 * SIZE)
    for number in range(10, 40):
        rows.put(key(number), VALUE)
        assert rows.bytes <= 12 * SIZE


@given(
    st.integers(0, 5000),
    st.lists(
        st.tuples(st.sampled_from("pgfcb"), st.integers(0, 30), st.integers(0, 9))
    ),
)
def test_it_answers_what_was_put_in_and_not_taken_out(
    bytes_max: int, steps: list[tuple[str, int, int]]
) -> None:
    rows, known = LoneRows(bytes_max), dict[bytes, bytes]()
    for what, number, length in steps:
        name, value = key(number), bytes([number]) * length
        match what:
            case "p" if rows.get(name) is None:
                rows.put(name, value)
                known[name] = value
            case "f":
                rows.forget(name)
                known.pop(name, None)
                assert rows.get(name) is None
            case "b":
                bytes_max = bytes_max * length // 9
                rows.bound(bytes_max)
            case "c" if not length:
                rows.clear()
                known.clear()
        found = rows.get(name)
        assert found is None or found == known[name]
        held = [row for part in (*rows._young, *rows._old) for row in part.items()]
        assert len({each for each, _ in held}) == len(held) == len(rows)
        sizes = [len(each) + len(row) + ROW_BYTES for each, row in held]
        assert rows.bytes == sum(sizes) <= bytes_max

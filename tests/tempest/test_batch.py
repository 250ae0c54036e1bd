"""A batch's quick way against the plain one: what it holds, how large it is, what it refuses."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from tempest.batch import ROOM_BYTES, Batch
from tempest.errors import InvalidError
from tempest.options import KEY_BYTES_MAX

Write = tuple[bytes, bytes | None]
SIZES = st.sampled_from([0, 1, 100, ROOM_BYTES - 1, ROOM_BYTES, ROOM_BYTES + 1])
WRITES = st.tuples(
    st.binary(max_size=1), st.none() | SIZES.map(lambda size: b"x" * size)
)


def plainly(
    writes: list[Write], bytes_max: int
) -> tuple[dict[bytes, bytes | None], int]:
    """Return what a batch holds after these writes, and its size, the slow way."""
    held: dict[bytes, bytes | None] = {}
    size = 0
    for key, value in writes:
        after = {**held, key: value}
        grown = sum(len(key) + len(value or b"") for key, value in after.items())
        if grown <= bytes_max:
            held, size = after, grown
    return held, size


@given(
    st.lists(WRITES, max_size=12),
    st.sampled_from([0, 100, ROOM_BYTES, ROOM_BYTES + 2, 3 * ROOM_BYTES, 1 << 30]),
)
def test_a_batch_holds_and_counts_what_fits(
    writes: list[Write], bytes_max: int
) -> None:
    batch = Batch(bytes_max)
    for at, (key, value) in enumerate(writes):
        with contextlib.suppress(InvalidError):
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        held, size = plainly(writes[: at + 1], bytes_max)
        assert (batch.entries, batch.size) == (held, size)
        assert list(batch.entries) == list(held)


@given(st.lists(WRITES, max_size=3), WRITES)
def test_nothing_enters_a_batch_that_is_over(writes: list[Write], late: Write) -> None:
    batch = Batch(1 << 30)
    for key, value in writes:
        batch.put(key, value or b"")
    held, size = dict(batch.entries), batch.size
    for _ in range(2):
        batch.close()
        with pytest.raises(InvalidError, match="over"):
            batch.put(late[0], late[1] or b"")
        with pytest.raises(InvalidError, match="over"):
            batch.delete(late[0])
    assert (batch.entries, batch.size) == (held, size)


@given(
    st.lists(WRITES, max_size=6),
    st.lists(WRITES, max_size=12),
    st.sampled_from([0, 100, ROOM_BYTES, ROOM_BYTES + 2, 3 * ROOM_BYTES, 1 << 30]),
)
def test_many_rows_are_what_each_of_them_is(
    before: list[Write], writes: list[Write], bytes_max: int
) -> None:
    rows = [(key, value or b"") for key, value in writes]
    batches = Batch(bytes_max), Batch(bytes_max)
    for batch in batches:
        for key, value in before:
            with contextlib.suppress(InvalidError):
                batch.put(key, value or b"")
    refused = [False, False]
    try:
        batches[0].put_many(iter(rows))
    except InvalidError:
        refused[0] = True
    try:
        for key, value in rows:
            batches[1].put(key, value)
    except InvalidError:
        refused[1] = True
    # The last value of a key may fit where one before it does not.
    if refused[0] == refused[1]:
        assert batches[0].entries == batches[1].entries
        assert list(batches[0].entries) == list(batches[1].entries)
        assert batches[0].size == batches[1].size
    else:
        assert refused == [False, True]
        assert len({key for key, _ in rows}) < len(rows)


@pytest.mark.parametrize(
    "row",
    [
        (b"k", None),
        (b"k", "v"),
        ("k", b"v"),
        (bytearray(b"k"), b"v"),
        (b"k", bytearray(b"v")),
        (5, b"v"),
    ],
)
def test_rows_that_are_not_bytes_are_refused_as_one_is(row: tuple[object, ...]) -> None:
    batch = Batch(1000)
    with pytest.raises(TypeError, match="must be bytes"):
        batch.put_many([(b"a", b"1"), row])  # type: ignore[list-item]
    assert batch.entries == {b"a": b"1"}


def test_many_rows_enter_no_batch_that_is_over_and_no_key_is_too_long() -> None:
    batch = Batch(1 << 20)
    with pytest.raises(InvalidError, match="at most"):
        batch.put_many([(b"a", b"1"), (bytes(KEY_BYTES_MAX + 1), b"")])
    batch.put_many([])
    batch.close()
    with pytest.raises(InvalidError, match="over"):
        batch.put_many([(b"b", b"2")])
    assert batch.entries == {b"a": b"1"}

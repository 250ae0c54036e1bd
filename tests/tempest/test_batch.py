"""A batch's quick way against the plain one: what it holds, how large it is, what it refuses."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from tempest.batch import ROOM_BYTES, Batch
from tempest.errors import InvalidError

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

"""Fields that came later: left out while they say nothing, refused when that is spelled out."""

import attrs
import cbor2
import pytest
from hypothesis import given, strategies as st

from journal import RecordError, decode_record, encode_record, later


@attrs.frozen
class First:
    number: int
    names: tuple[bytes, ...] = ()


@attrs.frozen
class Second:
    """`First` as a later program knows it."""

    number: int
    names: tuple[bytes, ...] = ()
    level: int = later(7)
    firsts: tuple[First, ...] = later(())
    token: bytes | None = later(None)


integers = st.integers(-(2**63), 2**64 - 1)
firsts = st.builds(First, integers, st.lists(st.binary()).map(tuple))
seconds = st.builds(
    Second,
    integers,
    st.lists(st.binary()).map(tuple),
    st.just(7) | integers,
    st.lists(firsts, max_size=2).map(tuple),
    st.none() | st.binary(),
)


@given(seconds)
def test_a_record_with_later_fields_survives_the_round_trip(record: Second) -> None:
    assert decode_record(Second, encode_record(record)) == record


@given(firsts)
def test_what_an_older_program_wrote_is_still_the_one_encoding(first: First) -> None:
    data = encode_record(first)
    read = decode_record(Second, data)

    assert read == Second(first.number, first.names)
    assert encode_record(read) == data


@given(seconds)
def test_only_what_says_something_is_written(record: Second) -> None:
    count = len(cbor2.loads(encode_record(record)))
    fields = attrs.astuple(record, recurse=False)
    defaults = (None, None, 7, (), None)

    assert all(fields[at] == defaults[at] for at in range(count, 5))
    assert count == 2 or fields[count - 1] != defaults[count - 1]


def test_an_older_program_refuses_what_it_would_have_to_forget() -> None:
    with pytest.raises(RecordError, match="First has 2 fields, found 3"):
        decode_record(First, encode_record(Second(1, (), 8)))


@pytest.mark.parametrize(
    "wire",
    [[1, [], 7], [1, [], 8, []], [1, [], 7, [], None], [1, [], 7, [[1, []]], None]],
)
def test_a_default_at_the_end_is_refused(wire: list[object]) -> None:
    with pytest.raises(RecordError, match="ends in fields that say nothing"):
        decode_record(Second, cbor2.dumps(wire))


@pytest.mark.parametrize("wire", [[1], [1, [], 8, [], b"t", 0]])
def test_first_fields_are_not_left_out_and_unknown_ones_refused(
    wire: list[object],
) -> None:
    with pytest.raises(RecordError, match="Second has 5 fields"):
        decode_record(Second, cbor2.dumps(wire))


def test_a_later_field_in_the_middle_is_a_mistake_of_the_program() -> None:
    @attrs.frozen
    class Wrong:
        first: int = later(0)
        second: int = 0

    with pytest.raises(TypeError, match="later fields come last"):
        encode_record(Wrong())

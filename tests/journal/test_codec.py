"""The codec gives back what it was given, and refuses every byte it did not write."""

import struct
from enum import Enum, IntEnum
from typing import NewType

import attrs
import cbor2
import pytest
from hypothesis import example, given, strategies as st

from journal import RecordError, decode_record, encode_record

Address = NewType("Address", int)


class Color(IntEnum):
    RED = 1
    BLUE = 2


class Mood(Enum):
    CALM = "calm"


@attrs.frozen
class Point:
    x: int
    y: int


@attrs.frozen
class Empty:
    pass


@attrs.frozen(kw_only=True)
class Everything:
    number: int
    data: bytes
    text: str
    flag: bool
    nothing: None
    color: Color
    mood: Mood | None
    points: tuple[Point, ...]
    numbers: tuple[int, ...]
    pair: tuple[int, bytes]
    maybe: Point | None
    address: Address
    empty: Empty


integers = st.integers(-(2**63), 2**64 - 1)
points = st.builds(Point, integers, integers)
everything = st.builds(
    Everything,
    number=integers,
    data=st.binary(),
    text=st.text(),
    flag=st.booleans(),
    nothing=st.none(),
    color=st.sampled_from(Color),
    mood=st.none() | st.sampled_from(Mood),
    points=st.lists(points).map(tuple),
    numbers=st.lists(integers).map(tuple),
    pair=st.tuples(integers, st.binary()),
    maybe=st.none() | points,
    address=integers.map(Address),
    empty=st.just(Empty()),
)


@given(everything)
def test_a_record_survives_the_round_trip(record: Everything) -> None:
    data = encode_record(record)

    assert decode_record(Everything, data) == record
    assert data == cbor2.dumps(cbor2.loads(data), canonical=True)


@given(everything, st.binary(min_size=1))
def test_trailing_bytes_are_refused(record: Everything, tail: bytes) -> None:
    with pytest.raises(RecordError):
        decode_record(Everything, encode_record(record) + tail)


@given(everything, st.data())
def test_damaged_bytes_are_refused_or_mean_exactly_themselves(
    record: Everything, data: st.DataObject
) -> None:
    good = encode_record(record)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + data.draw(st.binary(max_size=9)) + good[place + 1 :]

    try:
        decoded = decode_record(Everything, bad)
    except RecordError:
        return
    assert encode_record(decoded) == bad


@given(st.binary(max_size=40))
@example(b"\x81" * 100_000)
@example(b"\x9b" + b"\x0f" * 8)
@example(b"\x5b" + b"\x0f" * 8)
@example(b"\x82\x5b\x00\x00\x00\x7f\xff\xff\xff\xff")
def test_any_bytes_are_a_record_or_an_error(data: bytes) -> None:
    """T10, T17: neither nesting nor a length from a file costs more than the file is long."""
    try:
        decoded = decode_record(Point, data)
    except RecordError:
        return
    assert encode_record(decoded) == data


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a longer spelling of 1", b"\x82\x18\x01\x02"),
        ("a big number", cbor2.dumps([2**64, 2])),
        ("a tagged integer", b"\x82\xc2\x41\x01\x02"),
        ("an array without a length", b"\x9f\x01\x02\xff"),
        ("a field too few", cbor2.dumps([1])),
        ("an unknown field", cbor2.dumps([1, 2, 3])),
        ("a map", cbor2.dumps({"x": 1, "y": 2})),
        ("a float", cbor2.dumps([1.0, 2])),
        ("a boolean for a number", cbor2.dumps([True, 2])),
        ("no number", cbor2.dumps([None, 2])),
        ("a date", b"\x82\xc1\x01\x02"),
        ("a scalar", b"\x01"),
        ("nothing", b""),
    ],
)
def test_what_was_not_written_here_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(RecordError):
        decode_record(Point, data)


@pytest.mark.parametrize(
    "value", [1.0, True, None, b"1", 2**64, -(2**63) - 1, Color.RED], ids=repr
)
def test_a_value_that_could_not_be_read_back_is_not_written(value: object) -> None:
    with pytest.raises(RecordError):
        encode_record(Point(value, 2))  # type: ignore[arg-type]


def test_an_enum_value_without_a_member_is_refused() -> None:
    @attrs.frozen
    class Painted:
        color: Color

    assert decode_record(Painted, cbor2.dumps([2])) == Painted(Color.BLUE)
    for wrong in (3, "2", None, True, (1,)):
        with pytest.raises(RecordError):
            decode_record(Painted, cbor2.dumps([wrong]))


def test_text_has_to_be_unicode_both_ways() -> None:
    @attrs.frozen
    class Named:
        name: str

    with pytest.raises(RecordError):
        encode_record(Named("\ud800"))
    with pytest.raises(RecordError):
        decode_record(Named, b"\x81\x61\xff")


def test_a_validator_of_the_record_has_its_say() -> None:
    @attrs.frozen
    class Positive:
        value: int = attrs.field(validator=attrs.validators.gt(0))

    with pytest.raises(RecordError, match="Positive"):
        decode_record(Positive, cbor2.dumps([0]))


def test_a_record_type_that_contains_itself_is_refused() -> None:
    """T10: a snapshot made of edits that hold snapshots recursed as deep as a file asked for."""
    with pytest.raises(TypeError, match="contains itself"):
        encode_record(Nested(None))


@attrs.frozen
class Nested:
    inner: "Nested | None"


@attrs.frozen
class Loose:
    values: tuple[float, ...] = ()


@attrs.frozen
class Either:
    value: int | str = 0


def test_a_type_without_one_encoding_is_refused() -> None:
    for record in (Loose(), Either()):
        with pytest.raises(TypeError):
            encode_record(record)


def test_integers_take_their_shortest_form() -> None:
    assert encode_record(Point(23, 24)) == b"\x82\x17\x18\x18"
    assert encode_record(Point(2**32, -1)) == (
        b"\x82\x1b" + struct.pack(">Q", 2**32) + b"\x20"
    )

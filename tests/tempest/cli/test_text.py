"""Bytes to text and back."""

import base64

import msgspec
import pytest
from hypothesis import given, strategies as st

from tempest.cli.output import UsageError
from tempest.cli.text import Encoding, parse, show, to_json


@given(st.binary())
def test_hex_and_base64_arguments_stand_for_any_bytes(data: bytes) -> None:
    assert parse(data.hex(), Encoding.HEX) == data
    assert parse(base64.b64encode(data).decode(), Encoding.BASE64) == data


@given(st.text().filter(lambda text: text.isprintable()))
def test_text_arguments_are_utf8(text: str) -> None:
    assert parse(text, Encoding.TEXT) == text.encode()


@pytest.mark.parametrize(
    ("argument", "encoding"),
    [("0g", Encoding.HEX), ("0", Encoding.HEX), ("A", Encoding.BASE64)],
)
def test_an_argument_in_the_wrong_encoding_is_named(
    argument: str, encoding: Encoding
) -> None:
    with pytest.raises(UsageError, match=f"'{argument}' is not {encoding.value}"):
        parse(argument, encoding)


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_json_keeps_every_byte(data: bytes) -> None:
    class Field(msgspec.Struct):
        value: str | None = None
        value_base64: bytes | None = None

    decoded = msgspec.json.decode(
        msgspec.json.encode(to_json("value", data)), type=Field
    )

    text = None if decoded.value is None else decoded.value.encode()
    assert [text, decoded.value_base64].count(None) == 1
    assert data in (text, decoded.value_base64)


@given(st.binary(), st.binary())
def test_different_bytes_never_look_the_same(one: bytes, other: bytes) -> None:
    assert (show(one) == show(other)) == (one == other)


@given(st.binary())
def test_shown_bytes_stay_on_one_printable_line(data: bytes) -> None:
    assert show(data).isprintable()


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"user:1", "user:1"),
        (b"[key]", "[key]"),
        ("größe".encode(), "größe"),
        (b"a\tb\n", r"a\tb\n"),
        (b"\x00\xff\\", r"\x00\xff\\"),
        (rb"\x00", r"\\x00"),
    ],
)
def test_people_see(data: bytes, shown: str) -> None:
    assert show(data) == shown

"""Records as tables."""

import io
from enum import Enum

import attrs
import pytest
from rich.console import Console

from tempest.cli.output import bytes_text, seconds_text
from tempest.cli.tables import cell, print_record


class Mood(Enum):
    CALM = "calm"


@attrs.frozen
class Level:
    tables: int
    size: int
    smallest: bytes


@attrs.frozen
class Inner:
    run_seconds: float
    clean: bool


@attrs.frozen
class Record:
    mood: Mood
    cache_bytes: int
    cause: str | None
    inner: Inner
    levels: tuple[Level, ...]
    nothing: tuple[Level, ...] = ()


def printed(record: object) -> str:
    out = io.StringIO()
    print_record("the [bold]store", record, Console(file=out, width=100))
    return out.getvalue()


def test_a_record_is_printed_with_what_lies_inside() -> None:
    levels = (Level(2, 2048, b"[key]\x00"), Level(10, 1 << 30, b""))
    text = printed(Record(Mood.CALM, 1536, None, Inner(0.031, clean=True), levels))
    lines = [" ".join(line.split()) for line in text.splitlines()]

    for expected in [
        "the [bold]store",
        "mood calm",
        "cache bytes 1.5 KiB",
        "cause -",
        "the [bold]store · inner",
        "run seconds 31 ms",
        "clean yes",
        "the [bold]store · levels",
        "tables size smallest",
        r"2 2.0 KiB [key]\x00",
        "10 1.0 GiB",
    ]:
        assert expected in lines


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("entries", 1_234_567, "1,234,567"),
        ("ratio", 0.123456, "0.123"),
        ("frames_bytes", 0, "0 B"),
        ("text", "[red]", "[red]"),
        ("numbers", (1, 2), "(1, 2)"),
        ("open", False, "no"),
    ],
)
def test_a_field_is_shown_in_its_unit(name: str, value: object, shown: str) -> None:
    assert cell(name, value).plain == shown


def test_sizes_and_durations_have_units() -> None:
    sizes = [0, 1023, 1024, 1 << 20, 3 << 30, 1 << 40]
    assert [bytes_text(size) for size in sizes] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.0 MiB",
        "3.0 GiB",
        "1.0 TiB",
    ]
    assert [seconds_text(s) for s in (0.0004, 0.031, 2.5)] == [
        "0.4 ms",
        "31 ms",
        "2.5 s",
    ]

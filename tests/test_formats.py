"""docs/formats.md says what the code writes: examples, fields and their order."""

import re
from pathlib import Path

import attrs
import pytest

from journal import Header
from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version import (
    CheckpointMeta,
    Consumer,
    Fork,
    PlacedTable,
    SegmentEnd,
    SessionMark,
    Version,
    VersionEdit,
)
from tests.golden.hexdump import FORMATS, documented

GOLDEN = Path(__file__).parent / "journal" / "golden" / "manifest.hex"
RECORDS = (
    *(Version, VersionEdit, PlacedTable, SegmentEnd, SegmentMeta, TableMeta),
    *(SessionMark, Consumer, Fork, CheckpointMeta),
)


def fields_of(section: str) -> list[str]:
    """Return the first column of the section's table."""
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_the_fields_of_a_record_stand_in_their_order(
    record: type[attrs.AttrsInstance],
) -> None:
    names = [field.name for field in attrs.fields(record)]

    assert fields_of(documented(record.__name__)) == names


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_later_fields_are_said_to_be_later(
    record: type[attrs.AttrsInstance],
) -> None:
    """O18: which fields may be left out stands on the page as in the code."""
    rows = documented(record.__name__)
    later = re.findall(r"^\| `(\w+)` \| later ", rows, re.MULTILINE)
    fields = attrs.fields(record)

    assert later == [f.name for f in fields if f.metadata.get("journal.later")]


def test_the_fields_of_a_generation_stand_in_their_order() -> None:
    names = [field.name for field in attrs.fields(Header)]

    assert fields_of(documented("Header")) == names


def test_the_pages_show_the_golden_generation() -> None:
    section = documented("Worked example: a generation of the manifest")
    rows = re.findall(r"^    ([0-9a-f]{4}: .*)$", section, re.MULTILINE)

    assert rows == GOLDEN.read_text().splitlines()


def test_links_within_the_page_lead_somewhere() -> None:
    text = FORMATS.read_text()
    headings = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    slugs = {
        re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= slugs

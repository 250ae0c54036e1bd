"""Bytes as text that can be read, compared and kept: sixteen a line, lines of zeros left out."""

import re
from pathlib import Path

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"
ROW = re.compile(r"^ *(\d+)  ((?:[0-9a-f]{2} ?)+)$", re.MULTILINE)


def dump(data: bytes) -> str:
    """Return rows of a decimal offset and up to sixteen bytes."""
    return "".join(
        f"{place:6}  {data[place : place + 16].hex(' ')}\n"
        for place in range(0, len(data), 16)
        if any(data[place : place + 16])
    )


def undump(text: str, size: int) -> bytes:
    """Return the bytes of the rows in `text`; whatever they leave out is zero."""
    data = bytearray(size)
    for place, octets in ROW.findall(text):
        row = bytes.fromhex(octets)
        data[int(place) : int(place) + len(row)] = row
    assert len(data) == size, "a row lies behind the end"
    return bytes(data)


def documented(heading: str) -> str:
    """Return the section of docs/formats.md under this heading, up to the next one."""
    text = FORMATS.read_text()
    found = re.search(
        rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"docs/formats.md has no section {heading!r}"
    return found[1]

"""Where `tempest load` takes rows from: a folder tree, or lines of JSON.

    line := {"key": text | "key_base64": base64, "value": text | "value_base64": base64}

Invariants
- A tree is walked in sorted order, so equal trees load equally.
- `position` never falls and ends at `bytes_total`, where that is known.
- What cannot be read is named: the file, or the number of the line.
"""

import os
import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import attrs
import msgspec

from tempest.cli.output import UsageError


class Row(NamedTuple):
    """A key, its value, and how many bytes of the source are read with it."""

    key: bytes
    value: bytes
    position: int


@attrs.frozen
class Source:
    """Rows that can be read once. `bytes_total` is None where nobody knows."""

    name: str
    bytes_total: int | None
    rows: Iterator[Row]


class JsonRow(msgspec.Struct, forbid_unknown_fields=True):
    """One line; msgspec turns base64 into bytes where bytes are wanted."""

    key: str | None = None
    key_base64: bytes | None = None
    value: str | None = None
    value_base64: bytes | None = None


@contextmanager
def open_source(name: str) -> Iterator[Source]:
    """Open a folder, a file, or stdin as a source of rows."""
    if name == "-":
        yield Source("stdin", None, json_rows(sys.stdin.buffer, "stdin"))
        return
    path = Path(name)
    try:
        if path.is_dir():
            files = tree_files(path)
            total = sum(size for _, size in files)
            yield Source(name, total, tree_rows(path, files))
            return
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            yield Source(name, size, json_rows(file, name))
    except OSError as error:
        raise UsageError(f"The source cannot be read: {error}.") from error


def tree_files(root: Path, *, skip: Container[str] = ()) -> list[tuple[str, int]]:
    """List the regular files below `root` with their sizes, sorted by path.

    Links are left out, and so are the folders whose path below `root` is in `skip`.
    """
    found = []
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_file(follow_symlinks=False):
                    found.append((path, entry.stat(follow_symlinks=False).st_size))
                elif entry.is_dir(follow_symlinks=False) and path not in skip:
                    folders.append(path)
    return sorted(found, key=lambda file: os.fsencode(file[0]))


def tree_rows(root: Path, files: list[tuple[str, int]]) -> Iterator[Row]:
    """Yield relative path -> content for each file."""
    position = 0
    for relative, size in files:
        content = (root / relative).read_bytes()
        position += size
        yield Row(os.fsencode(relative), content, position)


def json_rows(lines: BinaryIO, name: str) -> Iterator[Row]:
    """Yield the rows of JSON lines; empty lines are skipped."""
    decoder = msgspec.json.Decoder(JsonRow)
    position = 0
    for number, line in enumerate(lines, start=1):
        position += len(line)
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
            key = _one_of("key", row.key, row.key_base64)
            value = _one_of("value", row.value, row.value_base64)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise UsageError(
                f"Line {number} of {name!r} is no row: {error}. Correct it and load "
                "again; what stands before it may be stored already."
            ) from error
        yield Row(key, value, position)


def _one_of(name: str, text: str | None, data: bytes | None) -> bytes:
    if (text is None) == (data is None):
        raise msgspec.ValidationError(
            f"it needs {name!r} or '{name}_base64', one of the two"
        )
    return text.encode() if text is not None else data or b""

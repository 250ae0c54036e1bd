"""What every command prints with: JSON on stdout, sentences and progress on stderr."""

import sys

import attrs
import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)


class UsageError(Exception):
    """The command cannot be carried out as it was given; says what to do instead."""


def complain(sentence: str) -> int:
    """Say on stderr why nothing came of it; return the exit status for that."""
    print(sentence, file=sys.stderr)
    return 2


def print_json(document: object) -> None:
    """Print one JSON document on a line of its own."""
    write_bytes(json_line(document))


def json_line(document: object) -> bytes:
    """Encode a document as one line; attrs records become objects."""
    return msgspec.json.encode(document) + b"\n"


def write_bytes(data: bytes) -> None:
    """Write to stdout exactly these bytes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def progress_bar(unit: ProgressColumn) -> Progress:
    """Make a progress bar on stderr; it stays silent where that is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        unit,
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def bytes_text(count: float) -> str:
    """Render a size: `17 B`, `1.5 KiB`, `64.0 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def seconds_text(seconds: float) -> str:
    """Render a duration: `0.4 ms`, `31 ms`, `2.5 s`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def record_fields(record: object) -> dict[str, object]:
    """Return the fields of an attrs record, nested records left as they are."""
    kind = type(record)
    assert attrs.has(kind)
    return {field.name: getattr(record, field.name) for field in attrs.fields(kind)}

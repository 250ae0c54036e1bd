"""Any attrs record as tables for people: scalars first, then what lies inside.

A record's plain fields become a table of names and values; a nested record gets a table
of its own under its field's name; a tuple of records becomes one table with a row for each.

Invariants
- Names and bytes are printed as they are: rich's markup never sees them.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Literal

import attrs
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tempest.cli.output import bytes_text, record_fields, seconds_text
from tempest.cli.text import show


def print_record(title: str, record: object, console: Console | None = None) -> None:
    """Print a record as tables, on stdout unless another console is given."""
    console = console or Console()
    for table in record_tables(title, record):
        console.print(table)


def record_tables(title: str, record: object) -> Iterator[Table]:
    """Yield the tables of a record, its own plain fields first."""
    nested = []
    own = _table(title)
    own.show_header = False
    own.add_column()
    own.add_column(justify="right")
    for name, value in record_fields(record).items():
        if attrs.has(type(value)) or _is_run(value):
            nested.append((f"{title} · {_words(name)}", value))
        else:
            own.add_row(Text(_words(name)), cell(name, value))
    if own.row_count:
        yield own
    for inner_title, value in nested:
        if isinstance(value, tuple):
            yield run_table(inner_title, value)
        else:
            yield from record_tables(inner_title, value)


def run_table(title: str, records: tuple[object, ...]) -> Table:
    """Return one table with a row for each record of the same kind."""
    table = _table(title)
    for name, sample in record_fields(records[0]).items():
        side: Literal["left", "right"] = "right" if _is_number(sample) else "left"
        table.add_column(Text(_words(name)), justify=side)
    for record in records:
        fields = record_fields(record)
        table.add_row(*(cell(name, value) for name, value in fields.items()))
    return table


def cell(name: str, value: object) -> Text:
    """Render one field; its name says its unit."""
    match value:
        case None | ():
            text = "-"
        case bool():
            text = "yes" if value else "no"
        case Enum():
            text = value.name.lower()
        case bytes():
            text = show(value)
        case int() | float():
            text = _quantity(name, value)
        case _:
            text = str(value)
    return Text(text)


def _quantity(name: str, value: float) -> str:
    if "bytes" in name or name == "size":
        return bytes_text(value)
    if "seconds" in name:
        return seconds_text(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _table(title: str) -> Table:
    return Table(
        title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _is_run(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and attrs.has(type(value[0]))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool | Enum)

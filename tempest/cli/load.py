"""`tempest load`: a folder tree or a file of JSON lines into a store.

Rows are gathered into batches; each is handed to the operating system as it fills, and
all are synced together at the end. Loading the same source again changes nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter
from rich.progress import DownloadColumn

import tempest
from tempest.cli.output import (
    UsageError,
    bytes_text,
    print_json,
    progress_bar,
    seconds_text,
)
from tempest.cli.sources import Row, Source, open_source

BATCH_ROWS_MAX = 256
BATCH_BYTES_MAX = 1024 * 1024


def load(
    store: str,
    source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    json: bool = False,
) -> int:
    """Load a folder tree or a file of JSON lines.

    A folder: each file becomes a row, its path below the folder (with "/") the key and
    its content the value; links are not followed. Anything else is read as JSON lines,
    {"key": ..., "value": ...}, or "key_base64", "value_base64" for bytes that are no text.

    Args:
        store: Folder of the store; an absent or empty one becomes a store.
        source: A folder, a file of JSON lines, or "-" for stdin.
        json: Print {"rows": ..., "bytes": ..., "seconds": ...}.
    """
    if source.startswith("-") and source != "-":
        raise UsageError(f"{source!r} is no option. Try: tempest load --help")
    with open_source(source) as rows:
        summary = trio.run(_load, store, rows)
    if json:
        print_json(summary)
    else:
        size, seconds = bytes_text(summary["bytes"]), seconds_text(summary["seconds"])
        print(f"{summary['rows']} rows, {size}, in {seconds}")
    return 0


async def _load(path: str, source: Source) -> dict[str, float]:
    rows_count = bytes_count = 0
    started = trio.current_time()
    with progress_bar(DownloadColumn()) as progress:
        task = progress.add_task(Path(source.name).name, total=source.bytes_total)
        async with tempest.open_store(path) as store:
            for batch_rows in batches(source):
                async with store.batch(durability=tempest.Durability.OS) as batch:
                    for row in batch_rows:
                        batch.put(row.key, row.value)
                rows_count += len(batch_rows)
                bytes_count += sum(len(row.key) + len(row.value) for row in batch_rows)
                progress.update(task, completed=batch_rows[-1].position)
            await store.sync()
    seconds = round(trio.current_time() - started, 6)
    return {"rows": rows_count, "bytes": bytes_count, "seconds": seconds}


def batches(source: Source) -> Iterator[list[Row]]:
    """Cut rows into batches, none empty, each ended by the row that fills it."""
    batch: list[Row] = []
    size = 0
    for row in source.rows:
        batch.append(row)
        size += len(row.key) + len(row.value)
        if len(batch) >= BATCH_ROWS_MAX or size >= BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

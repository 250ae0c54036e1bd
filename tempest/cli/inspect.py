"""`tempest stats`, `inspect`, `verify`: what a store looks like, what opening takes, is it whole."""

import attrs
import trio
from rich.console import Console
from rich.text import Text

import tempest
from io_backends import FileIo
from tempest.check import VerifyReport, verify_store
from tempest.cli.checkpoint import document_of, row_of
from tempest.cli.output import bytes_text, print_json, record_fields
from tempest.cli.tables import print_record, run_table

DAMAGED = 1


def stats(store: str, /, *, json: bool = False) -> int:
    """Print what the store counts: its shape, its recovery, its work since it was opened.

    Args:
        store: Folder of the store.
        json: Print one JSON document.
    """

    async def run() -> tempest.Statistics:
        async with tempest.open_store(store, read_only=True) as opened:
            return opened.statistics()

    statistics = trio.run(run)
    if json:
        print_json(statistics)
    else:
        print_record(store, statistics)
    return 0


def inspect(store: str, /, *, json: bool = False) -> int:
    """Say what opening the store would use and replay; exit status 1 if it would be refused.

    Manifest and log are read, nothing is written, and the store is not opened: which index
    checkpoint recovery would start from, how much log it would replay, which tables,
    checkpoints and sessions there are.

    Args:
        store: Folder of the store.
        json: Print one JSON document.
    """
    found = trio.run(tempest.inspect_store, store)
    if json:
        checkpoints = [document_of(info) for info in found.checkpoints]
        print_json({**record_fields(found), "checkpoints": checkpoints})
    else:
        print_record(store, attrs.evolve(found, checkpoints=()))
        if found.checkpoints:
            rows = tuple(map(row_of, found.checkpoints))
            Console().print(run_table(f"{store} · checkpoints", rows))
    return 0 if found.problem is None else DAMAGED


def verify(store: str, /, *, json: bool = False) -> int:
    """Read every byte of the store and check it; exit status 1 if any is damaged.

    Nothing is changed. Checked are the manifest, the tables and the log, each file
    against its own checksums and against what the manifest says of it.

    Args:
        store: Folder of the store.
        json: Print one JSON document.
    """

    async def run() -> VerifyReport:
        io = FileIo()
        try:
            return await verify_store(io, store)
        finally:
            await io.aclose()

    report = trio.run(run)
    if json:
        print_json({"whole": report.whole, "files": report.files})
    else:
        _print_verdict(store, report)
    return 0 if report.whole else DAMAGED


def _print_verdict(path: str, report: VerifyReport) -> None:
    console = Console()
    if report.files:
        console.print(run_table(path, report.files))
    size = bytes_text(sum(file.bytes for file in report.files))
    verdict = "Every byte is whole" if report.whole else "DAMAGED"
    style = "bold green" if report.whole else "bold red"
    console.print(
        Text(f"{verdict}: {len(report.files)} files, {size} read.", style=style)
    )

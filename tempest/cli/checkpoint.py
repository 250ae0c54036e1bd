"""`tempest checkpoint ...`: make, list, check, restore and prune named recovery points."""

from datetime import UTC, datetime

import attrs
import cyclopts
import trio
from rich.console import Console
from rich.progress import MofNCompleteColumn

import tempest
from tempest import CheckpointInfo, CheckpointKind, CheckpointPhase, CheckpointStyle
from tempest.cli.output import (
    UsageError,
    bytes_text,
    print_json,
    progress_bar,
    record_fields,
)
from tempest.cli.tables import print_record, run_table
from tempest.cli.text import Encoding, parse, to_json

INVALID = 1

checkpoint = cyclopts.App(
    name="checkpoint",
    help="Make, list, check, restore and prune named recovery points of a store.",
    version_flags=[],
    default_parameter=cyclopts.Parameter(negative=""),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@checkpoint.command
def create(  # noqa: PLR0913  # one parameter for each option of store.checkpoint
    store: str,
    /,
    *,
    kind: CheckpointKind = CheckpointKind.FULL,
    style: CheckpointStyle = CheckpointStyle.FOLD_OVER,
    cookie: str = "",
    encoding: Encoding = Encoding.TEXT,
    base: str | None = None,
    json: bool = False,
) -> int:
    """Make a checkpoint and print its token.

    Args:
        store: Folder of the store.
        kind: full, index (no recovery point, but opening is short), log, or incremental.
        style: fold-over keeps log to be replayed, snapshot keeps tables only.
        cookie: Bytes of your own that are kept with it.
        encoding: How the cookie is written here: text, hex or base64.
        base: Token of the one to build an incremental checkpoint upon; default: the newest.
        json: Print all that is known of it as one JSON document.
    """
    kept, token = parse(cookie, encoding), None if base is None else _token(base)

    async def run() -> CheckpointInfo:
        with progress_bar(MofNCompleteColumn()) as bar:
            task = bar.add_task("checkpoint", total=len(CheckpointPhase) - 1)

            def show_phase(phase: CheckpointPhase) -> None:
                name = phase.name.lower().replace("_", " ")
                bar.update(task, advance=1, description=name)

            async with tempest.open_store(store, create=False) as opened:
                made = await opened.checkpoint(
                    kind, style, kept, base=token, on_phase=show_phase
                )
                return await opened.checkpoint_info(made)

    info = trio.run(run)
    if json:
        print_json(document_of(info))
    else:
        print(info.token.decode())
    return 0


@checkpoint.command(name="list")
def list_(store: str, /, *, json: bool = False) -> int:
    """List the checkpoints of a store, oldest first. The store may be open elsewhere.

    Args:
        store: Folder of the store.
        json: Print one JSON document.
    """
    infos = trio.run(tempest.list_checkpoints, store)
    if json:
        print_json([document_of(info) for info in infos])
    elif infos:
        Console().print(run_table(store, tuple(map(row_of, infos))))
    return 0


@checkpoint.command
def info(store: str, token: str, /, *, json: bool = False) -> int:
    """Print all that is known of one checkpoint.

    Args:
        store: Folder of the store.
        token: The checkpoint.
        json: Print one JSON document.
    """
    wanted = _token(token)
    found = next(
        (i for i in trio.run(tempest.list_checkpoints, store) if i.token == wanted),
        None,
    )
    if found is None:
        raise tempest.CheckpointError(f"There is no checkpoint {token!r}")
    if json:
        print_json(document_of(found))
    else:
        print_record(token, found)
    return 0


@checkpoint.command
def validate(store: str, token: str | None = None, /, *, json: bool = False) -> int:
    """Read back all that restoring a checkpoint would need; exit status 1 if any is damaged.

    Args:
        store: Folder of the store.
        token: The checkpoint; default: every recovery point of the store.
        json: Print one JSON document.
    """

    async def run() -> list[tempest.CheckpointReport]:
        tokens = [] if token is None else [_token(token)]
        if token is None:
            infos = await tempest.list_checkpoints(store)
            tokens = [info.token for info in infos if info.is_recovery_point]
        with progress_bar(MofNCompleteColumn()) as bar:
            return [
                await tempest.validate_checkpoint(store, each)
                for each in bar.track(tokens, description="validating")
            ]

    reports = trio.run(run)
    if json:
        print_json(
            [
                {
                    **record_fields(report),
                    "token": report.token.decode(),
                    "is_valid": report.is_valid,
                }
                for report in reports
            ]
        )
    else:
        for report in reports:
            print(_verdict(report))
    return 0 if all(report.is_valid for report in reports) else INVALID


@checkpoint.command
def restore(
    store: str,
    token: str | None = None,
    /,
    *,
    newest_valid: bool = False,
    json: bool = False,
) -> int:
    """Make a store what it was at a checkpoint. What was written since is gone.

    Other checkpoints, newer ones too, stay, and can be restored. The store must not be open.

    Args:
        store: Folder of the store.
        token: The checkpoint.
        newest_valid: Instead of a token: take the newest one that is whole; others are named.
        json: Print what is known of the checkpoint as one JSON document.
    """
    if (token is None) == (not newest_valid):
        raise UsageError("Give a TOKEN or --newest-valid, one of the two.")
    skipped: list[dict[str, object]] = []

    def note(info: CheckpointInfo, reason: str) -> None:
        skipped.append({"token": info.token.decode(), "reason": reason})

    async def run() -> CheckpointInfo:
        if token is not None:
            return await tempest.restore_checkpoint(store, _token(token))
        return await tempest.restore_newest_valid(store, on_skip=note)

    restored = trio.run(run)
    if json:
        print_json({**document_of(restored), "skipped": skipped})
        return 0
    for each in skipped:
        print(f"passed over {each['token']}: {each['reason']}")
    print(f"{store} is what it was at {restored.token.decode()}")
    return 0


@checkpoint.command
def prune(
    store: str, /, *, keep: int, automatic_only: bool = False, json: bool = False
) -> int:
    """Drop old checkpoints, once the newest was read back whole; print what went.

    Args:
        store: Folder of the store.
        keep: How many of the newest stay, 1 or more.
        automatic_only: Let those alone that somebody asked for.
        json: Print the tokens of those that went as one JSON document.
    """

    async def run() -> list[bytes]:
        async with tempest.open_store(store, create=False) as opened:
            return await opened.prune_checkpoints(keep, automatic_only=automatic_only)

    gone = [token.decode() for token in trio.run(run)]
    if json:
        print_json(gone)
    else:
        for token in gone:
            print(token)
    return 0


@attrs.frozen
class Row:
    """A checkpoint as a line of the list, short enough for a terminal; `info` tells the rest."""

    token: str
    kind: str
    taken: str
    replay_bytes: int
    state: str


def row_of(info: CheckpointInfo) -> Row:
    """Return the line that stands for a checkpoint."""
    states = {info.is_abandoned: "abandoned", not info.is_recovery_point: "index only"}
    return Row(
        info.token.decode(),
        info.kind.name.lower(),
        wall_text(info.committed_at),
        info.replay_bytes,
        states.get(True, "current"),
    )


def document_of(info: CheckpointInfo) -> dict[str, object]:
    """Return what is known of a checkpoint as JSON fields."""
    fields = record_fields(info)
    del fields["cookie"]
    return {
        **fields,
        **to_json("cookie", info.cookie),
        "token": info.token.decode(),
        "kind": info.kind.name.lower(),
        "style": info.style.name.lower(),
        "base": None if info.base is None else info.base.decode(),
    }


def wall_text(seconds: float) -> str:
    """Render wall time in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(" ", "minutes")[:16]


def _token(text: str) -> bytes:
    return parse(text, Encoding.TEXT)


def _verdict(report: tempest.CheckpointReport) -> str:
    name = report.token.decode()
    if report.is_valid:
        return (
            f"{name}: whole, {report.entries} entries, {bytes_text(report.bytes)} read"
        )
    problems = "; ".join(f"{p.path}: {p.detail}" for p in report.problems)
    return f"{name}: DAMAGED: {problems}"

"""`tempest get`, `put`, `delete` and `scan`: single keys and runs of keys."""

import sys
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter

import tempest
from tempest.cli.output import UsageError, json_line, print_json, write_bytes
from tempest.cli.text import Encoding, parse, parse_optional, show, to_json

ROWS_PER_WRITE = 256
NOT_FOUND = 1


def get(
    store: str,
    key: str,
    /,
    *,
    encoding: Encoding = Encoding.TEXT,
    json: bool = False,
) -> int:
    """Write the value of a key to stdout, exactly its bytes.

    Args:
        store: Folder of the store.
        key: The key.
        encoding: How the key is written here: text, hex or base64.
        json: Print {"key": ..., "found": ..., "value": ...} instead.
    """
    wanted = parse(key, encoding)
    value = trio.run(_get, store, wanted)
    if json:
        found = {} if value is None else to_json("value", value)
        print_json({**to_json("key", wanted), "found": value is not None, **found})
    elif value is not None:
        write_bytes(value)
    return NOT_FOUND if value is None else 0


async def _get(path: str, key: bytes) -> bytes | None:
    async with tempest.open_store(path, read_only=True) as store:
        return await store.get(key)


def put(
    store: str,
    key: str,
    value: str | None = None,
    /,
    *,
    value_file: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    encoding: Encoding = Encoding.TEXT,
    json: bool = False,
) -> int:
    """Give a key a value; it is on the disk when the command returns.

    Args:
        store: Folder of the store; an absent or empty one becomes a store.
        key: The key.
        value: The value; or name a file.
        value_file: Take the value from this file, as it is; "-" is stdin.
        encoding: How key and value are written here: text, hex or base64.
        json: Print {"key": ..., "value_bytes": ...}.
    """
    wanted, content = parse(key, encoding), _content(value, value_file, encoding)
    trio.run(_put, store, wanted, content)
    if json:
        print_json({**to_json("key", wanted), "value_bytes": len(content)})
    return 0


async def _put(path: str, key: bytes, value: bytes) -> None:
    async with tempest.open_store(path) as store:
        await store.put(key, value)


def _content(value: str | None, value_file: str | None, encoding: Encoding) -> bytes:
    if (value is None) == (value_file is None):
        raise UsageError("Give a VALUE or a --value-file, one of the two.")
    if value is not None:
        return parse(value, encoding)
    if value_file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(value_file or "").read_bytes()
    except OSError as error:
        raise UsageError(f"The value cannot be read: {error}.") from error


def delete(
    store: str,
    key: str,
    /,
    *,
    encoding: Encoding = Encoding.TEXT,
    json: bool = False,
) -> int:
    """Delete a key; exit status 1 if it was not there.

    Args:
        store: Folder of the store.
        key: The key.
        encoding: How the key is written here: text, hex or base64.
        json: Print {"key": ..., "found": ...}.
    """
    wanted = parse(key, encoding)
    found = trio.run(_delete, store, wanted)
    if json:
        print_json({**to_json("key", wanted), "found": found})
    return 0 if found else NOT_FOUND


async def _delete(path: str, key: bytes) -> bool:
    async with tempest.open_store(path, create=False) as store:
        if await store.get(key) is None:
            return False
        await store.delete(key)
        return True


def scan(  # noqa: PLR0913  # one parameter for each option of store.scan
    store: str,
    /,
    *,
    prefix: str | None = None,
    start: str | None = None,
    stop: str | None = None,
    reverse: bool = False,
    limit: int | None = None,
    keys_only: bool = False,
    encoding: Encoding = Encoding.TEXT,
    json: bool = False,
) -> int:
    r"""Print keys and values in order, one row a line, a tab between.

    What is not printable is shown with backslashes; use --json to take bytes further.

    Args:
        store: Folder of the store.
        prefix: Only keys that start with this.
        start: Only keys from this one on.
        stop: Only keys below this one.
        reverse: From the last key to the first.
        limit: At most so many rows.
        keys_only: Leave the values out.
        encoding: How prefix, start and stop are written here: text, hex or base64.
        json: Print {"key": ..., "value": ...}, one line a row; `tempest load` reads it.
    """
    bounds = tuple(parse_optional(bound, encoding) for bound in (prefix, start, stop))

    async def run() -> None:
        async with (
            tempest.open_store(store, read_only=True) as opened,
            opened.scan(
                prefix=bounds[0],
                start=bounds[1],
                stop=bounds[2],
                reverse=reverse,
                limit=limit,
                keys_only=keys_only,
            ) as rows,
        ):
            async for chunk in rows.chunks(ROWS_PER_WRITE):
                write_bytes(b"".join(row_line(row, json=json) for row in chunk))

    trio.run(run)
    return 0


def row_line(row: tuple[bytes, bytes] | bytes, *, json: bool) -> bytes:
    """Render a row, or a key alone, as one line."""
    if isinstance(row, bytes):
        return json_line(to_json("key", row)) if json else f"{show(row)}\n".encode()
    key, value = row
    if json:
        return json_line({**to_json("key", key), **to_json("value", value)})
    return f"{show(key)}\t{show(value)}\n".encode()

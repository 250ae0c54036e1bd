r"""Keys and values are bytes; the command line and JSON are text. Both ways, losslessly.

On the command line `--encoding` says how keys and values are written:

    text      the argument's own bytes, UTF-8 on any usual machine (the default)
    hex       00ff10, upper or lower case, spaces allowed
    base64    AP8Q

In JSON a field is text where it is valid UTF-8, else it has `_base64` in its name:

    {"key": "user:1", "value_base64": "AP8Q"}

For people, what is not printable is shown with backslashes: `\x00`, `\n`, `\\`.

Invariants
- `from_json(to_json(...))` is the same bytes; two different keys never look the same.
"""

import base64
import binascii
import os
from enum import Enum

from tempest.cli.output import UsageError


class Encoding(Enum):
    """How the arguments of a command stand for bytes."""

    TEXT = "text"
    HEX = "hex"
    BASE64 = "base64"


def parse(argument: str, encoding: Encoding) -> bytes:
    """Turn a command-line argument into bytes; `UsageError` if it is not so encoded."""
    try:
        match encoding:
            case Encoding.TEXT:
                return os.fsencode(argument)
            case Encoding.HEX:
                return bytes.fromhex(argument)
            case Encoding.BASE64:
                return base64.b64decode(argument, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(
            f"{argument!r} is not {encoding.value}: {error}. "
            "Correct it, or choose another --encoding."
        ) from error


def parse_optional(argument: str | None, encoding: Encoding) -> bytes | None:
    """Turn an argument that may be absent into bytes."""
    return None if argument is None else parse(argument, encoding)


def to_json(name: str, data: bytes) -> dict[str, str]:
    """Return the one JSON field that stands for `data`."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def show(data: bytes) -> str:
    """Render bytes for people, on one line; different bytes never look the same."""
    text = data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

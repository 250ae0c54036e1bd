"""Operations, keys and values in a few words, for people who read what happened.

Invariants
- Every text is one line and short, however long a key is.
"""

import attrs

from sim import operations as ops
from sim.operations import Operation

KEY_CHARACTERS_MAX = 14
VALUES_MAX = 4


def short(data: bytes | None, characters_max: int = KEY_CHARACTERS_MAX) -> str:
    """Return bytes as text: what is not printable as hex, what is long with its middle left out."""
    if data is None:
        return "nothing"
    if not data:
        return "''"
    head = data[: characters_max + 1]
    text = "".join(chr(b) if 33 <= b < 127 else f"\\x{b:02x}" for b in head)
    if len(data) <= characters_max and len(text) <= 2 * characters_max:
        return text
    return f"{text[: characters_max - 1]}…({len(data)})"


def values(found: tuple[bytes | None, ...]) -> str:
    """Return some of the values that a read gave, and how many there were."""
    shown = ", ".join(short(value) for value in found[:VALUES_MAX])
    rest = len(found) - VALUES_MAX
    return f"{shown}, and {rest} more" if rest > 0 else shown


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, which takes an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def describe(operation: Operation) -> str:
    """Say what an operation asks for, without its name."""
    match operation:
        case ops.Put() | ops.PutNowait() | ops.Update() | ops.Delete() | ops.Batch():
            return _describe_write(operation)
        case ops.Get(key) | ops.GetNowait(key):
            return short(key)
        case ops.GetMany(keys):
            return f"{len(keys)} keys"
        case ops.SnapshotRead(slot, inner) | ops.ScanOpen(slot, inner):
            return f"slot {slot}: {name_of(inner)} {describe(inner)}".rstrip()
        case ops.Cancelled(inner, seconds):
            return f"after {seconds:g} s: {name_of(inner)} {describe(inner)}".rstrip()
        case _:
            return _fields(operation)


def _describe_write(
    write: ops.Put | ops.PutNowait | ops.Update | ops.Delete | ops.Batch,
) -> str:
    if isinstance(write, ops.Batch):
        puts = sum(size is not None for _, size in write.writes)
        what = f"{puts} puts, {len(write.writes) - puts} deletes"
    elif isinstance(write, ops.Delete):
        what = short(write.key)
    else:
        change = "to nothing" if write.size is None else f"{write.size} B"
        what = f"{short(write.key)} {change}"
    return f"{what} {write.level}"


def name_of(operation: Operation) -> str:
    """Return the name of an operation's kind."""
    return type(operation).__name__


def _fields(operation: Operation) -> str:
    """Return what differs from nothing, field by field."""
    parts: list[str] = []
    for field in attrs.fields(type(operation)):
        value = getattr(operation, field.name)
        if value is None or value is False:
            continue
        if value is True:
            parts.append(field.name)
        elif isinstance(value, bytes):
            parts.append(f"{field.name} {short(value)}")
        else:
            parts.append(f"{field.name} {value}")
    return ", ".join(parts)

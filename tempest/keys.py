"""What a key and a value may be, and the bounds that a prefix stands for.

Keys and values are `bytes`, compared byte by byte. The empty key is legal.

Invariants
- A check that fails has changed nothing.
- `prefix_end(p)` is the least key above every key that starts with `p`, or None if there is none.
"""

from tempest.errors import InvalidError
from tempest.options import KEY_BYTES_MAX, VALUE_BYTES_MAX


def check_key(key: object) -> None:
    """Raise `TypeError` unless it is bytes, `InvalidError` if it is too long."""
    if not isinstance(key, bytes):
        raise TypeError(f"a key must be bytes, not {type(key).__name__}")
    if len(key) > KEY_BYTES_MAX:
        raise InvalidError(
            f"the key has {len(key)} bytes and at most {KEY_BYTES_MAX} are allowed"
        )


def check_value(value: object) -> None:
    """Raise `TypeError` unless it is bytes, `InvalidError` if it is too long."""
    if not isinstance(value, bytes):
        raise TypeError(f"a value must be bytes, not {type(value).__name__}")
    if len(value) > VALUE_BYTES_MAX:
        raise InvalidError(
            f"the value has {len(value)} bytes and at most {VALUE_BYTES_MAX} are allowed"
        )


def check_count(count: object, least: int, what: str) -> None:
    """Raise `TypeError` unless it is a number of rows, `InvalidError` if it is below `least`."""
    if not isinstance(count, int):
        raise TypeError(f"{what} takes a number of rows, not {type(count).__name__}")
    if count < least:
        raise InvalidError(f"{what} of {count} rows is not possible")


def prefix_end(prefix: bytes) -> bytes | None:
    """Return the exclusive upper bound of the keys that start with `prefix`."""
    stem = prefix.rstrip(b"\xff")
    if not stem:
        return None
    return stem[:-1] + bytes([stem[-1] + 1])


def bounds(
    prefix: bytes | None, start: bytes | None, stop: bytes | None
) -> tuple[bytes, bytes | None]:
    """Combine a scan's arguments into [low, high); `high` None means "to the end"."""
    for bound in (prefix, start, stop):
        if bound is not None and (
            type(bound) is not bytes or len(bound) > KEY_BYTES_MAX
        ):
            check_key(bound)
    low, high = start or b"", stop
    if prefix is not None:
        low = max(low, prefix)
        end = prefix_end(prefix)
        if end is not None:
            high = end if high is None else min(high, end)
    return low, high

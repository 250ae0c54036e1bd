"""The serials of sessions as they stand in a frame: one run, beside the operations they count.

    run of keyspace SESSIONS    keys: names; values: the last serial, u64 little-endian; kind DELETE
                                (and an empty value) for a session that was forgotten

The sequence of an entry is that of the write that took the serial. Each name stands once in a
frame, with the newest of what the frame holds of it.

Invariants
- What this writes it reads back; anything else in such a run is refused as malformed.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from tempest.columns import Columns, Keyspace, Kind, make_columns
from tempest.errors import CorruptionError

SessionEntry = tuple[int, int | None]  # sequence, and serial or None for "forgotten"

SERIAL_BYTES = 8


def session_run(entries: Mapping[bytes, SessionEntry]) -> Columns:
    """Return the run that holds these."""
    ordered = sorted(entries.items(), key=lambda item: item[1][0])
    columns = make_columns(
        [name for name, _ in ordered],
        [_value(serial) for _, (_, serial) in ordered],
        [sequence for _, (sequence, _) in ordered],
        bytes([Kind.PUT if serial else Kind.DELETE for _, (_, serial) in ordered]),
    )
    return replace(columns, keyspace=Keyspace.SESSIONS)


def session_entries(
    run: Columns, path: str, address: int
) -> Iterator[tuple[bytes, int | None]]:
    """Yield names and serials (None: forgotten) of a run of the frame at `address`."""
    for index, name in enumerate(run.keys):
        value = run.values[index]
        if run.kind(index) == Kind.DELETE:
            yield name, None
            continue
        if len(value) != SERIAL_BYTES:
            detail = f"the serial of session {name!r} has {len(value)} bytes"
            raise CorruptionError(path, address, detail)
        yield name, int.from_bytes(value, "little")


def _value(serial: int | None) -> bytes:
    return serial.to_bytes(SERIAL_BYTES, "little") if serial else b""

"""Turn attrs records into canonical CBOR, and back, refusing what this module did not write.

    record := array of its fields, in the order of definition
    field  := int | bytes | str | bool | None | enum value | array of fields | record | field or None

Integers fit 64 bits (-2**63 to 2**64 - 1). There are no maps, floats or tags, so every value has
exactly one encoding. A field that came to a record later (`journal.later`) is left out while it and
all behind it hold their defaults; any other field added or dropped changes the length of the array.

Invariants
- `decode_record(type(r), encode_record(r)) == r`, and `encode_record(decode_record(t, b)) == b`:
  trailing bytes, longer spellings, tags and missing or unknown fields are `RecordError`.
- What cannot be read back is refused when it is written: types are compared exactly.
- A record type that contains itself is refused, so nothing in a file can make decoding recurse
  deeper than its type does.
"""

from typing import TypeVar

import attrs
import cbor2

from journal.errors import RecordError
from journal.forms import form_of

RECORD_BYTES_MAX = 1 << 28
_DEPTH_MAX = 64

Record = TypeVar("Record", bound=attrs.AttrsInstance)


def encode_record(record: attrs.AttrsInstance) -> bytes:
    """Return the one encoding of `record`."""
    data = _dumps(form_of(type(record)).encode(record))
    if len(data) > RECORD_BYTES_MAX:
        raise RecordError(f"{len(data)} bytes are more than {RECORD_BYTES_MAX}")
    return data


def decode_record(record_type: type[Record], data: bytes) -> Record:
    """Return the record whose encoding is exactly `data`."""
    wire = _loads(data)
    record = form_of(record_type).decode(wire)
    assert isinstance(record, record_type)
    if _dumps(wire) != data:
        raise RecordError("the bytes are not the canonical encoding of their content")
    return record


def peek_fields(data: bytes) -> tuple[object, ...]:
    """Return the fields of a record of unknown type, unchecked: to learn a format number."""
    wire = _loads(data)
    if not isinstance(wire, tuple):
        raise RecordError(f"expected an array, found {type(wire).__name__}")
    return wire


def _dumps(wire: object) -> bytes:
    try:
        return cbor2.dumps(wire)
    except (cbor2.CBORError, UnicodeError) as error:
        raise RecordError(str(error)) from error


def _loads(data: bytes) -> object:
    if len(data) > RECORD_BYTES_MAX:
        raise RecordError(f"{len(data)} bytes are more than {RECORD_BYTES_MAX}")
    try:
        wire: object = cbor2.loads(
            data,
            immutable=True,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            max_depth=_DEPTH_MAX,
        )
    except cbor2.CBORError as error:
        raise RecordError(str(error)) from error
    return wire

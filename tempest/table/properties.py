"""The properties of a table: what a person or a repair wants to know of it, in canonical CBOR.

    properties := a map from text to int, bytes or an array of int, keys in canonical order

It says everything that the manifest says of the table but its size and checksum, and how it was
written. `segment_bytes` is there only in a table with pointers. A reader ignores keys that it does
not know.

Invariants
- What was read encodes to the same bytes again; anything else is refused.
- The manifest and the properties say the same, or the table is not opened.
"""

from collections.abc import Mapping

import attrs
import cbor2

from tempest.table.meta import TableMeta, TableOptions

FILTER_NONE = 0
FILTER_TWO_WORDS = 1

Property = int | bytes | list[int]

_IN_MANIFEST = tuple(
    field.name
    for field in attrs.fields(TableMeta)
    if field.name not in {"size", "checksum"}
)
_BYTES_MAX = 1 << 20


@attrs.frozen
class TableProperties:
    """What the properties block says: `meta` without size and checksum, and how it was made."""

    described: dict[str, object]
    blocks: int
    filter_kind: int


def encode_properties(
    meta: TableMeta, options: TableOptions, *, blocks: int, payload_bytes: int
) -> bytes:
    """Return the payload of the properties block."""
    described: dict[str, Property] = dict(_described(meta))
    if not meta.segment_bytes:
        del described["segment_bytes"]
    described |= {
        "blocks": blocks,
        "block_bytes": options.block_bytes,
        "compression": int(options.compression),
        "filter_bits_per_key": options.filter_bits_per_key,
        "filter_kind": FILTER_TWO_WORDS if options.filter_bits_per_key else FILTER_NONE,
        "payload_bytes": payload_bytes,
    }
    return cbor2.dumps(described, canonical=True)


def decode_properties(data: bytes) -> TableProperties:
    """Return the properties, or `ValueError` for what was never written."""
    if len(data) > _BYTES_MAX:
        raise ValueError(f"properties of {len(data)} bytes are not believable")
    try:
        found: object = cbor2.loads(data, max_depth=4, allow_indefinite=False)
        canonical = cbor2.dumps(found, canonical=True) == data
    except (cbor2.CBORError, ValueError, TypeError) as error:
        raise ValueError(f"the properties are not CBOR: {error}") from error
    if not canonical or not isinstance(found, dict):
        raise ValueError("the properties are not a canonical map")
    described = {name: found.get(name) for name in _IN_MANIFEST}
    described["segment_bytes"] = found.get("segment_bytes", [])
    return TableProperties(
        described, _number(found, "blocks"), _number(found, "filter_kind")
    )


def difference(meta: TableMeta, properties: TableProperties) -> str:
    """Return in words where manifest and table disagree; empty if they agree."""
    expected = _described(meta)
    return ", ".join(
        f"{name} is {found!r} and the manifest says {expected[name]!r}"
        for name, found in properties.described.items()
        if found != expected[name]
    )


def _described(meta: TableMeta) -> dict[str, Property]:
    values = {name: getattr(meta, name) for name in _IN_MANIFEST}
    return values | {
        "segments": list(meta.segments),
        "segment_bytes": list(meta.segment_bytes),
    }


def _number(found: Mapping[str, object], name: str) -> int:
    match found.get(name):
        case int() as number:
            return number
        case _:
            raise ValueError(f"the properties have no number {name!r}")

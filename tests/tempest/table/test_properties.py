"""Properties say what the manifest says, in the one way that it can be said."""

import attrs
import cbor2
import pytest
from hypothesis import given, strategies as st

from tempest.options import Compression
from tempest.table import TableMeta, TableOptions
from tempest.table.properties import (
    decode_properties,
    difference,
    encode_properties,
)

META = TableMeta(
    number=7,
    life=2,
    size=1000,
    smallest=b"a",
    largest=b"c",
    sequence_min=3,
    sequence_max=9,
    entries=4,
    tombstones=1,
    shadowed=1,
    checksum=5,
    segments=(1, 2),
)
DATA = encode_properties(META, TableOptions(), blocks=1, payload_bytes=50)


def test_properties_are_a_map_that_anybody_can_read() -> None:
    assert cbor2.loads(DATA) == {
        "block_bytes": 8192,
        "blocks": 1,
        "compression": Compression.LZ4,
        "entries": 4,
        "filter_bits_per_key": 10,
        "filter_kind": 1,
        "keyspace_max": 0,
        "keyspace_min": 0,
        "largest": b"c",
        "life": 2,
        "number": 7,
        "payload_bytes": 50,
        "segments": [1, 2],
        "sequence_max": 9,
        "sequence_min": 3,
        "shadowed": 1,
        "smallest": b"a",
        "tombstones": 1,
    }


def test_the_same_table_has_no_difference() -> None:
    assert difference(META, decode_properties(DATA)) == ""


@pytest.mark.parametrize(
    "field",
    [f.name for f in attrs.fields(TableMeta) if f.name not in {"size", "checksum"}],
)
def test_every_field_is_compared_with_the_manifest(field: str) -> None:
    """T12: the manifest knows enough to tell a swapped table."""
    values = {"smallest": b"b", "largest": b"x", "segments": (), "segment_bytes": (7,)}
    value = values.get(field, 99)
    other = TableMeta(**{**attrs.asdict(META), field: value})
    assert field in difference(other, decode_properties(DATA))


def test_a_property_of_a_newer_program_is_ignored() -> None:
    more = cbor2.loads(DATA) | {"colour": "blue"}
    properties = decode_properties(cbor2.dumps(more, canonical=True))
    assert difference(META, properties) == ""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA + b"\x00",
        DATA[:-1],
        cbor2.dumps(dict(reversed(cbor2.loads(DATA).items()))),
        cbor2.dumps([1]),
        cbor2.dumps({"blocks": 1}),
        cbor2.dumps({"blocks": "1", "filter_kind": 1}, canonical=True),
        b"\xbf\xff",
        b"\x81" * 50 + b"\x00",
        bytes(2 << 20),
    ],
)
def test_what_was_never_written_is_a_value_error(data: bytes) -> None:
    """T10: decoding never recurses without limit, and never accepts what it did not write."""
    with pytest.raises(ValueError, match="propert"):
        decode_properties(data)


def test_a_missing_property_is_a_difference() -> None:
    less = cbor2.loads(DATA)
    del less["entries"]
    properties = decode_properties(cbor2.dumps(less, canonical=True))
    assert difference(META, properties) == "entries is None and the manifest says 4"


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_value_error(data: bytes) -> None:
    """T27: every decoder is fuzzed."""
    with pytest.raises(ValueError, match="propert"):
        decode_properties(data)

"""The payload of one entry has the bytes that the plain way gives it."""

import pytest
from hypothesis import given, strategies as st

from tempest.columns import Columns, Kind
from tempest.log import encode_payload, one_entry
from tempest.log.one_entry import SEQUENCE_MIN, entry_payload

LENGTHS = st.sampled_from([0, 1, 16, 31, 32, 100, 255, 256, 65535, 65536])
SEQUENCES = st.integers(0, 2**63 - 1) | st.sampled_from(
    [SEQUENCE_MIN - 1, SEQUENCE_MIN, 1 << 40]
)


def plain(key: bytes, value: bytes | None, sequence: int) -> bytes:
    kinds = bytes([Kind.DELETE]) if value is None else b""
    return encode_payload([Columns(0, [key], [value or b""], sequence, b"", kinds)])


@given(LENGTHS, st.none() | LENGTHS, st.lists(SEQUENCES, min_size=2), st.data())
def test_one_entry_is_encoded_as_any_run(
    key_size: int, value_size: int | None, sequences: list[int], data: st.DataObject
) -> None:
    for sequence in sequences:
        key, value = (
            None
            if size is None
            else data.draw(st.binary(max_size=9)).ljust(size)[:size]
            for size in (key_size, value_size)
        )
        assert key is not None
        assert entry_payload(key, value, sequence) == plain(key, value, sequence)


def test_only_so_many_layouts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_entry, "LAYOUTS_MAX", len(one_entry._layouts))
    for size in range(5000, 5010):
        value = bytes(size)
        assert entry_payload(b"k", value, 1 << 40) == plain(b"k", value, 1 << 40)
    assert len(one_entry._layouts) == one_entry.LAYOUTS_MAX

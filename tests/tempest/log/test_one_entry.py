"""One entry is written, and kept, as the plain way writes and keeps it."""

import pytest
from hypothesis import given, strategies as st

from tempest.columns import Columns, Kind
from tempest.log import HybridLog, SegmentMeta, encode_payload, one_entry
from tempest.log.one_entry import SEQUENCE_MIN, LoneFrame, entry_payload
from tests.tempest.log.support import Shelf

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


def append_plainly(
    log: HybridLog, key: bytes, value: bytes | None, sequence: int
) -> bool:
    data_end, frame = log.data_end, log.seal(plain(key, value, sequence), sequence)
    if log.has_room():
        log.flush_nowait(frame)
        return True
    log.unseal(frame)
    log.data_end = data_end
    return False


ENTRIES = st.tuples(
    st.binary(max_size=3),
    st.none() | st.binary(max_size=3) | st.just(b"v" * 300),
)


@given(
    st.lists(ENTRIES | st.sampled_from(["sync", "mark", "rewrite"]), max_size=12),
    st.integers(0, 1 << 60),
    st.sampled_from([0, SEQUENCE_MIN - 5, 1 << 40]),
)
async def test_a_lone_frame_is_written_and_kept_as_any_other(
    steps: list[tuple[bytes, bytes | None] | str], first: int, sequence: int
) -> None:
    told = []
    for append in (HybridLog.append_nowait, append_plainly):
        shelf = await Shelf.make()
        log, seen = await shelf.log(first, limit=2000), list[object]()
        for number, step in enumerate(steps, 2):
            if step == "sync":
                await log.sync()
            elif step == "mark":
                log.mark_nowait(sequence + number)
            elif step == "rewrite":
                meta = SegmentMeta(number, 1, log.confirmed, log.confirmed + 2000)
                segment = await log.create_segment(meta)
                await log.rewrite(segment, log.carried)
                await log.adopt(segment)
                log.rewritten()
            else:
                assert not isinstance(step, str)
                seen.append(append(log, *step, sequence + number))
            seen += (log.tail, log.flushed, log.durable, log.confirmed, log.data_end)
            seen += (log.flushed_sequence, log.bytes_written, shelf.disk.contents())
            seen += (
                (f.address, f.follows, f.end, f.payload, f.last_sequence)
                for f in log.retained
            )
        told.append(seen)
    assert told[0] == told[1]


def test_a_lone_frame_makes_the_frame_that_it_stands_for() -> None:
    frame = LoneFrame(512, 400, 512 + 48 + 32, b"key", b"value", 1 << 40)
    sealed = frame.sealed()
    assert sealed.payload == frame.payload == plain(b"key", b"value", 1 << 40)
    assert (sealed.address, sealed.follows, sealed.last_sequence) == (512, 400, 1 << 40)

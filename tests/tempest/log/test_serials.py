"""The serials of sessions in a frame: written, read back, and refused where they make no sense."""

import pytest
from hypothesis import given, strategies as st

import tempest
from tempest.columns import (
    Columns,
    Keyspace,
    decode_columns,
    encode_columns,
    make_columns,
)
from tempest.entry import Entry
from tempest.log import Frame, OpenFrame, encode_payload, session_entries, session_run
from tempest.log.frame import FrameHeader
from tempest.session_serials import SERIAL_MAX

ENTRIES = st.dictionaries(
    st.binary(min_size=1, max_size=12),
    st.tuples(st.integers(1, 2**62), st.one_of(st.none(), st.integers(1, SERIAL_MAX))),
)


def read_back(run: Columns) -> dict[bytes, int | None]:
    data = encode_columns(run)
    decoded = decode_columns(data, "f", keyspace_max=Keyspace.SESSIONS)
    return dict(session_entries(decoded, "f", 0))


def frame_of(*runs: Columns) -> Frame:
    payload = encode_payload(list(runs))
    return Frame(FrameHeader(512, len(payload), 512, 0, 0), payload)


@given(ENTRIES)
def test_what_is_written_is_read_back(
    entries: dict[bytes, tuple[int, int | None]],
) -> None:
    found = read_back(session_run(entries))

    assert found == {name: serial for name, (_, serial) in entries.items()}


def test_the_bytes_are_pinned() -> None:
    run = session_run({b"import": (7, 300), b"gone": (9, None)})

    assert encode_columns(run).hex(" ") == (
        "97 01 92 c4 06 69 6d 70 6f 72 74 c4 04 67 6f 6e 65 "
        "92 c4 08 2c 01 00 00 00 00 00 00 c4 00 07 c4 02 00 02 c4 02 00 01 c4 00"
    )


@pytest.mark.parametrize("value", [b"", b"1234567", b"123456789"])
def test_a_serial_of_another_width_is_damage(value: bytes) -> None:
    run = Columns(Keyspace.SESSIONS, [b"name"], [value], 1)

    with pytest.raises(tempest.CorruptionError, match="serial of session"):
        read_back(run)


def test_a_table_holds_no_sessions() -> None:
    data = encode_columns(session_run({b"name": (1, 1)}))

    with pytest.raises(tempest.UnsupportedFormatError):
        decode_columns(data, "f")


def test_users_never_meet_the_run() -> None:
    users = make_columns([b"k"], [b"v"], [1])
    frame = frame_of(users, session_run({b"name": (1, 1)}))

    assert list(frame.runs("f")) == [users]
    assert len(list(frame.every_run("f"))) == 2


def test_the_open_frame_holds_the_newest_serial_of_each_session() -> None:
    frame = OpenFrame()
    for sequence in range(1, 100):
        frame.put(b"k", Entry(sequence, b"v"), None)
        frame.count(b"a", (sequence, sequence))
        grown = frame.bytes
    frame.count(b"b", (100, None))

    gathered = frame.take()

    assert gathered.sessions == {b"a": (99, 99), b"b": (100, None)}
    assert gathered.last_sequence == 100
    assert grown < 100
    assert not frame
    assert not frame.take().sessions


def test_an_open_frame_with_nothing_but_a_serial_is_not_empty() -> None:
    frame = OpenFrame()
    frame.count(b"a", (1, 1))

    assert frame
    assert len(frame) == 0

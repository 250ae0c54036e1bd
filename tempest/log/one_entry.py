"""A frame that holds one entry: its payload packed in one call, and kept without it.

An awaited write at OS level is a frame of its own. From one such frame to the next nothing
changes but the key, the value and the sequence, as long as the lengths stay: so the bytes around
them are taken once from what `encode_payload` says, and one `struct` call puts them together
(0.2 us, against 0.5 for making a run, encoding it and joining it to its length). What is kept
until the frame is confirmed is the entry, which the memtable has anyway: 110 bytes a frame in
place of 290, and half as many pages that the kernel has to find.

Invariants
- The bytes are those of `encode_payload`, which stays the plain way, and decides the layout.
- A `LoneFrame` is in every respect the `SealedFrame` that `sealed` makes of it.
"""

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

import msgspec
from msgspec.msgpack import encode

from tempest.columns import Columns, Kind
from tempest.log.frame import (
    FRAME_HEADER_BYTES,
    SealedFrame,
    encode_payload,
    frame_start,
)

LAYOUTS_MAX = 4096
SEQUENCE_MIN = 1 << 32  # from here on, as all of a store's are, a sequence takes:
SEQUENCE_BYTES = 9
WIDE = 0xCF  # MessagePack's, of a 64-bit number
_DELETE = bytes([Kind.DELETE])


Pack = Callable[[bytes, bytes, bytes, bytes, int, int, bytes], bytes]


class Layout(NamedTuple):
    """How a frame of one entry is put together: `pack(head, key, middle, value, WIDE, sequence, tail)`."""

    pack: Pack
    head: bytes
    middle: bytes
    tail: bytes
    start: bytes  # of the frame: magic and length
    size: int  # of the frame, with its header


_layouts: dict[tuple[int, int], Layout] = {}
layout_of = _layouts.get  # by the length of the key, and of the value: -1 is a delete


class LoneFrame(msgspec.Struct, frozen=True, gc=False):
    """A sealed frame with one entry; value None is a delete."""

    address: int
    follows: int
    end: int
    key: bytes
    value: bytes | None
    last_sequence: int

    @property
    def payload(self) -> bytes:
        return entry_payload(self.key, self.value, self.last_sequence)

    def sealed(self) -> SealedFrame:
        """Return the frame as any other is kept."""
        return SealedFrame(self.address, self.follows, self.payload, self.last_sequence)


def entry_payload(key: bytes, value: bytes | None, sequence: int) -> bytes:
    """Return the payload of a frame with this entry; value None is a delete."""
    layout = layout_of((len(key), -1 if value is None else len(value)))
    if layout is None or sequence < SEQUENCE_MIN:
        return _plain(key, value, sequence)
    pack, head, middle, tail, _, _ = layout
    return pack(head, key, middle, value or b"", WIDE, sequence, tail)


def _plain(key: bytes, value: bytes | None, sequence: int) -> bytes:
    """Encode as everything is encoded, and keep the layout for the next of these lengths."""
    kinds = _DELETE if value is None else b""
    payload = encode_payload([Columns(0, [key], [value or b""], sequence, b"", kinds)])
    if sequence >= SEQUENCE_MIN and len(_layouts) < LAYOUTS_MAX:
        _keep(key, value, payload)
    return payload


def _keep(key: bytes, value: bytes | None, payload: bytes) -> None:
    """Cut a payload at its key, its value and its sequence."""
    data = value or b""
    tail = b"".join(map(encode, (b"", _DELETE if value is None else b"", b"")))
    middle = encode([data])[: -len(data) or None]
    value_at = len(payload) - len(tail) - SEQUENCE_BYTES - len(data)
    head = payload[: value_at - len(middle) - len(key)]
    lengths = (len(head), len(key), len(middle), len(data))
    pack = Struct(">{}s{}s{}s{}sBQ{}s".format(*lengths, len(tail))).pack
    size = FRAME_HEADER_BYTES + len(payload)
    layout = Layout(pack, head, middle, tail, frame_start(payload), size)
    _layouts[len(key), -1 if value is None else len(data)] = layout

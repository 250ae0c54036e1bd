"""Where a separated value lies: tables hold this in place of it.

    pointer := segment:u64 address:u64 length:u64 checksum:u64                 (little-endian)

`segment` is the number of the segment file, `address` the log address of the value's first byte,
`length` its bytes. `checksum` is that of the value as `tempest.header.checksum_at` takes it, from
the segment's seed and the address: a value that was read from another file, life or place fails.

Invariants
- A pointer is written only to bytes that no later error of the device can move: the segment of
  an address is settled once a sync after its own has returned.
"""

import struct

import attrs

POINTER_BYTES = 32
_FIELDS = struct.Struct("<QQQQ")


@attrs.frozen
class Pointer:
    """A checked reference to a value in a segment."""

    segment: int
    address: int
    length: int
    checksum: int

    def encode(self) -> bytes:
        return _FIELDS.pack(self.segment, self.address, self.length, self.checksum)


def decode_pointer(data: bytes) -> Pointer:
    """Return the pointer in an entry's value; `ValueError` if it cannot be one."""
    if len(data) != POINTER_BYTES:
        raise ValueError(f"a pointer of {len(data)} bytes")
    return Pointer(*_FIELDS.unpack(data))

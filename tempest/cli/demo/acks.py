"""The acknowledgement log: what the loader was promised, kept outside the store.

    record := kind:u8 pad:u8[3] index:u32 digest:u64      (little-endian, 16 bytes)

`BEGUN` is written before a file is handed to the store, with the digest of its content;
`DONE` when the store has acknowledged it; `OPENING` before a life opens the store. Each
record is one `write` to a file opened for appending: what a killed process has written
stays, and a record is never torn between two processes.

Invariants
- A file without `BEGUN` may not be in the store.
- A file with `DONE` must be, with the content of its last acknowledged or a later begun
  write.
"""

import os
import struct
from enum import IntEnum
from pathlib import Path

import attrs

RECORD = struct.Struct("<B3xIQ")


class Mark(IntEnum):
    """What a record says."""

    BEGUN = 1
    DONE = 2
    OPENING = 3


class AckWriter:
    """The loader's end."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(path, flags, 0o600)

    def write(self, mark: Mark, index: int = 0, digest: int = 0) -> None:
        """Append one record; it is the operating system's when this returns."""
        os.write(self._file, RECORD.pack(mark, index, digest))

    def close(self) -> None:
        os.close(self._file)


@attrs.define
class Acks:
    """What the log says so far. `read_more` takes up what was appended since.

    `acknowledged` holds, by index, the digest of the last acknowledged write; `begun` the
    digests of the writes begun since.
    """

    path: Path
    acknowledged: dict[int, int] = attrs.field(factory=dict)
    begun: dict[int, list[int]] = attrs.field(factory=dict)
    openings: int = 0
    _read: int = 0

    def read_more(self) -> None:
        """Take up every whole record behind the last one read."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = len(data) - len(data) % RECORD.size
        for mark, index, digest in RECORD.iter_unpack(data[:whole]):
            self._apply(Mark(mark), index, digest)
        self._read += whole

    def _apply(self, mark: Mark, index: int, digest: int) -> None:
        match mark:
            case Mark.BEGUN:
                self.begun.setdefault(index, []).append(digest)
            case Mark.DONE:
                self.acknowledged[index] = digest
                self.begun.pop(index, None)
            case Mark.OPENING:
                self.openings += 1

    def allowed(self, index: int) -> set[int]:
        """Return the digests that the store may hold for a file; none: it may not be there."""
        acknowledged = self.acknowledged.get(index)
        return {
            *self.begun.get(index, ()),
            *(() if acknowledged is None else (acknowledged,)),
        }

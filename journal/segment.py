"""A journal is a row of files, one for each generation: their names and their first frames.

    manifest-000000000007        the newest generation: the highest number counts
    manifest-000000000006.old    the one before, kept for repair, never read when opening
    manifest-000000000008.tmp    one that was never finished

The first frame of a file, its header, is a frame at address 0 (seed 0) whose payload is the record

    header := [format, compatible, incompatible, store_id, life, generation,
               generation_ceiling, token, snapshot]

`compatible` and `incompatible` are feature bits: a reader ignores unknown ones of the first kind
and refuses the file for one of the second. `snapshot` is the encoded state the generation begins
with, as a byte string. Every later frame is seeded with XXH3-64 of `store_id, token, life,
generation` (16, 16, 8 and 8 bytes), so it verifies in no other file.

Invariants
- A number is given to one generation only: each header reserves the numbers up to
  `generation_ceiling`, and the next life begins above it and above every name it sees.
- A file gets its final name only after it was synced; so a header that does not verify there is
  damage, never a crash.
"""

import re
import struct
from enum import Enum

import attrs
import xxhash

from journal.codec import decode_record, encode_record, peek_fields
from journal.errors import CorruptJournalError, RecordError, UnsupportedJournalError
from journal.framing import Frame, decode_frame, encode_frames

FORMAT = 1
INCOMPATIBLE_KNOWN = 0
RESERVED_STEP = 64
_HEADER_SEED = 0


class Role(Enum):
    """What the ending of a file's name says about it."""

    CURRENT = ""
    RETIRED = ".old"
    TEMPORARY = ".tmp"


@attrs.frozen
class GenerationName:
    """The name of one generation's file, taken apart."""

    prefix: str
    number: int
    role: Role = Role.CURRENT

    def __str__(self) -> str:
        return f"{self.prefix}-{self.number:012d}{self.role.value}"

    def in_folder(self, folder: str) -> str:
        return f"{folder}/{self}"


def parse_names(prefix: str, names: list[str]) -> list[GenerationName]:
    """Return what belongs to the journal among `names`, by number; foreign names are left out."""
    pattern = re.compile(re.escape(prefix) + r"-(\d{12,})(\.\w+)?", re.ASCII)
    found = []
    for name in names:
        match = pattern.fullmatch(name)
        if match and (match[2] or "") in [role.value for role in Role]:
            parsed = GenerationName(prefix, int(match[1]), Role(match[2] or ""))
            found += [parsed] if str(parsed) == name else []
    return sorted(found, key=lambda name: name.number)


@attrs.frozen
class Header:
    """Whose file this is, and the state that it begins with."""

    format: int
    compatible: int
    incompatible: int
    store_id: bytes
    life: int
    generation: int
    generation_ceiling: int
    token: bytes
    snapshot: bytes = attrs.field(repr=False)

    def place_seed(self) -> int:
        """Return the seed of every frame behind the header."""
        numbers = struct.pack("<QQ", self.life, self.generation)
        return xxhash.xxh3_64_intdigest(self.store_id + self.token + numbers)


def reserved_ceiling(number: int, ceiling: int) -> int:
    """Return the ceiling to write into generation `number`: raised once it is reached."""
    return ceiling if number < ceiling else number + RESERVED_STEP


def encode_header(header: Header) -> bytes:
    """Return the first frame of a file."""
    return encode_frames(_HEADER_SEED, 0, 0, [encode_record(header)])


def decode_header(path: str, data: bytes) -> tuple[Header, Frame]:
    """Return the header of the file whose bytes are `data`, and its frame."""
    frame = decode_frame(_HEADER_SEED, data, 0)
    if not isinstance(frame, Frame):
        raise CorruptJournalError(path, 0, f"a header: {frame.expected}", frame.found)
    try:
        _check_format(path, peek_fields(frame.payload))
        return decode_record(Header, frame.payload), frame
    except RecordError as error:
        raise CorruptJournalError(path, 0, "a header record", error.detail) from error


def _check_format(path: str, fields: tuple[object, ...]) -> None:
    if len(fields) < 3:
        raise RecordError(f"{len(fields)} fields")
    number, _, incompatible = fields[:3]
    if not isinstance(number, int) or not isinstance(incompatible, int):
        raise RecordError("a format and feature bits that are not numbers")
    if number > FORMAT:
        raise UnsupportedJournalError(
            path, f"its format is {number}, this version reads up to {FORMAT}"
        )
    unknown = incompatible & ~INCOMPATIBLE_KNOWN
    if unknown:
        raise UnsupportedJournalError(path, f"it uses unknown features {unknown:#x}")

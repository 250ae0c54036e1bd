"""What the manifest knows of a table, and how a table is to be written.

Invariants
- A `TableMeta` pins its file: `checksum` covers the footer, the footer covers the filter, index
  and properties, and the index covers every data block.
"""

import attrs

from journal import later
from tempest.header import FileHeader, FileKind
from tempest.options import Compression, Options

_PREFIX = "table-"


@attrs.frozen
class TableMeta:
    """One table. `smallest` and `largest` are user keys and both inclusive; `size` is in bytes.

    `shadowed` entries have a newer version of the same key in the table. Its pointers lead into
    `segments` (numbers, ascending) and to `segment_bytes` of values in each.
    """

    number: int
    life: int
    size: int
    smallest: bytes
    largest: bytes
    sequence_min: int
    sequence_max: int
    entries: int
    tombstones: int
    shadowed: int
    checksum: int
    keyspace_min: int = 0
    keyspace_max: int = 0
    segments: tuple[int, ...] = ()
    segment_bytes: tuple[int, ...] = later(())

    def header(self, store_id: bytes) -> FileHeader:
        """Return the header that the file must begin with."""
        return FileHeader(FileKind.TABLE, store_id, self.life, self.number)

    def overlaps(self, smallest: bytes, largest: bytes) -> bool:
        """Say whether any key of the closed range may be in the table."""
        return self.smallest <= largest and smallest <= self.largest


@attrs.frozen
class TableOptions:
    """How tables are written: a part of `Options` that a job can carry."""

    block_bytes: int = 8192
    compression: Compression = Compression.LZ4
    filter_bits_per_key: int = 10

    @classmethod
    def of(cls, options: Options) -> "TableOptions":
        return cls(
            options.block_bytes, options.compression, options.filter_bits_per_key
        )


def table_name(number: int) -> str:
    """Return the file name of a table."""
    return f"{_PREFIX}{number:012}"


def table_number(name: str) -> int | None:
    """Return the number in a table's file name, or None for any other name."""
    digits = name.removeprefix(_PREFIX)
    if (
        digits.isascii()
        and digits.isdecimal()
        and name.startswith(_PREFIX)
        and table_name(int(digits)) == name
    ):
        return int(digits)
    return None

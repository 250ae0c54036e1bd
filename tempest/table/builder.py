"""Make the bytes of a table from sorted runs of entries. No IO happens here.

    builder = TableBuilder(header, options)
    for columns in runs:
        write each of builder.add(columns)
    for piece in builder.finish():
        write it, and give way to others
    meta = builder.meta

The grammar of the file stands in `tempest.table.format`, `.index`, `.filter` and `.properties`.

Invariants
- Entries come sorted by key, the versions of a key newest first, across all calls of `add`.
- A block ends only between two keys; it has about `block_bytes` bytes before compression.
- The pieces, put end to end, are the file: piece after piece at `bytes_written`.
- What is done for each entry is done in C; Python loops run over blocks (and over keys once, for
  the filter, in steps).
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import lt

from xxhash import xxh3_64_intdigest

from tempest.columns import Columns, Kind, encode_columns, narrow_columns
from tempest.header import FileHeader, FileKind, encode_header, place_seed
from tempest.options import Compression
from tempest.table.block import is_sorted, segment_bytes, shadowed_in
from tempest.table.filter import KEYS_PER_STEP, Filter, FilterBuilder
from tempest.table.format import (
    FOOTER_SIZE,
    Footer,
    block_checksum,
    encode_block,
    encode_footer,
)
from tempest.table.index import TableIndex, encode_index
from tempest.table.meta import TableMeta, TableOptions
from tempest.table.pending import ENTRY_BYTES, Pending
from tempest.table.properties import encode_properties


class TableBuilder:
    """One table in the making."""

    def __init__(self, header: FileHeader, options: TableOptions) -> None:
        assert header.kind is FileKind.TABLE, "a table has the header of a table"
        self._header = header
        self._options = options
        self._seed = place_seed(header)
        self._pending = Pending()
        self._bytes_written = 0
        self._first_key = b""
        self._last_keys: list[bytes] = []
        self._lengths = array("I")
        self._checksums = array("Q")
        self._digests = array("Q")
        self._payload_bytes = 0
        self._tombstones = 0
        self._shadowed = 0
        self._segment_bytes: Counter[int] = Counter()
        self._sequence_min = 2**64
        self._sequence_max = 0
        self._meta: TableMeta | None = None

    @property
    def bytes_written(self) -> int:
        """The length of all pieces returned so far."""
        return self._bytes_written

    @property
    def bytes_pending(self) -> int:
        """About the length of what was added and is in no piece yet."""
        return self._pending.size

    @property
    def entries(self) -> int:
        """How many entries were added."""
        return len(self._digests) + len(self._pending.keys)

    @property
    def meta(self) -> TableMeta:
        """What the manifest shall know of the table; once `finish` is exhausted."""
        assert self._meta is not None, "the table is not finished"
        return self._meta

    def add(self, columns: Columns) -> list[bytes]:
        """Take a run that follows all runs before it; return the pieces that are complete."""
        pending, block_bytes = self._pending, self._options.block_bytes
        pieces = []
        if not self._bytes_written:
            pieces.append(self._piece(encode_header(self._header)))
        keys = columns.keys
        if not keys:
            return pieces
        sequences = columns.sequences()
        ascends = all(map(lt, keys, islice(keys, 1, None)))
        assert self._follows(keys, sequences, ascends=ascends), "entries come sorted"
        pending.extend(columns, sequences, repeats=not ascends)
        stop = 0
        for start, stop, size in pending.cuts(block_bytes):
            pieces.append(self._data_block(start, stop, size))
        pending.drop(stop)
        return pieces

    def finish(self) -> Iterator[bytes]:
        """Yield the rest of the file, empty pieces where others may have a turn."""
        pending = self._pending
        if pending.keys:
            yield self._data_block(0, len(pending.keys), pending.size)
            self._pending = Pending()
        assert self._last_keys, "a table has at least one entry"
        digests = self._digests
        bloom = FilterBuilder(len(digests), self._options.filter_bits_per_key)
        for start in range(0, len(digests), KEYS_PER_STEP):
            bloom.add(digests[start : start + KEYS_PER_STEP])
            yield b""
        yield self._ending(bloom.finish())

    def _ending(self, bloom: Filter) -> bytes:
        """Return all that follows the data blocks; from now on there is a meta."""
        index = TableIndex(
            self._first_key, self._last_keys, self._lengths, self._checksums
        )
        offsets, blocks = [], []
        for raw, compression in (
            (bloom.encode(), Compression.NONE),
            (encode_index(index), self._options.compression),
            (self._properties(), Compression.NONE),
        ):
            offsets.append(self._bytes_written)
            blocks.append(self._block(raw, compression))
        size = self._bytes_written + FOOTER_SIZE
        checksums = map(block_checksum, blocks)
        ends = Footer(offsets[0], offsets[1], offsets[2], size, *checksums)
        footer, checksum = encode_footer(self._seed, ends)
        self._meta = self._describe(size, checksum)
        return b"".join([*blocks, self._piece(footer)])

    def _follows(
        self, keys: Sequence[bytes], sequences: list[int], *, ascends: bool
    ) -> bool:
        """Say whether the run is sorted and goes on where the entries before it ended."""
        if not (ascends or is_sorted(keys, sequences)):
            return False
        pending = self._pending
        if pending.keys and pending.keys[-1] == keys[0]:
            return pending.sequences[-1] > sequences[0]
        last = pending.keys[-1:] or self._last_keys[-1:]
        return not last or last[0] < keys[0]

    def _piece(self, data: bytes) -> bytes:
        self._bytes_written += len(data)
        return data

    def _block(self, raw: bytes, compression: Compression) -> bytes:
        return self._piece(
            encode_block(self._seed, self._bytes_written, raw, compression)
        )

    def _data_block(self, start: int, stop: int, size: int) -> bytes:
        """Encode the pending entries [start, stop) and note what the index must know."""
        pending = self._pending
        sequences = pending.sequences[start:stop]
        ordered = sorted(sequences)  # 0.02 us an entry; `min` and `max` 0.03
        oldest, newest = ordered[0], ordered[-1]
        columns = narrow_columns(
            pending.keys[start:stop],
            pending.values[start:stop],
            sequences,
            (oldest, newest),
            bytes(pending.kinds[start:stop]),
        )
        block = self._block(encode_columns(columns), self._options.compression)
        if not self._last_keys:
            self._first_key = columns.keys[0]
        self._last_keys.append(columns.keys[-1])
        self._lengths.append(len(block))
        self._checksums.append(block_checksum(block))
        self._digests.extend(map(xxh3_64_intdigest, columns.keys))
        self._payload_bytes += size - ENTRY_BYTES * (stop - start)
        self._sequence_min = min(self._sequence_min, oldest)
        self._sequence_max = max(self._sequence_max, newest)
        self._tombstones += columns.kinds.count(Kind.DELETE)
        # Next to no block has any of either, and looking costs 0.02 us an entry.
        if pending.repeats:
            self._shadowed += shadowed_in(columns.keys)
        if Kind.POINTER in columns.kinds:
            self._segment_bytes.update(segment_bytes(columns))
        return block

    def _properties(self) -> bytes:
        return encode_properties(
            self._describe(0, 0),
            self._options,
            blocks=len(self._last_keys),
            payload_bytes=self._payload_bytes,
        )

    def _describe(self, size: int, checksum: int) -> TableMeta:
        segments = tuple(sorted(self._segment_bytes))
        return TableMeta(
            number=self._header.number,
            life=self._header.life,
            size=size,
            smallest=self._first_key,
            largest=self._last_keys[-1],
            sequence_min=self._sequence_min,
            sequence_max=self._sequence_max,
            entries=len(self._digests),
            tombstones=self._tombstones,
            shadowed=self._shadowed,
            checksum=checksum,
            segments=segments,
            segment_bytes=tuple(self._segment_bytes[number] for number in segments),
        )

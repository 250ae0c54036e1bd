"""Copy values out of segments that are to be emptied, while tables that point there are rewritten.

A *relocation* says which segments are to be emptied and which value segments are reserved for
what is still pointed to in them. Entries pass through in the order of the merge: a pointer into
one of those segments is followed, its value is verified and appended to a value segment, and the
entry goes on with the new pointer. Everything else passes as it came.

Invariants
- Nothing is relocated through the tail of the log: key, sequence and order of an entry stay.
- A value that does not verify ends the job: it is neither dropped nor copied.
- Old segments are only read. Values are held in memory about `BATCH_BYTES` at a time, or one.
"""

from collections.abc import Sequence

import attrs
import trio

from io_backends import EndOfFileError, Io, NotFoundError
from tempest.columns import Columns, Kind, make_columns
from tempest.errors import CorruptionError
from tempest.header import checksum_at
from tempest.log import (
    OpenSegment,
    SegmentMeta,
    ValueSegmentWriter,
    open_segment,
    segment_name,
)
from tempest.pointers import Pointer, decode_pointer

BATCH_BYTES = 1 << 20
BATCH_VALUES = 256


@attrs.frozen(kw_only=True)
class Relocation:
    """Which `segments` are to be emptied, and the reserved `targets` for their live values.

    A target is full at `segment_bytes_max` bytes; the last one takes all that is left.
    """

    segments: tuple[SegmentMeta, ...]
    targets: tuple[SegmentMeta, ...]
    segment_bytes_max: int


class Relocator:
    """Does a relocation. Close it in any case."""

    def __init__(
        self, io: Io, folder: str, store_id: bytes, relocation: Relocation
    ) -> None:
        self._io = io
        self._folder = folder
        self._store_id = store_id
        self._relocation = relocation
        self._sources = {meta.number: meta for meta in relocation.segments}
        self._open: dict[int, OpenSegment] = {}
        self._writer: ValueSegmentWriter | None = None
        self._finished: list[SegmentMeta] = []
        self.values = 0
        self.value_bytes = 0

    async def relocate(self, columns: Columns) -> Columns:
        """Return the entries, with new pointers where they pointed into what is emptied."""
        moving = self._moving(columns)
        if not moving:
            return columns
        values, sequences = list(columns.values), columns.sequences()
        batch: list[tuple[int, bytes]] = []
        size = 0
        for place, pointer in moving:
            value = await self._read(pointer)
            batch.append((place, value))
            size += len(value)
            if size >= BATCH_BYTES or len(batch) >= BATCH_VALUES:
                await self._write(columns.keys, sequences, batch, values)
                batch, size = [], 0
                await trio.lowlevel.checkpoint()
        if batch:
            await self._write(columns.keys, sequences, batch, values)
        return make_columns(columns.keys, values, sequences, columns.kinds)

    async def finish(self) -> tuple[SegmentMeta, ...]:
        """Make the value segments durable, names included, and return them."""
        await self._end_segment()
        if self._finished:
            await self._io.sync_dir(self._folder)
        return tuple(self._finished)

    async def aclose(self) -> None:
        """Close every file. Idempotent."""
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                await writer.aclose()
        finally:
            while self._open:
                _, segment = self._open.popitem()
                await segment.file.aclose()

    def _moving(self, columns: Columns) -> list[tuple[int, Pointer]]:
        """Return the pointers that lead into what is emptied, each with its place."""
        if Kind.POINTER not in columns.kinds:
            return []
        pointers = [
            (place, decode_pointer(columns.values[place]))
            for place, kind in enumerate(columns.kinds)
            if kind == Kind.POINTER
        ]
        return [found for found in pointers if found[1].segment in self._sources]

    async def _read(self, pointer: Pointer) -> bytes:
        segment = self._open.get(pointer.segment)
        if segment is None:
            segment = await self._open_source(pointer.segment)
        offset = segment.meta.offset(pointer.address)
        try:
            value = await segment.file.read_at(offset, pointer.length)
        except EndOfFileError as error:
            detail = "the file ends in a value that a table points to"
            raise CorruptionError(segment.path, offset, detail) from error
        if checksum_at(segment.seed, pointer.address, value) != pointer.checksum:
            detail = f"a value of {pointer.length} bytes does not verify"
            raise CorruptionError(segment.path, offset, detail)
        return value

    async def _open_source(self, number: int) -> OpenSegment:
        meta = self._sources[number]
        try:
            segment = await open_segment(self._io, self._folder, self._store_id, meta)
        except NotFoundError as error:
            path = f"{self._folder}/{segment_name(number)}"
            detail = "the manifest names it and it is gone"
            raise CorruptionError(path, 0, detail) from error
        self._open[number] = segment
        return segment

    async def _write(
        self,
        keys: Sequence[bytes],
        sequences: list[int],
        batch: list[tuple[int, bytes]],
        values: list[bytes],
    ) -> None:
        """Append a batch to a value segment; put the new pointers into `values`."""
        places = [place for place, _ in batch]
        run = make_columns(
            [keys[place] for place in places],
            [value for _, value in batch],
            [sequences[place] for place in places],
        )
        pointers = await (await self._target()).add(run)
        for place, pointer in zip(places, pointers, strict=True):
            values[place] = pointer.encode()
        self.values += len(batch)
        self.value_bytes += sum(len(value) for _, value in batch)

    async def _target(self) -> ValueSegmentWriter:
        """Return the value segment that is being filled."""
        relocation = self._relocation
        is_last = len(self._finished) + 1 == len(relocation.targets)
        if (
            self._writer is not None
            and self._writer.bytes_written >= relocation.segment_bytes_max
            and not is_last
        ):
            await self._end_segment()
        if self._writer is None:
            meta = relocation.targets[len(self._finished)]
            self._writer = await ValueSegmentWriter.create(
                self._io, self._folder, self._store_id, meta
            )
        return self._writer

    async def _end_segment(self) -> None:
        if self._writer is not None:
            self._finished.append(await self._writer.finish())
            writer, self._writer = self._writer, None
            await writer.aclose()

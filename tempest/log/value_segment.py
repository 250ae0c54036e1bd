"""Write values that collection keeps into segments of their own, outside of the log's addresses.

A value segment is a file like a log segment (`tempest.log.segment`), written whole by one job:
frames one behind the other from its first address on, each a run of puts with the keys and
sequences that the values belong to. It is never replayed; tables point into it, and the keys
let a collection ask for each value whether it is still wanted.

Invariants
- A frame vouches for nothing but the first address, so a file that no manifest names is an orphan.
- A file is created exclusively under a reserved number, written from front to back, and synced by
  `finish`; the caller syncs the folder before it names the file anywhere.
- Nothing is written at or above `limit`.
"""

import attrs

from io_backends import File, Io
from tempest.columns import Columns
from tempest.header import checksum_at, encode_header, place_seed
from tempest.log.frame import Frame, FrameHeader, SealedFrame, encode_payload
from tempest.log.locate import value_addresses
from tempest.log.segment import SegmentMeta, segment_name
from tempest.pointers import Pointer

WRITE_BYTES_MAX = 1 << 20


class ValueSegmentWriter:
    """One value segment in the making. Close it in any case."""

    def __init__(self, file: File, meta: SegmentMeta, store_id: bytes) -> None:
        self._file = file
        self._meta = meta
        self._header = meta.header(store_id)
        self._seed = place_seed(self._header)
        self._end = meta.first
        self._value_bytes = 0

    @classmethod
    async def create(
        cls, io: Io, folder: str, store_id: bytes, meta: SegmentMeta
    ) -> "ValueSegmentWriter":
        """Make the file of a reserved segment; `ExistsError` if the name is taken."""
        file = await io.create_exclusive(f"{folder}/{segment_name(meta.number)}")
        writer = cls(file, meta, store_id)
        try:
            await file.write_at(0, encode_header(writer._header))
        except BaseException:
            await file.aclose()
            raise
        return writer

    @property
    def bytes_written(self) -> int:
        """The length of the file so far."""
        return self._meta.offset(self._end)

    async def add(self, run: Columns) -> list[Pointer]:
        """Append a frame with these puts; return where each of its values stands."""
        payload = encode_payload([run])
        frame = SealedFrame(self._end, self._end, payload, run.sequence_max())
        assert frame.end <= self._meta.limit, "the reserved addresses are enough"
        pointers = self._locate(frame)
        data = frame.encode(self._seed, self._meta.first)
        offset = self._meta.offset(frame.address)
        for start in range(0, len(data), WRITE_BYTES_MAX):
            piece = data[start : start + WRITE_BYTES_MAX]
            await self._file.write_at(offset + start, piece)
        self._end = frame.end
        self._value_bytes += sum(map(len, run.values))
        return pointers

    async def finish(self) -> SegmentMeta:
        """Sync the file; return what the manifest shall know of it."""
        for _ in range(2):  # what the device tells too late comes with the second
            await self._file.sync()
        return attrs.evolve(self._meta, end=self._end, value_bytes=self._value_bytes)

    async def aclose(self) -> None:
        """Let go of the file. Idempotent."""
        await self._file.aclose()

    def _locate(self, frame: SealedFrame) -> list[Pointer]:
        header = FrameHeader(
            frame.address, len(frame.payload), frame.follows, self._meta.first, 0
        )
        pointers: list[Pointer] = []
        for run, addresses in value_addresses(
            Frame(header, frame.payload), self._file.path, 1
        ):
            assert len(addresses) == len(run.values), "every value has a place"
            for index, address in addresses.items():
                value = run.values[index]
                checksum = checksum_at(self._seed, address, value)
                number = self._meta.number
                pointers.append(Pointer(number, address, len(value), checksum))
        return pointers

"""Separated values: from the pointer in a table to the bytes in a segment.

    value = values.read_nowait(pointer, version)    # from memory or the page cache, or WouldBlock
    value = await values.read(pointer, version)     # waits for the device

`version` is one that names the segment, and the caller has pinned it: a file that it names is not
removed meanwhile. What had to be read stays in the read cache.

Invariants
- A value is given out only if its checksum holds; anything else is `CorruptionError` with file and
  offset, never "not there".
- No more than `STEP_BYTES` are read or verified on the loop between two checkpoints.
"""

from collections.abc import Iterable

import trio

from io_backends import EndOfFileError, Io
from tempest.errors import CorruptionError
from tempest.header import checksum_at, hasher_at
from tempest.log import SegmentMeta
from tempest.pointers import Pointer
from tempest.read_cache import ReadCache
from tempest.segment_files import SegmentFile, SegmentFiles
from tempest.version import Version

STEP_BYTES = 1 << 20
HERE_BYTES_MAX = 64 << 10  # copied and verified in some 20 us, without a thread


class Values:
    """Reads values of one store. Open segments and the cache are bounded."""

    def __init__(
        self,
        io: Io,
        folder: str,
        store_id: bytes,
        cache_bytes_max: int,
        files_max: int,
    ) -> None:
        """Keep at most `cache_bytes_max` bytes of values and `files_max` files open."""
        self.cache = ReadCache(cache_bytes_max)
        self.files = SegmentFiles(io, folder, store_id, max(1, files_max))

    def read_nowait(self, pointer: Pointer, version: Version) -> bytes:
        """Return the value from memory or the page cache, or raise `trio.WouldBlock`.

        A file that is not open yet is left to `read`, which needs `version` to find it.
        """
        value = self.cache.get(pointer.address)
        if value is not None:
            return value
        file = self.files.get_nowait(pointer.segment)
        if file is None or pointer.length > HERE_BYTES_MAX:
            raise trio.WouldBlock
        offset = self._offset(pointer, file.meta)
        try:
            data = file.file.read_at_nowait(offset, pointer.length)
        except EndOfFileError as error:
            raise _cut_short(file, offset) from error
        found = checksum_at(file.seed, pointer.address, data)
        self._check(pointer, file, found)
        self.cache.keep(pointer.address, data)
        return data

    async def read(self, pointer: Pointer, version: Version) -> bytes:
        """Return the value; a checkpoint only if it is not in memory.

        Raises `CorruptionError` naming file and offset, or `IoError`. Cancellation gives up
        the read.
        """
        try:
            return self.read_nowait(pointer, version)
        except trio.WouldBlock:
            pass
        known = self.files.get_nowait(pointer.segment)
        meta = self._meta(pointer, version) if known is None else known.meta
        file = await self.files.acquire(meta)
        try:
            offset = self._offset(pointer, file.meta)
            try:
                data = await file.file.read_at(offset, pointer.length)
            except EndOfFileError as error:
                raise _cut_short(file, offset) from error
        finally:
            self.files.release(file)
        self._check(pointer, file, await _checksum(file, pointer.address, data))
        self.cache.keep(pointer.address, data)
        return data

    async def hold(self, metas: Iterable[SegmentMeta]) -> None:
        """Keep these segments open until `aclose`: for readers whose files others may remove."""
        for meta in metas:
            await self.files.acquire(meta)

    async def evict(self, number: int) -> None:
        """Let go of a segment whose file is about to be removed."""
        await self.files.evict(number)

    async def aclose(self) -> None:
        """Close every file and forget every value. Idempotent."""
        self.cache.clear()
        await self.files.aclose()

    def _meta(self, pointer: Pointer, version: Version) -> SegmentMeta:
        for meta in version.all_segments:
            if meta.number == pointer.segment:
                return meta
        path = self.files.path(pointer.segment)
        raise CorruptionError(
            path,
            0,
            "a table points into this segment and the manifest does not name it",
        )

    def _offset(self, pointer: Pointer, meta: SegmentMeta) -> int:
        end = meta.limit if meta.end is None else meta.end
        if not meta.first <= pointer.address <= end - pointer.length:
            detail = f"a table points to address {pointer.address}, which lies outside"
            raise CorruptionError(self.files.path(meta.number), 0, detail)
        return meta.offset(pointer.address)

    def _check(self, pointer: Pointer, file: SegmentFile, found: int) -> None:
        if found != pointer.checksum:
            raise CorruptionError(
                file.file.path,
                file.meta.offset(pointer.address),
                f"value of {pointer.length} bytes: expected checksum"
                f" {pointer.checksum:016x}, found {found:016x}",
            )


async def _checksum(file: SegmentFile, address: int, data: bytes) -> int:
    """Return the checksum of a value of any size, others having turns."""
    if len(data) <= STEP_BYTES:
        return checksum_at(file.seed, address, data)
    hasher, view = hasher_at(file.seed, address), memoryview(data)
    for start in range(0, len(data), STEP_BYTES):
        hasher.update(view[start : start + STEP_BYTES])
        await trio.lowlevel.checkpoint()
    return hasher.intdigest()


def _cut_short(file: SegmentFile, offset: int) -> CorruptionError:
    return CorruptionError(
        file.file.path, offset, "the file ends in a value that a table points to"
    )

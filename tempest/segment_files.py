"""Segment files kept open for reads of single values, bounded in number.

Invariants
- A file in use is never closed; if its name is removed meanwhile, the open handle reads on.
- More than `files_max` are open only while all of them are in use.
- Two tasks that open the same segment end up with one file; the other handle is closed.
- A file that was evicted while in use is closed by the next call that may wait.
- Nothing stays open behind `aclose`: who was opening a file then gets `NotOpenError`.
"""

from collections import OrderedDict

import trio

from io_backends import File, Io, NotFoundError, TooManyFilesError
from tempest.errors import CorruptionError, NotOpenError
from tempest.log import SegmentMeta, open_segment, segment_name


class SegmentFile:
    """An open segment: where its addresses stand, and what its checksums start from."""

    __slots__ = ("file", "is_used", "meta", "pins", "seed")

    def __init__(self, file: File, meta: SegmentMeta, seed: int) -> None:
        self.file = file
        self.meta = meta
        self.seed = seed
        self.pins = 0
        self.is_used = False


class SegmentFiles:
    """Open segments of one store by number. The least recently looked at goes first."""

    def __init__(self, io: Io, folder: str, store_id: bytes, files_max: int) -> None:
        self._io = io
        self._folder = folder
        self._store_id = store_id
        self._files_max = files_max
        self._files: OrderedDict[int, SegmentFile] = OrderedDict()
        self._evicted: list[SegmentFile] = []
        self._is_closed = False
        self.opens = 0

    def __len__(self) -> int:
        return len(self._files)

    def path(self, number: int) -> str:
        """Return where the segment of this number lies."""
        return f"{self._folder}/{segment_name(number)}"

    def get_nowait(self, number: int) -> SegmentFile | None:
        """Return the file if it is open: good until the next await."""
        file = self._files.get(number)
        if file is not None:
            file.is_used = True
        return file

    async def acquire(self, meta: SegmentMeta) -> SegmentFile:
        """Return the file, opened if need be, and keep it open until `release`.

        Raises `CorruptionError` if it is not there or not the one that is meant.
        """
        file = self.get_nowait(meta.number)
        if file is None:
            file = await self._open(meta)
        file.pins += 1
        self._shrink(self._files_max)
        return file

    def release(self, file: SegmentFile) -> None:
        """Give back what `acquire` returned."""
        assert file.pins > 0, "released more often than acquired"
        file.pins -= 1

    async def evict(self, number: int) -> None:
        """Forget a file, for instance before its name is removed."""
        file = self._files.pop(number, None)
        if file is not None:
            self._evicted.append(file)
        await self._close_evicted()

    async def aclose(self) -> None:
        """Close all files, in use or not; none is opened any more. Idempotent."""
        self._is_closed = True
        while self._files:
            self._evicted.append(self._files.popitem()[1])
        while self._evicted:
            await self._evicted.pop().file.aclose()

    async def _open(self, meta: SegmentMeta) -> SegmentFile:
        """Open a segment; there is no await between its entry here and the caller's pin."""
        self._shrink(self._files_max - 1)
        await self._close_evicted()
        try:
            opened = await self._open_file(meta)
        except TooManyFilesError:
            # The host needs its handles elsewhere: give half of ours back and try once more.
            self._shrink(len(self._files) // 2)
            await self._close_evicted()
            opened = await self._open_file(meta)
        if self._is_closed:
            with trio.CancelScope(shield=True):
                await opened.file.aclose()
            raise NotOpenError("store")
        file = self._files.get(meta.number)
        if file is not None:
            # Another task was faster: its file stays, and ours is closed at the next chance.
            self._evicted.append(opened)
            return file
        self._files[meta.number] = opened
        self.opens += 1
        return opened

    async def _open_file(self, meta: SegmentMeta) -> SegmentFile:
        try:
            segment = await open_segment(self._io, self._folder, self._store_id, meta)
        except NotFoundError as error:
            detail = "the manifest names this segment and no such file exists"
            raise CorruptionError(self.path(meta.number), 0, detail) from error
        return SegmentFile(segment.file, meta, segment.seed)

    def _shrink(self, files_max: int) -> None:
        """Evict what is not in use, what was not used of late first."""
        for _ in range(2 * len(self._files)):
            if len(self._files) <= files_max:
                return
            number, file = self._files.popitem(last=False)
            if file.pins or file.is_used:
                file.is_used = False
                self._files[number] = file
            else:
                self._evicted.append(file)

    async def _close_evicted(self) -> None:
        """Close evicted files that nobody uses any more; several tasks may be at it."""
        while idle := [file for file in self._evicted if not file.pins]:
            self._evicted.remove(idle[0])
            await idle[0].file.aclose()

"""A backend that checks the sector rule: no write touches a sector that a sync has seen."""

from collections.abc import Iterator

from io_backends import File, Io, VirtualIo
from tempest.log.frame import SECTOR_BYTES


def sectors(offset: int, length: int) -> Iterator[int]:
    return iter(range(offset // SECTOR_BYTES, -(-(offset + length) // SECTOR_BYTES)))


class RecordingFile:
    """A file that knows which of its sectors hold bytes that a sync was asked for."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._written: set[int] = set()
        self._synced: set[int] = set()
        self.path = file.path

    async def write_at(self, offset: int, data: bytes) -> None:
        self._note(offset, data)
        await self._file.write_at(offset, data)

    def write_at_nowait(self, offset: int, data: bytes) -> None:
        self._note(offset, data)
        self._file.write_at_nowait(offset, data)

    def hasten_sync(self) -> None:
        self._synced |= self._written
        self._file.hasten_sync()

    async def sync(self) -> None:
        self._synced |= self._written
        await self._file.sync()

    async def aclose(self) -> None:
        await self._file.aclose()

    def _note(self, offset: int, data: bytes) -> None:
        touched = set(sectors(offset, len(data)))
        assert not touched & self._synced, "a write touches a synced sector"
        self._written |= touched


class RecordingIo(VirtualIo):
    """An `Io` whose new files are watched."""

    async def create_exclusive(self, path: str) -> File:
        return RecordingFile(await super().create_exclusive(path))  # type: ignore[return-value]


def recording(io: Io) -> RecordingIo:
    assert isinstance(io, VirtualIo)
    return RecordingIo(io.disk)

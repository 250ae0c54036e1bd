"""What mini-engines are built of: sealed records, whole files, an append-only log.

    record := length:u32 crc:u32 payload:u8[length]      (little-endian)

`crc` is CRC-32 of the length bytes followed by the payload, so zeros are no record.

Invariants
- All files lie in the root folder, which is always there; names are durable after `sync_dir("/")`.
- Nothing here has a bug on purpose; what an engine leaves out, it leaves out itself.
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Self, cast
from zlib import crc32

import cbor2

from io_backends import File, Io, NotFoundError
from sim.corpus.engine import UnreadableError
from sim.corpus.ledger import Changes, State

HEAD = Struct("<II")
LENGTH = Struct("<I")
ROOT = "/"


Record = tuple[bytes, int]
Reader = Callable[[bytes], Iterator[Record]]


def sealed(payload: bytes) -> bytes:
    """Return a record that proves its own wholeness."""
    length = LENGTH.pack(len(payload))
    return HEAD.pack(len(payload), crc32(length + payload)) + payload


def unsealed(data: bytes) -> Iterator[Record]:
    """Yield each payload and where its record ends, up to the first that is not whole."""
    start = 0
    while start + HEAD.size <= len(data):
        length, crc = HEAD.unpack_from(data, start)
        payload = data[start + HEAD.size : start + HEAD.size + length]
        if len(payload) < length or crc32(LENGTH.pack(length) + payload) != crc:
            return
        start += HEAD.size + length
        yield payload, start


def unchecked(data: bytes) -> Iterator[Record]:
    """Yield each payload and where its record ends, as a reader that trusts lengths does."""
    start = 0
    while start + HEAD.size <= len(data):
        length, _ = HEAD.unpack_from(data, start)
        start += HEAD.size + length
        yield data[start - length : start], start


def dump(value: object) -> bytes:
    """Return the payload that stands for a value."""
    return cbor2.dumps(value)


def load_changes(data: bytes) -> Changes:
    """Return the changes that a payload stands for."""
    return cast("Changes", _loads(data))


def _loads(data: bytes) -> object:
    try:
        return cast("object", cbor2.loads(data))
    except cbor2.CBORDecodeError as error:
        raise UnreadableError("a record cannot be decoded") from error


def load_state(data: bytes) -> State:
    """Return the rows that a payload stands for."""
    return cast("State", _loads(data))


def load_numbered(data: bytes) -> tuple[int, Changes]:
    """Return the number and the changes that a payload stands for."""
    number, changes = cast("tuple[int, Changes]", _loads(data))
    return number, changes


def load_lists(data: bytes) -> list[list[int]]:
    """Return the lists of numbers that a payload stands for."""
    return cast("list[list[int]]", _loads(data))


def numbered(names: list[str], kind: str) -> list[int]:
    """Return the numbers of the files `7.kind` among these names, lowest first."""
    return sorted(
        int(name.partition(".")[0]) for name in names if name.endswith(f".{kind}")
    )


async def read_whole(io: Io, path: str) -> bytes:
    """Return all bytes of a file."""
    file = await io.open(path)
    try:
        return await file.read_at(0, await file.size())
    finally:
        await file.aclose()


async def read_if_there(io: Io, path: str) -> bytes | None:
    """Return all bytes of a file; None if there is none."""
    try:
        return await read_whole(io, path)
    except NotFoundError:
        return None


async def remove_if_there(io: Io, path: str) -> None:
    """Remove a file; one that is not there is no error."""
    try:
        await io.remove(path)
    except NotFoundError:
        return


async def read_record(io: Io, path: str) -> bytes | None:
    """Return the one record of a file; None if there is no file, or no whole record in it."""
    for payload, _ in unsealed(await read_if_there(io, path) or b""):
        return payload
    return None


async def write_whole(io: Io, path: str, data: bytes, *, synced: bool = True) -> None:
    """Make a file of these bytes, in place of one that may be there."""
    await remove_if_there(io, path)
    file = await io.create_exclusive(path)
    try:
        await file.write_at(0, data)
        if synced:
            await file.sync()
    finally:
        await file.aclose()


async def replace(io: Io, path: str, data: bytes) -> None:
    """Let a file be the old one or the new one, never a mixture; durable on return."""
    await write_whole(io, f"{path}.tmp", data)
    await io.rename(f"{path}.tmp", path)
    await io.sync_dir(ROOT)


class TinyLog:
    """An append-only file of records. `records` are those that were there when it was opened."""

    def __init__(self, file: File, records: list[bytes], end: int) -> None:
        self.file, self.records, self.end = file, records, end

    @classmethod
    async def create(cls, io: Io, path: str) -> Self:
        return cls(await io.create_exclusive(path), [], 0)

    @classmethod
    async def load(cls, io: Io, path: str, read: Reader = unsealed) -> Self:
        """Read up to the first record that is not whole, and cut off what lies behind.

        What was read is durable from then on.
        """
        file = await io.open(path, writable=True)
        try:
            size = await file.size()
            found = list(read(await file.read_at(0, size)))
            end = found[-1][1] if found else 0
            if end < size:
                await file.truncate(end)
            await file.sync()
        except BaseException:  # raised again: nobody else knows the file
            await file.aclose()
            raise
        return cls(file, [payload for payload, _ in found], end)

    async def append(self, record: bytes) -> int:
        """Write a record behind the last one; return where it ends."""
        data = sealed(record)
        place, self.end = self.end, self.end + len(data)
        await self.file.write_at(place, data)
        return place + len(data)

    async def sync(self) -> None:
        await self.file.sync()

    async def aclose(self) -> None:
        await self.file.aclose()

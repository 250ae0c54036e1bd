"""Write one generation's file: begin it under a temporary name, publish it, append groups.

Invariants
- A generation is synced before it is renamed, and its folder is synced before anything is appended
  or anything older is retired.
- `synced` moves only after the sync that justifies it has returned; every frame carries it.
- After a failed write or sync the file is finished with: nothing is written or synced again.
"""

import contextlib
from collections.abc import Sequence

from io_backends import File, Io, IoError
from journal.framing import encode_frames
from journal.segment import GenerationName, Header, Role, encode_header, parse_names


class Writer:
    """The open file of one generation; the caller never uses it from two tasks at once."""

    def __init__(
        self, file: File, name: GenerationName, header: Header, end: int
    ) -> None:
        self._file = file
        self._seed = header.place_seed()
        self.name = name
        self.header = header
        self.header_end = end
        self.tail = end
        self.synced = end
        self._marked = 0
        self._in_doubt = False

    async def append(self, payloads: Sequence[bytes]) -> None:
        """Write one frame for each payload and sync them together."""
        assert not self._in_doubt, "a file is not used after a failed write or sync"
        self._in_doubt = True
        data = encode_frames(self._seed, self.tail, self.synced, payloads)
        await self._file.write_at(self.tail, data)
        await self._file.sync()
        self._in_doubt = False
        self.tail = self.synced = self.tail + len(data)

    async def mark(self) -> None:
        """Leave a mark behind the last sync, unless one is there.

        Its own sync also brings to light an error that the one before reported too late.
        """
        if self._marked < self.synced:
            await self.append([b""])
            self._marked = self.synced

    async def aclose(self) -> None:
        """Let go of the file. What matters was synced, so a failing close changes nothing."""
        with contextlib.suppress(IoError):
            await self._file.aclose()


async def begin_generation(
    io: Io, folder: str, name: GenerationName, header: Header
) -> Writer:
    """Write and sync `header` under the temporary form of `name`."""
    frame = encode_header(header)
    path = _temporary(name).in_folder(folder)
    file = await io.create_exclusive(path)
    writer = Writer(file, name, header, len(frame))
    try:
        await file.write_at(0, frame)
        await file.sync()
    except BaseException as error:
        await writer.aclose()
        if isinstance(error, IoError):
            with contextlib.suppress(IoError):  # it may fill a full disk
                await io.remove(path)
        raise
    return writer


async def publish_generation(io: Io, folder: str, name: GenerationName) -> None:
    """Give the synced file its final name, durably. If this fails, either name may survive."""
    await io.rename(_temporary(name).in_folder(folder), name.in_folder(folder))
    await io.sync_dir(folder)


async def retire_generations(io: Io, folder: str, current: GenerationName) -> None:
    """Keep the generation before `current` for repair; remove older ones and unfinished ones.

    `current` must be durable under its name. A failure leaves files for the next attempt.
    """
    with contextlib.suppress(IoError):
        names = parse_names(current.prefix, await io.list(folder))
        older = [
            name
            for name in names
            if name.number < current.number and name.role is not Role.TEMPORARY
        ]
        for name in older[:-1] + [n for n in names if n.role is Role.TEMPORARY]:
            await io.remove(name.in_folder(folder))
        if older and older[-1].role is Role.CURRENT:
            retired = GenerationName(current.prefix, older[-1].number, Role.RETIRED)
            await io.rename(older[-1].in_folder(folder), retired.in_folder(folder))


def _temporary(name: GenerationName) -> GenerationName:
    return GenerationName(name.prefix, name.number, Role.TEMPORARY)

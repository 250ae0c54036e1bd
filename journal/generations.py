"""The row of files that one life of a journal writes, one after another.

    settled --a failed append, a failed publication--> unsettled --advance--> settled

Invariants
- Settled: exactly one generation can be the newest after a power cut, and `writer` writes it.
- Unsettled: nothing is appended anywhere before a further generation is durable under its name.
- A generation that could not even be prepared changes nothing: the one before it goes on.
"""

from typing import Self

import attrs

from io_backends import Io
from journal.errors import JournalMovedError
from journal.segment import (
    FORMAT,
    GenerationName,
    Header,
    Role,
    parse_names,
    reserved_ceiling,
)
from journal.writer import (
    Writer,
    begin_generation,
    publish_generation,
    retire_generations,
)

QUEUE_EDITS_MAX = 1024


def _check_sixteen_bytes(
    _: object, field: "attrs.Attribute[bytes]", value: bytes
) -> None:
    if len(value) != 16:
        raise ValueError(f"{field.name} is 16 bytes, not {len(value)}")


@attrs.frozen
class JournalSettings:
    """Whose journal this is, and when it rotates.

    store_id: 16 bytes that name the store.
    life: counts the writable opens of the store; the caller never gives one out twice.
    token: 16 bytes from `Io.token`, fresh for this open.
    rotation_bytes_min: a file smaller than this is never rotated.
    rotation_factor: a file is rotated once it has this many times the size of its header.
    compatible: feature bits for the headers, which readers may ignore.
    queue_edits_max: so many edits may be on their way; whoever appends another waits for room.
    """

    store_id: bytes = attrs.field(validator=_check_sixteen_bytes)
    life: int
    token: bytes = attrs.field(validator=_check_sixteen_bytes)
    rotation_bytes_min: int = attrs.field(
        default=64 * 1024, validator=attrs.validators.ge(0)
    )
    rotation_factor: int = attrs.field(default=4, validator=attrs.validators.ge(2))
    compatible: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    queue_edits_max: int = attrs.field(
        default=QUEUE_EDITS_MAX, validator=attrs.validators.ge(1)
    )


class Generations:
    """Where the edits of this life go: `writer`, if `is_settled`."""

    def __init__(
        self,
        io: Io,
        folder: str,
        last: GenerationName,
        ceiling: int,
        settings: JournalSettings,
    ) -> None:
        self._io = io
        self._folder = folder
        self._last = last
        self._ceiling = ceiling
        self._settings = settings
        self._writer: Writer | None = None
        self._rotate_at = 0
        self.is_settled = False

    @classmethod
    async def above(
        cls,
        io: Io,
        folder: str,
        prefix: str,
        newest: Header | None,
        settings: JournalSettings,
    ) -> Self:
        """Return the row that goes on above everything in `folder`; nothing is written yet."""
        names = parse_names(prefix, await io.list(folder))
        current = [name.number for name in names if name.role is not Role.TEMPORARY]
        expected = newest.generation if newest else None
        found = current[-1] if current else None
        if expected != found:
            raise JournalMovedError(folder, expected, found)
        ceiling = newest.generation_ceiling if newest else 0
        last = max([ceiling, *(name.number for name in names)])
        return cls(io, folder, GenerationName(prefix, last), ceiling, settings)

    @property
    def writer(self) -> Writer:
        assert self._writer is not None, "advance comes first"
        return self._writer

    @property
    def path(self) -> str:
        return self.writer.name.in_folder(self._folder)

    @property
    def queue_edits_max(self) -> int:
        return self._settings.queue_edits_max

    @property
    def is_rotation_due(self) -> bool:
        return self.writer.tail >= self._rotate_at

    def postpone_rotation(self) -> None:
        """Go on with the present file for a while: a new one could not be prepared."""
        self._rotate_at = self.writer.tail + self.writer.header_end

    async def advance(self, snapshot: bytes) -> None:
        """Begin the next generation with the state in `snapshot`; `writer` then writes it."""
        writer = await self._prepare(snapshot)
        self.is_settled = False
        try:
            await publish_generation(self._io, self._folder, writer.name)
        except BaseException:
            await writer.aclose()
            raise
        previous, self._writer = self._writer, writer
        self.is_settled = True
        settings = self._settings
        self._rotate_at = max(
            settings.rotation_bytes_min, settings.rotation_factor * writer.header_end
        )
        if previous is not None:
            await previous.aclose()
        await retire_generations(self._io, self._folder, writer.name)

    async def aclose(self) -> None:
        """Let go of the present file, if there is one yet."""
        if self._writer is not None:
            await self._writer.aclose()

    async def _prepare(self, snapshot: bytes) -> Writer:
        number = self._last.number + 1
        self._last = attrs.evolve(self._last, number=number)
        header = Header(
            format=FORMAT,
            compatible=self._settings.compatible,
            incompatible=0,
            store_id=self._settings.store_id,
            life=self._settings.life,
            generation=number,
            generation_ceiling=reserved_ceiling(number, self._ceiling),
            token=self._settings.token,
            snapshot=snapshot,
        )
        self._ceiling = header.generation_ceiling
        return await begin_generation(self._io, self._folder, self._last, header)

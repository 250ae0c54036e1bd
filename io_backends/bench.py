"""What a conformance check works with: a backend, its own folder, and ways to demand something.

Invariants
- Every failure is a `ConformanceError` that names the check and the claim.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import attrs

from io_backends.errors import IoError
from io_backends.protocol import Io


@attrs.frozen(eq=False, str=False)
class ConformanceError(AssertionError):
    """A backend breaks the contract."""

    check: str
    claim: str

    def __str__(self) -> str:
        return f"{self.check}: {self.claim}"


@attrs.frozen
class Bench:
    """What a check works with: a backend, a second opener of the same files, an empty folder."""

    name: str
    io: Io
    other: Io
    folder: str

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def demand(self, holds: bool, claim: str) -> None:  # noqa: FBT001 reads as a sentence
        if not holds:
            raise ConformanceError(self.name, claim)

    @contextmanager
    def refuses(self, error: type[IoError], claim: str) -> Iterator[None]:
        """Demand that the block raises exactly this kind of error."""
        try:
            yield
        except error:
            return
        except IoError as wrong:
            told = f"{claim}: {error.__name__}, not {type(wrong).__name__}"
            raise ConformanceError(self.name, told) from wrong
        raise ConformanceError(self.name, f"{claim}: {error.__name__}")

    async def write(self, name: str, data: bytes) -> None:
        file = await self.io.create_exclusive(self.path(name))
        await file.write_at(0, data)
        await file.aclose()

    async def read(self, name: str) -> bytes:
        file = await self.io.open(self.path(name))
        data = await file.read_at(0, await file.size())
        await file.aclose()
        return data


Check = Callable[[Bench], Awaitable[None]]

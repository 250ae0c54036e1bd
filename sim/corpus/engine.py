"""What the scripts of the corpus can be run on: a mini-engine with a bug, and Tempest.

Invariants
- An engine is opened by `async with` and finds whatever the disk holds.
- `is_mended` is the one flag of a mini-engine: with it the published bug is fixed.
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import tempest
from io_backends import File, Io
from sim.corpus.ledger import Changes, State
from tempest import Durability, OpenStore, Options, Store

STORE = "store"
SMALL = Options(
    compaction_inline=True,
    memtable_bytes_max=1024,
    segment_bytes_max=1024,
    table_bytes_max=256,
    block_bytes=64,
    level0_tables_max=2,
    level_bytes_base=256,
    manifest_rotation_bytes_min=1,
    resume_seconds_max=2.0,
)


class UnreadableError(Exception):
    """A mini-engine cannot open what it finds."""


class Engine(ABC):
    """A store that runs scripts; upkeep that an engine does not know does nothing."""

    goes_on = False  # after a step that failed; otherwise its process ends

    def __init__(self, io: Io) -> None:
        self.io = io

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close(exc)

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self, error: BaseException | None) -> None: ...

    @abstractmethod
    async def write(self, changes: Changes, *, synced: bool) -> None: ...

    @abstractmethod
    async def rows(self) -> State:
        """Return all that is in the store."""

    async def sync(self) -> None:  # noqa: B027 what an engine may not know
        pass

    async def flush(self) -> None:  # noqa: B027 what an engine may not know
        pass

    async def compact(self) -> None:  # noqa: B027 what an engine may not know
        pass

    async def verify(self) -> None:  # noqa: B027 the same
        """Look at what the closed store left on disk."""


class MiniEngine(Engine):
    """A model of a published engine, as small as its bug allows."""

    def __init__(self, io: Io, *, is_mended: bool) -> None:
        super().__init__(io)
        self.is_mended = is_mended
        self._files: list[File] = []

    async def __aenter__(self) -> Self:
        try:
            return await super().__aenter__()
        except BaseException as error:  # raised again, also when cancelled
            await self.close(error)
            raise

    def keep(self, file: File) -> File:
        """Hold a file open until the engine closes."""
        self._files.append(file)
        return file

    async def close(self, error: BaseException | None) -> None:
        for file in self._files:
            await file.aclose()


class TempestEngine(Engine):
    """The real store, through its public door."""

    options = SMALL

    def __init__(self, io: Io) -> None:
        super().__init__(io)
        self._opening: OpenStore = tempest.open_store(
            STORE, io=io, options=self.options
        )
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        assert self._store is not None
        return self._store

    async def open(self) -> None:
        self._store = await self._opening.__aenter__()

    async def close(self, error: BaseException | None) -> None:
        kind = None if error is None else type(error)
        await self._opening.__aexit__(kind, error, None)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        level = Durability.DISK if synced else Durability.OS
        if len(changes) > 1:
            async with self.store.batch(durability=level) as gathered:
                for key, value in changes.items():
                    if value is None:
                        gathered.delete(key)
                    else:
                        gathered.put(key, value)
            return
        for key, value in changes.items():
            if value is None:
                await self.store.delete(key, durability=level)
            else:
                await self.store.put(key, value, durability=level)

    async def rows(self) -> State:
        async with self.store.scan() as rows:
            return {key: value async for key, value in rows}

    async def sync(self) -> None:
        await self.store.sync()

    async def flush(self) -> None:
        await self.store.flush()

    async def compact(self) -> None:
        await self.store.compact()

    async def verify(self) -> None:
        report = await tempest.verify_store(self.io, STORE)
        assert report.whole, [file for file in report.files if file.detail]


class PatientTempest(TempestEngine):
    """The real store in a process that goes on when a write is refused."""

    goes_on = True

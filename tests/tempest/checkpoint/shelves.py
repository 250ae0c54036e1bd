"""What the tests of checkpoints share: a store under `VirtualIo`, and what its checkpoints hold."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import trio

import tempest
from io_backends import Io, VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointPhase, CheckpointStyle, Options, Store
from tests.tempest.shelf import SMALL, STORE, content_of, fill, key_of, open_on

FULL, INDEX, LOG, INCREMENTAL = CheckpointKind
FOLD_OVER, SNAPSHOT = CheckpointStyle
INLINE = attrs.evolve(SMALL, compaction_inline=True)
POINTS = (
    (FULL, FOLD_OVER),
    (FULL, SNAPSHOT),
    (LOG, FOLD_OVER),
    (INCREMENTAL, FOLD_OVER),
    (INCREMENTAL, SNAPSHOT),
)
PHASES = tuple(phase for phase in CheckpointPhase if phase is not CheckpointPhase.REST)
Content = dict[bytes, bytes]


async def content_at(
    disk: VirtualDisk | Io, token: bytes, options: Options = INLINE
) -> Content:
    """Everything in the store as it was at a checkpoint, by a scan and by gets."""
    io = VirtualIo(disk) if isinstance(disk, VirtualDisk) else disk
    async with tempest.open_store(
        STORE, io=io, options=options, read_only=True, checkpoint=token
    ) as store:
        content = await content_of(store)
        for key, value in content.items():
            assert await store.get(key) == value
        return content


async def churn(store: Store, start: int, size: int = 40) -> None:
    """Overwrite, delete, flush and compact, so that files of before are needed no more."""
    await fill(store, 60, size, start)
    for number in range(start, start + 60, 7):
        await store.delete(key_of(number))
    await store.flush()
    await fill(store, 30, size, start)
    await store.compact()


@asynccontextmanager
async def with_base(
    disk: VirtualDisk | Io, options: Options = INLINE
) -> AsyncIterator[Store]:
    """A store with something in tables and in memory, and a FULL checkpoint to build upon."""
    async with open_on(disk, options) as store:
        await fill(store, 50)
        await store.flush()
        await fill(store, 20, start=40)
        await store.checkpoint(FULL)
        await fill(store, 20, start=100)
        yield store


async def at_phase(
    store: Store,
    phase: CheckpointPhase,
    action: Callable[[], None],
    kind: CheckpointKind = FULL,
    style: CheckpointStyle = FOLD_OVER,
) -> bytes:
    """Take a checkpoint and do something when it reaches a phase."""
    return await store.checkpoint(
        kind, style, on_phase=lambda now: action() if now is phase else None
    )


async def all_at_once(*calls: Callable[[], Awaitable[bytes]]) -> list[object]:
    """What calls that run side by side return or raise, in their order."""
    results: list[object] = [None] * len(calls)

    async def one(place: int, call: Callable[[], Awaitable[bytes]]) -> None:
        try:
            results[place] = await call()
        except tempest.TempestError as error:
            results[place] = error

    async with trio.open_nursery() as nursery:
        for place, call in enumerate(calls):
            nursery.start_soon(one, place, call)
    return results


def files_on(disk: VirtualDisk) -> set[str]:
    """The names in the store's folder."""
    return {path.rpartition("/")[2] for path in disk.files()}

"""What an engine has to offer to be measured.

Opening an engine gives a face: a record of callables, native ones wherever they fit as they are,
so that the engine is measured and not its adapter. Synchronous engines are measured in a plain
loop (and with threads where many write at once), trio engines under `trio.run` (and with tasks).

Durability, the same for everybody:

* without a sync, a write that was acknowledged has been handed to the operating system: it
  survives the process being killed, not a power cut (Tempest's level OS);
* with a sync, it was made durable before the call returned (Tempest's level DISK).

What an engine does in either case is said by its `Traits`. Level MEMORY, which promises less, is
compared with the peers without a sync, since no peer has such a level.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import Protocol, runtime_checkable

import attrs

Row = tuple[bytes, bytes]
Change = Callable[[bytes | None], bytes]
SCAN_ROWS = 5000


class UnsupportedError(Exception):
    """The engine has no such operation: the run is reported as left out, never as a zero."""


@attrs.frozen(kw_only=True)
class Traits:
    """What a reader of the table must know about an engine.

    Attributes:
        kind: what it is.
        without_sync: what a write without a sync has survived, in the engine's words.
        with_sync: what a write with one has survived; None: it has no such mode.
        settings: what differs from its defaults.
        one_writer: threads share one connection behind a lock.
        operations_max: measure so many operations at most; it is slow.
        budget_bytes: memtables and caches as configured, where memory is judged.
        durable: it has files at all.
    """

    kind: str
    without_sync: str
    with_sync: str | None = None
    settings: str = "defaults"
    one_writer: bool = False
    operations_max: int | None = None
    budget_bytes: int | None = None
    durable: bool = True


@attrs.frozen(kw_only=True)
class Face:
    """An open synchronous engine."""

    put: Callable[[bytes, bytes], object]
    get: Callable[[bytes], bytes | None]
    delete: Callable[[bytes], object]
    write: Callable[[Sequence[Row]], object]
    get_many: Callable[[Sequence[bytes]], Sequence[bytes | None]]
    scan: Callable[[bool], Iterator[Sequence[Row]]]
    seek: Callable[[bytes, int], Sequence[Row]]
    update: Callable[[bytes, Change], object]
    settle: Callable[[], object]
    close: Callable[[], object]


@attrs.frozen(kw_only=True)
class AsyncFace:
    """An open trio engine."""

    put: Callable[[bytes, bytes], Awaitable[object]]
    get: Callable[[bytes], Awaitable[bytes | None]]
    delete: Callable[[bytes], Awaitable[object]]
    write: Callable[[Sequence[Row]], Awaitable[object]]
    get_many: Callable[[Sequence[bytes]], Awaitable[Sequence[bytes | None]]]
    scan: Callable[[bool], AsyncIterator[Sequence[Row]]]
    seek: Callable[[bytes, int], Awaitable[Sequence[Row]]]
    update: Callable[[bytes, Change], Awaitable[object]]
    settle: Callable[[], Awaitable[object]]
    put_nowait: Callable[[bytes, bytes], object] | None = None
    get_nowait: Callable[[bytes], bytes | None] | None = None


class Engine(Protocol):
    """A synchronous engine."""

    @property
    def traits(self) -> Traits: ...

    def open(self, path: str, *, sync: bool) -> Face: ...


@runtime_checkable
class TrioEngine(Protocol):
    """An engine for trio programs."""

    @property
    def traits(self) -> Traits: ...

    def session(
        self, path: str, *, sync: bool
    ) -> AbstractAsyncContextManager[AsyncFace]: ...


AnyEngine = Engine | TrioEngine


def in_parts(rows: Iterator[Row], count: int = SCAN_ROWS) -> Iterator[list[Row]]:
    """Cut a cursor into lists, without a Python frame for each row."""
    while part := list(islice(rows, count)):
        yield part


def updater(
    get: Callable[[bytes], bytes | None], put: Callable[[bytes, bytes], object]
) -> Callable[[bytes, Change], object]:
    """Read, change and write back, for engines without a transaction of their own."""

    def update(key: bytes, change: Change) -> object:
        return put(key, change(get(key)))

    return update


def one_by_one(
    get: Callable[[bytes], bytes | None],
) -> Callable[[Sequence[bytes]], Sequence[bytes | None]]:
    """Many gets for engines without a call for them."""

    def get_many(keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return list(map(get, keys))

    return get_many

"""What tests of the public face share: a store on a virtual disk, and what is in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs

import tempest
from io_backends import Io, VirtualDisk, VirtualIo
from tempest import Durability, OpenStore, Options, Store
from tempest.view import View

STORE = "store"
SMALL = Options(
    memtable_bytes_max=4096,
    table_bytes_max=2048,
    block_bytes=256,
    level0_tables_max=2,
    level_bytes_base=4096,
    level_growth=2,
    segment_bytes_max=4096,
    resume_seconds_max=5.0,
    close_seconds_max=20.0,
)


def open_on(
    disk: VirtualDisk | Io,
    options: Options = SMALL,
    *,
    create: bool = True,
    read_only: bool = False,
) -> OpenStore:
    """Open the store on a disk, through a backend of its own unless one is given."""
    io = VirtualIo(disk) if isinstance(disk, VirtualDisk) else disk
    return tempest.open_store(
        STORE, io=io, options=options, create=create, read_only=read_only
    )


def evolve(**changes: object) -> Options:
    """`SMALL` with other values."""
    return changed(SMALL, changes)


def changed(options: Options, changes: dict[str, object]) -> Options:
    """Options with other values, by name."""
    values: dict[str, Any] = dict(changes)
    return attrs.evolve(options, **values)


async def fill(store: Store, count: int, size: int = 40, start: int = 0) -> None:
    """Put `count` rows in one batch."""
    async with store.batch() as batch:
        for number in range(start, start + count):
            batch.put(key_of(number), value_of(number, size))


def key_of(number: int) -> bytes:
    return b"key-%05d" % number


def value_of(number: int, size: int = 40) -> bytes:
    return (b"%d." % number).ljust(size, b"v")


def rows_of(count: int, size: int = 40) -> list[tuple[bytes, bytes]]:
    """What `fill` has put, in order."""
    return [(key_of(number), value_of(number, size)) for number in range(count)]


async def content_of(view: View) -> dict[bytes, bytes]:
    """Everything in a store or snapshot, by a scan."""
    async with view.scan() as rows:
        return dict([row async for row in rows])


async def content_on(disk: VirtualDisk, options: Options = SMALL) -> dict[bytes, bytes]:
    """Everything in the store on a disk, as a reader sees it who writes nothing."""
    async with open_on(disk, options, read_only=True) as store:
        return await content_of(store)


@asynccontextmanager
async def layered(count: int = 300) -> AsyncIterator[Store]:
    """A store with rows in deep levels, in level 0 and in memory, newer ones above older."""
    async with open_on(VirtualDisk()) as store:
        await fill(store, count, size=10)
        await store.compact()
        for number in range(0, count, 3):
            await store.put(key_of(number), value_of(number), durability=Durability.OS)
        await store.flush()
        await fill(store, count)
        yield store

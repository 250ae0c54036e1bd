"""The stores that the parts are measured in: the entries of `make bench`, in a shape of choice."""

import os
from collections.abc import Sequence
from pathlib import Path

import tempest
from benchmarks.peers.data import Data
from tempest import Durability, Options, Store

MIB = 1 << 20
BATCH_ROWS = 1000
ONE_TABLE = Options(durability=Durability.OS, table_bytes_max=1024 * MIB)

Row = tuple[bytes, bytes]


def rows_of(data: Data, indices: Sequence[int], version: int = 0) -> list[Row]:
    """Return these entries as they were written in that round."""
    return [(data.key(index), data.value(index, version)) for index in indices]


async def put_all(store: Store, rows: Sequence[Row]) -> None:
    """Write rows in batches."""
    for start in range(0, len(rows), BATCH_ROWS):
        async with store.batch() as batch:
            batch.put_many(rows[start : start + BATCH_ROWS])


async def make_one_table(folder: Path, data: Data) -> None:
    """Every entry in one table, and nothing else."""
    async with tempest.open_store(folder, options=ONE_TABLE) as store:
        await put_all(store, rows_of(data, data.permutation(1)))
        await store.flush()
        await store.compact()


async def spread(store: Store, data: Data, tables: int) -> None:
    """Put the entries at random into so many tables of level 0, and as many into memory."""
    order = data.permutation(2)
    share = -(-data.count // (tables + 1))
    for start in range(0, data.count, share):
        if start:
            await store.flush()
        await put_all(store, rows_of(data, order[start : start + share]))


def drop_page_cache(folder: Path) -> None:
    """Let the system forget what it holds of the tables, so that the device is read.

    Where it cannot be asked, as on macOS, what is measured is its cache once more.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.glob("table-*"):
        number = os.open(path, os.O_RDONLY)
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(number)

"""For the tests of options: which of them have an effect that a test observes, and the stores to
observe it on.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import trio

from io_backends import VirtualDisk
from tempest import Options, Statistics, Store
from tests.tempest.shelf import changed, content_of, fill, open_on, rows_of

FIELDS = {field.name: field for field in attrs.fields(Options)}
ROOMY = Options()
Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])
observed: set[str] = set()


def observes(option: str) -> Callable[[Test], Test]:
    """Say which option's effect a test observes."""
    assert option in FIELDS
    observed.add(option)
    return lambda test: test


def roomy(**changes: object) -> Options:
    """The defaults with other values."""
    return changed(ROOMY, changes)


def tables(statistics: Statistics) -> int:
    return sum(level.tables for level in statistics.levels)


async def shape_after(options: Options, rows: int = 400) -> Statistics:
    """What a store looks like after these rows were written and have settled."""
    async with open_on(VirtualDisk(), options) as store:
        for start in range(0, rows, 50):
            await fill(store, 50, start=start)
            await settle(store)
        return store.statistics()


async def settle(store: Store) -> None:
    """Wait until no background task has anything left to do."""
    await store.sync()
    await trio.testing.wait_all_tasks_blocked()


async def compacted(options: Options, rows: int = 400) -> Statistics:
    """What a store looks like after these rows were written and compacted."""
    async with open_on(VirtualDisk(), options) as store:
        await fill_and_merge(store, rows)
        assert await content_of(store) == dict(rows_of(rows))
        return store.statistics()


async def fill_and_merge(store: Store, rows: int) -> None:
    """Put these rows twice, so that compaction has to write tables of its own."""
    await fill(store, rows, size=1)
    await store.flush()
    await fill(store, rows)
    await store.compact()

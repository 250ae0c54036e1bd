"""Cancellation at every checkpoint of an operation leaves the store usable and its content whole.

Each case is run again and again on copies of one disk, cancelled at its first wait, its second,
and so on, until it ends before it is cancelled. A write that was cancelled is there whole or not
at all, and one that returned is there.
"""

from collections.abc import Awaitable, Callable, Mapping

import attrs
import pytest
import trio

from io_backends import VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import Durability, Options, Store
from tempest.view import View
from tests.tempest.interrupting import Interruption
from tests.tempest.shelf import SMALL, content_of, evolve, fill, key_of, open_on

Content = dict[bytes, bytes]
Operation = Callable[[Store], Awaitable[object]]
STEPS_MAX = 2000


def prepared(options: Options = SMALL, rows: int = 60) -> tuple[VirtualDisk, Content]:
    """A disk with a closed store that has tables on two levels and something to replay."""
    disk = VirtualDisk()

    async def main() -> Content:
        async with open_on(disk, options) as store:
            await fill(store, rows)
            await store.compact()
            await fill(store, rows // 2)
            await store.flush()
            await store.put(b"logged", b"v")
            return await content_of(store)

    return disk, run_seeded(0, main)


def cold(disk: VirtualDisk) -> VirtualIo:
    """A backend that finds nothing in the page cache: every read waits."""
    return VirtualIo(disk, cached=lambda *_: False)


async def check_whole(view: View, expected: Content) -> None:
    assert await content_of(view) == expected
    for key in list(expected)[:5]:
        assert await view.get(key) == expected[key]


async def check_usable(store: Store, expected: Content) -> None:
    """Everything that a store can do still works."""
    await check_whole(store, expected)
    await store.put(b"~after", b"1")
    async with store.batch(durability=Durability.OS) as batch:
        batch.put(b"~batch", b"2")
        batch.delete(b"~after")
    assert await store.update(b"~batch", lambda old: (old or b"") + b"3") == b"23"
    await store.sync()
    await store.flush()
    await store.delete(b"~batch")
    await check_whole(store, expected)
    assert store.statistics().snapshots == 0


def check_clean(disk: VirtualDisk) -> None:
    """Nothing is left of a store that was closed."""
    assert disk.open_paths() == disk.locked_paths() == []


def applied(content: Content, changes: Mapping[bytes, bytes | None]) -> Content:
    """The content after a write."""
    changed = {**content, **changes}
    return {key: value for key, value in changed.items() if value is not None}


@attrs.frozen
class Case:
    """An operation, what it changes, and how much may have been done of it."""

    operation: Operation
    changes: Mapping[bytes, bytes | None] = attrs.field(factory=dict)
    options: Options = SMALL


def putting(level: Durability) -> Case:
    async def put(store: Store) -> None:
        await store.put(b"new", b"v", durability=level)

    return Case(put, {b"new": b"v"})


def batching(level: Durability, count: int) -> Case:
    changes = {b"new-%04d" % number: b"v" for number in range(count)}

    async def batch(store: Store) -> None:
        async with store.batch(durability=level) as batch:
            batch.delete(key_of(3))
            for key, value in changes.items():
                batch.put(key, value)

    return Case(batch, {key_of(3): None, **changes}, evolve(batch_bytes_max=1 << 20))


async def delete(store: Store) -> None:
    await store.delete(key_of(3))


async def update(store: Store) -> None:
    await store.update(key_of(3), lambda _: b"v")


async def put_under_pressure(store: Store) -> None:
    await fill(store, 200, start=0, size=40)


async def scan(store: Store) -> None:
    async with store.scan() as rows:
        assert len([row async for row in rows]) > 10


async def scan_backwards_in_chunks(store: Store) -> None:
    async with store.scan(reverse=True) as rows:
        assert len([chunk async for chunk in rows.chunks(7)]) > 3


async def read_snapshot(store: Store) -> None:
    async with store.snapshot() as view:
        await view.get(key_of(50))
        assert len(await view.get_many([key_of(1), b"x", key_of(40)])) == 3


CASES = {
    **{f"put {level.value}": putting(level) for level in Durability},
    **{f"batch {level.value}": batching(level, 5) for level in Durability},
    "batch in many steps": batching(Durability.DISK, 1500),
    "delete": Case(delete, {key_of(3): None}),
    "update": Case(update, {key_of(3): b"v"}),
    "scan": Case(scan),
    "scan backwards in chunks": Case(scan_backwards_in_chunks),
    "snapshot": Case(read_snapshot),
    "sync": Case(lambda store: store.sync()),
    "flush": Case(lambda store: store.flush()),
    "compact": Case(lambda store: store.compact()),
    "wait_writable": Case(lambda store: store.wait_writable()),
}


def at_every_step(run: Callable[[int], bool]) -> int:
    """Call `run(0)`, `run(1)`, ... until it says that it was not interrupted; return how many."""
    for at in range(STEPS_MAX):
        if not run(at):
            return at
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_cancelled_anywhere_an_operation_leaves_the_store_usable(case: Case) -> None:
    original, before = prepared()
    after = applied(before, case.changes)

    def run(at: int) -> bool:
        disk = original.clone()
        interruption = Interruption(at)
        outcomes: list[Content] = []

        async def main() -> None:
            async with open_on(cold(disk), case.options) as store:
                is_finished = await interruption.run(lambda: case.operation(store))
                if is_finished:
                    assert await content_of(store) == after
                await store.sync()
                now = await content_of(store)
                assert now in (before, after), f"half a write, cancelled at {at}"
                await check_usable(store, now)
                outcomes.append(now)
            check_clean(disk)
            async with open_on(disk, case.options) as store:
                await check_usable(store, outcomes[0])

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) > 0


@pytest.mark.parametrize("level", [Durability.MEMORY, Durability.DISK])
@pytest.mark.parametrize("is_new", [True, False])
def test_cancelled_anywhere_a_session_can_be_opened_again(
    is_new: bool, level: Durability
) -> None:
    """The scope is around the whole block: opening, one put, and closing are all interrupted."""
    original, before = (VirtualDisk(), Content()) if is_new else prepared()

    def run(at: int) -> bool:
        disk = original.clone()
        interruption = Interruption(at)
        acknowledged: list[bytes] = []

        async def session() -> None:
            async with open_on(cold(disk)) as store:
                await store.put(b"new", b"v", durability=level)
                acknowledged.append(b"new")

        async def main() -> None:
            await interruption.run(session)
            check_clean(disk)
            dark = disk.crash_keeping(())
            for kept in (disk, dark):
                async with open_on(kept) as store:
                    now = await content_of(store)
                    assert now in (before, applied(before, {b"new": b"v"}))
                    assert not acknowledged or b"new" in now
                    await check_usable(store, now)
                check_clean(kept)

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) > 20


def test_cancelled_anywhere_opening_to_read_can_be_repeated() -> None:
    original, before = prepared()

    def run(at: int) -> bool:
        disk = original.clone()
        interruption = Interruption(at)

        async def session() -> None:
            async with open_on(cold(disk), read_only=True) as store:
                await store.get(key_of(3))

        async def main() -> None:
            await interruption.run(session)
            check_clean(disk)
            assert disk.contents() == original.contents(), "a reader writes nothing"
            async with open_on(disk, read_only=True) as store:
                await check_whole(store, before)

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) > 10


def test_cancelled_anywhere_aclose_still_closes() -> None:
    """Closing is called by the user, inside a scope that is cancelled while it runs."""
    original, before = prepared()
    expected = applied(before, {b"new": b"v"})

    def run(at: int) -> bool:
        disk = original.clone()
        interruption = Interruption(at)

        async def main() -> None:
            async with open_on(cold(disk)) as store:
                await store.put(b"new", b"v", durability=Durability.MEMORY)
                await interruption.run(store.aclose)
                await store.aclose()
            check_clean(disk)
            async with open_on(disk.crash_keeping(())) as store:
                assert store.statistics().recovery.clean
                await check_usable(store, expected)

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) > 3


def test_cancelled_anywhere_a_writer_that_waits_its_turn_changes_nothing() -> None:
    """Two writers are cancelled one after the other while flushes are behind."""
    original, before = prepared()

    def run(at: int) -> bool:
        disk = original.clone()
        interruption = Interruption(at)

        async def main() -> None:
            async with open_on(disk) as store, trio.open_nursery() as nursery:
                nursery.start_soon(put_under_pressure, store)
                await trio.lowlevel.checkpoint()
                await interruption.run(lambda: store.put(b"new", b"v" * 3000))
            check_clean(disk)
            async with open_on(disk) as store:
                now = await content_of(store)
                assert now.pop(b"new", b"v" * 3000) == b"v" * 3000
                assert set(now) == {*before, *map(key_of, range(200))}

        run_seeded(at, main)
        return interruption.is_delivered

    assert at_every_step(run) > 0

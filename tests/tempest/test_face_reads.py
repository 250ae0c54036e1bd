"""What reads promise: order, bounds, one moment for each call, and snapshots that stand still."""

from itertools import pairwise

import pytest
import trio
from hypothesis import given, settings, strategies as st

import tempest
from io_backends import READS, FailOp, FaultPlan, FaultyIo, VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import Durability, HealthState, Options, Store
from tempest.view import View
from tests.tempest.shelf import (
    content_of,
    evolve,
    fill,
    key_of,
    layered,
    open_on,
    rows_of,
    value_of,
)


async def test_get_many_answers_in_order_with_none_for_missing() -> None:
    async with layered() as store:
        wanted = [key_of(7), b"missing", key_of(3), key_of(7), b""]
        assert await store.get_many(wanted) == [
            value_of(7),
            None,
            value_of(3),
            value_of(7),
            None,
        ]
        assert await store.get_many([]) == []
        assert await store.get_many(iter(wanted[:1])) == [value_of(7)]
        assert await store.get_many(map(key_of, range(300))) == [
            value for _, value in rows_of(300)
        ]


async def test_get_many_reads_at_one_moment() -> None:
    async with layered() as store:
        answers: list[list[bytes | None]] = []

        async def ask() -> None:
            answers.append(await store.get_many(map(key_of, range(300))))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            for _ in range(20):
                async with store.batch(durability=Durability.OS) as batch:
                    for number in range(300):
                        batch.put(key_of(number), b"newer")
        assert answers in ([[value for _, value in rows_of(300)]], [[b"newer"] * 300])


async def test_a_scan_gives_rows_one_by_one_in_order() -> None:
    async with layered() as store, store.scan() as rows:
        found = [row async for row in rows]
        assert found == rows_of(300)
        assert [row async for row in rows] == [], "at the end it stays"


async def test_a_reverse_scan_gives_the_same_rows_from_the_end() -> None:
    async with layered() as store, store.scan(reverse=True) as rows:
        assert [row async for row in rows] == rows_of(300)[::-1]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", [1, 7, 256, 300, 1000])
async def test_chunks_are_lists_of_the_size_that_was_asked(
    size: int, reverse: bool
) -> None:
    async with layered() as store, store.scan(reverse=reverse) as rows:
        chunks = [chunk async for chunk in rows.chunks(size)]

    expected = rows_of(300)[::-1] if reverse else rows_of(300)
    assert [row for chunk in chunks for row in chunk] == expected
    assert {len(chunk) for chunk in chunks[:-1]} <= {size}
    assert 0 < len(chunks[-1]) <= size


async def test_rows_and_chunks_may_be_mixed() -> None:
    async with layered() as store, store.scan() as rows:
        first = [await anext(rows), await anext(rows)]
        chunk = await anext(rows.chunks(5))
        rest = [row async for row in rows]
    assert first + chunk + rest == rows_of(300)


async def test_keys_only_gives_keys() -> None:
    async with layered() as store, store.scan(keys_only=True, limit=2) as rows:
        assert [key async for key in rows] == [key_of(0), key_of(1)]


KEYS = [b"", b"\x00", b"a", b"a\x00", b"ab", b"b", b"\xfe", b"\xff", b"\xff\xff"]
bounds = st.none() | st.sampled_from(KEYS) | st.binary(max_size=2)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    prefix=bounds,
    start=bounds,
    stop=bounds,
    reverse=st.booleans(),
    limit=st.none() | st.integers(0, 10),
    deep=st.sets(st.sampled_from(KEYS)),
)
def test_start_is_inclusive_and_stop_exclusive_also_in_reverse(
    prefix: bytes | None,
    start: bytes | None,
    stop: bytes | None,
    reverse: bool,
    limit: int | None,
    deep: set[bytes],
) -> None:
    expected = [
        (key, key + b"!")
        for key in sorted(KEYS, reverse=reverse)
        if key.startswith(prefix or b"")
        and key >= (start or b"")
        and (stop is None or key < stop)
    ][:limit]

    async def main() -> None:
        async with open_on(VirtualDisk(), evolve(durability=Durability.OS)) as store:
            for key in sorted(deep):
                await store.put(key, key + b"!")
            await store.flush()
            for key in KEYS:
                await store.put(key, key + b"!")
            async with store.scan(
                prefix=prefix, start=start, stop=stop, reverse=reverse, limit=limit
            ) as rows:
                assert [row async for row in rows] == expected

    run_seeded(0, main)


async def test_a_scan_sees_the_moment_at_which_its_block_was_entered() -> None:
    async with layered() as store:
        scan = store.scan()
        await store.put(b"before", b"v")
        async with scan as rows:
            await store.put(b"after", b"v")
            await store.delete(key_of(5))
            await store.compact()
            found = dict([row async for row in rows])
        assert found == {**dict(rows_of(300)), b"before": b"v"}


async def test_a_snapshot_stands_still_over_flushes_and_compactions() -> None:
    async with layered() as store:
        async with store.snapshot() as view:
            expected = dict(rows_of(300))
            for number in range(300):
                if number % 2:
                    await store.delete(key_of(number), durability=Durability.OS)
                else:
                    await store.put(key_of(number), b"new", durability=Durability.OS)
                if number % 100 == 50:
                    await store.flush()
                if number % 100 == 99:
                    await store.compact()
                    await check_snapshot(view, expected)
            await check_snapshot(view, expected)
        await store.compact()
        expected = {key_of(number): b"new" for number in range(0, 300, 2)}
        assert await content_of(store) == expected
        assert store.statistics().snapshots == 0


async def check_snapshot(view: View, expected: dict[bytes, bytes]) -> None:
    assert await content_of(view) == expected
    assert await view.get(key_of(7)) == expected[key_of(7)]
    assert await view.get_many([key_of(8), b"x"]) == [expected[key_of(8)], None]


async def test_snapshots_hold_different_moments_side_by_side() -> None:
    async with open_on(VirtualDisk()) as store:
        await store.put(b"k", b"1")
        async with store.snapshot() as one:
            await store.put(b"k", b"2")
            async with store.snapshot() as two:
                await store.delete(b"k")
                await store.compact()
                assert await one.get(b"k") == b"1"
                assert await two.get(b"k") == b"2"
                assert await store.get(b"k") is None
            await store.compact()
            assert one.get_nowait(b"k") == b"1"


async def test_what_was_overwritten_goes_from_disk_once_no_snapshot_sees_it() -> None:
    async with open_on(VirtualDisk()) as store:
        await fill(store, 50, size=100)
        async with store.snapshot():
            await fill(store, 50, size=10)
            await store.compact()
            held = store.statistics().levels
        await fill(store, 50, size=10)
        await store.compact()
        kept = store.statistics().levels
        assert sum(level.entries for level in held) == 100
        assert sum(level.entries for level in kept) == 50


# A device that fails.


@pytest.mark.parametrize("reverse", [False, True])
async def test_what_cannot_be_read_is_a_storage_error_and_never_a_missing_key(
    reverse: bool,
) -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await fill(store, 50)
        await store.flush()
    io = FaultyIo(VirtualIo(disk))
    async with open_on(io) as store:
        plan = FaultPlan((FailOp(kinds=READS, path="*table*", times=None),))
        io.plan, io.log = plan, plan.new_log()
        for read in (
            store.get(key_of(3)),
            store.get_many([b"missing", key_of(3)]),
            store.update(key_of(3), lambda old: old),
            content_of(store),
        ):
            with pytest.raises(tempest.StorageError, match="errno 5"):
                await read
        async with store.snapshot() as view, view.scan(reverse=reverse) as rows:
            with pytest.raises(tempest.StorageError, match="table"):
                await view.get(key_of(3))
            with pytest.raises(tempest.StorageError, match="table"):
                await anext(rows)
            io.plan, io.log = FaultPlan(), FaultPlan().new_log()
            assert await view.get(key_of(3)) == value_of(3)
        assert await content_of(store) == dict(rows_of(50))
        assert store.health().state is HealthState.HEALTHY


# Fairness.


async def rows_between_turns(store: Store) -> int:
    """Scan everything; return how many rows came between two turns of another task, at most."""
    turns: list[int] = []
    rows_read = 0
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while True:
                turns.append(rows_read)
                await trio.lowlevel.checkpoint()

        nursery.start_soon(watch)
        async with store.scan() as rows:
            async for _ in rows:
                rows_read += 1
        nursery.cancel_scope.cancel()
    return max(after - before for before, after in pairwise(turns))


async def test_a_scan_of_memory_gives_way_to_other_tasks() -> None:
    """A row costs no checkpoint, and still nobody is kept out for long."""
    async with open_on(VirtualDisk(), Options()) as store:
        await fill(store, 5000)
        # Two stretches of work at worst, by the order in which the tasks are run.
        assert await rows_between_turns(store) <= 4000


async def test_a_scan_of_large_values_gives_way_after_a_few() -> None:
    """It was found that sixteen of a megabyte each were unpacked between two turns, 26 to 73 ms."""
    options = Options(separated_value_bytes_min=(64 << 20) + 1)
    async with open_on(VirtualDisk(), options) as store:
        for number in range(60):
            await store.put(b"%02d" % number, bytes([number]) * (200 << 10))
        await store.flush()
        assert await rows_between_turns(store) <= 12


async def test_gets_from_memory_give_way_and_are_cancelled_at_once() -> None:
    async with open_on(VirtualDisk(), Options()) as store:
        await store.put(b"k", b"v")
        gets = 0
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                nursery.cancel_scope.cancel()

            nursery.start_soon(stop)
            while gets < 10_000:
                await store.get(b"k")
                gets += 1
        assert gets < 1000

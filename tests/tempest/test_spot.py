"""A write on the spot leaves what the general way leaves: in memory, in the file, in the log's marks."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from io_backends import VirtualDisk
from sim import run_seeded
from tempest import Durability, Options, Store
from tempest.batch import Batch
from tempest.columns import make_columns
from tempest.engine import Engine
from tempest.entry import Entry
from tempest.log.one_entry import LoneFrame
from tempest.spot import Spot, never
from tempest.throttle import BYTES_A_SECOND_MIN, SLEEP_SECONDS_MIN
from tests.tempest.shelf import changed, content_of, open_on

KEYS = st.sampled_from([b"", b"a", b"bb", b"c" * 300])
VALUES = st.binary(max_size=6) | st.sampled_from([b"v" * 255, b"w" * 256, b"x" * 900])
Operation = tuple[str, Any, Any, Any]

LEVELS = st.sampled_from([None, None, None, None, *Durability])
OPERATIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES, LEVELS),
    st.tuples(st.just("put_nowait"), KEYS, VALUES, LEVELS),
    st.tuples(st.just("delete"), KEYS, st.none(), LEVELS),
    st.tuples(st.just("update"), KEYS, st.none() | VALUES, LEVELS),
    st.tuples(
        st.just("batch"), st.dictionaries(KEYS, st.none() | VALUES), VALUES, LEVELS
    ),
    st.tuples(
        st.sampled_from(["sync", "flush", "hold", "let go"]), KEYS, VALUES, LEVELS
    ),
)


def slow_down(store: Store, kind: type[Spot]) -> None:
    """Leave nothing but the general way."""
    store._write_here = store._write_now = never
    store._spot = None
    writer = engine_of(store).writer
    writer.spot = kind(writer.committer, writer.positions, writer.throttle)


def engine_of(store: Store) -> Engine:
    assert store._engine is not None
    return store._engine


class PlainSpot(Spot):
    """Makes a batch of the parts that single writes are made of."""

    def put_all(self, batch: Batch) -> int | None:
        if not self.committer.can_flush_inline:
            return None
        first = self.visibility.last + 1
        last = self.visibility.last + len(batch)
        kinds = bytes([value is None for value in batch.entries.values()])
        values = [value or b"" for value in batch.entries.values()]
        sequences = range(first, last + 1)
        run = make_columns(list(batch.entries), values, sequences, kinds)
        if not self._hand_over([run], first, last):
            return None
        for sequence, (key, value) in enumerate(batch.entries.items(), first):
            self.memtables.active.put(
                key,
                Entry(sequence, value),
                self.visibility.visible,
                self.positions.taken,
            )
        return last


class GatheringSpot(Spot):
    """Leaves every batch to the open frame and the committer."""

    def put_all(self, batch: Batch) -> int | None:
        return None


class PlainDisk(Spot):
    """Makes a write at DISK level of the parts that it stands for."""

    def put_disk(self, key: bytes, value: bytes | None) -> int | None:
        visibility, log = self.visibility, self.log
        sequence = visibility.last + 1
        is_sealed = not visibility.blockers and self._begin(key, value, sequence)
        visibility.last = sequence
        visibility.block(sequence, sequence, synced=True)
        entry, taken = Entry(sequence, value), self.positions.taken
        kept = self.memtables.active.put(key, entry, visibility.visible, taken)
        if not is_sealed:
            log.open.put(key, entry, kept)
        return sequence


def state_of(store: Store) -> dict[str, object]:
    """Return all that a write may change."""
    committer = engine_of(store).committer
    log, visibility, active = (
        committer.log,
        committer.visibility,
        committer.memtables.active,
    )
    return {
        "visibility": (visibility.last, visibility.visible, visibility.flushed),
        "blocked": len(visibility.blockers),
        "log": (log.tail, log.flushed, log.data_end, log.flushed_sequence),
        "written": log.bytes_written,
        "retained": [
            frame.sealed() if isinstance(frame, LoneFrame) else frame
            for frame in log.retained
        ],
        "open": (list(log.open.newest.items()), log.open.bytes, len(log.open)),
        "gathered last": log.open.last_sequence if log.open else None,
        "order": list(active.newest),
        "memtable": (active.newest, active._older, active.bytes, active.last_sequence),
        "largest": active.largest_value_bytes,
        "health": store.health().state,
    }


async def apply(  # noqa: C901 - one branch for each operation
    store: Store, operation: Operation, held: AsyncExitStack
) -> object:
    """Do one thing; return what it answers."""
    name, key, value, level = operation
    if name in {"put", "delete"}:
        arguments = (key,) if value is None else (key, value)
        await getattr(store, name)(*arguments, durability=level)
    elif name == "put_nowait":
        try:
            store.put_nowait(key, value, durability=level)
        except trio.WouldBlock:
            await store.put(key, value, durability=level)
            return "would block"
    elif name == "update":
        return await store.update(key, changed_by(value), durability=level)
    elif name == "batch":
        async with store.batch(durability=level) as batch:
            for each, new in key.items():
                batch.delete(each) if new is None else batch.put(each, new)
    elif name in {"sync", "flush"}:
        await getattr(store, name)()
    elif name == "hold":
        await held.enter_async_context(store.snapshot())
    else:
        await held.aclose()
    return None


def changed_by(value: bytes | None) -> Callable[[bytes | None], bytes | None]:
    return lambda old: None if value is None else (old or b"")[:9] + value


async def run_all(
    operations: list[Operation],
    options: Options,
    state: Callable[[Store], object],
    kind: type[Spot] | None,
) -> list[object]:
    """Do everything; return every answer, every state and every byte on the disk."""
    disk, seen = VirtualDisk(), list[object]()
    async with open_on(disk, options) as store:
        if kind is not None:
            slow_down(store, kind)
        async with AsyncExitStack() as held:
            for operation in operations:
                answer = await apply(store, operation, held)
                await trio.testing.wait_all_tasks_blocked()
                seen += (answer, state(store), disk.contents())
        seen.append(await content_of(store))
    return [*seen, disk.contents()]


CASES = given(
    st.lists(OPERATIONS, max_size=30),
    st.builds(
        changed,
        st.sampled_from([Options(durability=level) for level in Durability]),
        st.sampled_from([{}, {"segment_bytes_max": 2048}, {"unsynced_bytes_max": 700}]),
    ),
)


@settings(deadline=None)
@CASES
def test_a_write_on_the_spot_leaves_what_the_general_way_leaves(
    operations: list[Operation], options: Options
) -> None:
    fast, plain = (
        run_seeded(0, partial(run_all, operations, options, state_of, kind))
        for kind in (None, PlainSpot)
    )
    assert fast == plain


@settings(deadline=None)
@CASES
def test_a_batch_on_the_spot_is_the_one_that_the_committer_writes(
    operations: list[Operation], options: Options
) -> None:
    def seen(store: Store) -> object:
        return engine_of(store).committer.memtables.active.newest.copy()

    fast, plain = (
        run_seeded(0, partial(run_all, operations, options, seen, kind))
        for kind in (None, GatheringSpot)
    )
    assert fast == plain


async def put_groups(
    groups: list[list[tuple[bytes, bytes | None]]], options: Options, kind: type[Spot]
) -> list[object]:
    """Put each group in one step, and wait for it; a group of none holds a snapshot from here on."""
    disk, seen = VirtualDisk(), list[object]()
    async with open_on(disk, options) as store, AsyncExitStack() as held:
        writer = engine_of(store).writer
        spot = kind(writer.committer, writer.positions, writer.throttle)

        async def wait(sequence: int | None) -> None:
            assert sequence is not None
            await spot.wait(sequence)

        for group in groups:
            if not group:
                await held.enter_async_context(store.snapshot())
                continue
            sequences = [spot.put_disk(key, value) for key, value in group]
            seen.append(state_of(store))
            async with trio.open_nursery() as nursery:
                for sequence in sequences:
                    nursery.start_soon(wait, sequence)
            await trio.testing.wait_all_tasks_blocked()
            seen += (state_of(store), disk.contents())
        seen.append(await content_of(store))
    return [*seen, disk.contents()]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.tuples(KEYS, st.none() | VALUES), max_size=5), max_size=12),
    st.sampled_from([{}, {"segment_bytes_max": 2048}]),
)
def test_a_group_at_disk_level_leaves_what_its_parts_leave(
    groups: list[list[tuple[bytes, bytes | None]]], changes: dict[str, object]
) -> None:
    options = changed(Options(durability=Durability.DISK), changes)
    fast, plain = (
        run_seeded(0, partial(put_groups, groups, options, kind))
        for kind in (Spot, PlainDisk)
    )
    assert fast == plain


async def test_nearly_every_write_is_made_on_the_spot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for level in (Durability.OS, Durability.MEMORY):
        async with open_on(VirtualDisk(), Options(durability=level)) as store:
            monkeypatch.setattr(store, "_write", None)
            for number in range(300):
                await store.put(b"%d" % number, b"v")
                await store.delete(b"%d" % number)
                store.put_nowait(b"%d" % number, b"w")
                assert await store.update(b"%d" % number, lambda _: b"x") == b"x"
            monkeypatch.undo()
            assert len(await content_of(store)) == 300


async def test_an_update_of_what_is_in_a_table_or_nowhere_is_made_on_the_spot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for level in (Durability.OS, Durability.MEMORY):
        async with open_on(VirtualDisk(), Options(durability=level)) as store:
            await store.put(b"a", b"1")
            await store.put(b"gone", b"1")
            await store.flush()
            await store.delete(b"gone")
            await store.get(b"a")
            monkeypatch.setattr(store, "_update", None)
            assert await store.update(b"a", changed_by(b"2")) == b"12"
            assert await store.update(b"b", changed_by(b"2")) == b"2"
            assert await store.update(b"gone", changed_by(b"2")) == b"2"
            assert await store.update(b"c", lambda old: old) is None
            monkeypatch.undo()
            assert await content_of(store) == {b"a": b"12", b"b": b"2", b"gone": b"2"}


async def test_writes_that_are_slowed_are_made_on_the_spot_but_for_those_that_pay(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(durability=Durability.MEMORY, memtable_bytes_max=1 << 20)
    async with open_on(VirtualDisk(), options) as store:
        throttle = engine_of(store).throttle
        monkeypatch.setattr(type(throttle), "pressure", 0.9)
        slow, started = 0, trio.current_time()
        general = store._write

        async def counted(*arguments: Any) -> None:  # noqa: ANN401 - handed on
            nonlocal slow
            slow += 1
            await general(*arguments)

        monkeypatch.setattr(store, "_write", counted)
        for number in range(2000):
            await store.put(b"%08d" % number, b"v" * 92)
        owed = (0.7**2) * 200_000 / BYTES_A_SECOND_MIN
        waited = trio.current_time() - started
        assert owed * 0.8 <= waited <= owed * 1.1
        assert 0 < slow <= waited / SLEEP_SECONDS_MIN + 2

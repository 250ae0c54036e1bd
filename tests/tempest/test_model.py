"""A store against a dict, driven by Hypothesis through everything that the face offers.

The options are tiny, so that flush, compaction, new segments and new manifests happen all the
time; closing and opening again, also after a kill, are steps like any other. Snapshots are copies
of the dict.
"""

from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

import attrs
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from io_backends import VirtualDisk, VirtualIo
from tempest import Durability, OpenStore, Options, Snapshot, Store
from tempest.view import View
from tempest.writer import STEP_ENTRIES
from tests.stepper import Stepper
from tests.tempest.crash.world import TINY
from tests.tempest.shelf import content_of, open_on

T = TypeVar("T")
Content = dict[bytes, bytes]
Row = tuple[bytes, bytes]

keys = st.binary(max_size=2) | st.sampled_from([b"key-%d" % n for n in range(20)])
values = st.binary(max_size=8) | st.integers(50, 700).map(lambda size: b"v" * size)
levels = st.sampled_from(Durability)
bounds = st.none() | keys


@attrs.define(eq=False)
class Held:
    """A snapshot of the store and the copy of the dict that it must equal."""

    snapshot: Snapshot
    content: Content
    life: int


def rows_between(
    content: Content, start: bytes | None, stop: bytes | None, prefix: bytes | None
) -> list[Row]:
    """What a scan of these bounds has to give."""
    return sorted(
        (key, value)
        for key, value in content.items()
        if key >= (start or b"")
        and (stop is None or key < stop)
        and key.startswith(prefix or b"")
    )


class StoreMachine(RuleBasedStateMachine):
    """Every step is taken by the store and by the model."""

    options: ClassVar[Options] = TINY
    snapshots: Bundle[Held] = Bundle("snapshots")

    def __init__(self) -> None:
        super().__init__()
        self.stepper = Stepper()
        self.disk = VirtualDisk()
        self.model: Content = {}
        self.opening: OpenStore | None = None
        self.life = 0

    @initialize(is_cold=st.booleans())
    def open(self, is_cold: bool) -> None:
        cached = (lambda *_: False) if is_cold else None
        self.opening = open_on(VirtualIo(self.disk, cached=cached), self.options)
        self.store: Store = self.stepper.call(self.opening.__aenter__)
        self.life += 1

    def teardown(self) -> None:
        try:
            if self.opening is not None:
                self.close()
                self.open(is_cold=False)
                assert self.call(lambda: content_of(self.store)) == self.model
                self.close()
        finally:
            self.stepper.close()

    def close(self) -> None:
        opening = self.opening
        assert opening is not None
        self.stepper.call(lambda: opening.__aexit__(None, None, None))
        self.opening = None
        assert self.disk.open_paths() == self.disk.locked_paths() == []

    def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        return self.stepper.call(operation)

    # Writes.

    @rule(key=keys, value=values, level=levels)
    def put(self, key: bytes, value: bytes, level: Durability) -> None:
        self.call(lambda: self.store.put(key, value, durability=level))
        self.model[key] = value

    @rule(key=keys, level=levels)
    def delete(self, key: bytes, level: Durability) -> None:
        self.call(lambda: self.store.delete(key, durability=level))
        self.model.pop(key, None)

    @rule(changes=st.dictionaries(keys, st.none() | values, max_size=12), level=levels)
    def batch(self, changes: dict[bytes, bytes | None], level: Durability) -> None:
        async def write() -> None:
            async with self.store.batch(durability=level) as batch:
                for key, value in changes.items():
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)

        self.call(write)
        self.model |= {k: v for k, v in changes.items() if v is not None}
        for key in (k for k, v in changes.items() if v is None):
            self.model.pop(key, None)

    @rule(value=values, level=levels)
    def large_batch(self, value: bytes, level: Durability) -> None:
        """So many entries that they enter in several steps."""
        changes = {b"%d" % number: value[:9] for number in range(STEP_ENTRIES + 1)}
        self.batch(dict(changes), level)

    @rule(level=levels)
    def delete_the_large_batch(self, level: Durability) -> None:
        self.batch({b"%d" % n: None for n in range(STEP_ENTRIES + 1)}, level)

    @rule(key=keys, value=st.none() | values, level=levels)
    def update(self, key: bytes, value: bytes | None, level: Durability) -> None:
        seen: list[bytes | None] = []

        def change(old: bytes | None) -> bytes | None:
            seen.append(old)
            return value

        new = self.call(lambda: self.store.update(key, change, durability=level))
        assert new == value
        assert seen == [self.model.get(key)]
        if value is None:
            self.model.pop(key, None)
        else:
            self.model[key] = value

    # Reads.

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        assert self.call(lambda: self.store.get(key)) == self.model.get(key)

    @rule(wanted=st.lists(keys, max_size=8))
    def get_many(self, wanted: list[bytes]) -> None:
        found = self.call(lambda: self.store.get_many(wanted))
        assert found == [self.model.get(key) for key in wanted]

    @rule(
        start=bounds,
        stop=bounds,
        prefix=bounds,
        reverse=st.booleans(),
        limit=st.none() | st.integers(0, 20),
    )
    def scan(
        self,
        start: bytes | None,
        stop: bytes | None,
        prefix: bytes | None,
        reverse: bool,
        limit: int | None,
    ) -> None:
        async def rows() -> list[Row]:
            async with self.store.scan(
                start=start, stop=stop, prefix=prefix, reverse=reverse, limit=limit
            ) as rows:
                return [row async for row in rows]

        expected = rows_between(self.model, start, stop, prefix)
        assert self.call(rows) == (expected[::-1] if reverse else expected)[:limit]

    @rule(target=snapshots)
    def take_snapshot(self) -> Held:
        snapshot = self.store.snapshot()
        self.call(snapshot.__aenter__)
        return Held(snapshot, dict(self.model), self.life)

    @rule(view=snapshots, reverse=st.booleans(), size=st.integers(1, 9))
    def read_snapshot(self, view: Held, reverse: bool, size: int) -> None:
        if view.life != self.life:
            return

        async def rows(view: View) -> list[Row]:
            async with view.scan(reverse=reverse) as rows:
                return [row async for chunk in rows.chunks(size) for row in chunk]

        expected = rows_between(view.content, None, None, None)
        found = self.call(lambda: rows(view.snapshot))
        assert found == (expected[::-1] if reverse else expected)
        wanted = [*view.content, *self.model][:10]
        assert self.call(lambda: view.snapshot.get_many(wanted)) == [
            view.content.get(key) for key in wanted
        ]

    @rule(view=consumes(snapshots))
    def release_snapshot(self, view: Held) -> None:
        self.call(view.snapshot.aclose)

    # Upkeep.

    @rule()
    def sync(self) -> None:
        self.call(self.store.sync)

    @rule()
    def flush(self) -> None:
        self.call(self.store.flush)

    @rule(start=bounds, stop=bounds)
    def compact(self, start: bytes | None, stop: bytes | None) -> None:
        self.call(lambda: self.store.compact(start, stop))

    @rule(is_cold=st.booleans())
    def reopen(self, is_cold: bool) -> None:
        self.close()
        self.open(is_cold)

    @rule(is_power_cut=st.booleans(), is_cold=st.booleans())
    def crash(self, is_power_cut: bool, is_cold: bool) -> None:
        """After a sync, neither a kill nor a power cut takes anything."""
        self.call(self.store.sync)
        disk = self.disk.crash_keeping(()) if is_power_cut else self.disk.clone()
        self.close()
        self.disk = disk
        self.open(is_cold)

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        if self.opening is None:
            return
        assert self.call(lambda: content_of(self.store)) == self.model
        statistics = self.store.statistics()
        assert statistics.failures == 0
        assert statistics.sequence_visible <= statistics.sequence_last


StoreMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, derandomize=True
)
TestStore = StoreMachine.TestCase

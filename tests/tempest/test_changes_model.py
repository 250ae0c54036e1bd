"""Whatever happens to a store, a consumer that resumes gets every durable version once, in log order.

Drawn steps: writes of all levels, flushes, failed syncs, closed, killed and dark machines. The
consumer remembers nothing but what it acknowledged.
"""

from functools import partial
from random import Random

import attrs
from hypothesis import given, settings, strategies as st

from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import (
    Change,
    Changes,
    Durability,
    OutcomeUnknownError,
    Position,
    Store,
)
from tests.tempest.shelf import content_of, evolve, open_on

OPTIONS = evolve(
    segment_bytes_max=1024,
    memtable_bytes_max=2048,
    separated_value_bytes_min=200,
    log_page_bytes=4096,
)
LEVELS = st.sampled_from(list(Durability))
KEYS = st.sampled_from([b"a", b"b", b"c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, LEVELS, st.sampled_from([10, 150, 400, 3000])),
        st.tuples(st.just("delete"), KEYS, LEVELS, st.just(0)),
        st.tuples(st.just("batch"), KEYS, LEVELS, st.integers(2, 5)),
        st.tuples(
            st.sampled_from(
                ["sync", "flush", "compact", "take", "take", "fail", "close"]
            ),
            *(st.none(), st.none(), st.none()),
        ),
        st.tuples(st.sampled_from(["kill", "cut"]), st.none(), st.none(), st.none()),
    ),
    max_size=30,
)


@attrs.define
class Follower:
    """The writes in log order, and what the consumer was given."""

    random: Random
    disk: VirtualDisk = attrs.field(factory=VirtualDisk)
    writes: list[tuple[bytes, bytes | None]] = attrs.field(factory=list)
    promised: dict[bytes, None] = attrs.field(factory=dict)  # values that must come
    pending: list[bytes] = attrs.field(factory=list)  # those that must, once synced
    given: list[Change] = attrs.field(factory=list)

    async def run(self, steps: list[tuple[str, bytes, Durability, int]]) -> None:
        left = list(steps)
        while True:
            io = FaultyIo(VirtualIo(self.disk))
            async with open_on(io, OPTIONS) as store:
                how = await self.live(store, io, left)
                if how == "kill":
                    self.disk = self.disk.clone()
                elif how == "cut":
                    self.disk = self.disk.crash(self.random)
                elif how == "end":
                    await store.sync()
                    self.keep()
                    await self.take(store)
                    self.check(await content_of(store))
                    return
            if how == "close":
                self.keep()
            self.pending.clear()

    async def live(
        self,
        store: Store,
        io: FaultyIo,
        left: list[tuple[str, bytes, Durability, int]],
    ) -> str:
        if not await store.consumers():
            async with store.changes(consumer="c"):
                pass
        while left:
            name, key, level, size = left.pop(0)
            if name in {"close", "kill", "cut"}:
                return name
            if name == "fail":
                io.plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,), times=1),))
                io.log = io.plan.new_log()
            elif name == "take":
                await self.take(store)
            elif name in {"sync", "flush", "compact"}:
                await getattr(store, name)()
                self.keep()
            else:
                await self.write(store, name, key, level, size)
        return "end"

    async def write(
        self, store: Store, name: str, key: bytes, level: Durability, size: int
    ) -> None:
        value = (b"%d." % len(self.writes)).ljust(max(size, 8), b"v")
        if name == "delete":
            self.writes.append((key, None))
            await store.delete(key, durability=level)
            return
        if name == "put":
            self.writes.append((key, value))
            await store.put(key, value, durability=level)
        else:
            async with store.batch(durability=level) as batch:
                for number in range(size):
                    row = (key + b"%d" % number, value + b"%d" % number)
                    self.writes.append(row)
                    batch.put(*row)
            value += b"0"
        if level is not Durability.MEMORY:
            self.pending.append(value)
        if level is Durability.DISK:
            self.keep()

    def keep(self) -> None:
        """What was written at OS level or above is durable now."""
        self.promised |= dict.fromkeys(self.pending)
        self.pending.clear()

    async def take(self, store: Store) -> None:
        async with store.changes(consumer="c") as stream:
            while (frame := await stream.poll()) is not None:
                self.given += frame.changes
                if self.random.random() < 0.3:
                    await acknowledge(stream, frame.position)
            assert stream.position == store.position
            await acknowledge(stream)
            assert (await store.consumers())["c"] == stream.position

    def check(self, content: dict[bytes, bytes]) -> None:
        sequences = [change.sequence for change in self.given]
        assert sequences == sorted(set(sequences)), "each once, in log order"
        place = -1
        state: dict[bytes, bytes] = {}
        for change in self.given:
            place = self.writes.index((change.key, change.value), place + 1)
            if change.value is None:
                state.pop(change.key, None)
            else:
                state[change.key] = change.value
        came = {change.value for change in self.given}
        assert [value for value in self.promised if value not in came] == []
        assert state == content


async def acknowledge(stream: Changes, position: Position | None = None) -> None:
    """Acknowledge; what the one failing sync left unknown is asked for again, and applied."""
    try:
        await stream.acknowledge(position)
    except OutcomeUnknownError:
        await stream.acknowledge(position)


@settings(max_examples=120, deadline=None)
@given(STEPS, st.integers(0, 1 << 16))
def test_a_consumer_gets_every_durable_version_once_in_log_order(
    steps: list[tuple[str, bytes, Durability, int]], seed: int
) -> None:
    run_seeded(seed, partial(Follower(Random(seed)).run, steps))

"""O15: serials against commit points, for drawn histories of sessions with crashes in them.

The model is the list of all writes in log order. After each restart the store must hold the
content and the serials after one prefix of it, which no commit point lies behind.
"""

from random import Random

import attrs
import pytest
import trio
from hypothesis import given, settings, strategies as st

import tempest
from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import Durability, Session, Store
from tests.tempest.shelf import content_of, evolve, open_on

NAMES = ("a", "b")
KINDS = ("put", "delete", "batch", "large", "empty", "update", "nowait")
UPKEEP = ("sync", "flush", "compact", "failed sync", "forget")
ENDS = ("close", "kill", "power")
OPTIONS = evolve(compaction_inline=True, batch_bytes_max=1 << 20)

WRITES = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, len(NAMES) - 1),
    st.sampled_from(list(Durability)),
    st.integers(1, 3),  # by how much its serial is above the last
)
STEPS = st.one_of(WRITES, WRITES, WRITES, st.sampled_from(UPKEEP))
LIVES = st.lists(
    st.tuples(st.lists(STEPS, max_size=12), st.sampled_from(ENDS), st.integers(0, 99)),
    min_size=1,
    max_size=4,
)
Step = tuple[str, int, Durability, int] | str
Content = dict[bytes, bytes]
Serials = dict[str, int]
Rows = dict[bytes, bytes | None]


@attrs.define
class Model:
    """Every state there was, the newest last; what was promised to survive what."""

    states: list[tuple[Content, Serials]] = attrs.field(factory=lambda: [({}, {})])
    durable: int = 0
    flushed: int = 0

    @property
    def content(self) -> Content:
        return dict(self.states[-1][0])

    @property
    def serials(self) -> Serials:
        return dict(self.states[-1][1])

    def restart(self, content: Content, serials: Serials) -> None:
        """Go on from what was found; it has to be one of the states that are allowed."""
        allowed = self.states[self.durable :]
        assert (content, serials) in allowed, f"{serials} is none of {allowed}"
        self.states, self.durable, self.flushed = [(content, serials)], 0, 0


@attrs.define
class Life:
    """One life of the store: its sessions, and the numbers of the writes of each."""

    store: Store
    io: FaultyIo
    model: Model
    sessions: list[Session]
    numbers: list[dict[int, int]] = attrs.field(factory=lambda: [{}, {}])

    async def do(self, step: Step) -> None:
        if isinstance(step, str):
            await self.keep_up(step)
        else:
            await self.write(*step)
        self.check_commit_points()

    async def write(self, kind: str, which: int, level: Durability, more: int) -> None:
        session, model = self.sessions[which], self.model
        serial = session.serial + more
        key = b"%s%d" % (NAMES[which].encode(), serial % 5)
        rows = rows_of(kind, key, serial)
        if kind == "nowait":
            try:
                session.put_nowait(
                    key, rows[key] or b"", serial=serial, durability=level
                )
            except trio.WouldBlock:
                assert session.serial == serial - more
                return
        else:
            await write_through(session, kind, rows, serial, level)
        assert session.serial == serial
        content = model.content | rows
        serials = model.serials | {NAMES[which]: serial}
        left = {key: value for key, value in content.items() if value is not None}
        model.states.append((left, serials))
        self.numbers[which][serial] = len(model.states) - 1
        if level is not Durability.MEMORY:
            model.flushed = len(model.states) - 1
        if level is Durability.DISK:
            assert session.durable_serial == serial
            model.durable = len(model.states) - 1

    async def keep_up(self, step: str) -> None:
        """Do something for the whole store; all of it ends with everything durable."""
        if step == "forget":
            with pytest.raises(trio.BusyResourceError):
                await self.store.forget_session(NAMES[0])
            return
        if step == "failed sync":
            self.io.plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,), times=1),))
            self.io.log = self.io.plan.new_log()
            await self.sessions[0].put(b"s", b"s")
            content, serials = self.model.content, self.model.serials
            serials[NAMES[0]] = self.sessions[0].serial
            self.model.states.append((content | {b"s": b"s"}, serials))
            self.numbers[0][self.sessions[0].serial] = len(self.model.states) - 1
        elif step == "sync":
            await self.store.sync()
        elif step == "flush":
            await self.store.flush()
        else:
            await self.store.compact()
        if step != "flush":  # of a memtable without anything in it nothing is promised
            self.model.durable = len(self.model.states) - 1

    def check_commit_points(self) -> None:
        """Everything up to a commit point is promised from here on."""
        for session, numbers in zip(self.sessions, self.numbers, strict=True):
            durable = session.durable_serial
            assert durable <= session.serial
            assert durable == session.recovered_serial or durable in numbers
            number = numbers.get(durable, 0)
            self.model.durable = max(self.model.durable, number)


def rows_of(kind: str, key: bytes, serial: int) -> Rows:
    """What a write of a kind sets; None is a delete."""
    value = b"%d" % serial
    count = {"batch": 3, "large": 600, "empty": 0}.get(kind)
    if count is not None:
        return {b"%s-%d" % (key, number): value for number in range(count)}
    is_gone = kind == "delete" or (kind == "update" and serial % 2)
    return {key: None if is_gone else value}


async def write_through(
    session: Session, kind: str, rows: Rows, serial: int, level: Durability
) -> None:
    """Write these rows through a session, in the way that the kind says."""
    if kind in ("batch", "large", "empty"):
        async with session.batch(serial=serial, durability=level) as batch:
            for key, value in rows.items():
                batch.put(key, value or b"")
        return
    ((key, value),) = rows.items()
    if kind == "update":
        await session.update(key, lambda _: value, serial=serial, durability=level)
    elif value is None:
        await session.delete(key, serial=serial, durability=level)
    else:
        assert serial == await session.put(key, value, serial=serial, durability=level)


async def live(
    disk: VirtualDisk, model: Model, steps: list[Step], end: str, random: Random
) -> VirtualDisk:
    """Live once; return the disk that the end has left."""
    io = FaultyIo(VirtualIo(disk), FaultPlan())
    async with open_on(io, OPTIONS) as store:
        model.restart(await content_of(store), await store.sessions())
        async with store.session("a") as a, store.session("b") as b:
            for session in (a, b):
                found = model.serials.get(session.name, 0)
                assert session.recovered_serial == session.durable_serial == found
            life = Life(store, io, model, [a, b])
            for step in steps:
                await life.do(step)
            if end == "kill":
                model.durable = max(model.durable, model.flushed)
                return disk.clone()
            if end == "power":
                return disk.crash(random)
        assert await store.sessions() == model.serials
    model.durable = len(model.states) - 1
    return disk


@settings(deadline=None, max_examples=60)
@given(LIVES)
def test_serials_and_content_are_those_of_one_prefix_after_every_restart(
    lives: list[tuple[list[Step], str, int]],
) -> None:
    async def main() -> None:
        disk, model = VirtualDisk(), Model()
        for steps, end, seed in [*lives, ([], "close", 0)]:
            disk = await live(disk, model, steps, end, Random(seed))

    run_seeded(0, main)


@pytest.mark.parametrize("level", list(Durability))
@pytest.mark.parametrize("seed", range(20))
def test_what_a_power_cut_leaves_is_what_the_serial_says(
    level: Durability, seed: int
) -> None:
    """Not one write more, not one fewer, whatever was promised to each."""

    async def main() -> None:
        disk = VirtualDisk()
        async with open_on(disk, OPTIONS) as store, store.session("a") as session:
            for number in range(1, 20):
                await session.put(b"%d" % number, b"v", durability=level)
                if number % 7 == 0:
                    await store.put(b"other", b"w", durability=Durability.OS)
            promised = session.durable_serial
            dark = disk.crash(Random(seed))
        async with open_on(dark, OPTIONS) as store, store.session("a") as session:
            count = session.recovered_serial
            assert promised <= count <= 19
            expected = {b"%d" % number: b"v" for number in range(1, count + 1)}
            found = await content_of(store)
            found.pop(b"other", None)
            assert found == expected
            with pytest.raises(tempest.InvalidError):
                await session.put(b"k", b"v", serial=count)
            assert await session.put(b"k", b"v") == count + 1

    run_seeded(0, main)

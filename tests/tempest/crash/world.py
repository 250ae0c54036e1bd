"""Run a small workload over a virtual disk, remember what was promised, and check what comes back.

A workload writes through `World`, which numbers every write in the order in which it enters the
log. After a crash the content must be that after some prefix of this order, no shorter than the
last promise of the disk.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import attrs
import trio

import tempest
from io_backends import FaultPlan, FaultyIo, OpKind, PowerCut, VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import Durability, Options, Snapshot, Store

View = Store | Snapshot

STORE = "store"
NO_FAULTS = FaultPlan()
TINY = Options(
    memtable_bytes_max=1024,
    table_bytes_max=512,
    block_bytes=128,
    level0_tables_max=2,
    level_bytes_base=700,
    level_growth=2,
    segment_bytes_max=2048,
    manifest_rotation_bytes_min=1500,
    resume_seconds_max=5.0,
    close_seconds_max=20.0,
)
Write = Mapping[bytes, bytes | None]
Content = dict[bytes, bytes]
Workload = Callable[["World"], Awaitable[None]]


@attrs.define
class History:
    """Writes in log order; how many of them were promised to survive what.

    A write of a session has the number that it has here as its serial.
    """

    writes: list[Write] = attrs.field(factory=list)
    durable: int = 0
    acknowledged: int = 0
    sessions: dict[int, str] = attrs.field(factory=dict)
    forgotten: dict[int, str] = attrs.field(factory=dict)

    def content(self, count: int) -> Content:
        """The content after the first `count` writes."""
        content: Content = {}
        for write in self.writes[:count]:
            for key, value in write.items():
                if value is None:
                    content.pop(key, None)
                else:
                    content[key] = value
        return content

    def serials(self, count: int) -> dict[str, int]:
        """The last serial of each session after the first `count` writes."""
        serials: dict[str, int] = {}
        for number in range(1, count + 1):
            if number in self.sessions:
                serials[self.sessions[number]] = number
            serials.pop(self.forgotten.get(number, ""), None)
        return serials

    def prefix_of(
        self, content: Content, serials: dict[str, int] | None = None
    ) -> int | None:
        """The longest allowed prefix that gives this content and these serials, or None."""
        for count in range(len(self.writes), self.durable - 1, -1):
            if self.content(count) == content and serials in (
                None,
                self.serials(count),
            ):
                return count
        return None


@attrs.define
class World:
    """A disk, the backend over it, and the history of one run."""

    io: FaultyIo
    options: Options = TINY
    history: History = attrs.field(factory=History)
    errors: list[Exception] = attrs.field(factory=list)
    is_tolerant: bool = (
        False  # documented errors are noted, and what failed is done again
    )

    @asynccontextmanager
    async def open(self, options: Options | None = None) -> AsyncIterator["Client"]:
        async with self._open_twice(options or self.options) as store:
            yield Client(self, store)
            if self.is_tolerant:
                await self._check_reads(store)
        self.history.durable = len(self.history.writes)

    @asynccontextmanager
    async def _open_twice(self, options: Options) -> AsyncIterator[Store]:
        """Open the store, once more if the first time fails and that is tolerated."""
        opening = tempest.open_store(STORE, io=self.io, options=options)
        try:
            store = await opening.__aenter__()
        except tempest.TempestError as error:
            if not self.is_tolerant:
                raise
            self.errors.append(error)
            opening = tempest.open_store(STORE, io=self.io, options=options)
            store = await opening.__aenter__()
        try:
            yield store
        except BaseException as error:
            await opening.__aexit__(type(error), error, None)
            raise
        await opening.__aexit__(None, None, None)

    async def _check_reads(self, store: Store) -> None:
        """Whatever failed, the store serves reads, and every acknowledged write is among them."""
        try:
            content = await read_all(store)
        except tempest.StorageError as error:
            self.errors.append(error)
            content = await read_all(store)
        history = self.history
        counts = range(history.acknowledged, len(history.writes) + 1)
        assert any(content == history.content(count) for count in counts), (
            f"{content} is not what was acknowledged of {history}"
        )


@attrs.define
class Client:
    """Writes through the store and into the history."""

    world: World
    store: Store

    async def write(self, entries: Write, level: Durability = Durability.DISK) -> None:
        """Write one key, or several as a batch."""
        history = self.world.history
        history.writes.append(dict(entries))
        number = len(history.writes)
        try:
            await self._write(entries, level)
        except tempest.TempestError as error:
            self._note(error, number)
        else:
            self.acknowledge(number, level)

    async def _write(self, entries: Write, level: Durability) -> None:
        if len(entries) != 1:
            async with self.store.batch(durability=level) as batch:
                for key, value in entries.items():
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)
            return
        ((key, value),) = entries.items()
        if value is None:
            await self.store.delete(key, durability=level)
        else:
            await self.store.put(key, value, durability=level)

    async def update(self, key: bytes, level: Durability = Durability.DISK) -> None:
        """Count one up."""
        history = self.world.history
        numbers: list[int] = []

        def count(old: bytes | None) -> bytes:
            new = b"%d" % (int(old or b"0") + 1)
            history.writes.append({key: new})
            numbers.append(len(history.writes))
            return new

        try:
            await self.store.update(key, count, durability=level)
        except tempest.TempestError as error:
            self._note(error, numbers[0] if numbers else None)
        else:
            self.acknowledge(numbers[0], level)

    async def read(self, view: View, key: bytes) -> bytes | None:
        """Read a key, twice if need be."""
        try:
            return await view.get(key)
        except tempest.TempestError as error:
            self._note(error, None)
            return await view.get(key)

    async def sync(self) -> None:
        await self._make_durable(self.store.sync)

    async def flush(self) -> None:
        await self._make_durable(self.store.flush)

    async def compact(self) -> None:
        await self._make_durable(self.store.compact)

    async def collect(self) -> None:
        """Empty every segment that is not wholly live."""
        await self._make_durable(partial(self.store.collect, 1.0))

    async def _make_durable(self, action: Callable[[], Awaitable[object]]) -> None:
        """Do it, and once more if it failed."""
        count = len(self.world.history.writes)
        for is_last in (False, True):
            try:
                await action()
            except tempest.TempestError as error:
                self._note(error, None)
                if is_last:
                    return
            else:
                break
        self.acknowledge(count, Durability.DISK)

    def _note(self, error: tempest.TempestError, number: int | None) -> None:
        """Note a documented error; what the store refused was never written."""
        if not self.world.is_tolerant:
            raise error
        self.world.errors.append(error)
        if number is not None and isinstance(error, tempest.BackgroundError):
            history = self.world.history
            history.writes[number - 1] = {}
            history.sessions.pop(number, None)
            history.forgotten.pop(number, None)

    def acknowledge(self, number: int, level: Durability) -> None:
        history = self.world.history
        history.acknowledged = max(history.acknowledged, number)
        if level is Durability.DISK:
            history.durable = max(history.durable, number)


@attrs.define
class Run:
    """What is left of a run: the disk, the history, and how many operations there were."""

    disk: VirtualDisk
    history: History
    operations: int
    errors: list[Exception]
    is_finished: bool
    kinds: list[OpKind] = attrs.field(factory=list)


def run(
    workload: Workload,
    plan: FaultPlan = NO_FAULTS,
    seed: int = 0,
    *,
    is_tolerant: bool = False,
) -> Run:
    """Run a workload from an empty disk under a plan."""
    disk = VirtualDisk()
    finished: list[bool] = []
    worlds: list[World] = []

    async def main() -> None:
        world = World(FaultyIo(VirtualIo(disk), plan), is_tolerant=is_tolerant)
        worlds.append(world)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_dark, world.io, scope)
                try:
                    await workload(world)
                except* tempest.TempestError as group:
                    if not world.io.power_lost.is_set():
                        world.errors.extend(_leaves(group))
                else:
                    finished.append(True)
                nursery.cancel_scope.cancel()

    run_seeded(seed, main)
    world = worlds[0]
    return Run(
        disk,
        world.history,
        world.io.op_count,
        world.errors,
        bool(finished) and not world.io.power_lost.is_set(),
    )


def _leaves(error: BaseException) -> list[Exception]:
    """The errors in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    assert isinstance(error, Exception), error
    return [error]


async def _cancel_when_dark(io: FaultyIo, scope: trio.CancelScope) -> None:
    await io.power_lost.wait()
    scope.cancel()


@attrs.define
class Recovery:
    """What came back, and what the disk was like afterwards."""

    disk: VirtualDisk
    content: Content
    operations: int
    is_finished: bool
    serials: dict[str, int] = attrs.field(factory=dict)

    def prefix_of(self, history: History) -> int | None:
        """The longest allowed prefix that gives what was found, serials and all, or None."""
        return history.prefix_of(self.content, self.serials)


def recover(
    disk: VirtualDisk, plan: FaultPlan = NO_FAULTS, options: Options = TINY
) -> Recovery:
    """Open the store on a disk and read all of it; the power goes before it is closed."""
    found: list[Content] = []
    operations: list[int] = []
    serials: dict[str, int] = {}

    async def main() -> None:
        io = FaultyIo(VirtualIo(disk), plan)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_dark, io, scope)
                try:
                    async with tempest.open_store(
                        STORE, io=io, options=options, create=False
                    ) as store:
                        serials.update(await store.sessions())
                        found.append(await read_all(store))
                        operations.append(io.op_count)
                        io.power_off()
                except tempest.NotAStoreError:
                    found.append({})
                except tempest.TempestError:
                    if not io.power_lost.is_set():
                        raise
                nursery.cancel_scope.cancel()

    run_seeded(0, main)
    return Recovery(
        disk,
        found[0] if found else {},
        operations[0] if operations else 0,
        bool(found),
        serials,
    )


async def read_all(store: Store) -> Content:
    """The whole content, after gets and both directions of scans were found to agree."""
    async with store.scan() as rows:
        forward = [row async for row in rows]
    async with store.scan(reverse=True) as rows:
        backward = [row async for row in rows]
    assert forward == backward[::-1], "the two directions differ"
    for key, value in forward:
        assert await store.get(key) == value, "get and scan differ"
    return dict(forward)


def power_cut(at: int, when: str = "before") -> FaultPlan:
    """A plan that cuts the power at one operation."""
    return FaultPlan((PowerCut(at=at, when=when),))  # type: ignore[arg-type]


def crash(disk: VirtualDisk, seed: int) -> VirtualDisk:
    """One of the disks that a power cut may leave."""
    return disk.crash(Random(seed))

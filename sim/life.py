"""One life of a run: open the store, check what came back, let clients work, end.

A life ends by a power cut or a kill (the disk is frozen first, then everything unwinds) or by a
close, after which every file must verify.

Invariants
- The disk after a cut is taken at the moment of the cut; nothing that unwinds can change it.
- What a call raises is documented, or a violation.
"""

from collections.abc import Awaitable, Callable
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import trio

import tempest
from io_backends import (
    FaultPlan,
    IoError,
    OpKind,
    PowerCut,
    PowerLostError,
    VirtualDisk,
    VirtualIo,
)
from sim.client import Client
from sim.digest import WatchedIo, word
from sim.faults import STORE, is_damage, name_of, plant
from sim.inspection import Inspection, check_cause, settle
from sim.operations import Operation, Swap, Transfer
from sim.oracle import Violation, leaves
from sim.races import Race
from sim.script import Life, make_options
from sim.seeds import Seeds
from sim.values import first_deposit
from tempest import Store

if TYPE_CHECKING:
    from sim.world import World

OPENINGS_MAX = 3
RELEASED_SECONDS = 3.0


class Leave(Protocol):
    """The way out of an open store's block."""

    async def __call__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...


class LifeWorld:
    """One life: what its clients share."""

    def __init__(self, world: "World", life: Life, number: int) -> None:
        self.world, self.life, self.number = world, life, number
        self.model, self.marks, self.digest = world.model, world.marks, world.digest
        self.common_lock = trio.Lock()
        self.options = make_options(life)
        sizes = [getattr(op, "size", 0) for part in life.clients for op in part]
        self.marks.sometimes("one client", when=len(life.clients) == 1)
        self.marks.sometimes("four clients", when=len(life.clients) == 4)
        self.marks.sometimes("an empty key", when=b"" in world.keys)
        self.marks.sometimes(
            "a long key", when=max(map(len, world.keys), default=0) > 99
        )
        self.marks.sometimes("a large value", when=any(s and s > 999 for s in sizes))
        self.begun = 0
        self.errors = 0
        self.successor: VirtualDisk | None = None
        self.io = self._make_io()
        self.inspection = Inspection(self)

    # What clients call.

    @property
    def is_dark(self) -> bool:
        return self.io.power_lost.is_set()

    @property
    def is_troubled(self) -> bool:
        """Whether anything was done to this life that may make calls fail."""
        return bool(self.io.log.hits) or self.life.capacity_bytes is not None

    def begin(self, client: int, operation: Operation) -> None:
        """Note that a client begins an operation; the cut may be counted from here."""
        self.begun += 1
        self.world.operations += 1
        self.digest.note(client, self.begun)
        if self.begun == self.life.ending.operations:
            self._arm()

    def answer(self, name: str, answer: str) -> None:
        self.digest.note(name, answer)
        self.marks.maybe(f"{name} {answer}")

    def see(self, *values: bytes | None) -> None:
        """Take answers of the store into the digest."""
        self.digest.note(*map(word, values))

    def guard(self, check: Callable[[], None]) -> None:
        """Run a check inside the store, which must not swallow what it raises."""
        try:
            check()
        except Violation as violation:
            self.world.fail(violation)
            raise

    def take_error(self, name: str, error: tempest.TempestError) -> None:
        """Take a documented error; without a fault it should not have come."""
        self.answer(name, "failed")
        self.marks.sometimes(
            "the disk is full",
            when="found no space" in str(error),
        )
        self.digest.note(type(error).__name__)
        if self.is_dark:
            return
        check_cause(error)
        self.errors += 1
        if not self.is_troubled:
            raise Violation(
                "health", f"{name} failed on a sound disk: {error!r} {error}"
            )

    def look(self, store: Store) -> None:
        self.inspection.look(store)

    async def open_twice(self, *, read_only: bool) -> None:
        await self.inspection.open_twice(read_only=read_only)

    # The life.

    async def live(self) -> None:
        """Open, work, end; whatever the end is, the next life finds the disk it left."""
        self._prepare()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_dark, scope)
                nursery.start_soon(self._release)
                await self._guarded(self._work)
                nursery.cancel_scope.cancel()
        self._end()
        if self.successor is None and self.world.violation is None:
            await self.inspection.after_close()

    async def _guarded(self, action: Callable[[], Awaitable[None]]) -> None:
        """Let violations out alone; what the dark makes of errors is nobody's fault."""
        try:
            await action()
        except Exception as error:
            found = leaves(error)
            violations = [leaf for leaf in found if isinstance(leaf, Violation)]
            if violations:
                raise violations[0] from None
            for leaf in found:
                if isinstance(leaf, tempest.TempestError) and (
                    self.is_dark or self.is_troubled
                ):
                    check_cause(leaf)
                elif not (self.is_dark and isinstance(leaf, PowerLostError)):
                    raise

    async def _work(self) -> None:
        if not self.life.ending.operations:
            self._arm()
        opening = await self._open()
        if opening is None:
            self.io.power_off()
            return
        store, leave = opening
        try:
            await self.inspection.after_opening(store)
            self._late_writes()
            await self._deposit(store)
            await self._clients(store)
            await self._finish(store)
        except BaseException as error:
            await leave(type(error), error, None)
            raise
        await self._close(store, leave)

    async def _open(
        self,
    ) -> tuple[Store, Leave] | None:
        for attempt in range(OPENINGS_MAX):
            opening = tempest.open_store(STORE, io=self.io, options=self.options)
            try:
                store = await opening.__aenter__()
            except tempest.TempestError as error:
                if self.is_dark:
                    self.marks.sometimes("cut while opening")
                    raise
                check_cause(error)
                self.errors += 1
                self.marks.sometimes("an opening fails")
                self.marks.sometimes("an opening fails twice", when=attempt > 0)
                if not self.is_troubled:
                    raise Violation("refused-opening", f"{error!r}: {error}") from error
                if attempt == OPENINGS_MAX - 2:
                    self.io.disarm()
                    self.world.disk.capacity_bytes = None
                elif attempt == OPENINGS_MAX - 1:
                    raise Violation("refused-opening", f"{error!r}: {error}") from error
            else:
                return store, opening.__aexit__
        return None

    async def _deposit(self, store: Store) -> None:
        wanted = (Transfer, Swap)
        operations = (op for client in self.life.clients for op in client)
        if not any(isinstance(operation, wanted) for operation in operations):
            return
        if self.inspection.has_common:
            return
        try:
            async with store.batch() as batch:
                for key, value in first_deposit().items():
                    batch.put(key, value)
        except tempest.TempestError as error:
            self.take_error("Batch", error)

    async def _clients(self, store: Store) -> None:
        async with trio.open_nursery() as nursery:
            for number, operations in enumerate(self.life.clients):
                client = Client(self, number, store)
                nursery.start_soon(client.run, operations)

    async def _finish(self, store: Store) -> None:
        """After the last operation: the cut, if it has not come, or a quiet end."""
        if self.life.ending.kind != "close":
            self.marks.sometimes("cut at the end")
            self.io.power_off()
            await trio.sleep_forever()
        self.io.disarm()
        self.world.disk.capacity_bytes = None
        await settle(self, store)
        if self.life.race and not self.is_damaged:
            await Race(store, self.number).run(self.life.race)
            await settle(self, store)
        self.inspection.look(store)
        self.inspection.check_noticed(store)

    async def _close(self, store: Store, leave: Leave) -> None:
        cuts = self.model.known()
        try:
            await leave(None, None, None)
        except tempest.TempestError as error:
            self.take_error("Close", error)
            self.marks.sometimes("a close fails")
        else:
            self.marks.sometimes("a clean close")
            self.model.promise(cuts)

    # How it begins and ends.

    def _make_io(self) -> WatchedIo:
        life, world = self.life, self.world
        latency = life.latency
        random = Random(latency.seed)

        def seconds(_: OpKind, __: int) -> float:
            return latency.base + latency.spread * random.random()

        def is_cached(path: str, offset: int, _: int) -> bool:
            place = int(path[-6:]) if path[-6:].isdecimal() else 0
            return (place * 7919 + offset * 31) % 100 >= life.uncached

        virtual = VirtualIo(
            world.disk,
            delay=world.clock.delay,
            latency=seconds if latency.spread else latency.base,
            cached=is_cached if life.uncached else None,
            wall_clock=lambda: 1.7e9 + life.clock_jump + trio.current_time(),
        )
        plan = FaultPlan(life.faults)
        io = WatchedIo(
            virtual,
            plan,
            world.digest,
            delay=world.clock.delay,
            on_power_cut=self._freeze,
        )
        io.is_lying = world.script.canary
        return io

    def _prepare(self) -> None:
        world, life = self.world, self.life
        world.disk.capacity_bytes = None
        self.marks.sometimes("the clock jumps", when=life.clock_jump != 0)
        if life.clock_jump:
            world.note_fault("clock jump")
        for rot in life.rots:
            if plant(world.disk, rot):
                world.note_fault(rot.kind)
                self.marks.sometimes(f"{rot.kind} planted")
        world.disk.capacity_bytes = life.capacity_bytes

    def _arm(self) -> None:
        ending = self.life.ending
        if ending.kind != "close":
            self.io.arm(PowerCut(at=ending.io, when=ending.when))

    def _freeze(self) -> None:
        """Take the disk that the next life finds, at the moment at which this one ends."""
        world, ending = self.world, self.life.ending
        self.io.release()
        if ending.kind == "kill":
            self.successor = world.disk.clone()
            world.is_killed = True
        else:
            random = Seeds(ending.seed).stream("crash")
            self.successor = world.disk.crash(random, ending.policy)
            world.is_power_lost = True
        flying = list(self.io.writes_in_flight.items())[: ending.late]
        world.late = [(path, offset, data) for (path, offset), data in flying]
        self.marks.sometimes(
            f"{'kill' if ending.kind == 'kill' else 'cut'} {ending.when}"
        )

    def _late_writes(self) -> None:
        """Let writes of the life before reach the disk only now."""
        late, self.world.late = self.world.late, []
        capacity, self.world.disk.capacity_bytes = self.world.disk.capacity_bytes, None
        for path, offset, data in late:
            try:
                handle = self.world.disk.open(path, writable=True)
            except IoError:
                continue
            self.world.disk.write_at(handle, offset, data)
            self.world.disk.close(handle)
            self.world.note_fault("late write")
            self.marks.sometimes("late write surfaces")
        self.world.disk.capacity_bytes = capacity

    def _end(self) -> None:
        world = self.world
        world.io_calls += self.io.op_count
        for hit in self.io.log.hits:
            name = name_of(hit)
            if name == "power cut" and self.life.ending.kind == "kill":
                name = "kill"
            world.note_fault(name)
            self.inspection.mark_hit(hit)
        if self.successor is None:
            world.crashes_in_a_row = 0
            return
        world.crashes += 1
        world.crashes_in_a_row += 1
        self.marks.sometimes("five crashes in a row", when=world.crashes_in_a_row >= 5)
        world.disk = self.successor

    async def _cancel_when_dark(self, scope: trio.CancelScope) -> None:
        await self.io.power_lost.wait()
        scope.cancel()

    async def _release(self) -> None:
        """Let stuck operations go, and make space, some time after the beginning."""
        await trio.sleep(RELEASED_SECONDS)
        self.io.release()
        self.world.disk.capacity_bytes = None

    @property
    def is_damaged(self) -> bool:
        return any(is_damage(hit) for hit in self.io.log.hits)

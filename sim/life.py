"""One life of a run: open the store, check what came back, let clients work, end.

A life ends by a power cut or a kill (the disk is frozen first, then everything unwinds) or by a
close, after which every file must verify.

Invariants
- The disk after a cut is taken at the moment of the cut; nothing that unwinds can change it.
- What a call raises is documented, or a violation.
"""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import trio

import tempest
from io_backends import PowerLostError, VirtualDisk
from sim.client import Client
from sim.digest import word
from sim.elsewhere import Elsewhere
from sim.faults import STORE, is_damage
from sim.hazards import Hazards
from sim.inspection import Inspection, check_cause, rest, settle
from sim.life_services import LifeServices
from sim.operations import Cancelled, Operation, Swap, Transfer
from sim.oracle import Violation, leaves
from sim.races import Race
from sim.script import Life, make_options
from sim.structure import Structure
from sim.values import first_deposit
from tempest import Store

if TYPE_CHECKING:
    from sim.world import World

OPENINGS_MAX = 3


class Leave(Protocol):
    """The way out of an open store's block."""

    async def __call__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...


class LifeWorld(LifeServices):
    """One life: what its clients share."""

    def __init__(self, world: "World", life: Life, number: int) -> None:
        self.world, self.life, self.number = world, life, number
        self.model, self.marks, self.digest = world.model, world.marks, world.digest
        self.observer = world.observer
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
        self.is_closing = False
        self.cancelled: list[range] = []  # Io operations while a cancelled call went on
        self._cancelled_from: dict[int, int] = {}
        self._scope = trio.CancelScope()  # around the open store
        self.hazards = Hazards(self)
        self.io = self.hazards.make_io()
        self.inspection = Inspection(self)
        self.structure = Structure(self)
        self.elsewhere = Elsewhere(self)

    # What clients call.

    @property
    def is_dark(self) -> bool:
        return self.io.power_lost.is_set()

    @property
    def is_troubled(self) -> bool:
        """Whether anything was done to this life that may make calls fail."""
        life = self.life
        limits = (life.capacity_bytes, life.file_bytes_max, life.handles_max)
        return bool(self.io.log.hits) or limits != (None, None, None)

    def begin(self, client: int, operation: Operation) -> None:
        """Note that a client begins an operation; the cut may be counted from here."""
        self.begun += 1
        self.world.operations += 1
        self.digest.note(client, self.begun)
        self.observer.begin(client, operation)
        if isinstance(operation, Cancelled):
            self._cancelled_from[client] = self.io.op_count
        if self.begun == self.life.ending.operations and not self.life.ending.closing:
            self.hazards.arm()

    def answer(self, name: str, answer: str) -> None:
        self.digest.note(name, answer)
        self.observer.answer(name, answer)
        if answer == "cancelled":
            first = min(self._cancelled_from.values(), default=0)
            self.cancelled.append(range(first, self.io.op_count))
        self.marks.maybe(f"{name} {answer}")

    def see(self, *values: bytes | None) -> None:
        """Take answers of the store into the digest."""
        self.digest.note(*map(word, values))
        self.observer.see(values)

    def guard(self, check: Callable[[], None]) -> None:
        """Run a check inside the store, which must not swallow what it raises."""
        try:
            check()
        except Violation as violation:
            self.world.fail(violation)
            raise

    def hear(self) -> None:
        """Note that somebody was told of an error in another way than by an exception."""
        self.errors += 1

    def take_error(self, name: str, error: tempest.TempestError) -> None:
        """Take a documented error; without a fault it should not have come."""
        self.observer.error(error)
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
        await self.recover()
        self.observer.life_begun(self.number, self.life, self.io)
        self.hazards.prepare()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_dark, scope)
                nursery.start_soon(self.hazards.release)
                await self._guarded(self._work)
                nursery.cancel_scope.cancel()
        self.hazards.end()
        if self.world.violation is None:
            if self.successor is None:
                await self.structure.after_close()
            await self.hazards.try_twins()

    async def _guarded(self, action: Callable[[], Awaitable[None]]) -> None:
        """Let violations out alone; what the dark makes of errors is nobody's fault."""
        try:
            await action()
        except Exception as error:  # raised again but for what the dark explains
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
        ending = self.life.ending
        if not ending.operations and not ending.closing:
            self.hazards.arm()
        self.observer.phase("opening")
        if self.life.cancel_seconds is not None:
            await self._open_and_cancel(self.life.cancel_seconds)
        with self._scope:
            await self._use(await self._open())
        self.marks.sometimes("a close is cancelled", when=self._scope.cancel_called)
        if ending.kind != "close" and not self.is_dark:
            self.io.power_off()

    async def _use(self, opening: tuple[Store, Leave] | None) -> None:
        if opening is None:
            self.io.power_off()
            return
        store, leave = opening
        self.observer.opened(store)
        try:
            picture = self.structure.picture(store)
            await self.inspection.after_opening(store)
            await self.structure.after_opening(picture)
            self.observer.looked()
            self.hazards.late_writes()
            await self._deposit(store)
            await self._clients(store)
            await self._finish(store)
        except BaseException as error:  # raised again: a block is left with its error
            self.observer.failing(error)
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
                    self.hazards.relieve()
                elif attempt == OPENINGS_MAX - 1:
                    raise Violation("refused-opening", f"{error!r}: {error}") from error
            else:
                return store, opening.__aexit__
        return None

    async def _open_and_cancel(self, seconds: float) -> None:
        """Open the store, cancelled soon, be it while it opens or while it is open."""
        self.world.note_fault("cancelled opening", "")
        is_open = False
        with trio.move_on_after(seconds):
            try:
                async with tempest.open_store(STORE, io=self.io, options=self.options):
                    is_open = True
                    await trio.sleep_forever()
            except tempest.TempestError as error:
                self.take_error("Open", error)
        self.world.quiet_levels = None  # it may have flushed or merged
        if self.is_dark:
            return
        self.hazards.leave_lies()
        self.cancelled.append(range(self.io.op_count))
        self.marks.sometimes("an opening is cancelled", when=not is_open)
        self.marks.sometimes("an open store is cancelled", when=is_open)
        disk = self.world.disk
        left = [*self.io.open_handles, *disk.open_paths(), *disk.locked_paths()]
        if left:
            raise Violation("leak", f"after a cancelled opening: {left}")

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
                nursery.start_soon(self._client, client, operations)

    async def _client(self, client: Client, operations: tuple[Operation, ...]) -> None:
        try:
            await client.run(operations)
        except Exception as error:  # told and raised again
            self.observer.failing(error)  # while its operation is still asked for
            raise

    async def _finish(self, store: Store) -> None:
        """After the last operation: the cut, if it has not come, or a quiet end."""
        self.observer.phase("settling")
        if self.life.ending.closing:
            return
        if self.life.ending.kind != "close":
            await self._race(store)
            await self._rest(store)
            self.marks.sometimes("cut at the end")
            self.io.power_off()
            await trio.sleep_forever()
        self.io.disarm()
        self.hazards.relieve()
        await settle(self, store)
        await self._race(store)
        if self.life.race:
            await settle(self, store)
        await self.structure.when_quiet(store)
        self.inspection.look(store)
        self.inspection.check_noticed(store)

    async def _race(self, store: Store) -> None:
        """Let clients race; what a crash leaves of that is looked at in a later life."""
        is_crash = self.life.ending.kind != "close"
        is_sound = not self.is_troubled and not self.life.faults
        if not self.life.race or self.is_damaged or (is_crash and not is_sound):
            return
        self.observer.phase("racing")
        race = Race(store, self.number, lambda: self.is_dark)
        self.world.race = race if is_crash else None
        await race.run(self.life.race)

    async def _rest(self, store: Store) -> None:
        """Of the sound stores that are cut at the end, let one in two come to rest before."""
        if self.life.ending.seed % 2 and not self.is_troubled:
            await rest(self, store)
            await self.structure.when_quiet(store, is_cut_now=True)

    async def _close(self, store: Store, leave: Leave) -> None:
        self.observer.phase("closing")
        self.is_closing = True
        ending, cuts = self.life.ending, self.model.known()
        if ending.closing:
            self.hazards.arm()
        if ending.cancel_seconds is not None:
            self.world.note_fault("cancelled close", "")
            self._scope.deadline = trio.current_time() + ending.cancel_seconds
        try:
            await leave(None, None, None)
        except tempest.TempestError as error:
            self.take_error("Close", error)
            self.marks.sometimes("a close fails")
            return
        except trio.Cancelled:
            self._promise(cuts)
            raise
        self.marks.sometimes("a clean close")
        self.structure.closed(store)
        self._promise(cuts)

    def _promise(self, cuts: list[int]) -> None:
        if not self.is_dark:
            self.model.promise(cuts)

    async def _cancel_when_dark(self, scope: trio.CancelScope) -> None:
        await self.io.power_lost.wait()
        scope.cancel()

    @property
    def is_damaged(self) -> bool:
        return any(is_damage(hit) for hit in self.io.log.hits)

"""One client of a store: performs operations, tells the model, checks every answer.

Invariants
- What is written is in the model before the store hears of it.
- Only documented errors are taken; anything else leaves and is a violation.
"""

from collections.abc import Awaitable, Callable

import trio

import tempest
from sim import operations as ops
from sim.model import Entries, Sight, Write
from sim.open_scan import OpenScan, View
from sim.operations import Operation
from sim.oracle import Violation
from sim.service_client import ServiceClient
from sim.services import Service
from sim.sights import Lookout
from sim.surroundings import RefusedError, Surroundings
from sim.values import account, make_value, place
from tempest import Durability, Snapshot, Store

REFUSED = (
    tempest.BackgroundError,
    tempest.InvalidError,
    tempest.NotOpenError,
)


class Client:
    """One task that uses an open store."""

    def __init__(self, world: Surroundings, number: int, store: Store) -> None:
        self._world = world
        self._model = world.model
        self._number = number
        self._store = store
        self._writes = 0
        self._snapshots: dict[int, tuple[Snapshot, Lookout]] = {}
        self._scans: dict[int, OpenScan] = {}
        self._services = ServiceClient(world, number, store, self._write, self._value)

    async def run(self, operations: tuple[Operation, ...]) -> None:
        """Perform operations one after the other; let go of everything at the end."""
        try:
            for operation in operations:
                self._world.begin(self._number, operation)
                await self.perform(operation)
        finally:
            await self._let_go()

    async def perform(self, operation: Operation) -> None:
        """Perform one operation; documented errors are part of its answer."""
        name = type(operation).__name__
        try:
            await self._perform(operation)
        except tempest.ThrottledError:
            self._world.answer(name, "throttled")
        except trio.WouldBlock:
            self._world.answer(name, "would block")
        except RefusedError:
            self._world.answer(name, "refused")
        except tempest.TempestError as error:
            self._world.take_error(name, error)
        else:
            self._world.answer(name, "done")

    async def _perform(self, operation: Operation) -> None:  # noqa: C901 a table
        match operation:
            case ops.Put() | ops.PutNowait() | ops.Delete() | ops.Batch():
                await self._change(operation)
            case ops.Update():
                await self._update(operation)
            case ops.Transfer() | ops.Swap():
                await self._common(operation)
            case ops.Get() | ops.GetMany() | ops.Scan():
                await self._read(self._store, operation, None)
            case ops.SnapshotOpen() | ops.SnapshotRead() | ops.SnapshotClose():
                await self._snapshot(operation)
            case ops.ScanOpen() | ops.ScanRead() | ops.ScanClose():
                await self._scan(operation)
            case ops.Cancelled():
                await self._cancelled(operation)
            case ops.Sync() | ops.Flush() | ops.Compact():
                await self._upkeep(operation)
            case _ if isinstance(operation, Service):
                await self._services.perform(operation)
            case _:
                await self._other(operation)

    # Writes.

    def _value(self, size: int) -> bytes:
        self._writes += 1
        return make_value(self._world.number, self._number, self._writes, size)

    async def _change(
        self, operation: ops.Put | ops.PutNowait | ops.Delete | ops.Batch
    ) -> None:
        store, level = self._store, Durability(operation.level)
        match operation:
            case ops.Put(key, size):
                value = self._value(size)
                await self._write(
                    {key: value},
                    operation.level,
                    lambda: store.put(key, value, durability=level),
                )
            case ops.PutNowait(key, size):
                value = self._value(size)

                async def put() -> None:
                    store.put_nowait(key, value, durability=level)

                await self._write({key: value}, operation.level, put)
            case ops.Delete(key):
                await self._write(
                    {key: None},
                    operation.level,
                    lambda: store.delete(key, durability=level),
                )
            case ops.Batch(writes):
                entries = {
                    key: None if size is None else self._value(size)
                    for key, size in writes
                }
                await self._write(
                    entries, operation.level, lambda: self._batch(entries, level)
                )

    async def _batch(self, entries: Entries, level: Durability) -> None:
        async with self._store.batch(durability=level) as batch:
            for key, value in entries.items():
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)

    async def _write(
        self, entries: Entries, level: ops.Level, call: Callable[[], Awaitable[object]]
    ) -> None:
        """Write, and note what became of it: done, refused, or nobody knows."""
        if not entries:  # nothing enters the log, so nothing is promised
            await call()
            return
        write = self._model.begin(self._number, entries)
        try:
            await call()
        except trio.WouldBlock:
            write.is_refused = True
            raise
        except REFUSED:
            write.is_refused = not self._world.is_dark
            raise
        self._end(write, level)

    def _end(self, write: Write, level: ops.Level) -> None:
        if not self._world.is_dark:
            self._model.end(write, level)

    async def _update(self, operation: ops.Update) -> None:
        key, size = operation.key, operation.size
        value = None if size is None else self._value(size)
        level = Durability(operation.level)
        writes: list[Write] = []

        def function(old: bytes | None) -> bytes | None:
            self._world.guard(lambda: self._model.newest(key, old))
            # Of a missing key nothing has to be deleted; elsewhere its absence is promised.
            is_nothing = value is old is None and level is Durability.MEMORY
            entries = {} if is_nothing else {key: value}
            writes.append(self._model.begin(self._number, entries))
            return value

        new = await self._store.update(key, function, durability=level)
        if writes[0].entries:
            self._end(writes[0], operation.level)
        if new != value or len(writes) != 1:
            raise Violation(
                "read-your-writes", f"update gave {new!r} instead of {value!r}"
            )

    async def _common(self, operation: ops.Transfer | ops.Swap) -> None:
        """Change the bank or the ring, which all clients share, under the world's lock."""
        async with self._world.common_lock:
            if isinstance(operation, ops.Transfer):
                entries = await self._transfer(operation)
            else:
                entries = await self._swap(operation)
            if entries:
                await self._batch(entries, Durability(operation.level))

    async def _transfer(self, operation: ops.Transfer) -> Entries:
        source, target = account(operation.source), account(operation.target)
        if source == target:
            return {}
        rich, poor = await self._newest(source), await self._newest(target)
        if rich is None or poor is None:
            return {}
        amount = operation.amount
        return {
            source: b"%d" % (int(rich) - amount),
            target: b"%d" % (int(poor) + amount),
        }

    async def _swap(self, operation: ops.Swap) -> Entries:
        here = place(operation.place)
        next_ = await self._newest(here)
        after = place(operation.after)
        if next_ is None or after in (here, next_):
            return {}
        beyond, rest = await self._newest(next_), await self._newest(after)
        if beyond is None or rest is None:
            return {}
        return {here: beyond, after: next_, next_: rest}

    async def _newest(self, key: bytes) -> bytes | None:
        """Return the newest value, also if it is not visible yet: only `update` sees it."""
        return await self._store.update(
            key, lambda old: old, durability=Durability.MEMORY
        )

    # Reads.

    async def _read(
        self,
        view: View,
        operation: ops.Get | ops.GetNowait | ops.GetMany | ops.Scan,
        lookout: Lookout | None,
    ) -> None:
        lows = self._model.acknowledged()
        match operation:
            case ops.Get(key):
                value = await view.get(key)
                self._world.see(value)
                self._lookout(lookout, lows).value(key, value)
            case ops.GetNowait(key):
                value = view.get_nowait(key)
                self._world.see(value)
                self._lookout(lookout, lows).value(key, value)
            case ops.GetMany(keys):
                values = await view.get_many(keys)
                self._world.see(*values)
                self._lookout(lookout, lows).values(keys, values)
            case ops.Scan():
                open_scan = OpenScan(view, operation)
                await open_scan.rows.__aenter__()
                seen = self._lookout(lookout, lows)
                try:
                    await open_scan.read_all()
                finally:
                    await open_scan.rows.aclose()
                self._world.see(*open_scan.flat())
                seen.rows(operation, open_scan.found)

    def _lookout(self, lookout: Lookout | None, lows: list[int]) -> Lookout:
        if lookout is not None:
            return lookout
        sight = Sight.between(
            lows, self._model.asked(), "read-your-writes", "snapshot-isolation"
        )
        return Lookout(self._model, sight)

    async def _snapshot(
        self, operation: ops.SnapshotOpen | ops.SnapshotRead | ops.SnapshotClose
    ) -> None:
        if isinstance(operation, ops.SnapshotRead):
            if operation.slot in self._snapshots:
                view, lookout = self._snapshots[operation.slot]
                lookout.sight.name = "snapshot-isolation"
                await self._read(view, operation.read, lookout)
            return
        old = self._snapshots.pop(operation.slot, None)
        if old is not None:
            await old[0].aclose()
        if isinstance(operation, ops.SnapshotOpen):
            lows = self._model.acknowledged()
            view = await self._store.snapshot().__aenter__()
            self._snapshots[operation.slot] = (view, self._lookout(None, lows))

    async def _scan(
        self, operation: ops.ScanOpen | ops.ScanRead | ops.ScanClose
    ) -> None:
        if isinstance(operation, ops.ScanRead):
            if operation.slot in self._scans:
                await self._scans[operation.slot].read(operation.rows)
            return
        old = self._scans.pop(operation.slot, None)
        if old is not None:
            await self._finish_scan(old)
        if isinstance(operation, ops.ScanOpen):
            lows = self._model.acknowledged()
            scan = OpenScan(self._store, operation.scan)
            await scan.rows.__aenter__()
            scan.lookout = self._lookout(None, lows)
            scan.lookout.sight.name = "snapshot-isolation"
            self._scans[operation.slot] = scan

    async def _finish_scan(self, scan: OpenScan) -> None:
        try:
            await scan.read_all()
        finally:
            await scan.rows.aclose()
        self._world.see(*scan.flat())
        assert scan.lookout is not None, "an open scan has one"
        scan.lookout.rows(scan.scan, scan.found)

    async def _let_go(self) -> None:
        for scan in self._scans.values():
            await scan.rows.aclose()
        for view, _ in self._snapshots.values():
            await view.aclose()
        await self._services.let_go()

    # The rest.

    async def _upkeep(self, operation: ops.Sync | ops.Flush | ops.Compact) -> None:
        cuts = self._model.known()
        match operation:
            case ops.Sync():
                await self._store.sync()
            case ops.Flush():
                await self._store.flush()
            case ops.Compact(start, stop):
                await self._store.compact(start, stop)
        if not self._world.is_dark:
            self._model.promise(cuts)

    async def _cancelled(self, operation: ops.Cancelled) -> None:
        with trio.move_on_after(operation.seconds) as scope:
            await self._perform(operation.operation)
        if scope.cancelled_caught:
            name = type(operation.operation).__name__
            self._world.answer(name, "cancelled")

    async def _other(self, operation: Operation) -> None:
        match operation:
            case ops.GetNowait():
                await self._read(self._store, operation, None)
            case ops.WaitWritable():
                await self._store.wait_writable()
            case ops.Sleep(seconds):
                await trio.sleep(seconds)
            case ops.Look():
                self._world.look(self._store)
            case ops.Mistake(what):
                await self._mistake(what)
            case ops.OpenTwice(read_only):
                await self._world.open_twice(read_only=read_only)
            case _:
                raise AssertionError(f"nobody performs {operation}")

    async def _mistake(self, what: ops.Wrong) -> None:
        """Call with a wrong argument; being refused in words is the right answer."""
        store = self._store
        wrong: dict[str, Callable[[], Awaitable[object]]] = {
            "key": lambda: store.put("text", b""),  # type: ignore[arg-type]
            "value": lambda: store.put(b"key", None),  # type: ignore[arg-type]
            "level": lambda: store.put(b"key", b"", durability="disk"),  # type: ignore[arg-type]
            "limit": lambda: _enter(store, -1),
            "large key": lambda: store.get(b"k" * (64 * 1024 + 1)),
            "large batch": self._large_batch,
        }
        try:
            await wrong[what]()
        except (TypeError, tempest.InvalidError, tempest.BackgroundError):
            return
        raise Violation("undocumented-error", f"a wrong {what} was not refused")

    async def _large_batch(self) -> None:
        async with self._store.batch() as batch:
            batch.put(b"key", b"v" * (self._store.options.batch_bytes_max + 1))


async def _enter(store: Store, limit: int) -> None:
    async with store.scan(limit=limit):
        pass

"""Small uses of the store, for exploring everything that can happen to them.

Each is a program with one promise: after any restart a writer finds the state after a prefix of
its own writes, in which nothing is missing that was acknowledged at DISK level or by a sync, a
batch is whole or absent, and what one restart has seen the next one sees again.

Invariants
- A writer stops at the first error, so that what it wrote stays a prefix.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import attrs
import trio

import tempest
from io_backends import Io
from sim.program import Program
from tempest import Durability, HealthState, Options, Store

FOLDER = "store"
Entries = Mapping[bytes, bytes | None]
SMALL = Options(segment_bytes_max=1024, memtable_bytes_max=1024, close_seconds_max=5)


@attrs.define
class Ledger:
    """What one writer wrote, in order, and how many of those writes were promised."""

    writes: list[dict[bytes, bytes | None]] = attrs.field(factory=list)
    promised: int = 0

    async def write(
        self, store: Store, entries: Entries, level: Durability = Durability.DISK
    ) -> None:
        """Write one entry by itself, several as a batch."""
        self.writes.append(dict(entries))
        count = len(self.writes)
        if len(entries) == 1:
            await _write_one(store, entries, level)
        else:
            async with store.batch(durability=level) as batch:
                for key, value in entries.items():
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)
        if level is Durability.DISK:
            self.promised = max(self.promised, count)

    async def make_safe(self, act: Callable[[], Awaitable[None]]) -> None:
        """Sync or flush: everything written so far is promised."""
        count = len(self.writes)
        await act()
        self.promised = max(self.promised, count)

    def state(self, count: int) -> dict[bytes, bytes]:
        """Return what a store holds after the first `count` writes."""
        rows: dict[bytes, bytes] = {}
        for entries in self.writes[:count]:
            for key, value in entries.items():
                rows.pop(key, None)
                if value is not None:
                    rows[key] = value
        return rows

    def pin(self, rows: dict[bytes, bytes]) -> None:
        """Find which prefix came back, and hold the store to it from now on."""
        for count in range(len(self.writes), self.promised - 1, -1):
            if self.state(count) == rows:
                del self.writes[count:]
                self.promised = count
                return
        raise AssertionError(
            f"{sorted(rows.items())!r} is no state after {self.promised} to "
            f"{len(self.writes)} of the writes {self.writes!r}"
        )


async def _write_one(store: Store, entries: Entries, level: Durability) -> None:
    for key, value in entries.items():
        if value is None:
            await store.delete(key, durability=level)
        else:
            await store.put(key, value, durability=level)


Ledgers = tuple[Ledger, Ledger]
Use = Callable[[Store, Ledgers], Awaitable[None]]


def _ledgers() -> Ledgers:
    return Ledger(), Ledger()


def _program(name: str, *uses: Use, options: Options = SMALL) -> Program[Ledgers]:
    """Make a program that opens the store for each use."""

    async def work(io: Io, ledgers: Ledgers) -> None:
        for use in uses:
            async with tempest.open_store(FOLDER, io=io, options=options) as store:
                await use(store, ledgers)

    return Program(
        name=name, memory=_ledgers, work=work, check=partial(_check, options)
    )


async def _check(options: Options, io: Io, ledgers: Ledgers) -> None:
    async with tempest.open_store(FOLDER, io=io, options=options) as store:
        assert store.health().state is HealthState.HEALTHY, store.health()
        rows = await _rows(store, reverse=False)
        assert rows == dict(reversed((await _rows(store, reverse=True)).items()))
        for ledger, first in zip(ledgers, b"ab", strict=True):
            ledger.pin({key: rows[key] for key in rows if key[0] == first})
        for key in {
            key for ledger in ledgers for entries in ledger.writes for key in entries
        }:
            assert await store.get(key) == rows.get(key)


async def _rows(store: Store, *, reverse: bool) -> dict[bytes, bytes]:
    async with store.scan(reverse=reverse) as rows:
        return {key: value async for key, value in rows}


# Uses.


async def _two_puts(store: Store, ledgers: Ledgers) -> None:
    for value in (b"1", b"2"):
        await ledgers[0].write(store, {b"a": value})


async def _levels(store: Store, ledgers: Ledgers) -> None:
    for level in (Durability.MEMORY, Durability.OS):
        await ledgers[0].write(store, {b"a" + level.value.encode(): b"1"}, level)
    await ledgers[0].make_safe(store.sync)
    await ledgers[0].write(store, {b"a": b"2"}, Durability.OS)


async def _batches(store: Store, ledgers: Ledgers) -> None:
    await ledgers[0].write(store, {b"a1": b"1", b"a2": b"1"})
    await ledgers[0].write(store, {b"a1": None, b"a2": b"2", b"a3": b"x" * 700})


async def _delete_and_flush(store: Store, ledgers: Ledgers) -> None:
    await ledgers[0].write(store, {b"a1": b"1", b"a2": b"1"})
    await ledgers[0].make_safe(store.flush)
    await ledgers[0].write(store, {b"a1": None})
    await ledgers[0].make_safe(store.flush)


async def _flush_and_compact(store: Store, ledgers: Ledgers) -> None:
    await _delete_and_flush(store, ledgers)
    await store.compact()


async def _snapshot_over_compaction(store: Store, ledgers: Ledgers) -> None:
    await ledgers[0].write(store, {b"a1": b"old"})
    async with store.snapshot() as view:
        await ledgers[0].write(store, {b"a1": None})
        await ledgers[0].make_safe(store.flush)
        await store.compact()
        assert await view.get(b"a1") == b"old"
        assert await store.get(b"a1") is None


async def _many_puts(store: Store, ledgers: Ledgers) -> None:
    """Fill several segments of the log and a memtable, which is flushed behind our back."""
    for number in range(4):
        await ledgers[0].write(store, {b"a%d" % number: b"%d" % number * 400})


async def _flushes(store: Store, ledgers: Ledgers) -> None:
    for number in range(3):
        await ledgers[0].write(store, {b"a": b"%d" % number})
        await ledgers[0].make_safe(store.flush)


async def _two_writers(store: Store, ledgers: Ledgers) -> None:
    async def write(ledger: Ledger, first: bytes) -> None:
        await ledger.write(store, {first: b"1"})
        await ledger.write(store, {first + b"1": b"2", first: None})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, ledgers[0], b"a")
        nursery.start_soon(write, ledgers[1], b"b")


WORKLOADS: tuple[Program[Ledgers], ...] = (
    _program("two puts", _two_puts),
    _program("levels", _levels),
    _program("batches", _batches),
    _program("delete and flush", _delete_and_flush),
    _program("flush and compact", _flush_and_compact),
    _program("snapshot over compaction", _snapshot_over_compaction),
    _program("reopen", _two_puts, _two_puts),
    _program("many puts", _many_puts),
    _program(
        "manifest rotation",
        _flushes,
        options=attrs.evolve(SMALL, manifest_rotation_bytes_min=1),
    ),
    _program("two writers", _two_writers),
)

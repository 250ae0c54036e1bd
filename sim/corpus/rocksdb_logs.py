"""RocksDB's and Pebble's published bugs in logs: holes, sizes, recycling, races of syncs."""

import trio

from io_backends import WRITES
from sim.corpus.bricks import (
    ROOT,
    TinyLog,
    dump,
    load_numbered,
    load_state,
    read_if_there,
    read_record,
    replace,
    sealed,
)
from sim.corpus.case import Case
from sim.corpus.engine import UnreadableError
from sim.corpus.hunt import Hunt, Refused
from sim.corpus.ledger import Changes, State, apply_changes
from sim.corpus.steps import FLUSH, SYNC, batch, both, put, unsynced
from sim.corpus.tiny_logs import LogStore, RollingLogs
from sim.program import Plan, ProgramLife
from sim.script import Latency

SECTOR = b"v" * 400
UNEVEN = Plan(lives=(ProgramLife(latency=Latency(0.001, 0.02, seed=4)),))


class SecondLogSyncedFirst(RollingLogs):
    """Passes over a log that somebody else is just syncing, and says that all is durable."""

    async def open(self) -> None:
        self.asks_for_sequence = self.is_mended
        self.unsynced: list[TinyLog] = []
        self.in_sync: list[TinyLog] = []
        await super().open()
        self.spare = self.log
        await self.next_log()
        self.log, self.spare = self.spare, self.log
        self.unsynced = [self.log, self.spare]

    async def roll(self) -> None:
        self.log = self.spare

    async def sync_log(self, log: TinyLog) -> None:
        for older in self.unsynced[: self.unsynced.index(log) + 1]:
            if older in self.in_sync and not self.is_mended:
                continue
            self.in_sync.append(older)
            await older.sync()


class SizeBeyondSync(LogStore):
    """Notes the size of the log after a sync, with what was appended meanwhile."""

    async def open(self) -> None:
        noted = await read_if_there(self.io, "/size")
        if noted is not None and "log" in await self.io.list(ROOT):
            size = (await self.io.stat("/log")).size
            if size < int(noted):
                raise UnreadableError(f"size mismatch: {size} of {noted.decode()}")
        await super().open()
        self.appended = self.log.end

    async def write(self, changes: Changes, *, synced: bool) -> None:
        self.appended = max(self.appended, await self.log.append(dump(changes)))
        if synced:
            await self.sync()
        apply_changes(self.state, changes)

    async def sync(self) -> None:
        before = self.appended
        await self.log.sync()
        size = before if self.is_mended else self.log.end
        await replace(self.io, "/size", b"%d" % size)


class ReplayBehindHole(RollingLogs):
    """Replays the next log although the one before ended too early."""

    records_max = 2

    async def open(self) -> None:
        self.asks_for_sequence = self.is_mended
        await super().open()

    async def finish(self, log: TinyLog) -> None:
        """Leave the log unsynced: these writes asked for no more."""


class RecycledLog(LogStore):
    """Writes a log anew from its beginning, over the records of its former life."""

    async def first_state(self) -> State:
        table = await read_record(self.io, "/table")
        if table is None:
            self.generation = 0
            return {}
        self.generation, rows = load_numbered(table)
        return {key: value for key, value in rows.items() if value is not None}

    def record(self, changes: Changes) -> bytes:
        return dump([self.generation, changes])

    def replay(self, record: bytes) -> None:
        generation, changes = load_numbered(record)
        if generation == self.generation or not self.is_mended:
            apply_changes(self.state, changes)

    async def flush(self) -> None:
        table = dump([self.generation + 1, self.state])
        await replace(self.io, "/table", sealed(table))
        self.generation += 1
        self.log.end = 0


class HalfABatch(LogStore):
    """Keeps a batch whose log write failed, and flushes one family of it."""

    goes_on = True

    async def first_state(self) -> State:
        table = await read_record(self.io, "/family.1")
        return {} if table is None else load_state(table)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        before = dict(self.state)
        apply_changes(self.state, changes)
        try:
            await super().write(changes, synced=synced)
        except BaseException:  # raised again, also when cancelled
            if self.is_mended:
                self.state = before
            raise

    async def flush(self) -> None:
        rows = {key: value for key, value in self.state.items() if key < b"2"}
        await replace(self.io, "/family.1", sealed(dump(rows)))


class LinkedUnsynced(LogStore):
    """Makes a checkpoint by a hard link to the log, and does not sync the log."""

    async def sync(self) -> None:
        names = await self.io.list(ROOT)
        await self.io.link("/log", f"/checkpoint.{len(names)}")
        await self.sync_folder()
        if self.is_mended:
            await self.log.sync()


class SecondSyncReturns(LogStore):
    """Lets the second of two syncs return at once, while the first is still at work."""

    async def open(self) -> None:
        self.needs_sync = False
        self.lock = trio.Lock()
        await super().open()

    async def write(self, changes: Changes, *, synced: bool) -> None:
        self.needs_sync = True
        await super().write(changes, synced=synced)

    async def sync(self) -> None:
        if self.is_mended:
            async with self.lock:
                await self._sync()
        else:
            await self._sync()

    async def _sync(self) -> None:
        if self.needs_sync:
            self.needs_sync = False
            await self.log.sync()


ROCKSDB_LOGS = (
    Case(
        name="rocksdb-10560-hole-between-logs",
        title="the newer log is synced, the older is not",
        source="rocksdb#10560, #12489, #11149, #13169",
        story=(
            "A sync of the newer log returns while the older one is still being synced by "
            "somebody else, and recovery passes over the hole that a power cut leaves."
        ),
        make=SecondLogSyncedFirst,
        steps=(both(put(b"a", b"1"), put(b"b", b"2")),),
        hunt=Hunt(plan=UNEVEN),
    ),
    Case(
        name="rocksdb-10185-size-beyond-sync",
        title="a log shorter than the size that was noted",
        source="rocksdb#10185",
        story=(
            "While a log is synced another write is appended; the size noted as synced counts it. "
            "After a power cut the log is shorter than noted and is taken for damaged."
        ),
        make=SizeBeyondSync,
        steps=(both(put(b"a", b"1"), unsynced(b"b", b"2")),),
        hunt=Hunt(plan=UNEVEN),
    ),
    Case(
        name="rocksdb-7701-replay-behind-a-hole",
        title="replay goes on behind a truncated log",
        source="rocksdb#7701",
        story=(
            "A power cut takes the end of one log and leaves the next one whole; recovery "
            "replays both, and the writes between are a hole."
        ),
        make=ReplayBehindHole,
        steps=(*(unsynced(key, SECTOR) for key in (b"a", b"b", b"c")),),
    ),
    Case(
        name="rocksdb-12918-recycled-log",
        title="records of a log's former life are replayed",
        source="rocksdb#12918",
        story=(
            "A log file is written anew from its beginning; behind the new records those of its "
            "former life are still whole, and recovery replays them over newer values."
        ),
        make=RecycledLog,
        steps=(put(b"a", b"1"), put(b"a", b"2"), FLUSH, put(b"a", b"3")),
    ),
    Case(
        name="rocksdb-12995-torn-batch",
        title="half a batch after a failed log write",
        source="rocksdb#12995",
        story=(
            "The log write of a batch fails, its entries stay in memory, one column family is "
            "flushed: after a restart half of a batch that failed is there."
        ),
        make=HalfABatch,
        steps=(batch({b"1": b"x", b"2": b"y"}), FLUSH),
        hunt=Hunt(refused=Refused(kinds=WRITES, path="*log*")),
    ),
    Case(
        name="rocksdb-linked-log-unsynced",
        title="a checkpoint links a log that is not synced",
        source="RocksDB HISTORY: hard-linked WAL in a checkpoint",
        story=(
            "A checkpoint is made by hard links; the link to the log is durable, what was "
            "written to the log is not: the checkpoint lacks writes that it promised."
        ),
        make=LinkedUnsynced,
        steps=(unsynced(b"a", b"1"), SYNC),
    ),
    Case(
        name="pebble-3763-second-sync-returns",
        title="of two syncs at once the second does nothing",
        source="pebble#3763; cockroach#127373",
        story=(
            "Two writers sync at once; the second finds that nothing needs a sync, since the first "
            "has just begun one, and returns before it is done."
        ),
        make=SecondSyncReturns,
        steps=(unsynced(b"a", b"1"), both(SYNC, SYNC, put(b"b", b"2"))),
        hunt=Hunt(plan=UNEVEN),
    ),
)

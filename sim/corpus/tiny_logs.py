"""`LogStore` appends to one log for ever, `RollingLogs` to one log after another.

    log     records: changes
    3.log   records: changes with the number of the write

Both hold all rows in memory and read their logs again when they are opened. A strawman overrides
what the published engine did otherwise.
"""

from collections.abc import Iterator

from sim.corpus.bricks import (
    ROOT,
    Record,
    TinyLog,
    dump,
    load_changes,
    load_numbered,
    numbered,
    unsealed,
)
from sim.corpus.engine import MiniEngine
from sim.corpus.ledger import Changes, State, apply_changes


class LogStore(MiniEngine):
    """A correct engine: a write is durable when its record was synced."""

    async def open(self) -> None:
        self.state = await self.first_state()
        if "log" in await self.io.list(ROOT):
            self.log = await TinyLog.load(self.io, "/log", self.read)
        else:
            self.log = await TinyLog.create(self.io, "/log")
        self.keep(self.log.file)
        await self.sync_folder()
        for record in self.log.records:
            self.replay(record)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        await self.log.append(self.record(changes))
        if synced:
            await self.sync()
        apply_changes(self.state, changes)

    async def rows(self) -> State:
        return dict(self.state)

    async def sync(self) -> None:
        await self.log.sync()

    async def sync_folder(self) -> None:
        await self.io.sync_dir(ROOT)

    async def first_state(self) -> State:
        """Return the rows that the log builds upon."""
        return {}

    def record(self, changes: Changes) -> bytes:
        return dump(changes)

    def replay(self, record: bytes) -> None:
        apply_changes(self.state, load_changes(record))

    def read(self, data: bytes) -> Iterator[Record]:
        return unsealed(data)


class RollingLogs(MiniEngine):
    """A correct engine: a log is synced before the next one is begun; replay ends at a hole."""

    records_max = 1
    asks_for_sequence = True

    async def open(self) -> None:
        self.state: State = {}
        self.sequence = self.number = self.written = 0
        logs: list[TinyLog] = []
        numbers = numbered(await self.io.list(ROOT), "log")
        for place, number in enumerate(numbers):
            log = await self.load(number, is_last=number == numbers[-1])
            if not self.replay(log):
                await self.forget(numbers[place:])
                break
            logs.append(log)
            self.number, self.written = number, len(log.records)
        if logs:
            self.log = logs[-1]
        else:
            await self.next_log()

    async def load(self, number: int, *, is_last: bool) -> TinyLog:
        log = await TinyLog.load(self.io, f"/{number}.log")
        self.keep(log.file)
        return log

    def replay(self, log: TinyLog) -> bool:
        """Take the writes of a log; False if the first of them is not the next one."""
        for record in log.records:
            sequence, changes = load_numbered(record)
            if self.asks_for_sequence and sequence != self.sequence + 1:
                return False
            self.sequence = sequence
            apply_changes(self.state, changes)
        return True

    async def forget(self, numbers: list[int]) -> None:
        """Remove the logs behind a hole, for their numbers come again."""
        for number in reversed(numbers):
            await self.io.remove(f"/{number}.log")
        await self.io.sync_dir(ROOT)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        if self.written >= self.records_max:
            await self.roll()
        self.sequence += 1
        self.written += 1
        log = self.log
        await log.append(dump([self.sequence, changes]))
        if synced:
            await self.sync_log(log)
        apply_changes(self.state, changes)

    async def sync(self) -> None:
        await self.log.sync()

    async def rows(self) -> State:
        return dict(self.state)

    async def roll(self) -> None:
        await self.finish(self.log)
        await self.next_log()

    async def finish(self, log: TinyLog) -> None:
        await log.sync()

    async def sync_log(self, log: TinyLog) -> None:
        await log.sync()

    async def next_log(self) -> None:
        self.number += 1
        self.written = 0
        self.log = await TinyLog.create(self.io, f"/{self.number}.log")
        self.keep(self.log.file)
        await self.io.sync_dir(ROOT)

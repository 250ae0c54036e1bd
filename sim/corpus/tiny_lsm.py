"""`TinyLsm`: a log, tables, a manifest and CURRENT that names it, as LevelDB lays them out.

    7.log       records: changes
    8.table     one record: the changes of a memtable, or of tables merged
    9.manifest  records: [numbers of tables, number of the log, next number], the last one counts
    CURRENT     the name of the manifest

Every opening begins a new life: what the log held becomes a table, log and manifest are new,
CURRENT moves, and then whatever is not named goes. The methods are the places where published
engines went wrong; a strawman overrides one of them.
"""

from sim.corpus.bricks import (
    ROOT,
    TinyLog,
    dump,
    load_changes,
    load_lists,
    read_if_there,
    read_whole,
    remove_if_there,
    sealed,
    unsealed,
    write_whole,
)
from sim.corpus.engine import MiniEngine, UnreadableError
from sim.corpus.ledger import Changes, State, apply_changes


class TinyLsm(MiniEngine):
    """A correct engine."""

    async def open(self) -> None:
        self.tables: dict[int, Changes] = {}
        self.memtable: Changes = {}
        self.log_number, self.manifest_number, self.number_next = 0, 0, 1
        current = await read_if_there(self.io, "/CURRENT")
        if current is not None:
            await self.recover(current.decode("latin-1"))
        names = await self.io.list(ROOT)
        self.number_next = max(
            [self.number_next, *(n + 1 for n in self.numbers(names))]
        )
        await self.begin_life()

    async def recover(self, manifest: str) -> None:
        """Read what CURRENT, manifest and log say."""
        if not manifest.endswith(".manifest"):
            raise UnreadableError(f"CURRENT names {manifest!r}")
        self.manifest_number = int(manifest.partition(".")[0])
        data = await read_whole(self.io, f"/{manifest}")
        edits = self.edits_in(data)
        if not edits:
            raise UnreadableError(f"{manifest} holds no edit")
        tables, (self.log_number,), (self.number_next,) = edits[-1]
        for number in tables:
            self.tables[number] = await self.load_table(number)
        for payload, _ in unsealed(await read_whole(self.io, self.log_path())):
            self.memtable.update(load_changes(payload))

    async def begin_life(self) -> None:
        """Make log, table and manifest, let CURRENT name them, and remove what is old."""
        self.log_number = self.take_number()
        self.log = await self.new_log()
        await self.keep_replayed()
        await self.begin_manifest()
        await self.remove_old()

    async def begin_manifest(self) -> None:
        """Write a manifest that holds one edit, and let CURRENT name it."""
        self.manifest_number = await self.manifest_for_life()
        self.manifest = await TinyLog.create(self.io, self.manifest_path())
        self.keep(self.manifest.file)
        await self.append_edit()
        await self.sync_folder("life")
        await self.set_current()

    async def write(self, changes: Changes, *, synced: bool) -> None:
        self.memtable.update(changes)
        await self.log.append(dump(changes))
        if synced:
            await self.log.sync()

    async def sync(self) -> None:
        await self.log.sync()

    async def flush(self) -> None:
        await self.log.sync()
        full, self.memtable = self.memtable, {}
        self.log_number = self.take_number()
        self.log = await self.new_log()
        await self.add_table(full)
        await self.append_edit()
        await self.remove_old()

    async def compact(self) -> None:
        merged: State = {}
        for number in self.tables:
            apply_changes(merged, await self.load_table(number))
        self.tables = {}
        await self.add_table(dict(merged))
        await self.append_edit()
        await self.remove_old()

    async def rows(self) -> State:
        state: State = {}
        for changes in (*self.tables.values(), self.memtable):
            apply_changes(state, changes)
        return state

    # Where engines go wrong.

    async def sync_folder(self, why: str) -> None:
        """Make names durable: those of a "table", of a "life", or that of "current"."""
        await self.io.sync_dir(ROOT)

    async def keep_replayed(self) -> None:
        """Make durable what the log of the last life held: that log goes."""
        if self.memtable:
            await self.add_table(self.memtable)
            self.memtable = {}

    async def add_table(self, changes: Changes) -> None:
        number = self.take_number()
        await self.write_table(number, changes)
        await self.sync_folder("table")
        self.tables[number] = changes

    async def write_table(self, number: int, changes: Changes) -> None:
        await write_whole(self.io, f"/{number}.table", sealed(dump(changes)))

    async def load_table(self, number: int) -> Changes:
        data = await read_whole(self.io, f"/{number}.table")
        for payload, _ in unsealed(data):
            return load_changes(payload)
        raise UnreadableError(f"{number}.table is not whole")

    async def new_log(self) -> TinyLog:
        log = await TinyLog.create(self.io, self.log_path())
        self.keep(log.file)
        await self.sync_folder("log")
        return log

    async def append_edit(self) -> None:
        edit = [list(self.tables), [self.log_number], [self.number_next]]
        await self.manifest.append(dump(edit))
        await self.manifest.sync()

    def edits_in(self, data: bytes) -> list[list[list[int]]]:
        """Read a manifest; where its first record is not whole, it ends."""
        return [load_lists(payload) for payload, _ in unsealed(data)]

    async def set_current(self) -> None:
        name = self.manifest_path().removeprefix(ROOT).encode()
        await write_whole(self.io, "/CURRENT.tmp", name)
        await self.io.rename("/CURRENT.tmp", "/CURRENT")
        await self.sync_folder("current")

    async def remove_old(self) -> None:
        """Remove every numbered file that nothing names."""
        live = {*self.tables, self.log_number, self.manifest_number}
        for name in await self.io.list(ROOT):
            number = name.partition(".")[0]
            if number.isdecimal() and int(number) not in live:
                await remove_if_there(self.io, f"/{name}")

    def numbers(self, names: list[str]) -> list[int]:
        """Return the numbers of all files there are: none is used twice."""
        starts = (name.partition(".")[0] for name in names)
        return [int(start) for start in starts if start.isdecimal()]

    async def manifest_for_life(self) -> int:
        return self.take_number()

    def take_number(self) -> int:
        self.number_next += 1
        return self.number_next - 1

    def log_path(self) -> str:
        return f"/{self.log_number}.log"

    def manifest_path(self) -> str:
        return f"/{self.manifest_number}.manifest"

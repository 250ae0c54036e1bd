"""One case for each class of vulnerability that ALICE found in eleven applications (OSDI'14).

The mini-engines are small programs over files, as version control and desktop stores are.
"""

from sim.corpus.bricks import (
    ROOT,
    dump,
    load_state,
    read_if_there,
    read_record,
    remove_if_there,
    replace,
    sealed,
    write_whole,
)
from sim.corpus.case import Case
from sim.corpus.engine import MiniEngine, UnreadableError
from sim.corpus.ledger import Changes, State, apply_changes
from sim.corpus.steps import batch, delete, put
from sim.corpus.whole_file import WholeFile


class TwoFiles(WholeFile):
    """Keeps rows in one file and their number in another, and wants the two to agree."""

    async def load(self) -> State:
        state = await super().load()
        count = int(await read_if_there(self.io, "/count") or b"0")
        if count != len(state) and not self.is_mended:
            raise UnreadableError("rows and count do not agree")
        return state

    async def save(self, state: State) -> None:
        await super().save(state)
        await replace(self.io, "/count", b"%d" % len(state))


class HalfALine(WholeFile):
    """Appends lines, and takes a last line without an end for a whole one."""

    path = "/lines"

    async def load(self) -> State:
        data = await read_if_there(self.io, self.path) or b""
        self.end = data.rfind(b"\n") + 1 if self.is_mended else len(data)
        lines = data[: self.end].split(b"\n")
        parts = (line.partition(b"=") for line in lines if line)
        return {key: value for key, _, value in parts}

    async def write(self, changes: Changes, *, synced: bool) -> None:
        await self.append(b"".join(b"%s=%s\n" % item for item in changes.items()))
        apply_changes(self.state, changes)

    async def append(self, lines: bytes) -> None:
        if not self.end:
            await write_whole(self.io, self.path, b"")
            await self.io.sync_dir(ROOT)
        file = self.keep(await self.io.open(self.path, writable=True))
        await file.truncate(self.end)
        await file.write_at(self.end, lines)
        await file.sync()
        self.end += len(lines)


class OverwrittenBlock(WholeFile):
    """Overwrites one small block in place, and takes that for one step."""

    async def load(self) -> State:
        data = await read_if_there(self.io, self.path) or b""
        parts = (field.partition(b"=") for field in data.split(b";") if field)
        return {key: value for key, _, value in parts}

    async def save(self, state: State) -> None:
        block = b";".join(b"%s=%s" % row for row in sorted(state.items()))
        if self.is_mended or self.path[1:] not in await self.io.list(ROOT):
            await replace(self.io, self.path, block)
            return
        file = self.keep(await self.io.open(self.path, writable=True))
        await file.write_at(0, block)
        await file.sync()


class UnlinkedFirst(WholeFile):
    """Removes the old file, then gives the new one its name."""

    async def save(self, state: State) -> None:
        await write_whole(self.io, "/new", sealed(dump(state)))
        if not self.is_mended:
            await remove_if_there(self.io, self.path)
        await self.io.rename("/new", self.path)
        await self.io.sync_dir(ROOT)


class IndexBeforeData(MiniEngine):
    """Makes an index durable that points to values which are not."""

    async def open(self) -> None:
        data = await read_record(self.io, "/index")
        self.index: State = {} if data is None else load_state(data)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        for key, value in changes.items():
            path = b"/value.%d" % len(self.index)
            data = sealed(value or b"")
            await write_whole(self.io, path.decode(), data, synced=self.is_mended)
            await self.io.sync_dir(ROOT)
            self.index[key] = path
        await replace(self.io, "/index", sealed(dump(self.index)))

    async def rows(self) -> State:
        state: State = {}
        for key, path in self.index.items():
            value = await read_record(self.io, path.decode())
            if value is None:
                raise UnreadableError(f"{path.decode()} is not whole")
            state[key] = value
        return state


class RenamedUnsynced(WholeFile):
    """Renames a file into place that was never synced."""

    async def save(self, state: State) -> None:
        data = sealed(dump(state))
        await write_whole(self.io, "/new", data, synced=self.is_mended)
        await self.io.rename("/new", self.path)
        await self.io.sync_dir(ROOT)


class JournalGoesFirst(WholeFile):
    """Removes the rollback journal before what it guards is synced."""

    async def load(self) -> State:
        data = await read_record(self.io, "/journal")
        if data is not None:
            await replace(self.io, self.path, sealed(data))
            await self.io.remove("/journal")
            await self.io.sync_dir(ROOT)
        return await super().load()

    async def save(self, state: State) -> None:
        old = await read_record(self.io, self.path)
        await replace(self.io, "/journal", sealed(old or dump({})))
        data = sealed(dump(state))
        await write_whole(self.io, self.path, data, synced=self.is_mended)
        await self.io.sync_dir(ROOT)
        await self.io.remove("/journal")
        await self.io.sync_dir(ROOT)


class KeyFiles(MiniEngine):
    """A correct engine: each key is a file that is replaced."""

    prefix = "key."

    async def open(self) -> None:
        self.names = await self.io.list(ROOT)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        for key, value in changes.items():
            path = f"/{self.prefix}{key.decode()}"
            if value is None:
                await self.remove(path)
            else:
                await self.replace(path, sealed(value))

    async def rows(self) -> State:
        state: State = {}
        for name in await self.io.list(ROOT):
            value = await read_record(self.io, f"/{name}")
            if name.startswith(self.prefix) and not name.endswith(".tmp"):
                if value is None:
                    raise UnreadableError(f"{name} is not whole")
                state[name.removeprefix(self.prefix).encode()] = value
        return state

    async def replace(self, path: str, data: bytes) -> None:
        await replace(self.io, path, data)

    async def remove(self, path: str) -> None:
        await self.io.remove(path)
        await self.io.sync_dir(ROOT)


class NameUnsynced(KeyFiles):
    """Syncs a file's content and never its name."""

    async def replace(self, path: str, data: bytes) -> None:
        await write_whole(self.io, f"{path}.tmp", data)
        await self.io.rename(f"{path}.tmp", path)
        if self.is_mended:
            await self.io.sync_dir(ROOT)


class UnlinkUnsynced(KeyFiles):
    """Removes a name and never syncs the folder."""

    async def remove(self, path: str) -> None:
        await self.io.remove(path)
        if self.is_mended:
            await self.io.sync_dir(ROOT)


TWO_PUTS = (put(b"a", b"1"), put(b"b", b"2"))

ALICE = (
    Case(
        name="alice-across-calls",
        title="two files that have to agree",
        source="ALICE, OSDI'14: atomicity across system calls",
        story=(
            "Two files are replaced one after the other; a power cut between leaves one new and "
            "one old, and the program refuses the pair."
        ),
        make=TwoFiles,
        steps=TWO_PUTS,
    ),
    Case(
        name="alice-append",
        title="half a line at the end of a file",
        source="ALICE, OSDI'14: atomicity of appends",
        story=(
            "A line is appended; a power cut leaves its first half, or zeros, and the program "
            "takes it for a line."
        ),
        make=HalfALine,
        steps=TWO_PUTS,
    ),
    Case(
        name="alice-overwrite",
        title="half of a block overwritten in place",
        source="ALICE, OSDI'14: atomicity of small overwrites",
        story=(
            "A small block is overwritten in place; a power cut leaves its beginning new and its "
            "end old."
        ),
        make=OverwrittenBlock,
        steps=(
            batch({b"a": b"1", b"b": b"1"}),
            batch({b"a": b"2", b"b": b"2"}),
        ),
    ),
    Case(
        name="alice-unlink-then-rename",
        title="no file between unlink and rename",
        source="ALICE, OSDI'14: atomicity of renames and unlinks",
        story=(
            "The old file is unlinked, then the new one is renamed into its place: a power cut "
            "between leaves neither."
        ),
        make=UnlinkedFirst,
        steps=TWO_PUTS,
    ),
    Case(
        name="alice-safe-flush-order",
        title="an index before its data",
        source="ALICE, OSDI'14: order, safe flush",
        story=(
            "A value is written and not synced, the index that points to it is synced: after a "
            "power cut the index points to nothing."
        ),
        make=IndexBeforeData,
        steps=TWO_PUTS,
    ),
    Case(
        name="alice-safe-rename",
        title="renamed before it was synced",
        source="ALICE, OSDI'14: order, safe rename",
        story=(
            "A new file is renamed over the old one without a sync: after a power cut the name "
            "stands for an empty file."
        ),
        make=RenamedUnsynced,
        steps=TWO_PUTS,
    ),
    Case(
        name="alice-journal-goes-first",
        title="the rollback journal is gone, the data is not there",
        source="ALICE, OSDI'14: order, other",
        story=(
            "The unlink of a rollback journal reaches the disk before the data that it guards: "
            "the data is half new, and there is nothing to roll back with."
        ),
        make=JournalGoesFirst,
        steps=TWO_PUTS,
    ),
    Case(
        name="alice-safe-flush-durability",
        title="a synced file without a name",
        source="ALICE, OSDI'14: durability, safe flush",
        story=(
            "A file is synced and renamed and its folder is not synced: what was acknowledged is "
            "gone after a power cut."
        ),
        make=NameUnsynced,
        steps=TWO_PUTS,
    ),
    Case(
        name="alice-unlink-durability",
        title="an unlinked file is back",
        source="ALICE, OSDI'14: durability, other",
        story=(
            "A deletion is acknowledged after the unlink, the folder is not synced: after a power "
            "cut the file is back."
        ),
        make=UnlinkUnsynced,
        steps=(put(b"a", b"1"), delete(b"a")),
    ),
)

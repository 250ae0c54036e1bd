"""CrashMonkey's new file-system bugs F1 to F10, as disks that the contract of `Io` allows.

Those file systems broke their promises; here nobody promised: a rename is two changes that a
power cut may part (`rename_atomic=False`), and a name is durable only after `sync_dir` of its own
folder. The mini-engines do what the workloads did and believe what the bugs disproved.

F8 (blocks beyond the end of a file are lost) has no counterpart: `Io` keeps no such blocks.
"""

from io_backends import ExistsError
from sim.corpus.bricks import (
    ROOT,
    read_if_there,
    read_record,
    remove_if_there,
    sealed,
    unsealed,
    write_whole,
)
from sim.corpus.case import Case
from sim.corpus.engine import MiniEngine, UnreadableError
from sim.corpus.hunt import Hunt
from sim.corpus.ledger import Changes, State
from sim.corpus.steps import FLUSH, put

SOURCE = "CrashMonkey and ACE, new bug "
TORN_RENAMES = Hunt(cuts=False, torn_renames=3)
RECORD_BYTES = 64


class Folders(MiniEngine):
    """Each key is a file in a folder; a file that is not whole is not there."""

    folders: tuple[str, ...] = ("/A", "/B")
    home = "/B"
    shown: tuple[str, ...] = ("/B", "/A")

    async def open(self) -> None:
        for folder in self.folders:
            try:
                await self.io.make_dir(folder)
            except ExistsError:
                continue
            await self.io.sync_dir(folder.rpartition("/")[0] or ROOT)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        for key, value in changes.items():
            await self.put_file(f"{self.home}/{key.decode()}", sealed(value or b""))

    async def put_file(self, path: str, data: bytes) -> None:
        await write_whole(self.io, path, data)
        await self.io.sync_dir(self.home)

    async def rows(self) -> State:
        state: State = {}
        for folder in self.shown:
            for name in await self.io.list(folder):
                value = await read_record(self.io, f"{folder}/{name}")
                if value is not None:
                    state[name.encode()] = value
        return state

    async def flush(self) -> None:
        """Move every file to the other folder."""
        for name in await self.io.list(self.home):
            await self.move(f"{self.home}/{name}", f"/A/{name}")

    async def move(self, source: str, target: str) -> None:
        """Let a file have both names until the new one is durable."""
        await remove_if_there(self.io, target)
        await self.io.link(source, target)
        await self.io.sync_dir(target.rpartition("/")[0])
        await self.io.remove(source)
        await self.io.sync_dir(self.home)


class LostInRename(Folders):
    """Moves a file that was promised by a rename between folders."""

    async def move(self, source: str, target: str) -> None:
        if self.is_mended:
            await super().move(source, target)
            return
        await self.io.rename(source, target)
        await self.io.sync_dir("/A")
        await self.io.sync_dir("/B")


class InBothFolders(Folders):
    """Refuses a file that it finds in both folders: of a move, one half was kept."""

    async def rows(self) -> State:
        both = set(await self.io.list("/A")) & set(await self.io.list("/B"))
        if both and not self.is_mended:
            raise UnreadableError(f"in both folders: {sorted(both)}")
        return await super().rows()


class ParentSynced(Folders):
    """Links into a folder and syncs the one above it."""

    folders: tuple[str, ...] = ("/A", "/A/C", "/B")
    shown: tuple[str, ...] = ("/B", "/A/C")

    async def flush(self) -> None:
        for name in await self.io.list("/B"):
            await self.io.link(f"/B/{name}", f"/A/C/{name}")
            await self.io.sync_dir("/A/C" if self.is_mended else "/A")
            await self.io.remove(f"/B/{name}")
            await self.io.sync_dir("/B")


class FolderRenamed(Folders):
    """Renames a folder, then syncs that folder and a file in it; never the one above."""

    folders: tuple[str, ...] = ()
    shown: tuple[str, ...] = ("/B",)

    async def open(self) -> None:
        """Begin anew, in a folder that gets its name once it is empty, unless it has that name."""
        names = await self.io.list(ROOT)
        if "B" in names:
            return
        if "A" not in names:
            await self.io.make_dir("/A")
        for name in await self.io.list("/A"):
            await self.io.remove(f"/A/{name}")
        await self.io.sync_dir(ROOT)
        await self.io.rename("/A", "/B")
        if self.is_mended:
            await self.io.sync_dir(ROOT)


class ChildSynced(FolderRenamed):
    """Renames a folder, then syncs a file in it and neither folder."""

    async def put_file(self, path: str, data: bytes) -> None:
        await write_whole(self.io, path, data)
        if self.is_mended:
            await self.io.sync_dir("/B")


class LinkUnsynced(Folders):
    """Gives a file a second name and syncs the file under both, but no folder of the second."""

    home = "/A"
    shown: tuple[str, ...] = ("/B",)

    async def put_file(self, path: str, data: bytes) -> None:
        await super().put_file(path, data)
        second = f"/B/{path.rpartition('/')[2]}"
        await self.io.link(path, second)
        for name in (path, second):
            file = self.keep(await self.io.open(name, writable=True))
            await file.sync()
        if self.is_mended:
            await self.io.sync_dir("/B")


class ChildFolderSynced(Folders):
    """Makes files in a folder and in one below, and syncs only what is below."""

    folders: tuple[str, ...] = ("/B", "/B/A")
    shown: tuple[str, ...] = ("/B",)

    async def put_file(self, path: str, data: bytes) -> None:
        await write_whole(self.io, path, data)
        await write_whole(self.io, "/B/A/foo", b"")
        await self.io.sync_dir("/B/A")
        if self.is_mended:
            await self.io.sync_dir("/B")

    async def rows(self) -> State:
        state: State = {}
        for name in await self.io.list("/B"):
            if name != "A":
                value = await read_record(self.io, f"/B/{name}")
                state.update({} if value is None else {name.encode(): value})
        return state


class FileWithoutItsNames(Folders):
    """Writes a file in the root, links it into a folder, and syncs the file alone."""

    folders: tuple[str, ...] = ("/A",)
    home = "/"
    shown: tuple[str, ...] = ("/A",)

    async def put_file(self, path: str, data: bytes) -> None:
        name = path.rpartition("/")[2]
        await super().put_file(f"/{name}", data)
        await self.io.link(f"/{name}", f"/A/{name}")
        file = self.keep(await self.io.open(f"/{name}", writable=True))
        await file.sync()
        if self.is_mended:
            await self.io.sync_dir("/A")


class SizeIsTheEnd(MiniEngine):
    """Makes room at the end of a file, and takes its size for the number of records."""

    async def open(self) -> None:
        data = await read_if_there(self.io, "/records")
        if data is None:
            await write_whole(self.io, "/records", b"")
            await self.io.sync_dir(ROOT)
        self.file = self.keep(await self.io.open("/records", writable=True))
        self.state: State = {}
        self.end = 0
        for start in range(0, len(data or b""), RECORD_BYTES):
            self.take((data or b"")[start : start + RECORD_BYTES])

    def take(self, record: bytes) -> None:
        if self.is_mended and not list(unsealed(record)):
            return
        key, _, value = record[8:].rstrip(b"\0").partition(b"=")
        self.state[key] = value
        self.end += RECORD_BYTES

    async def write(self, changes: Changes, *, synced: bool) -> None:
        for key, value in changes.items():
            record = sealed(key + b"=" + (value or b""))
            await self.file.allocate(self.end + RECORD_BYTES)
            await self.file.write_at(self.end, record.ljust(RECORD_BYTES, b"\0"))
            await self.file.sync()
            self.end += RECORD_BYTES
            self.state[key] = value or b""

    async def rows(self) -> State:
        return dict(self.state)


PUTS = (put(b"a", b"1"), put(b"b", b"2"))
MOVES = (put(b"a", b"1"), FLUSH)

FILES = (
    Case(
        name="crashmonkey-1-lost-in-rename",
        title="a file lost by a rename",
        source=SOURCE + "1 (btrfs)",
        story=(
            "A file is renamed into another folder; a power cut keeps that the old name is gone "
            "and not that the new one is there."
        ),
        make=LostInRename,
        steps=MOVES,
        hunt=TORN_RENAMES,
    ),
    Case(
        name="crashmonkey-2-in-both-folders",
        title="a renamed file in both folders",
        source=SOURCE + "2 (btrfs)",
        story=(
            "A file is renamed into another folder; a power cut keeps the new name and the old "
            "one, and the program refuses the pair."
        ),
        make=InBothFolders,
        steps=MOVES,
    ),
    Case(
        name="crashmonkey-3-folder-entries",
        title="a link in a folder whose parent was synced",
        source=SOURCE + "3 (btrfs)",
        story=(
            "A file is linked into a folder and the folder above is synced: after a power cut the "
            "link is not there."
        ),
        make=ParentSynced,
        steps=MOVES,
    ),
    Case(
        name="crashmonkey-4-folder-renamed",
        title="a renamed folder is gone",
        source=SOURCE + "4 (btrfs)",
        story=(
            "A folder is renamed, a file is made in it, file and folder are synced: after a power "
            "cut there is no folder of the new name."
        ),
        make=FolderRenamed,
        steps=PUTS,
    ),
    Case(
        name="crashmonkey-5-hard-link",
        title="a hard link is gone although its file was synced",
        source=SOURCE + "5 (btrfs)",
        story=(
            "A file gets a second name in another folder and is synced under both: after a power "
            "cut the second name is not there."
        ),
        make=LinkUnsynced,
        steps=PUTS,
    ),
    Case(
        name="crashmonkey-6-folder-without-its-files",
        title="a file is gone although its folder's child was synced",
        source=SOURCE + "6 (btrfs)",
        story=(
            "A file is made in a folder and another in a folder below; the syncs do not carry the "
            "first name, and after a power cut it is gone."
        ),
        make=ChildFolderSynced,
        steps=PUTS,
    ),
    Case(
        name="crashmonkey-7-not-all-names",
        title="the sync of a file does not carry all its names",
        source=SOURCE + "7 (btrfs)",
        story=(
            "A file is linked into a folder and synced under its first name: after a power cut the "
            "link is not there."
        ),
        make=FileWithoutItsNames,
        steps=PUTS,
    ),
    Case(
        name="crashmonkey-9-size",
        title="a file longer than what was written",
        source=SOURCE + "9 (F2FS)",
        story=(
            "Room is made at the end of a file; after a power cut its size counts bytes that were "
            "never written, and the program reads zeros for a record."
        ),
        make=SizeIsTheEnd,
        steps=PUTS,
    ),
    Case(
        name="crashmonkey-10-renamed-parent",
        title="a synced file is in another folder",
        source=SOURCE + "10 (F2FS)",
        story=(
            "A folder is renamed, a file is made in it and synced: after a power cut the folder "
            "has its old name, and the file is not where it was put."
        ),
        make=ChildSynced,
        steps=PUTS,
    ),
)

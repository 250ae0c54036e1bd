"""LevelDB's published bugs in log, manifest and CURRENT (ALICE, LazyFS, its own issues)."""

from collections.abc import Iterator

from sim.corpus.bricks import (
    ROOT,
    Record,
    TinyLog,
    dump,
    sealed,
    unchecked,
    unsealed,
    write_whole,
)
from sim.corpus.case import Case
from sim.corpus.engine import UnreadableError
from sim.corpus.ledger import Changes
from sim.corpus.steps import FLUSH, REOPEN, put, unsynced
from sim.corpus.tiny_logs import LogStore, RollingLogs
from sim.corpus.tiny_lsm import TinyLsm

LARGE = b"v" * 700
SECTOR = b"v" * 490
END = b"end of record"


class TrustedTail(LogStore):
    """Takes what the length of the file says for written."""

    def read(self, data: bytes) -> Iterator[Record]:
        return unsealed(data) if self.is_mended else unchecked(data)


class TableWithoutFolderSync(TinyLsm):
    """Syncs a table but not its name."""

    async def sync_folder(self, why: str) -> None:
        if why != "table" or self.is_mended:
            await super().sync_folder(why)


class UnlinkedTooEarly(TinyLsm):
    """Unlinks the old manifest and log before the rename of CURRENT is durable."""

    async def sync_folder(self, why: str) -> None:
        if why != "current" or self.is_mended:
            await super().sync_folder(why)

    async def remove_old(self) -> None:
        await super().remove_old()
        await super().sync_folder("current")


class AsyncSwitch(RollingLogs):
    """Leaves the old log unsynced when it switches to the next."""

    asks_for_sequence = False

    async def finish(self, log: TinyLog) -> None:
        if self.is_mended:
            await super().finish(log)


class ManifestAfterCurrent(TinyLsm):
    """Creates a store without syncing the manifest that CURRENT names."""

    async def append_edit(self) -> None:
        if self.is_mended or self.tables:
            await super().append_edit()
        else:
            await self.manifest.append(
                dump([[], [self.log_number], [self.number_next]])
            )


class CurrentNeverSynced(TinyLsm):
    """Renames CURRENT.tmp into place before its content is synced."""

    async def set_current(self) -> None:
        if self.is_mended:
            await super().set_current()
            return
        name = self.manifest_path().removeprefix(ROOT).encode()
        await write_whole(self.io, "/CURRENT.tmp", name, synced=False)
        await self.io.rename("/CURRENT.tmp", "/CURRENT")
        await self.sync_folder("current")


class StrictTail(LogStore):
    """Takes a log whose last records are not whole for a damaged one."""

    def read(self, data: bytes) -> Iterator[Record]:
        end = 0
        for payload, end in unsealed(data):
            yield payload, end
        if end < len(data) and not self.is_mended:
            raise UnreadableError("checksum mismatch")


class EndMark(LogStore):
    """Takes a record for whole if its beginning and its end are there."""

    def record(self, changes: Changes) -> bytes:
        return super().record(changes) + END

    def replay(self, record: bytes) -> None:
        super().replay(record.removesuffix(END))

    def read(self, data: bytes) -> Iterator[Record]:
        for payload, end in unsealed(data) if self.is_mended else unchecked(data):
            if not payload.endswith(END):
                return
            yield payload, end


class EmptyTable(TinyLsm):
    """Names a table in the manifest whose bytes were never synced."""

    async def write_table(self, number: int, changes: Changes) -> None:
        path = f"/{number}.table"
        await write_whole(self.io, path, sealed(dump(changes)), synced=self.is_mended)


LEVELDB = (
    Case(
        name="leveldb-log-tail",
        title="a torn tail of the log is a read error",
        source="ALICE, OSDI'14, section 4.2.1",
        story=(
            "A record is appended and not synced; the file's new length reaches the disk and its "
            "bytes do not. The store reports an error for a write that it never acknowledged."
        ),
        make=TrustedTail,
        steps=(put(b"a", b"1"), unsynced(b"b", LARGE)),
    ),
    Case(
        name="leveldb-196-table-without-folder-sync",
        title="a table's name is lost",
        source="leveldb#196; ALICE, OSDI'14",
        story=(
            "A table is written and synced and the manifest names it, but the folder is not "
            "synced: after a power cut the table is not there and the store does not open."
        ),
        make=TableWithoutFolderSync,
        steps=(put(b"a", b"1"), FLUSH),
    ),
    Case(
        name="leveldb-195-unlink-before-rename",
        title="old files go before CURRENT has moved",
        source="leveldb#195; ALICE, OSDI'14",
        story=(
            "CURRENT is renamed, the old manifest and log are unlinked, and nothing orders the "
            "two: after a power cut CURRENT is the old one and what it names is gone."
        ),
        make=UnlinkedTooEarly,
        steps=(put(b"a", b"1"), REOPEN, put(b"b", b"2")),
    ),
    Case(
        name="leveldb-193-log-switch",
        title="a hole between two logs",
        source="leveldb#193",
        story=(
            "A write goes to the first log unsynced, the log is switched, the next write is "
            "synced in the second: after a power cut the second write is there without the first."
        ),
        make=AsyncSwitch,
        steps=(unsynced(b"a", LARGE), put(b"b", LARGE)),
    ),
    Case(
        name="leveldb-189-creation",
        title="a new store that cannot be opened",
        source="leveldb#189; LazyFS leveldb-3",
        story=(
            "CURRENT names the first manifest durably while the manifest's content is not synced: "
            "after a power cut the store has a CURRENT and no manifest to read."
        ),
        make=ManifestAfterCurrent,
        steps=(put(b"a", b"1"),),
    ),
    Case(
        name="leveldb-74-current-of-zeros",
        title="CURRENT is sixteen zeros",
        source="leveldb#74; LazyFS leveldb-4, leveldb-5",
        story=(
            "CURRENT is written, never synced and renamed into place: its length survives a "
            "power cut and its bytes do not, so it names nothing."
        ),
        make=CurrentNeverSynced,
        steps=(put(b"a", b"1"),),
    ),
    Case(
        name="leveldb-torn-group",
        title="a torn group of writes is a checksum mismatch",
        source="LazyFS leveldb-6",
        story=(
            "Of a group of unsynced writes to the log the first and the last reach the disk (1 and "
            "5 there, 1 and 3 here): the store refuses to open with a checksum mismatch."
        ),
        make=StrictTail,
        steps=(
            put(b"0", b"0"),
            *(unsynced(b"%d" % number, SECTOR) for number in (1, 2, 3)),
        ),
    ),
    Case(
        name="pebblesdb-15-torn-record",
        title="a record without its middle",
        source="LazyFS pebblesdb-15",
        story=(
            "One write of three parts reaches the disk without the second part; beginning and "
            "end look well, and the record is replayed with zeros in it."
        ),
        make=EndMark,
        steps=(put(b"a", b"1"), unsynced(b"b", b"v" * 1300)),
    ),
    Case(
        name="leveldb-333-empty-table",
        title="the manifest names an empty table",
        source="leveldb#333; horaedb#394",
        story=(
            "The edit that adds a table is durable before the table's bytes are: after a power "
            "cut the table is there with no bytes or with zeros."
        ),
        make=EmptyTable,
        steps=(put(b"a", b"1"), FLUSH),
    ),
)

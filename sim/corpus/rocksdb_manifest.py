"""RocksDB's and Pebble's published bugs in manifest, CURRENT, recovery and compaction."""

from io_backends import IoError, OpKind
from sim.corpus.bricks import (
    TinyLog,
    dump,
    read_if_there,
    remove_if_there,
    unsealed,
    write_whole,
)
from sim.corpus.case import Case
from sim.corpus.engine import UnreadableError
from sim.corpus.hunt import Hunt, Refused
from sim.corpus.ledger import Changes
from sim.corpus.steps import COMPACT, FLUSH, REOPEN, delete, put
from sim.corpus.tiny_lsm import TinyLsm

MANIFEST_WRITES = Refused(kinds=(OpKind.WRITE,), path="*manifest*")
MANIFEST_SYNCS = Refused(kinds=(OpKind.SYNC,), path="*manifest*")


class CurrentFolderUnsynced(TinyLsm):
    """Never syncs the folder after the rename of CURRENT; keeps the old files for it."""

    async def sync_folder(self, why: str) -> None:
        if why != "current" or self.is_mended:
            await super().sync_folder(why)

    async def remove_old(self) -> None:
        """Keep them."""


class TableOfFailedEdit(TinyLsm):
    """Deletes a new table when the edit that adds it could not be synced."""

    async def append_edit(self) -> None:
        try:
            await super().append_edit()
        except IoError:
            if not self.is_mended and self.tables:
                await remove_if_there(self.io, f"/{max(self.tables)}.table")
                await self.sync_folder("table")
            raise


class BehindAFailedAppend(TinyLsm):
    """Appends the next edit behind the garbage that a failed append left."""

    goes_on = True

    async def append_edit(self) -> None:
        try:
            await super().append_edit()
        except IoError:
            if not self.is_mended:
                raise
            await self.begin_manifest()


class ReusedManifest(TinyLsm):
    """Goes on with the manifest it finds; not a bug by itself."""

    async def begin_manifest(self) -> None:
        if not self.manifest_number:
            await super().begin_manifest()
            return
        self.manifest = await TinyLog.load(self.io, self.manifest_path())
        self.keep(self.manifest.file)
        await self.append_edit()


class ReusedNumber(ReusedManifest):
    """Takes the next number from the manifest alone, whatever files there are."""

    def numbers(self, names: list[str]) -> list[int]:
        return super().numbers(names) if self.is_mended else []

    async def new_log(self) -> TinyLog:
        await remove_if_there(self.io, self.log_path())
        return await super().new_log()

    async def manifest_for_life(self) -> int:
        number = self.take_number()
        await remove_if_there(self.io, f"/{number}.manifest")
        return number

    async def begin_manifest(self) -> None:
        if self.is_mended:
            await TinyLsm.begin_manifest(self)
        else:
            await super().begin_manifest()


class ManifestBeforeLog(TinyLsm):
    """Copies what it replayed into the new log, and names that log before it is synced."""

    async def keep_replayed(self) -> None:
        if self.memtable:
            await self.log.append(dump(self.memtable))
            if self.is_mended:
                await self.log.sync()


class ManifestTruncated(TinyLsm):
    """Gives the new manifest a name that is taken, and so cuts off the old one."""

    async def manifest_for_life(self) -> int:
        if self.is_mended or not self.manifest_number:
            return await super().manifest_for_life()
        await self.io.remove(self.manifest_path())
        return self.manifest_number


class RecoveredTableUnsynced(ReusedManifest):
    """Does not sync the name of a table made in recovery before the old manifest gets its edit."""

    async def sync_folder(self, why: str) -> None:
        if why != "table" or self.is_mended:
            await super().sync_folder(why)


class SkipsUnreadable(TinyLsm):
    """Compacts what can be read of its inputs, and drops the inputs."""

    async def load_table(self, number: int) -> Changes:
        try:
            return await super().load_table(number)
        except IoError:
            if self.is_mended or number not in self.tables:
                raise
            return {}


class SyncsSkipped(TinyLsm):
    """Takes the folder for closed once a compaction has closed its handle, and syncs no more."""

    is_closed = False

    async def compact(self) -> None:
        await super().compact()
        self.is_closed = not self.is_mended

    async def sync_folder(self, why: str) -> None:
        if not self.is_closed:
            await super().sync_folder(why)


class OptionsUnsynced(TinyLsm):
    """Writes an OPTIONS file at every start and does not sync it, yet needs it to open."""

    async def open(self) -> None:
        options = await read_if_there(self.io, "/OPTIONS")
        if options not in (None, b"bytewise"):
            raise UnreadableError(f"unknown order {options!r}")
        await write_whole(self.io, "/OPTIONS.tmp", b"bytewise", synced=self.is_mended)
        await self.io.rename("/OPTIONS.tmp", "/OPTIONS")
        await super().open()


class TornEditIsDamage(TinyLsm):
    """Takes a manifest whose last record is not whole for a damaged one."""

    def edits_in(self, data: bytes) -> list[list[list[int]]]:
        end = max((end for _, end in unsealed(data)), default=0)
        if end < len(data) and not self.is_mended:
            raise UnreadableError("manifest: unexpected end")
        return super().edits_in(data)


class IntraLevel0(TinyLsm):
    """Merges the newest tables of level 0 and drops tombstones that older ones still need."""

    async def compact(self) -> None:
        numbers = sorted(self.tables)[1:]
        merged: Changes = {}
        for number in numbers:
            merged.update(self.tables.pop(number))
        kept = {k: v for k, v in merged.items() if v is not None or self.is_mended}
        await self.add_table(kept)
        await self.append_edit()
        await self.remove_old()


ROCKSDB_MANIFEST = (
    Case(
        name="rocksdb-10573-current-folder-unsynced",
        title="CURRENT goes back to the manifest before",
        source="rocksdb#10573",
        story=(
            "CURRENT is renamed and its folder not synced; writes go to the files of the new "
            "manifest. After a power cut the old CURRENT is back, and those writes are lost."
        ),
        make=CurrentFolderUnsynced,
        steps=(put(b"a", b"1"), REOPEN, put(b"b", b"2")),
    ),
    Case(
        name="rocksdb-4990-table-of-a-failed-edit",
        title="a failed edit survives, its table does not",
        source="rocksdb#4990, #5379",
        story=(
            "The sync of an edit fails and the table it adds is deleted; the edit is on disk all "
            "the same, and after a restart a table is missing."
        ),
        make=TableOfFailedEdit,
        steps=(put(b"a", b"1"), FLUSH),
        hunt=Hunt(cuts=False, refused=MANIFEST_SYNCS),
    ),
    Case(
        name="rocksdb-6331-behind-a-failed-append",
        title="an edit behind garbage",
        source="rocksdb#6331, #6316",
        story=(
            "An append to the manifest fails half-way; later edits are appended behind the "
            "garbage, acknowledged, and never read again."
        ),
        make=BehindAFailedAppend,
        steps=(put(b"a", b"1"), FLUSH, put(b"b", b"2"), FLUSH),
        hunt=Hunt(cuts=False, refused=MANIFEST_WRITES),
    ),
    Case(
        name="rocksdb-7621-number-reuse",
        title="two crashes, and one number for two tables",
        source="rocksdb#7621; pebble#984",
        story=(
            "An edit is on its way when the power fails; recovery does not see it and uses its "
            "numbers again. Then the edit surfaces, and names a table that is another or gone."
        ),
        make=ReusedNumber,
        steps=(put(b"a", b"1"), FLUSH, put(b"b", b"2"), FLUSH, COMPACT),
        hunt=Hunt(cuts=False, surfacing=True),
    ),
    Case(
        name="rocksdb-9922-manifest-before-log",
        title="the manifest names a log that is not there yet",
        source="rocksdb#9922",
        story=(
            "Recovery writes a new manifest that names a new log before what it copied there is "
            "synced, and drops the old log: a second power cut loses acknowledged writes."
        ),
        make=ManifestBeforeLog,
        steps=(put(b"a", b"1"), REOPEN, put(b"b", b"2")),
    ),
    Case(
        name="rocksdb-6426-manifest-truncated",
        title="the new manifest is an old one",
        source="rocksdb#6426",
        story=(
            "The name of the new manifest is taken: opening it cuts off the manifest that "
            "CURRENT still names."
        ),
        make=ManifestTruncated,
        steps=(put(b"a", b"1"), REOPEN, put(b"b", b"2")),
    ),
    Case(
        name="rocksdb-14780-recovered-table",
        title="a table made in recovery is lost",
        source="rocksdb#14780",
        story=(
            "Recovery makes a table of the log and adds it to the manifest it found; the folder is "
            "not synced. After a power cut the manifest names a table that is not there."
        ),
        make=RecoveredTableUnsynced,
        steps=(put(b"a", b"1"), REOPEN, put(b"b", b"2")),
    ),
    Case(
        name="rocksdb-unreadable-range-skipped",
        title="compaction drops what it cannot read",
        source="RocksDB HISTORY: compaction and a read error",
        story=(
            "A read error at the beginning of an input ends the input early; compaction finishes, "
            "the input is deleted, its keys are gone without a word."
        ),
        make=SkipsUnreadable,
        steps=(put(b"a", b"1"), FLUSH, put(b"b", b"2"), FLUSH, COMPACT),
        hunt=Hunt(cuts=False, refused=Refused(kinds=(OpKind.READ,), effects=("none",))),
    ),
    Case(
        name="rocksdb-7.4.0-syncs-skipped",
        title="no more syncs after a handle was closed",
        source="RocksDB HISTORY, 7.4.0: DropColumnFamily",
        story=(
            "Closing one handle makes the store believe that its folder needs no sync: from then "
            "on new tables lose their names in a power cut."
        ),
        make=SyncsSkipped,
        steps=(put(b"a", b"1"), FLUSH, COMPACT, put(b"b", b"2"), FLUSH),
    ),
    Case(
        name="rocksdb-2722-deleted-keys-return",
        title="deleted keys return after a compaction in level 0",
        source="rocksdb#2722, #2726",
        story=(
            "A compaction inside level 0 drops tombstones of keys that only older tables of level "
            "0 hold: the deleted keys are back."
        ),
        make=IntraLevel0,
        steps=(
            *(put(b"a", b"1"), FLUSH),
            *(delete(b"a"), FLUSH),
            *(put(b"b", b"2"), FLUSH),
            COMPACT,
        ),
        hunt=Hunt(cuts=False, seeds=20),
    ),
    Case(
        name="pebble-505-options-unsynced",
        title="OPTIONS is needed and was never synced",
        source="pebble#505",
        story=(
            "The OPTIONS file is written at every start and never synced; after a power cut it "
            "holds zeros and the store does not open."
        ),
        make=OptionsUnsynced,
        steps=(put(b"a", b"1"),),
    ),
    Case(
        name="cockroach-145074-torn-edit",
        title="the end of a manifest is taken for damage",
        source="cockroach#145074",
        story=(
            "A power cut leaves part of the last edit; the store takes the unexpected end for "
            "corruption and does not open, although nothing that was promised is missing."
        ),
        make=TornEditIsDamage,
        steps=(put(b"a", b"1"), FLUSH),
    ),
)

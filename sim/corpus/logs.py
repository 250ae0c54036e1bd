"""Published bugs of logs synced too late or not at all (Redis, etcd, ZooKeeper, Badger, sled)."""

from collections.abc import Iterator

from io_backends import IoError, OpKind
from sim.corpus.bricks import Record, TinyLog, read_if_there, replace, unsealed
from sim.corpus.case import Case
from sim.corpus.engine import UnreadableError
from sim.corpus.hunt import Hunt, Refused
from sim.corpus.steps import SYNC, put, unsynced
from sim.corpus.tiny_logs import LogStore, RollingLogs

SECTOR = b"v" * 490
LARGE = b"v" * 700
FAILED_SYNCS = Hunt(cuts=False, refused=Refused(kinds=(OpKind.SYNC,)))
MAGIC = b"ZKLG".ljust(512, b"\0")


class FailedSyncIgnored(LogStore):
    """Acknowledges although the sync failed."""

    goes_on = True

    async def sync(self) -> None:
        try:
            await super().sync()
        except IoError:
            if self.is_mended:
                raise


class FailedSyncRetried(LogStore):
    """Tries a failed sync again, and believes the second answer."""

    async def sync(self) -> None:
        try:
            await super().sync()
        except IoError:
            if self.is_mended:
                raise
            await super().sync()


class AcknowledgedFirst(LogStore):
    """Acknowledges before the sync."""

    async def sync(self) -> None:
        if self.is_mended:
            await super().sync()


class LogFolderUnsynced(LogStore):
    """Creates its log without syncing the folder."""

    async def sync_folder(self) -> None:
        if self.is_mended:
            await super().sync_folder()


class MagicAfterRecords(LogStore):
    """Refuses a log without its magic number, which is not synced before the records."""

    async def open(self) -> None:
        self.is_new = True
        await super().open()
        if self.is_new:
            await self.log.file.write_at(0, MAGIC)
            self.log.end = len(MAGIC)

    def read(self, data: bytes) -> Iterator[Record]:
        if not data:
            return
        if not data.startswith(MAGIC):
            if self.is_mended:
                return
            raise UnreadableError("the log has no magic number")
        self.is_new = False
        yield b"\xa0", len(MAGIC)
        for payload, end in unsealed(data[len(MAGIC) :]):
            yield payload, end + len(MAGIC)


class GrowthUnsynced(LogStore):
    """Notes how much of the log is stable after a sync that does not cover its growth."""

    async def open(self) -> None:
        stable = int(await read_if_there(self.io, "/stable") or b"0")
        await super().open()
        if self.log.end < stable:
            raise UnreadableError(f"the log ends at {self.log.end}, not at {stable}")

    async def sync(self) -> None:
        if self.is_mended:
            await super().sync()
        await replace(self.io, "/stable", b"%d" % self.log.end)


class EmptyValueLog(RollingLogs):
    """Begins the next value log before the last one is synced; refuses an empty one."""

    async def finish(self, log: TinyLog) -> None:
        if self.is_mended:
            await super().finish(log)

    async def load(self, number: int, *, is_last: bool) -> TinyLog:
        log = await super().load(number, is_last=is_last)
        if not log.records and not is_last:
            raise UnreadableError(f"{number}.log is empty and not the last one")
        return log


LOGS = (
    Case(
        name="redis-8111-failed-sync-ignored",
        title="a failed sync is ignored",
        source="redis#8111; ATC'20",
        story=(
            "A sync fails with EIO, the write is acknowledged all the same; the kernel has "
            "dropped the pages, and a power cut shows that they never reached the disk."
        ),
        make=FailedSyncIgnored,
        steps=(put(b"a", b"1"), put(b"b", b"2")),
        hunt=FAILED_SYNCS,
    ),
    Case(
        name="fsyncgate-failed-sync-retried",
        title="a failed sync is tried again",
        source="ATC'20; WiredTiger WT-4045",
        story=(
            "A sync fails and drops the dirty pages; the second sync has nothing to write and "
            "succeeds, and the write is acknowledged. After a power cut it is gone."
        ),
        make=FailedSyncRetried,
        steps=(put(b"a", b"1"), put(b"b", b"2")),
        hunt=FAILED_SYNCS,
    ),
    Case(
        name="etcd-14370-acknowledged-first",
        title="acknowledged before it was synced",
        source="etcd#14370",
        story=(
            "On a single node a write is acknowledged before its log record is synced: a power "
            "cut loses it."
        ),
        make=AcknowledgedFirst,
        steps=(put(b"a", b"1"), put(b"b", b"2")),
    ),
    Case(
        name="zookeeper-log-folder-unsynced",
        title="a synced log without a name",
        source="LazyFS zk-2, zk-7, zk-8; ALICE, OSDI'14",
        story=(
            "A new log is created, written and synced, its folder is not: after a power cut the "
            "log is not there, nor what was acknowledged in it."
        ),
        make=LogFolderUnsynced,
        steps=(put(b"a", b"1"), put(b"b", b"2")),
    ),
    Case(
        name="zookeeper-torn-magic",
        title="a log without its magic number",
        source="LazyFS zk-2, zk-7, zk-8: torn sequence [2, 4]",
        story=(
            "The header of a new log and its first records are written before any sync; a power "
            "cut keeps records and not the header, and the server does not start."
        ),
        make=MagicAfterRecords,
        steps=(unsynced(b"a", SECTOR), SYNC),
    ),
    Case(
        name="sled-1077-growth-unsynced",
        title="a file shorter than what was noted as stable",
        source="sled#1077, #1229",
        story=(
            "The range of a write is synced and the growth of its file is not; a note says it is "
            "stable. After a power cut the file is shorter than the note says."
        ),
        make=GrowthUnsynced,
        steps=(put(b"a", b"1"), put(b"b", b"2")),
    ),
    Case(
        name="badger-153-empty-value-log",
        title="an empty value log before a full one",
        source="badger#153",
        story=(
            "A value log is full, the next one is created and written, the first is not synced: "
            "after a power cut the first is empty and the store does not start."
        ),
        make=EmptyValueLog,
        steps=(unsynced(b"a", LARGE), unsynced(b"b", LARGE)),
    ),
)

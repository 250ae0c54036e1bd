"""A store that holds one file of each kind, and what damage to it may lead to."""

import attrs

from io_backends import Io, TracingIo, VirtualDisk, VirtualIo
from io_backends.faults import MUTATING
from sim import run_seeded
from tempest import (
    CorruptionError,
    Durability,
    NotAStoreError,
    TempestError,
    UnsupportedFormatError,
)
from tempest.check import VerifyReport, verify_store
from tests.tempest.shelf import STORE, content_of, evolve, fill, key_of, open_on

DOCUMENTED = (CorruptionError, UnsupportedFormatError, NotAStoreError)
OPTIONS = evolve(
    memtable_bytes_max=1 << 20, segment_bytes_max=2048, durability=Durability.OS
)
Content = dict[bytes, bytes]


@attrs.frozen
class Sample:
    """A disk with a store in it, what the store holds, and which file is which."""

    disk: VirtualDisk
    content: Content
    rows_below_open_segment: int

    def named(self, kind: str) -> list[str]:
        """The paths of a kind, oldest first; without retired manifests."""
        return [
            path
            for path in self.disk.files()
            if path.startswith(f"/{STORE}/{kind}") and not path.endswith(".old")
        ]

    @property
    def manifest(self) -> str:
        return self.named("manifest-")[-1]

    @property
    def table(self) -> str:
        return self.named("table-")[0]

    @property
    def closed_segment(self) -> str:
        """One that is full, and replayed: its entries are in no table."""
        return self.named("log-")[2]

    @property
    def open_segment(self) -> str:
        return self.named("log-")[-1]

    @property
    def lock(self) -> str:
        return self.named("lock")[0]


def make_sample(*, is_closed: bool, is_synced: bool = True) -> Sample:
    """Make a store with a table and several segments; closed, or killed after its last write."""
    disk = VirtualDisk()

    async def main() -> Sample:
        async with open_on(disk, OPTIONS) as store:
            await fill(store, 30)
            await store.flush()
            segments = below = 0
            for number in range(30, 60):
                await store.put(key_of(number), b"v" * 150)
                if store.statistics().log_segments > segments:
                    segments, below = store.statistics().log_segments, number
                if number < 58:
                    await store.sync()
            if is_synced:
                await store.sync()
            content = await content_of(store)
            killed = disk.clone()
        return Sample(disk if is_closed else killed, content, below)

    return run_seeded(0, main)


CLOSED = make_sample(is_closed=True)
KILLED = make_sample(is_closed=False)
UNSYNCED = make_sample(is_closed=False, is_synced=False)


def replaced(disk: VirtualDisk, path: str, data: bytes) -> VirtualDisk:
    """A copy of the disk on which a file holds other bytes, durably."""
    copy = disk.clone()

    async def main() -> None:
        io = VirtualIo(copy)
        file = await io.open(path, writable=True)
        await file.truncate(0)
        await file.write_at(0, data)
        await file.aclose()

    run_seeded(0, main)
    copy.sync_everything()
    return copy


def without(disk: VirtualDisk, path: str) -> VirtualDisk:
    """A copy of the disk on which a file is missing, durably."""
    copy = disk.clone()
    run_seeded(0, lambda: VirtualIo(copy).remove(path))
    copy.sync_everything()
    return copy


@attrs.frozen
class Verdict:
    """What opening a store and reading all of it led to: its content, or an error."""

    content: Content | None
    error: TempestError | None
    was_open: bool


def without_lock(disk: VirtualDisk) -> dict[str, bytes]:
    """The bytes of every file but the lock's, which holds nothing that matters."""
    contents = disk.contents()
    contents.pop(f"/{STORE}/lock", None)
    return contents


def examine(disk: VirtualDisk) -> Verdict:
    """Open a damaged store, to read and to write, and check what must hold of any damage.

    A reader changes nothing and tries nothing; nor does a writer that is refused, however often.
    """
    before = without_lock(disk)
    io = TracingIo(VirtualIo(disk))
    reader = read_everything(io, read_only=True)
    assert without_lock(disk) == before, "a reader changed something"
    assert not [traced for traced in io.ops if traced.op.kind in MUTATING]
    writable = disk.clone()
    writer = read_everything(VirtualIo(writable))
    if not writer.was_open:
        assert without_lock(writable) == before, "a refused open changed something"
        assert str(read_everything(VirtualIo(writable)).error) == str(writer.error)
    assert writer.error is None or reader.error is not None
    assert writable.open_paths() == writable.locked_paths() == []
    assert disk.open_paths() == disk.locked_paths() == []
    return writer


def read_everything(io: Io, *, read_only: bool = False) -> Verdict:
    """Open and read; nothing but the documented errors may come out."""
    opened: list[bool] = []

    async def main() -> Content:
        async with open_on(io, OPTIONS, read_only=read_only) as store:
            opened.append(True)
            return await content_of(store)

    try:
        return Verdict(run_seeded(0, main), None, was_open=True)
    except DOCUMENTED as error:
        return Verdict(None, error, bool(opened))


def verify(disk: VirtualDisk) -> VerifyReport:
    return run_seeded(0, lambda: verify_store(VirtualIo(disk), STORE))


def is_prefix(content: Content, whole: Content, least: int) -> bool:
    """Whether only the newest of the logged writes are missing, and `least` rows are there."""
    keys = sorted(whole)[: len(content)]
    return len(keys) >= least and content == {key: whole[key] for key in keys}

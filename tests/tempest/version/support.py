"""Tables and segments that exist in the manifest only."""

from io_backends import Io, VirtualDisk, VirtualIo
from journal import Journal, JournalSettings, Loaded
from tempest.log import SegmentMeta
from tempest.table import TableMeta
from tempest.version import LEVELS, Manifest, PlacedTable, Version, VersionEdit

STORE_ID = bytes(range(16))
FOLDER = "d"
PREFIX = "manifest"


def table(
    number: int,
    smallest: bytes = b"a",
    largest: bytes = b"z",
    sequences: tuple[int, int] | None = None,
) -> TableMeta:
    """A table of ten sequences of its own, unless told otherwise."""
    low, high = sequences or (number * 10, number * 10 + 9)
    return TableMeta(number, 1, 4096, smallest, largest, low, high, 10, 0, 0, 0xC0FFEE)


def segment(
    number: int, first: int, end: int | None = None, limit: int = 1000
) -> SegmentMeta:
    return SegmentMeta(number, 1, first, first + limit, end)


def version(
    levels: dict[int, tuple[TableMeta, ...]] | None = None,
    segments: tuple[SegmentMeta, ...] = (),
    *,
    replay_from: int = 0,
) -> Version:
    placed = tuple((levels or {}).get(level, ()) for level in range(LEVELS))
    return Version(
        life=1,
        number_ceiling=100,
        replay_from=replay_from,
        levels=placed,
        segments=segments,
    )


def add(level: int, *tables: TableMeta) -> VersionEdit:
    return VersionEdit(added=tuple(PlacedTable(level, each) for each in tables))


async def load(io: Io) -> Loaded[Version] | None:
    return await Journal.load(io, FOLDER, PREFIX, Version)


async def open_manifest(io: Io, first: Version | None = None) -> Manifest:
    """Go on from what is there, else from `first`, as recovery does."""
    loaded = await load(io)
    state = loaded.state if loaded else (first or Version.initial())
    settings = JournalSettings(store_id=STORE_ID, life=state.life, token=io.token())
    return Manifest(await Journal.start(io, FOLDER, PREFIX, state, loaded, settings))


async def new_io(latency: float = 0.0) -> VirtualIo:
    disk = VirtualDisk()
    await VirtualIo(disk).make_dir(FOLDER)
    disk.sync_everything()
    return VirtualIo(disk, latency=latency)

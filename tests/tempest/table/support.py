"""Small tables for the tests beside this file, and a world to read them in."""

from bisect import bisect_right
from itertools import accumulate

import attrs
from hypothesis import strategies as st

from io_backends import Io, VirtualDisk, VirtualIo
from tempest.columns import Columns, Kind, make_columns
from tempest.header import FileHeader, FileKind
from tempest.options import Compression
from tempest.table import (
    BlockCache,
    Table,
    TableBuilder,
    TableCache,
    TableMeta,
    TableOptions,
    table_name,
)

STORE_ID = bytes(range(16))
PLAIN = TableOptions(64, Compression.NONE, 10)

Version = tuple[bytes, int, Kind, bytes]
"""Key, sequence, kind and value."""

VERSIONS = st.lists(
    st.tuples(
        st.binary(max_size=3),
        st.integers(1, 400),
        st.sampled_from([Kind.PUT, Kind.PUT, Kind.DELETE]),
        st.binary(max_size=30),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda version: version[:2],
).map(lambda versions: sorted(versions, key=lambda v: (v[0], -v[1])))

OPTIONS = st.builds(
    TableOptions,
    st.sampled_from([64, 100, 300, 4096]),
    st.sampled_from(Compression),
    st.sampled_from([0, 1, 10, 20]),
)


def run_of(versions: list[Version]) -> Columns:
    return make_columns(
        [key for key, _, _, _ in versions],
        [b"" if kind else value for _, _, kind, value in versions],
        [sequence for _, sequence, _, _ in versions],
        bytes(kind for _, _, kind, _ in versions),
    )


def puts(count: int, *, first: int = 0, step: int = 1) -> Columns:
    """Keys `key-0000000`, ... with values that halve when packed, and distinct sequences."""
    numbers = range(first, first + count * step, step)
    return make_columns(
        [b"key-%07d" % number for number in numbers],
        [b"%08x" % (number * 2654435761 % 2**32) * 4 for number in numbers],
        [number * 7 % (count * step) + 1 for number in numbers],
    )


def build(
    run: Columns,
    options: TableOptions = PLAIN,
    *,
    number: int = 7,
    life: int = 2,
    store_id: bytes = STORE_ID,
) -> tuple[bytes, TableMeta]:
    """Return the bytes of a table of this run, and its meta."""
    header = FileHeader(FileKind.TABLE, store_id, life, number)
    builder = TableBuilder(header, options)
    data = b"".join([*builder.add(run), *builder.finish()])
    return data, builder.meta


def newest_at(versions: list[Version], key: bytes, at: int) -> Version | None:
    """Answer a read by looking at everything."""
    seen = [v for v in versions if v[0] == key and v[1] <= at]
    return max(seen, key=lambda version: version[1], default=None)


def block_starts(data: bytes, lengths: list[int]) -> list[int]:
    starts = list(accumulate(lengths, initial=64))
    assert bisect_right(starts, len(data)) == len(starts)
    return starts


async def put_file(io: Io, path: str, data: bytes) -> None:
    file = await io.create_exclusive(path)
    await file.write_at(0, data)
    await file.aclose()


@attrs.define
class World:
    """A disk with a folder `d`, and caches over it. Blocks in `cold` are not in memory."""

    disk: VirtualDisk = attrs.field(factory=VirtualDisk)
    is_cold: bool = False
    cache_bytes_max: int = 1 << 20
    table_bytes_max: int = 1 << 20
    tables_max: int = 100
    io: Io = attrs.field(init=False)
    blocks: BlockCache = attrs.field(init=False)
    tables: TableCache = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.use(VirtualIo(self.disk, cached=lambda _, __, ___: not self.is_cold))

    def use(self, io: Io) -> None:
        """Start over with another `Io`."""
        self.io = io
        self.blocks = BlockCache(self.cache_bytes_max)
        self.tables = TableCache(
            io,
            "d",
            STORE_ID,
            self.blocks,
            bytes_max=self.table_bytes_max,
            tables_max=self.tables_max,
        )

    async def add(self, data: bytes, number: int = 7) -> str:
        """Write a table's file; return its path."""
        if "d" not in await self.io.list(""):
            await self.io.make_dir("d")
        path = f"d/{table_name(number)}"
        await put_file(self.io, path, data)
        return path

    async def open(self, meta: TableMeta) -> Table:
        """Open a table past the cache of tables."""
        path = f"d/{table_name(meta.number)}"
        return await Table.open(self.io, path, STORE_ID, meta, self.blocks)

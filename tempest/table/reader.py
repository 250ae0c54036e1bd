"""Read a table: find a key, or take block after block.

A read asks the filter, finds the block by the last keys of all blocks, takes it from the cache
(or reads, verifies and decodes it), and finds the key in it: a few calls of C builtins.

Invariants
- The file is believed only as far as its checksums, from the manifest's down, were verified.
- Damage is `CorruptionError` with file and offset; a read that failed is never "not there".
- A table in use is not closed: whoever awaits one of its methods holds a pin of `TableCache`.
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from xxhash import xxh3_64_intdigest

from io_backends import EndOfFileError, File, Io, NotFoundError
from tempest.columns import Columns, decode_columns
from tempest.errors import CorruptionError
from tempest.header import HEADER_SIZE, check_identity, decode_header, place_seed
from tempest.table.block import Entry, newest
from tempest.table.cache import BlockCache
from tempest.table.filter import MASKS, Filter
from tempest.table.format import FOOTER_SIZE, Footer, decode_block, decode_footer
from tempest.table.index import TableIndex, decode_index
from tempest.table.meta import TableMeta
from tempest.table.properties import (
    FILTER_TWO_WORDS,
    decode_properties,
    difference,
)

_SIZE_MIN = HEADER_SIZE + FOOTER_SIZE


class Table:
    """An open table. `open` is the only way to make one."""

    __slots__ = (
        "_blocks",
        "_cache",
        "_file",
        "_filter",
        "_index",
        "_last_keys",
        "_marks",
        "_seed",
        "_sequence_max",
        "_slots",
        "_words",
        "_words_count",
        "is_used",
        "meta",
        "pins",
    )

    def __init__(
        self,
        file: File,
        meta: TableMeta,
        seed: int,
        parts: tuple[Filter, TableIndex],
        cache: BlockCache,
    ) -> None:
        self.meta = meta
        self.pins = 0
        self.is_used = False
        self._file = file
        self._seed = seed
        self._cache = cache
        self._filter, self._index = parts
        self._blocks = cache.register(len(self._index.last_keys))
        # What `get_nowait` needs, one attribute away.
        self._sequence_max = meta.sequence_max
        self._words = self._filter.words
        self._words_count = len(self._words)
        self._last_keys = self._index.last_keys
        self._slots = self._blocks.slots
        self._marks = self._blocks.marks

    @classmethod
    async def open(
        cls, io: Io, path: str, store_id: bytes, meta: TableMeta, cache: BlockCache
    ) -> "Table":
        """Open the table that the manifest means by `meta`, or say how it is not that one."""
        try:
            file = await io.open(path)
        except NotFoundError as error:
            detail = "the manifest names this table and no such file exists"
            raise CorruptionError(path, 0, detail) from error
        try:
            return await _read_ends(file, store_id, meta, cache)
        except BaseException:
            await file.aclose()
            raise

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def last_keys(self) -> list[bytes]:
        """The greatest key of each block. Not to be changed."""
        return self._last_keys

    @property
    def block_count(self) -> int:
        return len(self._last_keys)

    @property
    def memory_bytes(self) -> int:
        """Roughly what the open table occupies beside its blocks."""
        return 8 * self._words_count + self._index.memory_bytes + 1000

    def find_block(self, key: bytes) -> int:
        """Return the first block that can hold `key` or a greater one; the count if none."""
        return bisect_left(self._last_keys, key)

    def block_offset(self, index: int) -> int:
        """Return where in the file block `index` stands."""
        return self._index.offsets[index]

    def may_contain(self, key: bytes) -> bool:
        """Ask the filter."""
        return self._filter.may_contain(key)

    def get_nowait(self, key: bytes, at: int) -> Entry | None:
        """Return the newest version of `key` with sequence <= `at`, from memory.

        Raises `trio.WouldBlock` if the block is neither in this cache nor in the system's.

        This is the hot path of every read: the probe of the filter and the search in the block
        stand here in full (`Filter.may_contain` and `block.newest` say the same).
        """
        words, count = self._words, self._words_count
        digest = xxh3_64_intdigest(key)
        mask = MASKS[digest & 4095]
        if words[(digest >> 38) % count] & mask != mask:
            return None
        mask = MASKS[digest >> 52]
        if words[(digest >> 12 & 0x3FFFFFF) % count] & mask != mask:
            return None
        index = bisect_left(self._last_keys, key)
        try:
            columns = self._slots[index]
        except IndexError:
            return None  # greater than every key
        if columns is None:
            columns = self.block_nowait(index)
        else:
            self._marks[index] = 1
            self._cache.hits += 1
        if at < self._sequence_max:
            return newest(columns, key, at)
        keys = columns.keys
        place = bisect_left(keys, key)
        if keys[place] != key:
            return None
        kinds = columns.kinds
        return (
            columns.sequence(place),
            kinds[place] if kinds else 0,
            columns.values[place],
        )

    async def get(self, key: bytes, at: int) -> Entry | None:
        """Return what `get_nowait` does; wait for the block if need be."""
        try:
            return self.get_nowait(key, at)
        except trio.WouldBlock:
            return newest(await self.block(self.find_block(key)), key, at)

    def block_nowait(self, index: int) -> Columns:
        """Return block `index` from this cache or the system's, or raise `trio.WouldBlock`."""
        columns = self._slots[index]
        if columns is not None:
            self._marks[index] = 1
            self._cache.hits += 1
            return columns
        offset, length = self._index.offsets[index], self._index.lengths[index]
        try:
            data = self._file.read_at_nowait(offset, length)
        except EndOfFileError as error:
            raise _cut_short(self._file.path, offset) from error
        return self._take(index, data)

    async def block(self, index: int) -> Columns:
        """Return block `index`; a checkpoint only if it has to be read from the device."""
        try:
            return self.block_nowait(index)
        except trio.WouldBlock:
            pass
        offset, length = self._index.offsets[index], self._index.lengths[index]
        try:
            data = await self._file.read_at(offset, length)
        except EndOfFileError as error:
            raise _cut_short(self._file.path, offset) from error
        return self._take(index, data)

    def drop_blocks(self) -> None:
        """Take the table's blocks out of the cache for good."""
        self._cache.drop(self._blocks)

    async def aclose(self) -> None:
        """Close the file. Idempotent."""
        await self._file.aclose()

    def _take(self, index: int, data: bytes) -> Columns:
        """Verify, decode and keep a block that was read."""
        self._cache.misses += 1
        offset, path = self._index.offsets[index], self._file.path
        raw = decode_block(self._seed, offset, data, self._index.checksums[index], path)
        try:
            columns = decode_columns(raw, path)
        except ValueError as error:
            raise CorruptionError(path, offset, f"data block: {error}") from error
        if not columns.keys or columns.keys[-1] != self._last_keys[index]:
            raise CorruptionError(
                path, offset, "the block does not end at the key that the index tells"
            )
        self._cache.keep(self._blocks, index, columns, len(raw))
        return columns


async def _read_ends(
    file: File, store_id: bytes, meta: TableMeta, cache: BlockCache
) -> Table:
    """Read header, footer and all that lies behind the data, and compare with the manifest."""
    path, size = file.path, await file.size()
    if size != meta.size or size < _SIZE_MIN:
        raise CorruptionError(
            path,
            min(size, meta.size),
            f"expected a table of {meta.size} bytes, found {size}",
        )
    expected = meta.header(store_id)
    header = decode_header(await _read(file, 0, HEADER_SIZE), path)
    check_identity(header, expected, path)
    seed = place_seed(expected)
    end = size - FOOTER_SIZE
    footer = decode_footer(
        seed, await _read(file, end, FOOTER_SIZE), meta.checksum, size, path
    )
    start = footer.filter_offset
    tail = _Tail(await _read(file, start, end - start), start, seed, path)
    return Table(file, meta, seed, tail.decode(footer, meta, end), cache)


class _Tail:
    """The bytes between data and footer: filter, index and properties."""

    def __init__(self, data: bytes, start: int, seed: int, path: str) -> None:
        self._data = data
        self._start = start
        self._seed = seed
        self._path = path

    def decode(
        self, footer: Footer, meta: TableMeta, end: int
    ) -> tuple[Filter, TableIndex]:
        """Return filter and index; `CorruptionError` where they or the properties lie."""
        words = self._payload(
            footer.filter_offset, footer.index_offset, footer.filter_checksum
        )
        rows = self._payload(
            footer.index_offset, footer.properties_offset, footer.index_checksum
        )
        said = self._payload(footer.properties_offset, end, footer.properties_checksum)
        with self._damage_at(footer.properties_offset):
            properties = decode_properties(said)
            if found := difference(meta, properties):
                raise ValueError(f"properties: {found}")
        with self._damage_at(footer.filter_offset):
            known = properties.filter_kind == FILTER_TWO_WORDS
            bloom = Filter.decode(words if known else b"")
        with self._damage_at(footer.index_offset):
            index = decode_index(rows, footer.filter_offset)
            bounds = (index.first_key, index.last_keys[-1], len(index.last_keys))
            if bounds != (meta.smallest, meta.largest, properties.blocks):
                raise ValueError("the index has other bounds than the properties")
        return bloom, index

    def _payload(self, start: int, stop: int, checksum: int) -> bytes:
        block = self._data[start - self._start : stop - self._start]
        return decode_block(self._seed, start, block, checksum, self._path)

    @contextmanager
    def _damage_at(self, offset: int) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise CorruptionError(self._path, offset, str(error)) from error


async def _read(file: File, offset: int, length: int) -> bytes:
    """Read from the page cache if that is possible: no thread, no waiting."""
    try:
        try:
            return file.read_at_nowait(offset, length)
        except trio.WouldBlock:
            return await file.read_at(offset, length)
    except EndOfFileError as error:
        raise _cut_short(file.path, offset) from error


def _cut_short(path: str, offset: int) -> CorruptionError:
    return CorruptionError(path, offset, "the file ends before what stood here")
